// Giving up records at a log's end: those that its leader does not have (KIP-101), or all of them, when the leader has nothing so old any more.
// Alone in the log; what a crash leaves half done is finished by recovery.
import { assert } from '../util/assert.ts'
import type { Checkpoints } from './checkpoints.ts'
import { segmentAt } from './cold-reader.ts'
import { findCut } from './cut.ts'
import { flushFile, type LogHome } from './home.ts'
import { encodeProducers } from './producer-snapshot.ts'
import { ProducerState } from './producer-state.ts'
import type { Segment } from './segment.ts'
import type { StoredEpochs } from './stored-epochs.ts'
import type { LogWriter } from './writer.ts'

export interface CutLog {
  readonly home: LogHome
  readonly writer: LogWriter
  readonly checkpoints: Checkpoints
  readonly epochs: StoredEpochs
  readonly segments: readonly Segment[]
  readonly logStartOffset: number
  readonly logEndOffset: number
  rebuildProducers(endOffset: number): Promise<ProducerState>
  /** What the log is from now on. Nobody finds records in memory that are gone. */
  become(o: { segments: Segment[]; logStartOffset: number; logEndOffset: number; producers: ProducerState }): void
}

/** The log ends at `upTo`, or before the batch that holds it, or where it starts. */
export async function cutLog(log: CutLog, upTo: number): Promise<void> {
  const { home, writer, checkpoints, epochs, logStartOffset } = log
  const offset = Math.max(upTo, logStartOffset)
  if (offset >= log.logEndOffset) {
    // Nothing was written under an epoch that begins at the end. Where the leader does not know it, to be asked about it again leads nowhere.
    epochs.change(stored => stored.truncateFromEnd(log.logEndOffset))
    return epochs.settled()
  }
  await atRest(writer)
  const { segments } = log
  const at = segmentAt(segments, offset)
  const segment = segments[at]!
  const cut = await findCut(segment, offset)
  const producers = await log.rebuildProducers(cut.endOffset)
  // What is left may all lie below the log start: then nothing is.
  const endOffset = Math.max(cut.endOffset, logStartOffset)
  const kept = cut.endOffset < endOffset ? [] : segments.slice(0, cut.position > 0 ? at + 1 : at)
  const removed = segments.slice(kept.length).reverse()
  const isCut = kept.at(-1) === segment
  if (isCut) segment.cut(cut)
  log.become({ segments: kept, logStartOffset, logEndOffset: endOffset, producers })
  writer.cutTo(endOffset, kept)
  await checkpoints.lower(isCut ? segment : home.segment(endOffset), { removed, producerState: encodeProducers(producers) })
  for (const gone of removed) await gone.remove()
  if (removed.length > 0) await home.disk.syncDirectory(home.directory)
  if (isCut) {
    await segment.use(async file => {
      await file.truncate(cut.position)
      await flushFile(file)
    })
  }
  // Last: until then a crash brings back records that need their epochs. And durable before others are appended: recovery holds them against it.
  epochs.change(stored => stored.truncateFromEnd(endOffset))
  await epochs.settled()
}

/** The log is empty and begins at `offset`: behind its end, or before it where it holds no records. */
export async function emptyLog(log: CutLog, offset: number): Promise<void> {
  const { home, writer, checkpoints, epochs } = log
  const goesBack = offset < log.logEndOffset
  assert(!goesBack || log.logStartOffset === log.logEndOffset, `a new start at ${offset}, the log holds records up to ${log.logEndOffset}`)
  await atRest(writer)
  // First: what a crash leaves of the files lies below the log start then, and goes at the next open.
  if (!goesBack) await home.durable.setLogStartOffset(offset)
  const removed = [...log.segments].reverse()
  log.become({ segments: [], logStartOffset: offset, logEndOffset: offset, producers: new ProducerState() })
  writer.cutTo(offset, [])
  checkpoints.drop(removed)
  epochs.change(stored => stored.clear())
  await epochs.settled()
  if (removed.length > 0) {
    await checkpoints.removeSegments([...removed].reverse())
    for (const gone of removed) await gone.remove()
    await home.disk.syncDirectory(home.directory)
  }
  await checkpoints.reset()
  if (goesBack) await home.durable.setLogStartOffset(offset)
}

async function atRest(writer: LogWriter): Promise<void> {
  await writer.settled()
  await writer.flush(writer.writtenOffset)
  await writer.settled()
}
