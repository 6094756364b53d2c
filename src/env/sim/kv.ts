// The simulated key-value door: batches take effect at the call and settle later, in order; only a synced one, with all before it, survives a power cut.

import { EnvError, type Kv, type KvOperation, type KvRange, type KvStore } from '../env.ts'
import type { SimProcess } from './host.ts'
import type { SeededRandom } from './random.ts'
import type { SimStorage, StoreHistory } from './storage.ts'

export class SimKvStore implements KvStore {
  readonly #process: SimProcess
  readonly #storage: SimStorage
  readonly #random: SeededRandom

  constructor(process: SimProcess, storage: SimStorage, random: SeededRandom) {
    this.#process = process
    this.#storage = storage
    this.#random = random
  }

  open(path: string): Promise<Kv> {
    return new Promise((resolve, reject) => {
      this.#process.later(this.#random.between(1, 5), 'kv open', () => {
        try {
          const fault = this.#storage.fault('openStore', path)
          if (fault !== undefined) throw fault
          const store = this.#storage.store(path)
          if (store.contents.openedBy !== undefined) throw new EnvError('ELOCKED', `open ${path}: it is open already`)
          store.makeAllDurable()
          resolve(new SimKv({ process: this.#process, storage: this.#storage, random: this.#random }, store, path))
        } catch (error) {
          reject(error)
        }
      })
    })
  }
}

interface StoreWorld {
  readonly process: SimProcess
  readonly storage: SimStorage
  readonly random: SeededRandom
}

class SimKv implements Kv {
  readonly #world: StoreWorld
  readonly #store: StoreHistory
  readonly #path: string
  /** When the last batch called so far settles: none settles before an earlier one. */
  #settledAt = 0
  #underWay = 0
  #closed = false
  #closing: (() => void) | undefined

  constructor(world: StoreWorld, store: StoreHistory, path: string) {
    this.#world = world
    this.#store = store
    this.#path = path
    store.contents.openedBy = this
  }

  async get(key: Uint8Array): Promise<Buffer | undefined> {
    this.#checkOpen()
    const value = this.#store.contents.get(key)
    await this.#wait()
    return value
  }

  async batch(operations: readonly KvOperation[], options: { readonly sync: boolean }): Promise<void> {
    await this.#write(operations, options.sync)
  }

  entries(range: KvRange): AsyncIterable<readonly [key: Buffer, value: Buffer]> {
    this.#checkOpen()
    return this.#delayed(this.#store.contents.range(range))
  }

  async clear(range: { readonly gte: Uint8Array; readonly lt: Uint8Array }): Promise<void> {
    this.#checkOpen()
    await this.#write(this.#store.contents.clearing(range), false)
  }

  close(): Promise<void> {
    return new Promise(resolve => {
      const { process } = this.#world
      if (this.#closed) {
        process.world.turn(process, resolve)
        return
      }
      this.#closed = true
      this.#closing = () =>
        void process.later(this.#world.random.between(0.1, 1), 'kv close', () => {
          if (this.#store.contents.openedBy === this) this.#store.contents.openedBy = undefined
          resolve()
        })
      if (this.#underWay === 0) this.#closing()
    })
  }

  #write(operations: readonly KvOperation[], sync: boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#checkOpen()
      const { process, storage, random } = this.#world
      const { world, host } = process
      const fault = storage.fault('batch', this.#path)
      for (const operation of operations) world.trace.bytes(Buffer.from(operation.type === 'put' ? operation.value : operation.key))
      const number = fault === undefined ? this.#store.apply(operations) : -1
      const [least, most] = sync ? world.options.flushMs : world.options.writeMs
      this.#settledAt = Math.max(this.#settledAt, world.now + random.between(least, most) * host.diskSlowness)
      this.#underWay++
      process.at(this.#settledAt, sync ? 'kv sync' : 'kv write', () => {
        this.#store.completed(number)
        if (sync) this.#store.makeDurable(number)
        this.#leave()
        if (fault === undefined) resolve()
        else reject(fault)
      })
    })
  }

  async *#delayed<T>(entries: readonly T[]): AsyncGenerator<T> {
    await this.#wait()
    yield* entries
  }

  #wait(): Promise<void> {
    this.#underWay++
    const [least, most] = this.#world.process.world.options.readMs
    const delayMs = this.#world.random.between(least, most) * this.#world.process.host.diskSlowness
    return new Promise(resolve => {
      this.#world.process.later(delayMs, 'kv read', () => {
        this.#leave()
        resolve()
      })
    })
  }

  #leave(): void {
    if (--this.#underWay === 0) this.#closing?.()
  }

  #checkOpen(): void {
    if (this.#closed) throw new EnvError('EBADF', `${this.#path} is closed`)
  }
}
