// One log on a simulated host: opened, appended to, killed, opened again. Used by the tests of this folder.
import { type Disk, type Kv, sleep } from '../../src/env/env.ts'
import type { SimEnv } from '../../src/env/sim/host.ts'
import { SimWorld } from '../../src/env/sim/world.ts'
import { DEFAULT_LOG_CONFIG, type LogConfig } from '../../src/log/config.ts'
import { LogStore, type Verdict } from '../../src/log/log-store.ts'
import type { AppendResult, PartitionLog } from '../../src/log/partition-log.ts'
import { listIfThere } from '../../src/log/set-aside.ts'
import type { LogSlice } from '../../src/log/walk.ts'
import * as batch from '../../src/protocol/batch.ts'
import type { Codec } from '../../src/protocol/compression.ts'
import { type DecodedRecord, decodeBatch, encodeBatch, type RecordInput } from '../../src/protocol/records.ts'

export const TOPIC_ID = 'AAECAwQFBgcICQoLDA0ODw'
export const DIRECTORY = 'data'
export const FOLDER = 'data/logs/t-0'

export interface LabOptions {
  readonly config?: Partial<LogConfig>
  readonly hotTailBytes?: number
  /** 1: as index.interval.bytes says. */
  readonly minIndexIntervalBytes?: number
  readonly maxIdleFiles?: number
  readonly maxFiles?: number
}

export class Lab {
  readonly world: SimWorld
  readonly #o: LabOptions
  config: LogConfig
  store!: LogStore
  log!: PartitionLog
  meta!: Kv
  verdict!: Verdict
  loose = false
  /** Of the partition. */
  leaderEpoch: number | undefined
  readonly failures: Error[] = []
  /** The disk as the store sees it. */
  watch: (disk: Disk) => Disk = disk => disk
  progressCount = 0
  /** Somebody waits for the next bytes. */
  awaited = true

  constructor(seed: number, o: LabOptions = {}) {
    this.world = new SimWorld(seed)
    this.#o = o
    this.config = { ...DEFAULT_LOG_CONFIG, ...o.config }
  }

  get env(): SimEnv {
    return this.world.env('a')
  }

  run<T>(body: () => Promise<T>): Promise<T> {
    return this.world.run(body)
  }

  async openStore(o: { clean: boolean }): Promise<void> {
    this.meta = await this.env.kv.open(`${DIRECTORY}/meta`)
    const { hotTailBytes, minIndexIntervalBytes = 1, maxIdleFiles, maxFiles } = this.#o
    this.store = await LogStore.open(
      { ...this.env, disk: this.watch(this.env.disk) },
      {
        directory: DIRECTORY,
        meta: this.meta,
        clean: o.clean,
        fail: error => void this.failures.push(error),
        minIndexIntervalBytes,
        ...(hotTailBytes === undefined ? {} : { hotTailBytes }),
        ...(maxIdleFiles === undefined ? {} : { maxIdleFiles }),
        maxFiles,
      },
    )
  }

  async open(o: { clean?: boolean } = {}): Promise<PartitionLog> {
    await this.openStore({ clean: o.clean ?? false })
    return this.openLog()
  }

  async openLog(topicId = TOPIC_ID): Promise<PartitionLog> {
    const onProgress = () => void this.progressCount++
    const opened = await this.store.openPartition({
      topic: 't',
      topicId,
      partition: 0,
      config: this.config,
      leaderEpoch: this.leaderEpoch,
      onProgress,
      isAwaited: () => this.awaited,
    })
    this.log = opened.log
    this.verdict = opened.verdict
    this.loose = opened.loose
    return opened.log
  }

  async close(): Promise<void> {
    await this.store.close()
    await this.meta.close()
  }

  async reopen(o: { clean: boolean } = { clean: true }): Promise<PartitionLog> {
    await this.close()
    return this.open(o)
  }

  async crash(o: { power: boolean }): Promise<PartitionLog> {
    this.world.crash('a', o)
    this.world.restart('a')
    return this.open({ clean: false })
  }

  async until(condition: () => boolean): Promise<void> {
    for (let i = 0; i < 20_000; i++) {
      if (condition()) return
      await sleep(this.env.clock, 0.2)
    }
    throw new Error(`not reached: ${condition}`)
  }

  /** Until everything appended is ackable. */
  acked(): Promise<void> {
    return this.until(() => this.log.ackableOffset === this.log.logEndOffset)
  }

  append(records: readonly (RecordInput | string)[], o: AppendOptions = {}): AppendResult {
    return this.log.appendAsLeader(batchOf(records, o), { leaderEpoch: o.leaderEpoch ?? 0, origin: 'client' })
  }

  /** Everything there is to read, by reads of this many bytes. */
  async readAll(maxBytes = 1 << 20, endOffset = Number.MAX_SAFE_INTEGER): Promise<DecodedRecord[]> {
    const records: DecodedRecord[] = []
    let offset = this.log.logStartOffset
    for (;;) {
      const slice = await this.log.read({ offset, maxBytes, endOffset, minOneBatch: true })
      if (slice.sizeBytes === 0) return records
      for (const record of recordsOf(slice)) if (record.offset >= offset) records.push(record)
      offset = slice.nextOffset
    }
  }

  // ------------------------------------------------------------------------------------------------------------------- what lies on disk

  async files(): Promise<string[]> {
    return (await this.env.disk.list(FOLDER)).map(({ name }) => name)
  }

  async segmentFiles(): Promise<string[]> {
    return (await this.files()).filter(name => name.endsWith('.log'))
  }

  async bytesOf(path: string): Promise<Buffer> {
    const file = await this.env.disk.open(path, 'read')
    const bytes = await file.read(0, file.size)
    await file.close()
    return bytes
  }

  setAside(): Promise<string[]> {
    return this.#tree(`${DIRECTORY}/logs/set-aside`)
  }

  async #tree(path: string): Promise<string[]> {
    const entries = await listIfThere(this.env.disk, path)
    const found: string[] = []
    for (const { name, kind } of entries) {
      if (kind === 'directory') found.push(...(await this.#tree(`${path}/${name}`)))
      else found.push(`${path}/${name}`)
    }
    return found
  }

  /** Changes a file behind the log's back, durably. */
  async damage(path: string, change: (bytes: Buffer) => Buffer): Promise<void> {
    const file = await this.env.disk.open(path, 'readWrite')
    const changed = change(await file.read(0, file.size))
    await file.truncate(0)
    await new Promise<void>((resolve, reject) => file.write([changed], 0, error => (error ? reject(error) : resolve())))
    await new Promise<void>((resolve, reject) => file.flush(error => (error ? reject(error) : resolve())))
    await file.close()
  }
}

export interface AppendOptions {
  readonly codec?: Codec
  readonly leaderEpoch?: number
  readonly producerId?: number
  readonly producerEpoch?: number
  readonly baseSequence?: number
}

export function batchOf(records: readonly (RecordInput | string)[], o: AppendOptions = {}): Buffer {
  const { codec = 0, leaderEpoch: _, ...producer } = o
  return encodeBatch({ codec, ...producer, records: records.map(record => (typeof record === 'string' ? recordOf(record) : record)) })
}

export function recordOf(value: string | Buffer, timestamp = 1_767_225_600_000): RecordInput {
  return { key: null, value: Buffer.from(value), timestamp }
}

export function recordsOf(slice: LogSlice): DecodedRecord[] {
  const records: DecodedRecord[] = []
  for (const chunk of slice.chunks) {
    for (let p = 0; p < chunk.length; p += batch.batchSize(chunk, p)) records.push(...decodeBatch(chunk, p, { maxBytes: 1 << 26 }))
  }
  return records
}

export function values(records: readonly DecodedRecord[]): string[] {
  return records.map(record => record.value!.toString())
}
