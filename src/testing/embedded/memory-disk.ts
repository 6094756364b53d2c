// The disk of an embedded node: in memory, in real time, and it knows what of it a power cut would take. What the simulated machine keeps its bytes in
// (env/sim/storage.ts) without its delays: everything is carried out at the call and told of in the next turn.
import type { Clock, DirectoryEntry, Disk, DiskFile, Kv, KvOperation, KvRange, KvStore } from '../../env/env.ts'
import { EnvError } from '../../env/env.ts'
import type { FileNode } from '../../env/memory/tree.ts'
import { SeededRandom } from '../../env/sim/random.ts'
import { type FileHistory, SimStorage, type StoreHistory } from '../../env/sim/storage.ts'

const TOTAL_BYTES = 2 ** 40

export class MemoryMachine {
  readonly disk: Disk
  readonly kv: KvStore
  readonly #storage = new SimStorage(new SeededRandom(0, 'not drawn from'))

  constructor(clock: Clock) {
    this.disk = new LossyDisk(clock, this.#storage)
    this.kv = new LossyKvStore(clock, this.#storage)
  }

  /** The process that used it is gone. With `power`, so is every byte, name and batch that was not synced. */
  processDied(o: { readonly power: boolean }): void {
    this.#storage.processDied({ power: o.power, all: true })
  }
}

class LossyDisk implements Disk {
  readonly #clock: Clock
  readonly #storage: SimStorage

  constructor(clock: Clock, storage: SimStorage) {
    this.#clock = clock
    this.#storage = storage
  }

  open(path: string, mode: 'create' | 'readWrite' | 'read'): Promise<DiskFile> {
    return this.#later(() => {
      const node = this.#storage.tree.openFile(path, mode)
      return new LossyFile(this.#clock, { node, history: this.#storage.fileHistory(node), path, readOnly: mode === 'read' })
    })
  }

  size(path: string): Promise<number> {
    return this.#later(() => this.#storage.tree.openFile(path, 'read').bytes.size)
  }

  list(path: string): Promise<DirectoryEntry[]> {
    return this.#later(() => this.#storage.tree.list(path))
  }

  makeDirectory(path: string): Promise<void> {
    return this.#later(() => void this.#storage.tree.makeDirectory(path))
  }

  rename(from: string, to: string): Promise<void> {
    return this.#later(() => this.#storage.tree.rename(from, to))
  }

  remove(path: string): Promise<void> {
    return this.#later(() => this.#storage.tree.remove(path))
  }

  syncDirectory(path: string): Promise<void> {
    return this.#later(() => this.#storage.syncDirectory(this.#storage.tree.directory(path, 'sync directory')))
  }

  space(path: string): Promise<{ readonly totalBytes: number; readonly freeBytes: number }> {
    return this.#later(() => {
      const { tree } = this.#storage
      tree.directory(path, 'measure the file system of')
      return { totalBytes: TOTAL_BYTES, freeBytes: TOTAL_BYTES - tree.usedBytes() }
    })
  }

  #later<T>(action: () => T): Promise<T> {
    return later(this.#clock, action)
  }
}

class LossyFile implements DiskFile {
  readonly #clock: Clock
  readonly #node: FileNode
  readonly #history: FileHistory
  readonly #path: string
  readonly #readOnly: boolean
  #closed = false

  constructor(clock: Clock, o: { node: FileNode; history: FileHistory; path: string; readOnly: boolean }) {
    this.#clock = clock
    this.#node = o.node
    this.#history = o.history
    this.#path = o.path
    this.#readOnly = o.readOnly
  }

  get size(): number {
    return this.#node.bytes.size
  }

  write(chunks: readonly Uint8Array[], position: number, done: (error?: EnvError) => void): void {
    const refusal = this.#refusal('write to', this.#readOnly)
    if (refusal === undefined) {
      // A copy: the writer uses its memory again, and until the flush these bytes are what may be lost.
      const bytes = Buffer.concat(chunks)
      this.#node.bytes.write(bytes, position)
      this.#history.add({ type: 'write', position, bytes })
    }
    this.#clock.turn(() => done(refusal))
  }

  flush(done: (error?: EnvError) => void): void {
    const refusal = this.#refusal('flush', false)
    if (refusal === undefined) this.#history.makeDurable(this.#history.nextNumber)
    this.#clock.turn(() => done(refusal))
  }

  read(position: number, length: number, into?: Buffer): Promise<Buffer> {
    return later(this.#clock, () => {
      const refusal = this.#refusal('read', false)
      if (refusal !== undefined) throw refusal
      return this.#node.bytes.read(position, length, into)
    })
  }

  truncate(size: number): Promise<void> {
    return later(this.#clock, () => {
      const refusal = this.#refusal('truncate', this.#readOnly)
      if (refusal !== undefined) throw refusal
      this.#node.bytes.truncate(size)
      this.#history.add({ type: 'truncate', size })
    })
  }

  close(): Promise<void> {
    this.#closed = true
    return later(this.#clock, () => {})
  }

  #refusal(doing: string, readOnly: boolean): EnvError | undefined {
    if (this.#closed) return new EnvError('EBADF', `${doing} ${this.#path}: the file is closed`)
    return readOnly ? new EnvError('EBADF', `${doing} ${this.#path}: it is open for reading only`) : undefined
  }
}

class LossyKvStore implements KvStore {
  readonly #clock: Clock
  readonly #storage: SimStorage

  constructor(clock: Clock, storage: SimStorage) {
    this.#clock = clock
    this.#storage = storage
  }

  open(path: string): Promise<Kv> {
    return later(this.#clock, () => {
      const store = this.#storage.store(path)
      if (store.contents.openedBy !== undefined) throw new EnvError('ELOCKED', `open ${path}: it is open already`)
      store.makeAllDurable()
      return new LossyKv(this.#clock, store, path)
    })
  }
}

class LossyKv implements Kv {
  readonly #clock: Clock
  readonly #store: StoreHistory
  readonly #path: string

  constructor(clock: Clock, store: StoreHistory, path: string) {
    this.#clock = clock
    this.#store = store
    this.#path = path
    store.contents.openedBy = this
  }

  async get(key: Uint8Array): Promise<Buffer | undefined> {
    this.#checkOpen()
    const value = this.#store.contents.get(key)
    await this.#turn()
    return value
  }

  async batch(operations: readonly KvOperation[], options: { readonly sync: boolean }): Promise<void> {
    this.#checkOpen()
    this.#apply(operations, options.sync)
    await this.#turn()
  }

  entries(range: KvRange): AsyncIterable<readonly [key: Buffer, value: Buffer]> {
    this.#checkOpen()
    return delayed(this.#store.contents.range(range), () => this.#turn())
  }

  async clear(range: { readonly gte: Uint8Array; readonly lt: Uint8Array }): Promise<void> {
    this.#checkOpen()
    this.#apply(this.#store.contents.clearing(range), false)
    await this.#turn()
  }

  async close(): Promise<void> {
    if (this.#store.contents.openedBy === this) this.#store.contents.openedBy = undefined
    await this.#turn()
  }

  #apply(operations: readonly KvOperation[], sync: boolean): void {
    const number = this.#store.apply(operations)
    this.#store.completed(number)
    if (sync) this.#store.makeDurable(number)
  }

  #turn(): Promise<void> {
    return later(this.#clock, () => {})
  }

  #checkOpen(): void {
    if (this.#store.contents.openedBy !== this) throw new EnvError('EBADF', `${this.#path} is closed`)
  }
}

async function* delayed<T>(entries: readonly T[], wait: () => Promise<void>): AsyncGenerator<T> {
  await wait()
  yield* entries
}

/** Done at the call, told of later. */
function later<T>(clock: Clock, action: () => T): Promise<T> {
  return new Promise((resolve, reject) => {
    try {
      const value = action()
      clock.turn(() => resolve(value))
    } catch (error) {
      clock.turn(() => reject(error))
    }
  })
}
