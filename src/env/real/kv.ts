// LevelDB as the kv door. LevelDB runs what it is given on several threads in any order; our order is made here: one batch is under way at a time,
// and the batches called meanwhile go as one group with it (a group is atomic, so all-or-nothing and "a suffix is lost, never the middle" hold).

import * as fs from 'node:fs/promises'
import * as path from 'node:path'
import type { Level } from 'level'
import type { Kv, KvOpenOptions, KvOperation, KvRange, KvStore } from '../env.ts'
import { EnvError } from '../env.ts'
import { syncDirectory } from './disk.ts'
import { envError } from './errors.ts'
import { Fifo, type Lane, type Pool } from './pool.ts'

/** Encodings 'buffer': keys are compared as unsigned bytes. */
type Database = Level<Buffer, Buffer>

const WRITE_BUFFER_BYTES = 8 * 1024 * 1024
/** LevelDB's batches take main-thread time by operation; a group grows no further than this. */
const GROUP_OPERATIONS = 1000
const ENTRIES_PER_READ = 500

export class RealKvStore implements KvStore {
  readonly #pool: Pool

  constructor(pool: Pool) {
    this.#pool = pool
  }

  async open(location: string, options: KvOpenOptions = {}): Promise<Kv> {
    const lane: Lane = options.urgent === true ? 'urgent' : 'data'
    const { Level } = await import('level')
    const database: Database = new Level<Buffer, Buffer>(location, {
      keyEncoding: 'buffer',
      valueEncoding: 'buffer',
      compression: false,
      writeBufferSize: WRITE_BUFFER_BYTES,
    })
    try {
      await this.#pool.call(lane, async () => {
        await makeDurableDirectory(location)
        await database.open()
      })
    } catch (error) {
      throw openError(error, location)
    }
    return new RealKv(database, location, this.#pool, lane)
  }
}

/** LevelDB syncs what is in its folder, not the names that lead to it. */
async function makeDurableDirectory(location: string): Promise<void> {
  const firstMade = await fs.mkdir(location, { recursive: true })
  if (firstMade === undefined) return
  const top = path.dirname(path.resolve(firstMade))
  for (let folder = path.dirname(path.resolve(location)); ; folder = path.dirname(folder)) {
    await syncDirectory(folder)
    if (folder === top || folder === path.dirname(folder)) return
  }
}

function openError(error: unknown, location: string): EnvError {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
  const code = (cause as { code?: unknown }).code
  const message = cause instanceof Error ? cause.message : String(cause)
  if (code === 'LEVEL_LOCKED')
    return new EnvError('ELOCKED', `open ${location}: another process has it open (${message})`, { cause: error })
  if (code === 'LEVEL_CORRUPTION' || /corrupt/i.test(message))
    return new EnvError('ECORRUPT', `open ${location}: ${message}`, { cause: error })
  // The folder is there, we made it: a file that LevelDB misses is one of its own.
  if (/no such file/i.test(message)) return new EnvError('ECORRUPT', `open ${location}: ${message}`, { cause: error })
  return operationError(cause, `open ${location}`)
}

/** LevelDB's own codes say nothing of the cause; its message quotes the system's. */
function operationError(error: unknown, doing: string): EnvError {
  const message = error instanceof Error ? error.message : String(error)
  const code = (error as { code?: unknown }).code
  if (code === 'LEVEL_CORRUPTION' || /corrupt/i.test(message)) return new EnvError('ECORRUPT', `${doing}: ${message}`, { cause: error })
  if (/no space left/i.test(message)) return new EnvError('ENOSPC', `${doing}: ${message}`, { cause: error })
  if (typeof code === 'string' && code.startsWith('LEVEL_')) return new EnvError('EIO', `${doing}: ${message}`, { cause: error })
  return envError(error, doing)
}

interface EntryIterator {
  nextv(size: number): Promise<[Buffer, Buffer][]>
  close(): Promise<void>
}

interface Waiter {
  resolve(): void
  reject(error: EnvError): void
}

interface BatchItem {
  readonly type: 'batch'
  readonly operations: readonly KvOperation[]
  readonly sync: boolean
  readonly waiter: Waiter
}

/** What stands in line: writes, and reads that must see all the writes before them and none after. */
type Item =
  | BatchItem
  | { readonly type: 'clear'; readonly range: { readonly gte: Uint8Array; readonly lt: Uint8Array }; readonly waiter: Waiter }
  | { readonly type: 'barrier'; reached(): void }

class RealKv implements Kv {
  readonly #database: Database
  readonly #location: string
  readonly #pool: Pool
  readonly #lane: Lane
  readonly #queue = new Fifo<Item>()
  #writing = false
  #closed = false
  #readsUnderWay = 0
  #idle: (() => void) | undefined

  constructor(database: Database, location: string, pool: Pool, lane: Lane) {
    this.#database = database
    this.#location = location
    this.#pool = pool
    this.#lane = lane
  }

  async get(key: Uint8Array): Promise<Buffer | undefined> {
    this.#checkOpen()
    return this.#read(async () => {
      await this.#afterWrites(() => {})
      return this.#pool.call(this.#lane, () => this.#database.get(bufferOf(key)))
    })
  }

  batch(operations: readonly KvOperation[], options: { readonly sync: boolean }): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#checkOpen()
      this.#push({ type: 'batch', operations, sync: options.sync, waiter: { resolve, reject } })
    })
  }

  clear(range: { readonly gte: Uint8Array; readonly lt: Uint8Array }): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#checkOpen()
      this.#push({ type: 'clear', range, waiter: { resolve, reject } })
    })
  }

  entries(range: KvRange): AsyncIterable<readonly [key: Buffer, value: Buffer]> {
    this.#checkOpen()
    // Made in line with the writes: an iterator of LevelDB shows the state at its making.
    const iterator = this.#afterWrites<EntryIterator>(() =>
      this.#database.iterator({
        ...(range.gte === undefined ? {} : { gte: bufferOf(range.gte) }),
        ...(range.lt === undefined ? {} : { lt: bufferOf(range.lt) }),
        reverse: range.reverse ?? false,
        limit: range.limit ?? -1,
        fillCache: false,
      }),
    )
    iterator.catch(() => {}) // Reported to whoever iterates.
    return { [Symbol.asyncIterator]: () => this.#iterate(iterator) }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    if (this.#writing || this.#queue.length > 0 || this.#readsUnderWay > 0) await new Promise<void>(idle => (this.#idle = idle))
    try {
      await this.#pool.call(this.#lane, () => this.#database.close())
    } catch (error) {
      throw operationError(error, `close ${this.#location}`)
    }
  }

  async *#iterate(opening: Promise<EntryIterator>): AsyncGenerator<readonly [key: Buffer, value: Buffer]> {
    const iterator = await opening
    try {
      for (;;) {
        const entries = await this.#read(() => this.#pool.call(this.#lane, () => iterator.nextv(ENTRIES_PER_READ)))
        if (entries.length === 0) return
        yield* entries
      }
    } finally {
      await iterator.close()
    }
  }

  async #read<T>(read: () => Promise<T>): Promise<T> {
    this.#readsUnderWay++
    try {
      return await read()
    } catch (error) {
      throw operationError(error, `read ${this.#location}`)
    } finally {
      this.#readsUnderWay--
      this.#leave()
    }
  }

  /** Calls `look` when all writes called before are in effect, and none called since. */
  #afterWrites<T>(look: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const reached = () => {
        try {
          resolve(look())
        } catch (error) {
          reject(operationError(error, `read ${this.#location}`))
        }
      }
      if (this.#writing) this.#queue.push({ type: 'barrier', reached })
      else reached()
    })
  }

  #push(item: Item): void {
    this.#queue.push(item)
    if (!this.#writing) this.#writeNext()
  }

  #writeNext(): void {
    let item = this.#queue.shift()
    for (; item?.type === 'barrier'; item = this.#queue.shift()) item.reached()
    this.#writing = item !== undefined
    if (item === undefined) this.#leave()
    else if (item.type === 'batch') this.#writeGroup(item)
    else {
      const { gte, lt } = item.range
      this.#perform(() => this.#database.clear({ gte: bufferOf(gte), lt: bufferOf(lt) }), [item.waiter])
    }
  }

  #writeGroup(first: BatchItem): void {
    const batch = this.#database.batch()
    const waiters: Waiter[] = []
    let sync = false
    let operationCount = 0
    let item = first
    for (;;) {
      for (const operation of item.operations) {
        if (operation.type === 'put') batch.put(bufferOf(operation.key), bufferOf(operation.value))
        else batch.del(bufferOf(operation.key))
      }
      operationCount += item.operations.length
      sync ||= item.sync
      waiters.push(item.waiter)
      const next = this.#queue.peek()
      if (next?.type !== 'batch' || operationCount + next.operations.length > GROUP_OPERATIONS) break
      item = next
      this.#queue.shift()
    }
    this.#perform(() => batch.write({ sync }), waiters)
  }

  #perform(write: () => Promise<void>, waiters: readonly Waiter[]): void {
    this.#pool.call(this.#lane, write).then(
      () => {
        for (const waiter of waiters) waiter.resolve()
        this.#writeNext()
      },
      (cause: unknown) => {
        const error = operationError(cause, `write to ${this.#location}`)
        for (const waiter of waiters) waiter.reject(error)
        this.#writeNext()
      },
    )
  }

  #leave(): void {
    if (!this.#writing && this.#queue.length === 0 && this.#readsUnderWay === 0) this.#idle?.()
  }

  #checkOpen(): void {
    if (this.#closed) throw new EnvError('EBADF', `${this.#location} is closed`)
  }
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
