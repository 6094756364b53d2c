// Opening a log: what its files hold, and the verdict (docs/ARCHITECTURE.md, rule 3).
//   new      there never was anything
//   clean    nothing is damaged (after an orderly close the checkpoint is believed, else everything behind it is read and checked)
//   torn     the first damage lies at or behind the checkpoint and within what may have been unflushed: it is cut off, with all behind it.
//            Valid batches may lie behind it, because unflushed pages reach the disk in any order
//   corrupt  any other damage. The bytes from there on are set aside, a mark says so until somebody accepts what is left, and the caller does
//            not serve the log
// Segment files outrank the catalog; what the catalog says beyond the recovered end is dropped.

import * as batch from '../protocol/batch.ts'
import { BATCH_HEADER_BYTES } from '../protocol/batch.ts'
import type { CatalogContents, Checkpoint, ClosedSegment } from './catalog.ts'
import { finishSwaps } from './compaction/swap.ts'
import type { LogConfig } from './config.ts'
import type { DurableLogState } from './durable-state.ts'
import { type EpochEntry, LeaderEpochs } from './epochs.ts'
import { flushFile, isMissing, isOfOtherKind, type LogHome } from './home.ts'
import { decodeProducers } from './producer-snapshot.ts'
import { ProducerState } from './producer-state.ts'
import { rebuildProducers } from './replay.ts'
import { baseOffsetOf, type Segment } from './segment.ts'
import { DamagedLogError, headerFault, walkFile } from './walk.ts'
import { UNFLUSHED_WINDOW_BYTES } from './writer.ts'

export type Verdict = 'new' | 'clean' | 'torn' | 'corrupt'

export interface RecoveredLog {
  readonly verdict: Verdict
  /** What `meta` says; `loose`: unflushed records may have been promised before. */
  readonly state: DurableLogState
  readonly segments: Segment[]
  readonly endOffset: number
  readonly producers: ProducerState
  readonly epochs: readonly EpochEntry[]
  /** As it stands in the catalog. */
  readonly checkpoint: Checkpoint | undefined
  /** Up to where the log was compacted. */
  readonly cleanedTo: number
  /** The catalog says all this already. */
  readonly catalogIsRight: boolean
  /** What the catalog should no longer hold. */
  readonly stale: { readonly segmentBases: readonly number[]; readonly producerStates: readonly number[] }
}

/** Files whose sizes are asked for at once. */
const LOOKED_AT_ONCE = 16

interface Damage {
  readonly segment: Segment
  readonly position: number
  /** Where the sound part of the log ends. */
  readonly offset: number
  readonly reason: string
}

export async function recoverLog(home: LogHome, config: LogConfig, o: LoadedLog & RecoveryOptions): Promise<RecoveredLog> {
  const recovery = new Recovery(home, config, o)
  return (await recovery.trust()) ?? recovery.scan()
}

/** What the two databases held of the log when the store was opened. */
export interface LoadedLog {
  readonly state: DurableLogState
  readonly contents: CatalogContents
}

export interface RecoveryOptions {
  /** The last shutdown was orderly. */
  readonly clean: boolean
  /** No batch is of a later one. */
  readonly maxLeaderEpoch: number
}

/** One opening; its steps share what was found so far. */
class Recovery {
  readonly #home: LogHome
  readonly #config: LogConfig
  readonly #state: DurableLogState
  readonly #contents: CatalogContents
  readonly #clean: boolean
  readonly #maxLeaderEpoch: number
  #checkpoint: Checkpoint | undefined
  #segments: Segment[] = []
  /** Not known to the catalog as closed: neither what they hold nor that they were cut need be durable yet. */
  readonly #scanned = new Set<Segment>()
  /** Of the files, by base offset, as they were found; only when some of them may be believed without being read. */
  #sizes: ReadonlyMap<number, number> = new Map()
  /** A file holds something else than the catalog says. */
  #foundNew = false
  readonly #epochs: LeaderEpochs
  #epochsChanged = false
  /** Followed through the scan while no batch is skipped. */
  #producers: ProducerState | undefined
  #scanning = false
  #damage: Damage | undefined
  /** Why bytes that were there are not, with nothing left of them to set aside. */
  #lost: string | undefined

  constructor(home: LogHome, config: LogConfig, o: LoadedLog & RecoveryOptions) {
    this.#home = home
    this.#config = config
    this.#state = o.state
    this.#contents = o.contents
    this.#clean = o.clean
    this.#maxLeaderEpoch = o.maxLeaderEpoch
    this.#checkpoint = o.contents.checkpoint
    this.#epochs = new LeaderEpochs(o.state.epochs)
  }

  // ------------------------------------------------------------------------------------------------------------------------------ trust

  /** After an orderly close the catalog is the truth, if the files have the sizes it says. */
  async trust(): Promise<RecoveredLog | undefined> {
    const checkpoint = this.#checkpoint
    if (!this.#clean || checkpoint === undefined || !checkpoint.closed) return undefined
    const closed = this.#contents.segments.filter(({ baseOffset }) => baseOffset < checkpoint.segmentBase)
    if (!this.#isWhole(closed, checkpoint)) return undefined
    for (const known of closed) {
      const segment = this.#home.segment(known.baseOffset)
      segment.restore({ ...known, indexedFrom: known.sizeBytes })
      this.#segments.push(segment)
    }
    const sizes = await this.#sizesOf(this.#segments)
    if (this.#segments.some(segment => sizes.get(segment.baseOffset) !== segment.sizeBytes)) {
      await this.#forgetAll()
      return undefined
    }
    if (checkpoint.position > 0) {
      const active = this.#home.segment(checkpoint.segmentBase)
      active.restore({ ...restoredFrom(checkpoint), indexedFrom: checkpoint.position })
      this.#segments.push(active)
      if ((await this.#fileSize(active)) !== checkpoint.position) {
        await this.#forgetAll()
        return undefined
      }
    }
    if (this.#segments.length > 0) this.#home.trustFolder()
    return this.#result(checkpoint.nextOffset, this.#state.marks.has('damaged') ? 'corrupt' : 'clean', true)
  }

  /** Whether the closed segments lead from the log start to the checkpoint without a hole. */
  #isWhole(closed: readonly ClosedSegment[], checkpoint: Checkpoint): boolean {
    const starts = [...closed.map(({ baseOffset }) => baseOffset), checkpoint.segmentBase]
    if (starts[0]! > this.#state.logStartOffset) return false
    return closed.every(({ endOffset }, i) => endOffset === starts[i + 1])
  }

  /** Looking at sizes is cheap: what was cut off a closed segment must not be found out by a reader. */
  async #sizesOf(segments: readonly { readonly baseOffset: number; readonly path: string }[]): Promise<Map<number, number>> {
    const sizes = new Map<number, number>()
    for (let i = 0; i < segments.length; i += LOOKED_AT_ONCE) {
      const some = segments.slice(i, i + LOOKED_AT_ONCE)
      const found = await Promise.all(some.map(segment => this.#fileSize(segment)))
      for (const [j, size] of found.entries()) sizes.set(some[j]!.baseOffset, size)
    }
    return sizes
  }

  /** -1: there is none. */
  async #fileSize({ path }: { readonly path: string }): Promise<number> {
    try {
      return await this.#home.disk.size(path)
    } catch (error) {
      if (isMissing(error) || isOfOtherKind(error)) return -1
      throw error
    }
  }

  async #forgetAll(): Promise<void> {
    for (const segment of this.#segments.splice(0)) await segment.close()
  }

  // ------------------------------------------------------------------------------------------------------------------------------- scan

  async scan(): Promise<RecoveredLog> {
    const names = await this.#openFolder()
    const bases = await this.#withoutDeleted(names.map(baseOffsetOf).filter(base => base !== undefined))
    const closed = new Map(this.#contents.segments.map(segment => [segment.baseOffset, segment]))
    if (this.#checkpoint !== undefined) this.#sizes = await this.#sizesOf(bases.map(base => this.#home.segment(base)))
    let expected = bases[0] ?? this.#state.logStartOffset
    if (expected > this.#state.logStartOffset) {
      this.#lost = `the first segment starts at offset ${expected}, the log at ${this.#state.logStartOffset}`
      this.#state.logStartOffset = expected
    }
    for (const [i, base] of bases.entries()) {
      const segment = this.#home.segment(base)
      segment.exists = true
      this.#segments.push(segment)
      if (this.#damage !== undefined) continue
      if (base !== expected && !(base > expected && this.#gapIsAllowed(base))) {
        this.#damage = { segment, position: 0, offset: expected, reason: `the segment starts at offset ${base}, ${expected} was expected` }
        continue
      }
      await this.#openSegment(segment, closed.get(base), bases[i + 1])
      expected = segment.endOffset
    }
    const flushed = this.#checkpoint?.nextOffset ?? 0
    if (this.#damage === undefined && expected < flushed) this.#lost ??= `the log ends at offset ${expected}, ${flushed} was flushed`
    return this.#judge(names.length === 0)
  }

  /** The files of this log's folder; none when there is no folder of this log. */
  async #openFolder(): Promise<readonly string[]> {
    const home = this.#home
    const found = await home.identify()
    if (found === 'ours') {
      for (const name of home.folderNames) await this.#setAsideFolder(name)
      return finishSwaps(home.disk, home.directory, home.fileNames ?? [])
    }
    if (found === 'foreign') await home.setAsideFolder()
    if (this.#state.marks.has('created')) this.#lost = `the folder is ${found}`
    return []
  }

  /** Something made a folder here. Under the name of a segment it stands in the place of records. */
  async #setAsideFolder(name: string): Promise<void> {
    const to = await this.#home.setAside.moveDirectory(`${this.#home.directory}/${name}`)
    this.#home.logger.log('warn', 'set aside a folder in a log', { ...this.#home.name, folder: name, to })
    if (baseOffsetOf(name) !== undefined) this.#lost = `the segment ${name} is a folder`
  }

  /** Finishes a deletion that a crash cut short: segments wholly below the log start go. */
  async #withoutDeleted(bases: readonly number[]): Promise<readonly number[]> {
    const kept = bases.filter((_, i) => i + 1 === bases.length || bases[i + 1]! > this.#state.logStartOffset)
    for (const base of bases) if (!kept.includes(base)) await this.#home.disk.remove(this.#home.segment(base).path)
    return kept
  }

  /** Compaction leaves gaps between closed segments. The writer leaves none: behind the checkpoint a gap is a lost end. */
  #gapIsAllowed(base: number): boolean {
    if (this.#checkpoint !== undefined && base > this.#checkpoint.nextOffset) return false
    return this.#state.marks.has('gaps')
  }

  /**
   * A closed segment is known, when the next one goes on where the catalog says it ends. If not, it was appended to again after the catalog's last
   * durable word (an opening may find the next file lost): what is known is where to read on.
   */
  async #openSegment(segment: Segment, closed: ClosedSegment | undefined, nextBase: number | undefined): Promise<void> {
    const checkpoint = this.#checkpoint
    if (checkpoint === undefined || segment.baseOffset > checkpoint.segmentBase) return this.#scanSegment(segment, undefined)
    if (segment.baseOffset === checkpoint.segmentBase) return this.#scanSegment(segment, restoredFrom(checkpoint))
    if (closed === undefined || closed.endOffset !== nextBase) return this.#scanSegment(segment, closed)
    if (this.#sizes.get(segment.baseOffset) !== closed.sizeBytes) return this.#scanSegment(segment, closed)
    segment.restore({ ...closed, indexedFrom: closed.sizeBytes })
    this.#producers = undefined
  }

  /** Reads and checks the segment, but for what is known to be flushed. */
  async #scanSegment(segment: Segment, known: KnownPart | undefined): Promise<void> {
    this.#scanned.add(segment)
    const fileSize = (await segment.open()).size
    if (fileSize !== known?.sizeBytes) this.#foundNew = true
    const knownBytes = known?.sizeBytes ?? 0
    const isShort = knownBytes > fileSize
    const from = isShort ? 0 : knownBytes
    if (known !== undefined && from > 0) segment.restore({ ...known, indexedFrom: from })
    // Batches that are not read are not replayed either.
    if (this.#scanning && from > 0) this.#producers = undefined
    this.#startReplay(segment.endOffset)
    const visit = (b: Buffer, p: number, position: number) => {
      const fault = this.#batchFault(segment, b, p)
      if (fault !== undefined) {
        this.#damage = { segment, position, offset: segment.endOffset, reason: fault }
        return false
      }
      segment.append(b, p, batch.batchSize(b, p))
      this.#noteEpoch(b, p)
      this.#producers?.replay(b, p)
      return true
    }
    const walk = await segment.use(file => walkFile(file, { from, to: fileSize, whole: true }, visit))
    segment.writtenBytes = segment.flushedBytes = segment.sizeBytes
    let reason = walk.fault
    if (isShort) reason ??= `the segment has ${fileSize} bytes, ${knownBytes} were flushed`
    if (reason !== undefined) this.#damage ??= { segment, position: walk.position, offset: segment.endOffset, reason }
  }

  #batchFault(segment: Segment, b: Buffer, p: number): string | undefined {
    const baseOffset = batch.baseOffset(b, p)
    const isNext = baseOffset === segment.endOffset || (baseOffset > segment.endOffset && this.#state.marks.has('gaps'))
    if (!isNext) return `offset ${baseOffset} where ${segment.endOffset} was expected`
    if (!batch.crcIsValid(b, p)) return `the batch at offset ${baseOffset} has a wrong checksum`
    if (!segment.canHold(batch.lastOffset(b, p))) return `offset ${baseOffset} is too far from the segment's first`
    return this.#epochFault(b, p)
  }

  /**
   * The leader epoch is under no checksum: `meta`, the metadata log and the neighbours tell what it can be. One that is later than all known
   * ones may have begun here without `meta` knowing it yet; then the next batch is not of an earlier one.
   */
  #epochFault(b: Buffer, p: number): string | undefined {
    const epoch = batch.leaderEpoch(b, p)
    const lastOffset = batch.lastOffset(b, p)
    const known = this.#epochs.epochAt(lastOffset)
    if (epoch === known || lastOffset < this.#state.logStartOffset) return undefined
    const next = p + batch.batchSize(b, p)
    const nextEpoch = next + BATCH_HEADER_BYTES <= b.length && headerFault(b, next) === undefined ? batch.leaderEpoch(b, next) : epoch
    const goesBack = nextEpoch >= known && nextEpoch < epoch
    if (epoch >= this.#epochs.latestEpoch && epoch <= this.#maxLeaderEpoch && !goesBack) return undefined
    return `the batch at offset ${batch.baseOffset(b, p)} is of leader epoch ${epoch}, not ${known}`
  }

  /** Nothing is known of the epochs below the log start. */
  #noteEpoch(b: Buffer, p: number): void {
    const { logStartOffset } = this.#state
    if (batch.lastOffset(b, p) < logStartOffset) return
    const epoch = batch.leaderEpoch(b, p)
    const offset = Math.max(batch.baseOffset(b, p), logStartOffset)
    if (epoch >= 0 && this.#epochs.epochAt(offset) !== epoch && this.#epochs.assign(epoch, offset)) this.#epochsChanged = true
  }

  /** Producer state is followed through the scan when it is known where the scan starts. */
  #startReplay(offset: number): void {
    if (this.#scanning) return
    this.#scanning = true
    const stored = this.#contents.producerStates.find(candidate => candidate.offset === offset)
    if (stored !== undefined) this.#producers = decodeProducers(stored.bytes)
    else if (offset === this.#segments[0]!.baseOffset) this.#producers = new ProducerState()
  }

  // ------------------------------------------------------------------------------------------------------------------------------ judge

  async #judge(nothingThere: boolean): Promise<RecoveredLog> {
    const damage = this.#damage
    const bytesBehind = damage === undefined ? 0 : await this.#bytesBehind(damage)
    let verdict: Verdict = 'clean'
    if (damage !== undefined) verdict = this.#isTorn(damage, bytesBehind) ? 'torn' : 'corrupt'
    else if (nothingThere) verdict = 'new'
    if (this.#lost !== undefined) verdict = 'corrupt'
    const level = verdict === 'torn' ? 'info' : 'error'
    const event = verdict === 'torn' ? 'cut a torn log' : 'found a corrupt log'
    const { segment, position, reason } = damage ?? {}
    const fields = { ...this.#home.name, segment: segment?.baseOffset, position, reason: this.#lost ?? reason, bytes: bytesBehind }
    if (verdict === 'torn' || verdict === 'corrupt') this.#home.logger.log(level, event, fields)
    if (verdict === 'corrupt') {
      await this.#home.distrust(this.#state.logStartOffset)
      this.#state.marks.add('damaged')
      this.#checkpoint = undefined
    }
    if (damage !== undefined) await this.#cut(damage, verdict)
    return this.#finish(this.#state.marks.has('damaged') ? 'corrupt' : verdict)
  }

  #isTorn(damage: Damage, bytesBehind: number): boolean {
    // Known to be damaged, without a checkpoint since: an opening was cut short before it had set the bytes aside, or a read met them.
    if (this.#state.marks.has('damaged')) return false
    if (this.#clean || this.#lost !== undefined || damage.offset < (this.#checkpoint?.nextOffset ?? 0)) return false
    return this.#state.marks.has('loose') || bytesBehind <= Math.max(UNFLUSHED_WINDOW_BYTES, this.#config.maxMessageBytes)
  }

  async #bytesBehind(damage: Damage): Promise<number> {
    let bytes = -damage.position
    for (const segment of this.#segments.slice(this.#segments.indexOf(damage.segment))) bytes += await this.#fileSize(segment)
    return bytes
  }

  /** Cuts the log before the damage; corrupt bytes are kept elsewhere first. */
  async #cut({ segment, position }: Damage, verdict: Verdict): Promise<void> {
    const home = this.#home
    const folder = verdict === 'corrupt' ? await home.setAside.folder(home.folderName) : undefined
    const behind = this.#segments.splice(this.#segments.indexOf(segment) + 1)
    await segment.use(async file => {
      if (folder !== undefined && file.size > position)
        await home.setAside.copyTail(file, position, `${folder}/${segment.fileName}.from-${position}`)
      if (folder !== undefined) await home.setAside.finish(folder)
      await file.truncate(position)
      await flushFile(file)
    })
    for (const gone of behind) {
      await gone.close()
      if (folder !== undefined) await home.setAside.moveFile(gone.path, folder)
      else await home.disk.remove(gone.path)
    }
    if (folder !== undefined) await home.setAside.finish(folder)
  }

  // ----------------------------------------------------------------------------------------------------------------------------- finish

  /** The files hold what the log is: what was scanned becomes durable, and what depends on the end is brought in line with it. */
  async #finish(verdict: Verdict): Promise<RecoveredLog> {
    const { logStartOffset } = this.#state
    const last = this.#segments.at(-1)
    const beyondStart = last === undefined || last.endOffset >= logStartOffset
    const kept = this.#segments.filter(segment => segment.sizeBytes > 0 && beyondStart)
    for (const segment of this.#segments) if (!kept.includes(segment)) await segment.remove()
    this.#segments = kept
    if (!beyondStart) this.#producers = new ProducerState()
    const endOffset = kept.at(-1)?.endOffset ?? logStartOffset
    for (const segment of kept) if (this.#scanned.has(segment)) await segment.use(flushFile)
    // Names too: of what was made and not synced, and of what was removed and must not come back.
    if (this.#home.isThere) await this.#home.makeNamesDurable(kept.length > 0 && !this.#state.marks.has('created'))
    for (const segment of kept) await segment.close()
    // An epoch that had just begun at the end stays: it is true that it begins there.
    if (this.#epochs.truncateFromEnd(endOffset + 1) || this.#epochsChanged) await this.#storeEpochs()
    return this.#result(endOffset, verdict, false)
  }

  #storeEpochs(): Promise<void> {
    const now = new Set(this.#epochs.entries.map(({ epoch }) => epoch))
    const gone = this.#state.epochs.filter(({ epoch }) => !now.has(epoch)).map(({ epoch }) => epoch)
    return this.#home.durable.changeEpochs(this.#epochs.entries, gone)
  }

  async #result(endOffset: number, verdict: Verdict, trusted: boolean): Promise<RecoveredLog> {
    const { segments, producerStates } = this.#contents
    let producers = this.#producers
    try {
      producers ??= await rebuildProducers(this.#segments, endOffset, producerStates)
    } catch (error) {
      if (!(error instanceof DamagedLogError)) throw error
      this.#home.logger.log('error', 'found a corrupt log', { ...this.#home.name, error })
      await this.#home.distrust(this.#state.logStartOffset)
      this.#checkpoint = undefined
      verdict = 'corrupt'
      producers = new ProducerState()
    }
    const bases = new Set(this.#segments.map(({ baseOffset }) => baseOffset))
    const isNeeded = (offset: number) => offset === endOffset || (offset < endOffset && bases.has(offset))
    const stale = {
      segmentBases: segments.map(({ baseOffset }) => baseOffset).filter(base => !bases.has(base)),
      producerStates: producerStates.map(({ offset }) => offset).filter(offset => !isNeeded(offset)),
    }
    const isEmpty = stale.segmentBases.length === 0 && stale.producerStates.length === 0
    const isRight = this.#checkpoint?.nextOffset === endOffset && !this.#foundNew && isEmpty
    return {
      verdict,
      state: this.#state,
      segments: this.#segments,
      endOffset,
      producers,
      epochs: this.#epochs.entries,
      checkpoint: this.#checkpoint,
      cleanedTo: verdict === 'corrupt' || this.#contents.cleanedTo > endOffset ? 0 : this.#contents.cleanedTo,
      catalogIsRight: (trusted || isRight) && verdict !== 'corrupt',
      stale,
    }
  }
}

/** The first bytes of a segment, flushed and indexed. */
type KnownPart = Omit<ClosedSegment, 'baseOffset'>

function restoredFrom(checkpoint: Checkpoint): KnownPart {
  const { position: sizeBytes, nextOffset: endOffset, maxTimestamp, firstTimestamp } = checkpoint
  return { sizeBytes, endOffset, maxTimestamp, firstTimestamp }
}
