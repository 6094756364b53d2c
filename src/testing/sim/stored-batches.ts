// The batches of a partition as they stand on a simulated disk, without asking the node whose disk it is: two replicas are compared while both run, or neither.

import type { DirectoryNode } from '../../env/memory/tree.ts'
import type { SimStorage } from '../../env/sim/storage.ts'
import * as batch from '../../protocol/batch.ts'
import { LOG_OVERHEAD } from '../../protocol/batch.ts'

const LOGS = '/data/logs'
const SEGMENT = /^\d{20}\.log$/

export interface StoredBatch {
  readonly baseOffset: number
  /** Exclusive. */
  readonly endOffset: number
  readonly bytes: Buffer
}

/** In offset order, as often as it is asked; ends where the bytes do not go on as a batch. Undefined: there is no such partition. */
export function storedBatches(storage: SimStorage, topic: string, partition: number): Iterable<StoredBatch> | undefined {
  const folder = storage.tree.find(`${LOGS}/${topic}-${partition}`)
  return folder?.kind === 'directory' ? { [Symbol.iterator]: () => batchesIn(folder) } : undefined
}

function* batchesIn(folder: DirectoryNode): Iterator<StoredBatch> {
  for (const name of [...folder.entries.keys()].filter(name => SEGMENT.test(name)).sort()) {
    const node = folder.entries.get(name)!
    if (node.kind !== 'file') continue
    const stored = node.bytes.read(0, node.bytes.size)
    for (let at = 0; at + LOG_OVERHEAD <= stored.length; ) {
      const size = batch.batchSize(stored, at)
      if (size <= LOG_OVERHEAD || at + size > stored.length) break
      const bytes = stored.subarray(at, at + size)
      yield { baseOffset: batch.baseOffset(bytes, 0), endOffset: batch.lastOffset(bytes, 0) + 1, bytes }
      at += size
    }
  }
}

export interface Copy {
  readonly batches: Iterable<StoredBatch>
  readonly logStartOffset: number
}

/**
 * Whether two copies hold the same batches from the later of their starts up to `endOffset`.
 * @returns what is wrong, in words; undefined when nothing is
 */
export function firstDifference(one: Copy, other: Copy, endOffset: number): string | undefined {
  const from = Math.max(one.logStartOffset, other.logStartOffset)
  const [left, right] = [within(one, from, endOffset), within(other, from, endOffset)]
  for (let at = from; ; ) {
    const [a, b] = [left.next().value, right.next().value]
    if (a === undefined && b === undefined) return at >= endOffset ? undefined : `both end at ${at} instead of ${endOffset}`
    if (a === undefined || b === undefined) return `the ${a === undefined ? 'first' : 'second'} ends at ${at} instead of ${endOffset}`
    if (a.baseOffset !== b.baseOffset || !a.bytes.equals(b.bytes))
      return `at offset ${at}: ${describe(a)} in the first, ${describe(b)} in the second`
    at = a.endOffset
  }
}

function* within({ batches }: Copy, from: number, to: number): Generator<StoredBatch, undefined> {
  for (const each of batches) if (each.endOffset > from && each.baseOffset < to) yield each
}

function describe({ bytes, baseOffset, endOffset }: StoredBatch): string {
  return `offsets ${baseOffset} to ${endOffset - 1} of epoch ${batch.leaderEpoch(bytes, 0)}, ${bytes.length} bytes`
}
