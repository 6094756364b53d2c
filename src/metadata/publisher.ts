// What every node does with the agreed entries: applies them to its image, in order, and tells who wants to know. The same on the leader, on
// other nodes and at start. A record that cannot be read or applied stops the node: an image with a hole is worse than none.
import type { CommittedEntry, Leadership, Quorum, QuorumListener, QuorumSnapshot } from '../raft/quorum.ts'
import { assert } from '../util/assert.ts'
import { applyRecord, emptyImage, type ImageChange, type MetadataImage } from './image.ts'
import { decodeRecord } from './records.ts'
import { decodeSnapshot, differences, encodeSnapshot } from './snapshot.ts'

export interface ImageListener {
  /**
   * The image has moved to `image.offset`; `changes`, in order, say how. Empty when the entries held no records. Called once for all entries
   * that were agreed together, never between two records of one decision.
   */
  applied(changes: readonly ImageChange[], image: MetadataImage): void
  leaderChanged?(leadership: Leadership): void
}

export class MetadataPublisher {
  #image = emptyImage()
  readonly #listeners: ImageListener[] = []
  /** By offset, ascending. */
  readonly #waiting: { readonly offset: number; readonly resolve: () => void; readonly reject: (error: Error) => void }[] = []
  readonly #fail: (error: Error) => void
  #closed: Error | undefined

  /** @param options.fail  told once of an entry that cannot be applied */
  constructor(options: { readonly fail: (error: Error) => void }) {
    this.#fail = options.fail
  }

  /** What is agreed and applied here. Read it, do not keep it: it moves. */
  get image(): MetadataImage {
    return this.#image
  }

  /** From now on, in order of subscription. Before `start`: everything since the beginning of the local log. */
  subscribe(listener: ImageListener): void {
    this.#listeners.push(listener)
  }

  /** Settles when this node has applied all that its quorum had agreed on when it started. */
  start(quorum: Quorum): Promise<void> {
    return quorum.start(this.#fromQuorum)
  }

  /** Settles once everything before `offset` is applied; rejects when the publisher closes first. */
  whenApplied(offset: number): Promise<void> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed)
    if (this.#image.offset >= offset) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const waiter = { offset, resolve, reject }
      const later = this.#waiting.findLastIndex(other => other.offset <= offset)
      this.#waiting.splice(later + 1, 0, waiter)
    })
  }

  /** Together with the quorum, or after it. */
  close(): void {
    this.#stop(new Error('the node is closing'))
  }

  readonly #fromQuorum: QuorumListener = {
    snapshotLoaded: snapshot => this.#guard(() => this.#load(snapshot)),
    committed: entries => this.#guard(() => this.#apply(entries)),
    leaderChanged: leadership =>
      this.#guard(() => {
        for (const listener of this.#listeners) listener.leaderChanged?.(leadership)
      }),
    takeSnapshot: () => {
      if (this.#closed !== undefined) throw this.#closed
      return encodeSnapshot(this.#image)
    },
  }

  #load(snapshot: QuorumSnapshot): void {
    const before = this.#image
    this.#image = decodeSnapshot(snapshot)
    this.#publish(differences(before, this.#image))
  }

  #apply(entries: readonly CommittedEntry[]): void {
    const changes: ImageChange[] = []
    for (const { offset, epoch, payload } of entries) {
      assert(offset === this.#image.offset, `entry ${offset} committed after ${this.#image.offset} were applied`)
      if (payload.length > 0) changes.push(...applyRecord(this.#image, decodeRecord(payload)))
      this.#image.offset = offset + 1
      this.#image.epoch = epoch
    }
    this.#publish(changes)
  }

  #publish(changes: readonly ImageChange[]): void {
    for (const listener of this.#listeners) listener.applied(changes, this.#image)
    const first = this.#waiting.findIndex(({ offset }) => offset > this.#image.offset)
    for (const { resolve } of this.#waiting.splice(0, first === -1 ? this.#waiting.length : first)) resolve()
  }

  #guard(work: () => void): void {
    if (this.#closed !== undefined) return
    try {
      work()
    } catch (error) {
      this.#stop(error as Error)
      this.#fail(error as Error)
    }
  }

  #stop(error: Error): void {
    this.#closed ??= error
    for (const { reject } of this.#waiting.splice(0)) reject(error)
  }
}
