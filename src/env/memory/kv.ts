// Ordered stores in memory. Like the disk, they outlive the node; each lives in a folder of the tree and moves with it.

import type { Clock, Kv, KvOperation, KvRange, KvStore } from '../env.ts'
import { EnvError } from '../env.ts'
import { OrderedMap } from './ordered-map.ts'
import { FileTree } from './tree.ts'

export class MemoryKvStore implements KvStore {
  readonly #clock: Clock
  readonly #tree: FileTree

  constructor(clock: Clock, tree = new FileTree()) {
    this.#clock = clock
    this.#tree = tree
  }

  open(path: string): Promise<Kv> {
    return new Promise((resolve, reject) => {
      try {
        const folder = this.#tree.makeDirectory(path)
        const store = (folder.store ??= new KvContents()) as KvContents
        if (store.openedBy !== undefined) throw new EnvError('ELOCKED', `open ${path}: it is open already`)
        const kv = new MemoryKv(this.#clock, store, path)
        this.#clock.turn(() => resolve(kv))
      } catch (error) {
        this.#clock.turn(() => reject(error))
      }
    })
  }

  /** For a node that was killed: its stores can be opened again. The dead node's handles refuse everything. */
  unlockAll(): void {
    const visit = (directory: FileTree['root']) => {
      if (directory.store !== undefined) (directory.store as KvContents).openedBy = undefined
      for (const child of directory.entries.values()) if (child.kind === 'directory') visit(child)
    }
    visit(this.#tree.root)
  }
}

/** What one store holds: keys as latin1 strings, values as private copies. */
export class KvContents {
  readonly map = new OrderedMap<Buffer>()
  openedBy: object | undefined

  get(key: Uint8Array): Buffer | undefined {
    const value = this.map.get(keyOf(key))
    return value === undefined ? undefined : Buffer.from(value)
  }

  range(range: KvRange): (readonly [key: Buffer, value: Buffer])[] {
    const { gte, lt, reverse, limit } = range
    return this.map
      .range({
        gte: gte === undefined ? undefined : keyOf(gte),
        lt: lt === undefined ? undefined : keyOf(lt),
        reverse: reverse ?? false,
        ...(limit === undefined ? {} : { limit }),
      })
      .map(([key, value]) => [Buffer.from(key, 'latin1'), Buffer.from(value)] as const)
  }

  /** @returns the operations that take it back, in the order in which to apply them */
  apply(operations: readonly KvOperation[]): KvOperation[] {
    const undo: KvOperation[] = []
    for (const operation of operations) {
      const key = keyOf(operation.key)
      const previous = operation.type === 'put' ? this.map.set(key, Buffer.from(operation.value)) : this.map.delete(key)
      const ownKey = Buffer.from(key, 'latin1')
      undo.push(previous === undefined ? { type: 'delete', key: ownKey } : { type: 'put', key: ownKey, value: previous })
    }
    return undo.reverse()
  }

  /** The operations that clear a range. */
  clearing(range: { readonly gte: Uint8Array; readonly lt: Uint8Array }): KvOperation[] {
    return this.map
      .range({ gte: keyOf(range.gte), lt: keyOf(range.lt) })
      .map(([key]): KvOperation => ({ type: 'delete', key: Buffer.from(key, 'latin1') }))
  }
}

function keyOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1')
}

class MemoryKv implements Kv {
  readonly #clock: Clock
  readonly #contents: KvContents
  readonly #path: string

  constructor(clock: Clock, contents: KvContents, path: string) {
    this.#clock = clock
    this.#contents = contents
    this.#path = path
    contents.openedBy = this
  }

  async get(key: Uint8Array): Promise<Buffer | undefined> {
    this.#checkOpen()
    const value = this.#contents.get(key)
    await this.#turn()
    return value
  }

  async batch(operations: readonly KvOperation[], _options: { readonly sync: boolean }): Promise<void> {
    this.#checkOpen()
    this.#contents.apply(operations)
    await this.#turn()
  }

  entries(range: KvRange): AsyncIterable<readonly [key: Buffer, value: Buffer]> {
    this.#checkOpen()
    return delayed(this.#contents.range(range), () => this.#turn())
  }

  async clear(range: { readonly gte: Uint8Array; readonly lt: Uint8Array }): Promise<void> {
    this.#checkOpen()
    this.#contents.apply(this.#contents.clearing(range))
    await this.#turn()
  }

  async close(): Promise<void> {
    if (this.#contents.openedBy === this) this.#contents.openedBy = undefined
    await this.#turn()
  }

  #turn(): Promise<void> {
    return new Promise(resolve => this.#clock.turn(resolve))
  }

  #checkOpen(): void {
    if (this.#contents.openedBy !== this) throw new EnvError('EBADF', `${this.#path} is closed`)
  }
}

/** The entries, after one event of the door. */
async function* delayed<T>(entries: readonly T[], wait: () => Promise<void>): AsyncGenerator<T> {
  await wait()
  yield* entries
}
