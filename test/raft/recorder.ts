// A state machine over a quorum for the tests of this folder: it keeps every entry it was given, and can be saved and loaded.
import type { CommittedEntry, Leadership, QuorumListener, QuorumSnapshot } from '../../src/raft/quorum.ts'
import { pack, unpack } from '../../src/util/pack.ts'

export class Recorder implements QuorumListener {
  /** By offset: `epoch:text`. */
  log: string[] = []
  readonly leaderships: Leadership[] = []
  /** End offset of each call: the entries of one proposal end in the same. */
  readonly calls: number[] = []
  snapshotsTaken = 0
  snapshotsLoaded = 0
  committedMore: (() => void) | undefined
  /** How much of the log somebody compared with the others' already. */
  checked = 0

  snapshotLoaded(snapshot: QuorumSnapshot): void {
    this.snapshotsLoaded++
    this.log = snapshot.chunks.flatMap(chunk => unpack(chunk, 'recorded').fields as string[])
    this.checked = 0
    if (this.log.length !== snapshot.endOffset) throw new Error(`a snapshot of ${this.log.length} entries ends at ${snapshot.endOffset}`)
  }

  committed(entries: readonly CommittedEntry[]): void {
    for (const { offset, epoch, payload } of entries) {
      if (offset !== this.log.length) throw new Error(`entry ${offset} after ${this.log.length}`)
      this.log.push(`${epoch}:${payload.toString()}`)
    }
    this.calls.push(this.log.length)
    this.committedMore?.()
  }

  leaderChanged(leadership: Leadership): void {
    this.leaderships.push({ ...leadership })
  }

  takeSnapshot(): readonly Uint8Array[] {
    this.snapshotsTaken++
    const half = Math.floor(this.log.length / 2)
    return [pack(1, 1, this.log.slice(0, half)), pack(1, 1, this.log.slice(half))]
  }
}

export function payloads(...texts: string[]): Buffer[] {
  return texts.map(text => Buffer.from(text))
}
