// Producer state from stored batches: what recovery and a cut do when no snapshot stands at the offset they need.

import * as batch from '../protocol/batch.ts'
import { decodeProducers } from './producer-snapshot.ts'
import { ProducerState } from './producer-state.ts'
import type { Segment } from './segment.ts'
import { DamagedLogError, walkFile } from './walk.ts'

export interface StoredProducers {
  /** The state is that of the log up to here (exclusive). */
  readonly offset: number
  readonly bytes: Buffer
}

/**
 * The producer state of the log up to `endOffset`, where a batch ends: the newest usable snapshot, and the batches since then. A snapshot from
 * before the first segment is of no use: it does not know the batches that are gone, and would take the next ones for out of order.
 * @param stored  in ascending order
 * @throws DamagedLogError
 */
export async function rebuildProducers(
  segments: readonly Segment[],
  endOffset: number,
  stored: readonly StoredProducers[],
): Promise<ProducerState> {
  const oldest = Math.min(segments[0]?.baseOffset ?? endOffset, endOffset)
  for (let i = stored.length - 1; i >= 0 && stored[i]!.offset >= oldest; i--) {
    const { offset, bytes } = stored[i]!
    const state = offset <= endOffset ? decodeProducers(bytes) : undefined
    if (state !== undefined) return replayFrom(state, segments, { startOffset: offset, endOffset })
  }
  return replayFrom(new ProducerState(), segments, { startOffset: 0, endOffset })
}

async function replayFrom(
  state: ProducerState,
  segments: readonly Segment[],
  range: { startOffset: number; endOffset: number },
): Promise<ProducerState> {
  for (const segment of segments) {
    if (segment.endOffset > range.startOffset && segment.baseOffset < range.endOffset) await replaySegment(segment, state, range)
  }
  return state
}

async function replaySegment(segment: Segment, state: ProducerState, range: { startOffset: number; endOffset: number }): Promise<void> {
  const from = range.startOffset <= segment.baseOffset ? 0 : (await segment.floor(range.startOffset)).position
  const walk = await segment.use(file =>
    walkFile(file, { from, to: segment.writtenBytes, whole: true }, (b, p) => {
      if (batch.baseOffset(b, p) >= range.endOffset) return false
      if (batch.lastOffset(b, p) >= range.startOffset) state.replay(b, p)
      return true
    }),
  )
  if (walk.fault !== undefined) throw new DamagedLogError(`${segment.path} at ${walk.position}: ${walk.fault}`)
}
