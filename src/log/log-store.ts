// All logs of a node: `<directory>/logs`, and the index database `<directory>/index` that they share. Opens, deletes and closes them.

import { getHeapStatistics } from 'node:v8'
import { type Env, EnvError, type Kv, type Timer } from '../env/env.ts'
import { assert } from '../util/assert.ts'
import type { Uuid } from '../util/uuid.ts'
import { Catalog, type CatalogContents, loadCatalogs, noCatalog } from './catalog.ts'
import { CheckpointPace } from './checkpoints.ts'
import type { LogConfig } from './config.ts'
import { type DurableLogState, DurableState, loadDurableStates, logId, noDurableState, partitionIn, topicIdIn } from './durable-state.ts'
import { folderNameOf, isFolderName, LogHome, readIdentity } from './home.ts'
import { HotTailBudget } from './hot-tail.ts'
import type { LogEvents } from './log-events.ts'
import { OpenSegments } from './open-segments.ts'
import { PartitionLog } from './partition-log.ts'
import { ProducerBudget } from './producer-budget.ts'
import type { Verdict } from './recovery.ts'
import { listIfThere, SetAside } from './set-aside.ts'

export type { Verdict } from './recovery.ts'

export interface LogStoreOptions {
  /** Of the node. */
  readonly directory: string
  readonly meta: Kv
  /** The node's last shutdown was orderly: the checkpoints are believed. */
  readonly clean: boolean
  /** A write or flush failed, or our own code did: the node stops. Called once. */
  readonly fail: (error: Error) => void
  /** For the newest bytes of all logs together. Default 64 MiB, less with a small heap. */
  readonly hotTailBytes?: number
  /** Index entries are at least so far apart, whatever index.interval.bytes says. Default 32 KiB. */
  readonly minIndexIntervalBytes?: number
  /** Segment files kept open that are not written to. Default 1000. */
  readonly maxIdleFiles?: number
  /** That the process may have open; a quarter of them may be segments. Default: no limit is known. */
  readonly maxFiles?: number | undefined
}

export interface PartitionOptions extends LogEvents {
  readonly topic: string
  readonly topicId: Uuid
  readonly partition: number
  readonly config: LogConfig
  /**
   * The partition's, as the metadata log has it: batches of later ones are damage. It must have been durable there before the first of them was
   * appended. Undefined: unknown.
   */
  readonly leaderEpoch?: number | undefined
}

export interface OpenedPartition {
  readonly log: PartitionLog
  readonly verdict: Verdict
  /** Unflushed records may have been promised before. */
  readonly loose: boolean
}

/** Or an eighth of what the heap may grow to, where that is less: who gives a node a small heap has little memory. */
const HOT_TAIL_BYTES = 64 * 1024 * 1024
const MIN_INDEX_INTERVAL_BYTES = 32 * 1024
const MAX_IDLE_FILES = 1000
/** A new log has its identity open for a moment, beside its segment. Half of the files are for clients. */
const SHARE_OF_FILES = 0.2
const MIN_OPEN_FILES = 8
const MAX_LEADER_EPOCH = 2 ** 31 - 1
/** A synced write of this key makes everything before it in the index database durable. */
const CLOSED_KEY = Buffer.from('closed')

export class LogStore {
  readonly #env: Env
  readonly #o: LogStoreOptions
  readonly #logsDirectory: string
  readonly #index: Kv
  readonly #hotTails: HotTailBudget
  readonly #producers = new ProducerBudget()
  readonly #openSegments: OpenSegments
  readonly #setAside: SetAside
  readonly #pace = new CheckpointPace()
  readonly #logs = new Map<string, PartitionLog>()
  /** What the databases held of logs that are not opened yet, by id. */
  readonly #catalogs: Map<string, CatalogContents>
  readonly #states: Map<string, DurableLogState>
  /** Names in the logs folder that may be taken. */
  readonly #folders: Set<string>
  /** Opening and deleting logs of one folder name happen one after another. */
  readonly #byFolder = new Map<string, Promise<unknown>>()
  readonly #deleteTimers = new Set<Timer>()
  #removals: Promise<void> = Promise.resolve()
  #failed = false

  /** @throws EnvError ELOCKED when another process has the directory */
  static async open(env: Env, o: LogStoreOptions): Promise<LogStore> {
    const logsDirectory = `${o.directory}/logs`
    await env.disk.makeDirectory(logsDirectory)
    await env.disk.syncDirectory(o.directory)
    const { index, catalogs } = await openIndex(env, o.directory)
    const states = await loadDurableStates(o.meta)
    const entries = await env.disk.list(logsDirectory)
    const folders = new Set(entries.map(({ name }) => name).filter(isFolderName))
    const store = new LogStore(env, o, { logsDirectory, index, catalogs, states, folders })
    await store.#removeDeleted()
    return store
  }

  private constructor(env: Env, o: LogStoreOptions, found: Found) {
    const { logsDirectory } = found
    this.#env = env
    this.#o = o
    this.#logsDirectory = logsDirectory
    this.#index = found.index
    this.#folders = found.folders
    this.#catalogs = found.catalogs
    this.#states = found.states
    this.#hotTails = new HotTailBudget(o.hotTailBytes ?? Math.min(HOT_TAIL_BYTES, getHeapStatistics().heap_size_limit / 8))
    const maxOpen = o.maxFiles === undefined ? Number.POSITIVE_INFINITY : Math.max(MIN_OPEN_FILES, Math.floor(o.maxFiles * SHARE_OF_FILES))
    const maxIdle = o.maxIdleFiles ?? Math.min(MAX_IDLE_FILES, maxOpen / 2)
    this.#openSegments = new OpenSegments(env.clock, { maxIdle, maxOpen, fail: error => this.#fail(error) })
    this.#setAside = new SetAside(env.disk, logsDirectory)
  }

  get logs(): Iterable<PartitionLog> {
    return this.#logs.values()
  }

  /**
   * Opens a log, which is made when there is none; nothing is written for it before its first append.
   * @returns the verdict of recovery.ts, and whether unflushed records may have been promised before
   * @throws EnvError
   */
  openPartition(p: PartitionOptions): Promise<OpenedPartition> {
    return this.#oneByOne(folderNameOf(p.topic, p.partition), () => this.#open(p))
  }

  /**
   * Opens a log again in which a read met damage: all of it is read and checked, what is damaged is set aside, and the verdict is `corrupt` whatever
   * is found, until somebody accepts what is left. What was not flushed is given up.
   */
  reopenDamaged(p: PartitionOptions): Promise<OpenedPartition> {
    return this.#oneByOne(folderNameOf(p.topic, p.partition), async () => {
      const log = this.#logs.get(keyOf(p.topicId, p.partition))
      assert(log !== undefined, `${p.topic}-${p.partition} is opened again and was not open`)
      await log.abandon()
      await this.#home(p, true).distrust(log.logStartOffset)
      const id = logId(p.topicId, p.partition)
      const states = await loadDurableStates(this.#o.meta, id)
      return this.#open(p, states.get(id.toString('hex')))
    })
  }

  /** @param again  what `meta` says of a log that was open before */
  async #open(p: PartitionOptions, again?: DurableLogState): Promise<OpenedPartition> {
    const folderName = folderNameOf(p.topic, p.partition)
    const home = this.#home(p, this.#folders.has(folderName))
    const fail = (error: Error) => this.#fail(error)
    const world = { env: this.#env, hotTails: this.#hotTails, pace: this.#pace, producers: this.#producers, fail }
    const id = logId(p.topicId, p.partition).toString('hex')
    const contents = this.#catalogs.get(id) ?? noCatalog()
    const state = again ?? this.#states.get(id) ?? noDurableState()
    this.#catalogs.delete(id)
    this.#states.delete(id)
    const { config, onProgress, onDamage, isAwaited } = p
    const clean = this.#o.clean && again === undefined
    const maxLeaderEpoch = p.leaderEpoch ?? MAX_LEADER_EPOCH
    const o = { config, clean, maxLeaderEpoch, onProgress, onDamage, isAwaited, contents, state }
    const opened = await PartitionLog.open(world, home, o)
    this.#logs.set(keyOf(p.topicId, p.partition), opened.log)
    this.#folders.add(folderName)
    return opened
  }

  /** Closes the log and takes it out of the way at once; its bytes go after the topic's file.delete.delay.ms. */
  async deletePartition(topicId: Uuid, partition: number): Promise<void> {
    const key = keyOf(topicId, partition)
    const log = this.#logs.get(key)
    if (log === undefined) return this.#forget(topicId, partition)
    this.#logs.delete(key)
    const folderName = folderNameOf(log.topic, partition)
    await this.#oneByOne(folderName, async () => {
      await log.abandon()
      const target = `${this.#deletedDirectory}/${key}`
      await this.#env.disk.makeDirectory(this.#deletedDirectory)
      const moved = await this.#moveIfThere(`${this.#logsDirectory}/${folderName}`, target)
      this.#folders.delete(folderName)
      await this.#forget(topicId, partition)
      if (moved) this.#removeLater(target, log.config.fileDeleteDelayMs)
    })
  }

  /**
   * Folders of logs that nobody knows are moved to `logs/set-aside`, not adopted; what the index holds of such logs goes.
   * @param o.expected  names of folders whose logs are opened next: opening them finds out whose they are
   */
  async setAsideUnknown(known: (topicId: Uuid, partition: number) => boolean, o: { expected?: ReadonlySet<string> } = {}): Promise<void> {
    for (const hex of this.#catalogs.keys()) {
      const id = Buffer.from(hex, 'hex')
      if (known(topicIdIn(id), partitionIn(id))) continue
      this.#catalogs.delete(hex)
      await new Catalog(this.#index, id).clear()
    }
    const open = new Set([...this.#logs.values()].map(log => folderNameOf(log.topic, log.partition)))
    for (const name of [...this.#folders].filter(folder => !open.has(folder) && o.expected?.has(folder) !== true).sort()) {
      await this.#oneByOne(name, async () => {
        const directory = `${this.#logsDirectory}/${name}`
        const topicId = await readIdentity(this.#env.disk, directory)
        if (topicId !== undefined && known(topicId, Number(name.slice(name.lastIndexOf('-') + 1)))) return
        const to = await this.#setAside.moveDirectory(directory)
        this.#folders.delete(name)
        this.#env.logger.log('warn', 'set aside an unknown log', { folder: name, topicId, to })
      })
    }
  }

  /** Flushes everything and writes the checkpoints. @throws the first error of a log that could not be closed in order */
  async close(): Promise<void> {
    for (const timer of this.#deleteTimers) timer.cancel()
    const results = await Promise.allSettled([...this.#logs.values()].map(log => log.close()))
    await Promise.allSettled([...this.#byFolder.values()])
    await this.#removals
    const failed = results.find(result => result.status === 'rejected')
    if (!this.#failed && failed === undefined) {
      await this.#index.batch([{ type: 'put', key: CLOSED_KEY, value: Buffer.alloc(0) }], { sync: true })
    }
    await this.#index.close()
    if (failed !== undefined) throw failed.reason
  }

  // -------------------------------------------------------------------------------------------------------------------------------------

  get #deletedDirectory(): string {
    return `${this.#logsDirectory}/deleted`
  }

  #home(p: PartitionOptions, folderExists: boolean): LogHome {
    const id = logId(p.topicId, p.partition)
    return new LogHome({
      disk: this.#env.disk,
      logger: this.#env.logger,
      logsDirectory: this.#logsDirectory,
      topic: p.topic,
      topicId: p.topicId,
      partition: p.partition,
      catalog: new Catalog(this.#index, id),
      durable: new DurableState(this.#o.meta, id),
      setAside: this.#setAside,
      open: this.#openSegments,
      indexIntervalBytes: Math.max(p.config.indexIntervalBytes, this.#o.minIndexIntervalBytes ?? MIN_INDEX_INTERVAL_BYTES),
      folderExists,
    })
  }

  async #moveIfThere(from: string, to: string): Promise<boolean> {
    try {
      await this.#env.disk.rename(from, to)
    } catch (error) {
      if (error instanceof EnvError && error.code === 'ENOENT') return false
      throw error
    }
    await this.#env.disk.syncDirectory(this.#deletedDirectory)
    await this.#env.disk.syncDirectory(this.#logsDirectory)
    return true
  }

  async #forget(topicId: Uuid, partition: number): Promise<void> {
    const id = logId(topicId, partition)
    this.#catalogs.delete(id.toString('hex'))
    this.#states.delete(id.toString('hex'))
    await new DurableState(this.#o.meta, id).clear()
    await new Catalog(this.#index, id).clear()
  }

  #removeLater(path: string, delayMs: number): void {
    const timer = this.#env.clock.setTimer(delayMs, () => {
      this.#deleteTimers.delete(timer)
      this.#remove(path)
    })
    this.#deleteTimers.add(timer)
  }

  /** One at a time: each is a long job for the disk. */
  #remove(path: string): void {
    this.#removals = this.#removals.then(() => this.#env.disk.remove(path)).catch((error: Error) => this.#fail(error))
  }

  /** What an earlier life had renamed for deletion, and perhaps not forgotten yet. */
  async #removeDeleted(): Promise<void> {
    for (const { name } of await listIfThere(this.#env.disk, this.#deletedDirectory)) {
      const at = name.lastIndexOf('-')
      await this.#forget(name.slice(0, at), Number(name.slice(at + 1)))
      this.#remove(`${this.#deletedDirectory}/${name}`)
    }
  }

  async #oneByOne<T>(folderName: string, work: () => Promise<T>): Promise<T> {
    const before = this.#byFolder.get(folderName) ?? Promise.resolve()
    const result = before.then(work)
    const settled = result.catch(() => {})
    this.#byFolder.set(folderName, settled)
    try {
      return await result
    } finally {
      if (this.#byFolder.get(folderName) === settled) this.#byFolder.delete(folderName)
    }
  }

  #fail(error: Error): void {
    if (this.#failed) return
    this.#failed = true
    this.#o.fail(error)
  }
}

function keyOf(topicId: Uuid, partition: number): string {
  return `${topicId}-${partition}`
}

interface OpenedIndex {
  readonly index: Kv
  readonly catalogs: Map<string, CatalogContents>
}

interface Found extends OpenedIndex {
  readonly logsDirectory: string
  readonly states: Map<string, DurableLogState>
  readonly folders: Set<string>
}

/** The index is a cache: a damaged one is set aside, and a new one is filled from the segments. */
async function openIndex(env: Env, directory: string): Promise<OpenedIndex> {
  const path = `${directory}/index`
  let index: Kv | undefined
  try {
    index = await env.kv.open(path)
    return { index, catalogs: await loadCatalogs(index) }
  } catch (error) {
    if (!(error instanceof EnvError) || error.code !== 'ECORRUPT') throw error
    await index?.close()
    const names = new Set((await env.disk.list(directory)).map(({ name }) => name))
    let number = 1
    while (names.has(`index.damaged-${number}`)) number++
    env.logger.log('warn', 'set aside a damaged index', { error, to: `index.damaged-${number}` })
    await env.disk.rename(path, `${path}.damaged-${number}`)
    await env.disk.syncDirectory(directory)
    return { index: await env.kv.open(path), catalogs: new Map() }
  }
}
