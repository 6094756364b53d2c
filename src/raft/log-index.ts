// What the core knows of its log: where it begins and ends, how much of it is on disk, and where each epoch begins. The entries are the driver's.
import { assert } from '../util/assert.ts'

export interface EpochStart {
  readonly epoch: number
  readonly startOffset: number
}

export interface EpochEnd {
  readonly epoch: number
  /** Exclusive. */
  readonly endOffset: number
}

export interface LogIndex {
  startOffset: number
  /** Of the entry before `startOffset`; 0 where there is none. */
  startEpoch: number
  /** Exclusive; with what is not on disk yet. */
  endOffset: number
  /** Exclusive, at most `endOffset`. */
  flushedOffset: number
  /** Counts truncations and installed snapshots. */
  generation: number
  /** Of the entries from `startOffset` on, rising. */
  epochs: EpochStart[]
}

export function lastEpochOf(log: LogIndex): number {
  return log.epochs.at(-1)?.epoch ?? log.startEpoch
}

/** Of the entry at this offset, or of the one before the log. */
export function epochAt(log: LogIndex, offset: number): number {
  assert(offset >= log.startOffset - 1 && offset < log.endOffset, `entry ${offset} of a log of ${log.startOffset} to ${log.endOffset}`)
  for (let i = log.epochs.length - 1; i >= 0; i--) if (log.epochs[i]!.startOffset <= offset) return log.epochs[i]!.epoch
  return log.startEpoch
}

/** The largest epoch in the log that is not above this one, and where it ends. Undefined: the log begins above it. */
export function endOfEpoch(log: LogIndex, epoch: number): EpochEnd | undefined {
  for (let i = log.epochs.length - 1; i >= 0; i--) {
    if (log.epochs[i]!.epoch > epoch) continue
    return { epoch: log.epochs[i]!.epoch, endOffset: log.epochs[i + 1]?.startOffset ?? log.endOffset }
  }
  if (log.startEpoch > epoch) return undefined
  return { epoch: log.startEpoch, endOffset: log.epochs[0]?.startOffset ?? log.endOffset }
}

export function appendTo(log: LogIndex, o: { readonly baseOffset: number; readonly epoch: number; readonly count: number }): void {
  assert(o.baseOffset === log.endOffset, `entries at ${o.baseOffset} appended to a log that ends at ${log.endOffset}`)
  const lastEpoch = lastEpochOf(log)
  assert(o.epoch >= lastEpoch, `entries of epoch ${o.epoch} appended after epoch ${lastEpoch}`)
  if (log.epochs.length === 0 || o.epoch > lastEpoch) log.epochs.push({ epoch: o.epoch, startOffset: o.baseOffset })
  log.endOffset += o.count
}

export function truncateTo(log: LogIndex, endOffset: number): void {
  assert(endOffset >= log.startOffset && endOffset <= log.endOffset, `a log of ${log.startOffset} to ${log.endOffset} cut at ${endOffset}`)
  while (log.epochs.length > 0 && log.epochs.at(-1)!.startOffset >= endOffset) log.epochs.pop()
  log.endOffset = endOffset
  log.flushedOffset = Math.min(log.flushedOffset, endOffset)
  log.generation++
}

/** The entries before this offset are in a snapshot. */
export function moveStart(log: LogIndex, startOffset: number, startEpoch: number): void {
  assert(startOffset <= log.endOffset, `a log that ends at ${log.endOffset} begins at ${startOffset}`)
  if (startOffset <= log.startOffset) return
  const inside = log.epochs.filter(({ startOffset: start }) => start >= startOffset)
  const across = log.epochs.findLast(({ startOffset: start }) => start < startOffset)
  const goesOn = across !== undefined && startOffset < (inside[0]?.startOffset ?? log.endOffset)
  log.epochs = goesOn ? [{ epoch: across.epoch, startOffset }, ...inside] : inside
  log.startOffset = startOffset
  log.startEpoch = startEpoch
  // The snapshot is on disk, so this much is, although the flush of the entries may not have ended.
  log.flushedOffset = Math.max(log.flushedOffset, startOffset)
}

/** An empty log behind a snapshot; on disk is none of it yet. */
export function restartAt(log: LogIndex, offset: number, epoch: number): void {
  log.startOffset = log.endOffset = offset
  log.startEpoch = epoch
  log.flushedOffset = 0
  log.epochs = []
  log.generation++
}
