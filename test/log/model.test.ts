// Random histories of one log against a list of records: appends, reads, lookups, cuts, retention, restarts and crashes. What was ackable
// must survive; what is there must be what was appended, without holes; every answer must be the list's.
import { expect, test } from 'vitest'
import { sleep } from '../../src/env/env.ts'
import type { SeededRandom } from '../../src/env/sim/random.ts'
import type { Codec } from '../../src/protocol/compression.ts'
import type { RecordInput } from '../../src/protocol/records.ts'
import { Lab, recordsOf } from './lab.ts'

interface ModelBatch {
  readonly baseOffset: number
  readonly endOffset: number
  readonly epoch: number
  readonly sequence: number
  readonly records: readonly RecordInput[]
}

const PRODUCER = { producerId: 5, producerEpoch: 0 }
const NOON = 1_767_225_600_000

class History {
  readonly #lab: Lab
  readonly #random: SeededRandom
  readonly #kind: Kind
  #batches: ModelBatch[] = []
  /** Below it nothing may be lost, whatever happens; and by a kill of the process alone. */
  #durable = 0
  #promised = 0
  #logStart = 0
  #epoch = 0
  #text = ''

  constructor(lab: Lab, kind: Kind) {
    this.#lab = lab
    this.#kind = kind
    this.#random = lab.world.stream('history')
  }

  async play(steps: number): Promise<void> {
    await this.#lab.open()
    for (let i = 0; i < steps; i++) {
      const step = this.#random.pick(STEPS)
      this.#text = `step ${i} ${step}`
      await this[step]()
      this.#note()
      expect(this.#lab.failures, this.#text).toEqual([])
      expect(this.#lab.world.failures, this.#text).toEqual([])
    }
    this.#text = 'the end'
    await this.restart()
    await this.#checkAll()
  }

  async append(): Promise<void> {
    for (let count = this.#random.integer(6); count >= 0; count--) {
      const records = Array.from({ length: 1 + this.#random.integer(8) }, () => ({
        key: null,
        value: this.#random.bytes(this.#random.integer(this.#random.chance(0.1) ? 2000 : 300)),
        timestamp: NOON + this.#random.integer(100_000),
      }))
      const sequence = this.#nextSequence()
      const codec = (this.#random.chance(0.3) ? 1 : 0) as Codec
      const result = this.#lab.append(records, { ...PRODUCER, baseSequence: sequence, codec, leaderEpoch: this.#epoch })
      if (this.#lab.log.refusal !== undefined) return
      const baseOffset = this.#end
      expect(result, this.#text).toMatchObject({ ok: true, baseOffset, lastOffset: baseOffset + records.length - 1, duplicate: false })
      this.#batches.push({ baseOffset, endOffset: baseOffset + records.length, epoch: this.#epoch, sequence, records })
    }
  }

  async wait(): Promise<void> {
    await sleep(this.#lab.env.clock, this.#random.between(0, 5))
  }

  async retry(): Promise<void> {
    const last = this.#batches.at(-1)
    // Of records that are gone the log may have forgotten the producer.
    if (last === undefined || last.endOffset <= this.#logStart) return
    const result = this.#lab.append(last.records, { ...PRODUCER, baseSequence: last.sequence, leaderEpoch: this.#epoch })
    expect(result, this.#text).toMatchObject({ ok: true, duplicate: true, baseOffset: last.baseOffset, lastOffset: last.endOffset - 1 })
  }

  async read(): Promise<void> {
    const { log } = this.#lab
    const offset = this.#logStart + this.#random.integer(this.#end - this.#logStart + 1)
    const maxBytes = this.#random.integer(20_000)
    const endOffset = Math.min(log.writtenOffset, this.#batches[this.#random.integer(this.#batches.length + 1)]?.endOffset ?? this.#end)
    const slice = await log.read({ offset, maxBytes, endOffset, minOneBatch: true })
    const records = recordsOf(slice)
    const first = this.#batches.findIndex(b => b.endOffset > offset)
    if (first < 0 || offset >= endOffset || this.#batches[first]!.endOffset > endOffset) {
      expect(records, this.#text).toEqual([])
      expect(slice.nextOffset).toBe(offset)
      return
    }
    const last = this.#batches.findIndex(b => b.endOffset === slice.nextOffset)
    expect(last, `${this.#text}: next offset ${slice.nextOffset}`).toBeGreaterThanOrEqual(first)
    expect(slice.nextOffset, this.#text).toBeLessThanOrEqual(endOffset)
    if (last > first) expect(slice.sizeBytes, this.#text).toBeLessThanOrEqual(maxBytes)
    this.#expectRecords(records, this.#batches.slice(first, last + 1))
  }

  async lookUpTime(): Promise<void> {
    const endOffset = this.#lab.log.writtenOffset
    const timestamp = NOON - 10 + this.#random.integer(100_020)
    const found = await this.#lab.log.offsetForTimestamp(timestamp, endOffset)
    const expected = this.#flat(endOffset).find(record => record.timestamp >= timestamp)
    expect(found, `${this.#text} ${timestamp}`).toEqual(expected)
    const max = await this.#lab.log.offsetOfMaxTimestamp(endOffset)
    const largest = Math.max(...this.#flat(endOffset).map(record => record.timestamp))
    expect(max, this.#text).toEqual(this.#flat(endOffset).find(record => record.timestamp === largest))
  }

  async beginEpoch(): Promise<void> {
    void this.#lab.log.beginEpoch(++this.#epoch)
  }

  async raiseStart(): Promise<void> {
    const offset = this.#logStart + this.#random.integer(Math.max(0, this.#lab.log.ackableOffset - this.#logStart) + 1)
    await this.#lab.log.setLogStartOffset(offset)
    this.#logStart = Math.max(this.#logStart, offset)
  }

  async retain(): Promise<void> {
    this.#lab.log.configure({ ...this.#lab.log.config, retentionBytes: this.#random.integer(60_000) })
    await this.#lab.log.deleteExpiredSegments(this.#lab.log.ackableOffset, NOON)
    expect(this.#lab.log.logStartOffset, this.#text).toBeGreaterThanOrEqual(this.#logStart)
    this.#logStart = this.#lab.log.logStartOffset
  }

  async cut(): Promise<void> {
    if (this.#random.chance(0.7)) return
    const offset = this.#logStart + this.#random.integer(this.#end - this.#logStart + 1)
    await this.#lab.log.truncateTo(offset)
    this.#batches = this.#batches.filter(b => b.endOffset <= offset)
    this.#durable = Math.min(this.#durable, this.#end)
    this.#promised = Math.min(this.#promised, this.#end)
    expect(this.#lab.log.logEndOffset, this.#text).toBe(this.#end)
  }

  async changeFlush(): Promise<void> {
    if (this.#kind === 'strict') return
    this.#lab.config = {
      ...this.#lab.config,
      flushMessages: this.#random.pick([1, 3, 20, 10_000]),
      flushMs: this.#random.pick([3, Number.MAX_SAFE_INTEGER]),
    }
    this.#lab.log.configure(this.#lab.config)
  }

  async restart(): Promise<void> {
    await this.#lab.reopen({ clean: this.#random.chance(0.7) })
    expect(['clean', 'new'], this.#text).toContain(this.#lab.verdict)
    expect(this.#lab.log.logEndOffset, this.#text).toBe(this.#end)
    await this.#reopened()
  }

  async crash(): Promise<void> {
    this.#note()
    await this.#die({ durable: this.#durable, promised: this.#promised })
  }

  /** The disk is full for one write: what is not written is given up, and the log takes nothing more until it is opened again. */
  async full(): Promise<void> {
    if (this.#random.chance(0.6)) return
    this.#lab.world.host('a').storage.failNext({ operation: this.#random.pick(['write', 'open']), path: '.log', code: 'ENOSPC' })
    for (let i = 0; i < 20 && this.#lab.log.refusal === undefined; i++) {
      await this.append()
      await sleep(this.#lab.env.clock, this.#random.between(0, 3))
    }
    this.#lab.world.host('a').storage.heal()
    if (this.#lab.log.refusal === undefined) return
    const { log } = this.#lab
    const appended = this.#batches
    expect(log.logEndOffset, this.#text).toBe(log.writtenOffset)
    this.#batches = this.#batches.filter(b => b.endOffset <= log.logEndOffset)
    expect(log.logEndOffset, this.#text).toBe(this.#end)
    if (this.#random.chance(0.5)) await this.#checkAll()
    if (this.#random.chance(0.5)) return this.restart()
    // A crash before the file is cut back may bring some of what was given up.
    this.#batches = appended
    await this.crash()
  }

  /** The process dies while the log is being cut, shortened or closed. */
  async crashWithin(): Promise<void> {
    const { log } = this.#lab
    const what = this.#random.pick(['raise', 'retain', 'cut', 'close'] as const)
    this.#text += ` ${what}`
    this.#note()
    let durable = this.#durable
    let promised = this.#promised
    let work: Promise<unknown>
    if (what === 'raise') {
      work = log.setLogStartOffset(this.#logStart + this.#random.integer(Math.max(0, log.ackableOffset - this.#logStart) + 1))
    } else if (what === 'retain') {
      log.configure({ ...log.config, retentionBytes: this.#random.integer(60_000) })
      work = log.deleteExpiredSegments(log.ackableOffset, NOON)
    } else if (what === 'cut') {
      const offset = this.#logStart + this.#random.integer(this.#end - this.#logStart + 1)
      const left = this.#batches.findLast(b => b.endOffset <= offset)?.endOffset ?? 0
      durable = Math.min(durable, left)
      promised = Math.min(promised, left)
      work = log.truncateTo(offset)
    } else {
      work = this.#lab.store.close()
    }
    work.catch(() => {})
    await sleep(this.#lab.env.clock, this.#random.between(0, 6))
    const least = this.#logStart
    await this.#die({ durable, promised, startMayMove: true })
    expect(this.#logStart, this.#text).toBeGreaterThanOrEqual(least)
  }

  async #die(o: { durable: number; promised: number; startMayMove?: boolean }): Promise<void> {
    let power = this.#random.chance(0.6)
    const crash = () => {
      this.#text += power ? ' power' : ' kill'
      this.#lab.world.crash('a', { power })
      this.#lab.world.restart('a')
    }
    let kept = power ? o.durable : o.promised
    crash()
    while (this.#random.chance(0.3)) {
      // Again, while it opens.
      const dying = this.#lab.open()
      dying.catch(() => {})
      await sleep(this.#lab.env.clock, this.#random.between(0, 15))
      power = this.#random.chance(0.6)
      if (power) kept = o.durable
      crash()
    }
    const log = await this.#lab.open()
    expect(this.#lab.verdict, this.#text).not.toBe('corrupt')
    if (o.startMayMove === true) this.#logStart = log.logStartOffset
    expect(log.logEndOffset, this.#text).toBeGreaterThanOrEqual(kept)
    this.#batches = this.#batches.filter(b => b.endOffset <= log.logEndOffset)
    expect(log.logEndOffset, this.#text).toBe(this.#end)
    await this.#reopened()
  }

  async loseIndex(): Promise<void> {
    if (this.#random.chance(0.8)) return
    await this.#lab.close()
    await this.#lab.env.disk.remove('data/index')
    await this.#lab.open({ clean: this.#random.chance(0.5) })
    expect(this.#lab.verdict, this.#text).not.toBe('corrupt')
    expect(this.#lab.log.logEndOffset, this.#text).toBe(this.#end)
    await this.#reopened()
  }

  get #end(): number {
    return Math.max(this.#batches.at(-1)?.endOffset ?? 0, this.#logStart)
  }

  async #reopened(): Promise<void> {
    const { log } = this.#lab
    expect(log.logStartOffset, this.#text).toBe(this.#logStart)
    expect(log.flushedOffset, this.#text).toBe(log.logEndOffset)
    for (const b of this.#batches) if (b.baseOffset >= this.#logStart) expect(log.leaderEpochAt(b.baseOffset), this.#text).toBe(b.epoch)
    this.#epoch = Math.max(log.epochs.latestEpoch, this.#batches.at(-1)?.epoch ?? 0) + 1
    this.#promised = this.#durable = log.logEndOffset
    if (this.#random.chance(0.3)) await this.#checkAll()
  }

  async #checkAll(): Promise<void> {
    const kept = this.#batches.filter(b => b.endOffset > this.#logStart)
    const expected = kept.flatMap(b => b.records.map((record, i) => ({ offset: b.baseOffset + i, value: hex(record.value) })))
    const all = await this.#lab.readAll(1 + this.#random.integer(100_000))
    const visible = expected.filter(record => record.offset >= this.#logStart && record.offset < this.#lab.log.writtenOffset)
    expect(
      all.map(record => ({ offset: record.offset, value: hex(record.value) })),
      this.#text,
    ).toEqual(visible)
  }

  #note(): void {
    const { log } = this.#lab
    expect(log.ackableOffset, this.#text).toBeLessThanOrEqual(log.writtenOffset)
    expect(log.writtenOffset, this.#text).toBeLessThanOrEqual(log.logEndOffset)
    this.#durable = Math.max(this.#durable, log.flushedOffset)
    this.#promised = Math.max(this.#promised, log.ackableOffset)
    if (this.#kind === 'strict') expect(log.ackableOffset, this.#text).toBe(log.flushedOffset)
  }

  #nextSequence(): number {
    const last = this.#batches.at(-1)
    return last === undefined ? this.#random.integer(1000) : last.sequence + last.records.length
  }

  #flat(endOffset: number): { offset: number; timestamp: number; leaderEpoch: number }[] {
    const all = this.#batches.flatMap(b =>
      b.records.map((record, i) => ({ offset: b.baseOffset + i, timestamp: record.timestamp, leaderEpoch: b.epoch })),
    )
    return all.filter(record => record.offset >= this.#logStart && record.offset < endOffset)
  }

  #expectRecords(found: readonly { offset: number; value: Buffer | null; timestamp: number }[], batches: readonly ModelBatch[]): void {
    const expected = batches.flatMap(b => b.records.map((record, i) => [b.baseOffset + i, record.timestamp, hex(record.value)]))
    expect(
      found.map(record => [record.offset, record.timestamp, hex(record.value)]),
      this.#text,
    ).toEqual(expected)
  }
}

function hex(value: Uint8Array | null): string {
  return Buffer.from(value!).toString('hex')
}

type Kind = 'strict' | 'mixed'

const STEPS = [
  ...(['append', 'append', 'append', 'append', 'append', 'append', 'wait', 'wait', 'wait', 'retry'] as const),
  ...(['read', 'read', 'read', 'read', 'lookUpTime', 'lookUpTime', 'beginEpoch', 'raiseStart', 'retain', 'cut', 'changeFlush'] as const),
  ...(['restart', 'crash', 'crash', 'crashWithin', 'loseIndex', 'full'] as const),
]

const SEEDS = Number(process.env['LOG_SEEDS'] ?? 15)
const FIRST = Number(process.env['LOG_FIRST_SEED'] ?? 1)

test.each(['strict', 'mixed'] as const)('%s: random histories read like the list they appended', async kind => {
  for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
    const lab = new Lab(seed, {
      config: { segmentBytes: 20_000, indexIntervalBytes: 1500, flushMessages: kind === 'strict' ? 1 : 3 },
      hotTailBytes: [0, 8000, 1 << 20][seed % 3]!,
      maxIdleFiles: 2,
    })
    try {
      await lab.run(() => new History(lab, kind).play(Number(process.env['LOG_STEPS'] ?? 150)))
    } catch (error) {
      throw new Error(`seed ${seed} ${kind}\n${lab.world.host('a').lines.slice(-12).join('')}`, { cause: error })
    }
  }
})
