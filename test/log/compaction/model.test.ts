// Random histories of a compacted log against the list of all records ever appended: appends with few keys and many tombstones, rolls, cleanings in
// rounds, reads and readers that follow, cuts, deletions, restarts, and crashes in the middle of all of it. Whatever happened: the newest record of
// each key is there (a tombstone at least until its time has passed), every record that is there is the one that was appended at its offset, offsets
// ascend, the log ends where it did, and a producer's next sequence is known.
import { expect, test } from 'vitest'
import { sleep } from '../../../src/env/env.ts'
import type { SeededRandom } from '../../../src/env/sim/random.ts'
import type { Cleaned } from '../../../src/log/compaction/log-compaction.ts'
import { listIfThere } from '../../../src/log/set-aside.ts'
import type { Codec } from '../../../src/protocol/compression.ts'
import type { DecodedRecord } from '../../../src/protocol/records.ts'
import { FOLDER, Lab, recordsOf } from '../lab.ts'

interface Appended {
  readonly offset: number
  readonly key: string
  readonly value: string | null
  /** By the wall clock. */
  readonly at: number
}

const DELETE_RETENTION_MS = 400
const LIMITS = { mapLoadFactor: 0.9, maxBytesPerSecond: Number.MAX_SAFE_INTEGER, leaveFreeBytes: 0 }
const STEPS = [
  'append',
  'append',
  'append',
  'append',
  'clean',
  'clean',
  'wait',
  'follow',
  'seek',
  'lookUpTime',
  'raise',
  'cut',
  'restart',
  'crash',
  'crashWithin',
  'loseIndex',
] as const

class History {
  readonly #lab: Lab
  readonly #random: SeededRandom
  readonly #mayDelete: boolean
  /** By offset. */
  #records: Appended[] = []
  #end = 0
  #durable = 0
  #promised = 0
  #sequences = [0, 0, 0]
  /** The largest high watermark a cleaning knew: no log is ever cut below it. */
  #highWatermark = 0
  #text = ''
  /** Follow the log: where they are, and what they know of each key. */
  readonly #followers = [0, 1].map(() => ({ offset: 0, known: new Map<string, Appended>(), lastReadAt: 0 }))

  constructor(lab: Lab, o: { mayDelete: boolean }) {
    this.#lab = lab
    this.#mayDelete = o.mayDelete
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
    await this.clean()
    await this.#checkAll()
  }

  async append(): Promise<void> {
    for (let count = this.#random.integer(8); count >= 0; count--) {
      const producer = this.#random.integer(4)
      const count = 1 + this.#random.integer(6)
      const at = this.#lab.env.clock.wallTime()
      const records = Array.from({ length: count }, (_, i) => ({
        offset: this.#end + i,
        key: `key ${this.#random.integer(this.#random.pick([3, 12, 60]))}`,
        value: this.#random.chance(0.3) ? null : `value ${this.#end + i} ${'x'.repeat(this.#random.integer(120))}`,
        at,
      }))
      const o = producer < 3 ? { producerId: 70 + producer, producerEpoch: 0, baseSequence: this.#sequences[producer]! } : {}
      const codec = this.#random.pick([0, 0, 1, 2, 3]) as Codec
      const result = this.#lab.append(
        records.map(({ key, value }) => ({ key: Buffer.from(key), value: value === null ? null : Buffer.from(value), timestamp: at })),
        { ...o, codec },
      )
      if (this.#lab.log.refusal !== undefined) return
      expect(result, this.#text).toMatchObject({ ok: true, baseOffset: this.#end, duplicate: false })
      if (producer < 3) this.#sequences[producer]! += count
      this.#records.push(...records)
      this.#end += count
    }
  }

  async wait(): Promise<void> {
    await sleep(this.#lab.env.clock, this.#random.pick([1, 10, 300]) * this.#random.fraction())
  }

  async clean(): Promise<void> {
    const { log } = this.#lab
    const cleaning = this.#clean(log.ackableOffset)
    if (this.#random.chance(0.5)) await this.append()
    if (this.#random.chance(0.5)) await this.follow()
    if (this.#random.chance(0.3)) await Promise.all([this.seek(), this.lookUpTime()])
    if (this.#random.chance(0.2)) await this.raise()
    await cleaning
    await this.#checkAll()
  }

  #clean(highWatermark: number): Promise<Cleaned> {
    this.#highWatermark = Math.max(this.#highWatermark, highWatermark)
    return this.#lab.log.compaction.clean({ ...LIMITS, mapBytes: this.#random.pick([24 * 5, 24 * 20, 1 << 20]), highWatermark })
  }

  /** A reader that keeps up sees each key's newest record, tombstones too. */
  async follow(): Promise<void> {
    const follower = this.#random.pick(this.#followers)
    const { log } = this.#lab
    const startedAt = this.#lab.env.clock.wallTime()
    const endOffset = Math.min(log.writtenOffset, log.ackableOffset)
    follower.offset = Math.max(follower.offset, log.logStartOffset)
    const keepsUp = startedAt - follower.lastReadAt < DELETE_RETENTION_MS
    if (!keepsUp) {
      follower.known.clear()
      follower.offset = log.logStartOffset
    }
    for (;;) {
      const slice = await log.read({ offset: follower.offset, maxBytes: 1 + this.#random.integer(3000), endOffset, minOneBatch: true })
      if (slice.sizeBytes === 0) break
      const records = this.#verified(recordsOf(slice), follower.offset)
      for (const record of records) follower.known.set(record.key, record)
      expect(slice.nextOffset, this.#text).toBeGreaterThan(follower.offset)
      follower.offset = slice.nextOffset
    }
    expect(follower.offset, this.#text).toBeGreaterThanOrEqual(Math.min(endOffset, log.logEndOffset))
    follower.lastReadAt = startedAt
    for (const [key, newest] of this.#newest(follower.offset)) {
      // What was deleted before this reader began is not told to it.
      const known = follower.known.get(key)
      if (newest.offset < log.logStartOffset) continue
      if (newest.value === null && (known === undefined || !keepsUp)) expect(known?.value ?? null, `${this.#text} ${key}`).toBe(null)
      else expect(known, `${this.#text} ${key}`).toEqual(newest)
    }
  }

  async seek(): Promise<void> {
    const { log } = this.#lab
    const { logStartOffset, writtenOffset } = log
    const offset = logStartOffset + this.#random.integer(writtenOffset - logStartOffset + 1)
    const slice = await log.read({ offset, maxBytes: this.#random.integer(4000), endOffset: writtenOffset, minOneBatch: true })
    if (offset < writtenOffset) expect(slice.nextOffset, this.#text).toBeGreaterThan(offset)
    this.#verified(recordsOf(slice), offset)
  }

  async lookUpTime(): Promise<void> {
    const { log } = this.#lab
    const some = this.#records[this.#random.integer(this.#records.length + 1)]
    if (some === undefined) return
    const found = await log.offsetForTimestamp(some.at, log.writtenOffset)
    if (found === undefined) return
    expect(found.timestamp, this.#text).toBeGreaterThanOrEqual(some.at)
    expect(this.#records[found.offset]?.at, this.#text).toBe(found.timestamp)
  }

  async raise(): Promise<void> {
    if (!this.#mayDelete || this.#random.chance(0.7)) return
    const { log } = this.#lab
    const offset = log.logStartOffset + this.#random.integer(Math.max(0, log.ackableOffset - log.logStartOffset) + 1)
    await log.setLogStartOffset(offset)
    await log.deleteExpiredSegments(log.ackableOffset, this.#lab.env.clock.wallTime())
  }

  async cut(): Promise<void> {
    if (!this.#mayDelete || this.#random.chance(0.8)) return
    const { log } = this.#lab
    const least = Math.max(log.logStartOffset, this.#highWatermark)
    const offset = least + this.#random.integer(log.logEndOffset - least + 1)
    const cleaning = this.#random.chance(0.5) ? this.#clean(offset) : undefined
    await log.truncateTo(offset)
    this.#endsAt(log.logEndOffset)
    await cleaning
    await this.#checkAll()
  }

  async restart(): Promise<void> {
    if (this.#random.chance(0.3)) void this.#clean(this.#lab.log.ackableOffset)
    await this.#lab.reopen({ clean: this.#random.chance(0.7) })
    expect(['clean', 'new'], this.#text).toContain(this.#lab.verdict)
    expect(this.#lab.log.logEndOffset, this.#text).toBe(this.#end)
    await this.#checkAll()
  }

  async crash(): Promise<void> {
    this.#note()
    await this.#die()
  }

  /** The process dies in the middle of a cleaning. */
  async crashWithin(): Promise<void> {
    this.#note()
    const { log } = this.#lab
    this.#clean(log.ackableOffset).catch(() => {})
    await sleep(this.#lab.env.clock, this.#random.pick([3, 30]) * this.#random.fraction())
    await this.#die()
  }

  async loseIndex(): Promise<void> {
    if (this.#random.chance(0.6)) return
    await this.#lab.close()
    await this.#lab.env.disk.remove('data/index')
    await this.#lab.open({ clean: this.#random.chance(0.5) })
    expect(this.#lab.verdict, this.#text).not.toBe('corrupt')
    await this.#checkAll()
  }

  async #die(): Promise<void> {
    let power = this.#random.chance(0.6)
    let kept = power ? this.#durable : this.#promised
    this.#lab.world.crash('a', { power })
    this.#lab.world.restart('a')
    while (this.#random.chance(0.3)) {
      this.#lab.open().catch(() => {})
      await sleep(this.#lab.env.clock, this.#random.between(0, 15))
      power = this.#random.chance(0.6)
      if (power) kept = this.#durable
      this.#lab.world.crash('a', { power })
      this.#lab.world.restart('a')
    }
    const log = await this.#lab.open()
    this.#text += power ? ' power' : ' kill'
    expect(this.#lab.verdict, this.#text).not.toBe('corrupt')
    expect(log.logEndOffset, this.#text).toBeGreaterThanOrEqual(kept)
    this.#endsAt(log.logEndOffset)
    const left = (await listIfThere(this.#lab.env.disk, FOLDER)).map(({ name }) => name)
    expect(
      left.filter(name => !/^(\d{20}\.log|partition\.metadata)$/.test(name)),
      this.#text,
    ).toEqual([])
    await this.#checkAll()
  }

  #endsAt(offset: number): void {
    this.#records = this.#records.slice(0, offset)
    this.#end = offset
    this.#durable = Math.min(this.#durable, offset)
    this.#promised = Math.min(this.#promised, offset)
    this.#highWatermark = Math.min(this.#highWatermark, offset)
    const { producers } = this.#lab.log.producers
    this.#sequences = this.#sequences.map((_, i) => (producers.get(70 + i)?.batches.at(-1)?.lastSequence ?? -1) + 1)
    for (const follower of this.#followers)
      if (follower.offset > offset) Object.assign(follower, { offset: 0, known: new Map(), lastReadAt: 0 })
  }

  #note(): void {
    const { log } = this.#lab
    this.#durable = Math.max(this.#durable, log.flushedOffset)
    this.#promised = Math.max(this.#promised, log.ackableOffset)
  }

  #newest(endOffset: number): Map<string, Appended> {
    const newest = new Map<string, Appended>()
    for (const record of this.#records) if (record.offset < endOffset) newest.set(record.key, record)
    return newest
  }

  /** Each is what was appended at its offset, and they ascend. */
  #verified(records: readonly DecodedRecord[], fromOffset: number): Appended[] {
    const verified: Appended[] = []
    let last = -1
    for (const { offset, key, value, timestamp } of records) {
      expect(offset, this.#text).toBeGreaterThan(last)
      last = offset
      const appended = this.#records[offset]!
      expect({ offset, key: key!.toString(), value: value === null ? null : value.toString(), at: timestamp }, this.#text).toEqual(appended)
      if (offset >= fromOffset) verified.push(appended)
    }
    return verified
  }

  async #checkAll(): Promise<void> {
    const { log } = this.#lab
    const endOffset = log.writtenOffset
    const { logStartOffset } = log
    const found = new Map(this.#verified(await this.#lab.readAll(5000, endOffset), log.logStartOffset).map(record => [record.key, record]))
    for (const [key, newest] of this.#newest(endOffset)) {
      if (newest.offset < logStartOffset) continue
      if (newest.value === null && !found.has(key)) continue
      expect(found.get(key), `${this.#text} ${key}`).toEqual(newest)
    }
    for (let i = 0; i < 3; i++) {
      const known = log.producers.producers.get(70 + i)?.batches.at(-1)
      if (known !== undefined) expect(known.lastSequence + 1, `${this.#text} producer ${i}`).toBe(this.#sequences[i])
    }
  }
}

const seeds = Number(process.env['SEEDS'] ?? 25)

test.each(Array.from({ length: seeds }, (_, i) => Number(process.env['SEED'] ?? 1) + i))(
  'a compacted log keeps what it promises (seed %i)',
  async seed => {
    const mayDelete = seed % 2 === 0
    const lab = new Lab(seed, {
      hotTailBytes: seed % 3 === 0 ? 5000 : 0,
      config: {
        cleanupPolicy: mayDelete ? ['compact', 'delete'] : ['compact'],
        segmentBytes: [1300, 2500, 10_000][seed % 3]!,
        indexIntervalBytes: 200,
        deleteRetentionMs: DELETE_RETENTION_MS,
        retentionMs: -1,
        ...(seed % 5 === 0 ? { flushMessages: 10 } : {}),
      },
    })
    await lab.run(() => new History(lab, { mayDelete }).play(60))
  },
  60_000,
)
