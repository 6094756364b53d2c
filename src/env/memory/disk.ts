// A disk in memory. It outlives the node that used it, as a disk does: pass the same one to the next node's environment.

import { type Clock, type DirectoryEntry, type Disk, type DiskFile, EnvError } from '../env.ts'
import { type FileNode, FileTree } from './tree.ts'

/** What `space` reports. */
const TOTAL_BYTES = 2 ** 40

export class MemoryDisk implements Disk {
  /** Shared with the key-value stores of the same environment, which live in its folders. */
  readonly tree = new FileTree()
  readonly #clock: Clock

  constructor(clock: Clock) {
    this.#clock = clock
  }

  open(path: string, mode: 'create' | 'readWrite' | 'read'): Promise<DiskFile> {
    return this.#later(() => new MemoryFile(this.#clock, this.tree.openFile(path, mode), { path, readOnly: mode === 'read' }))
  }

  size(path: string): Promise<number> {
    return this.#later(() => this.tree.openFile(path, 'read').bytes.size)
  }

  list(path: string): Promise<DirectoryEntry[]> {
    return this.#later(() => this.tree.list(path))
  }

  makeDirectory(path: string): Promise<void> {
    return this.#later(() => void this.tree.makeDirectory(path))
  }

  rename(from: string, to: string): Promise<void> {
    return this.#later(() => this.tree.rename(from, to))
  }

  remove(path: string): Promise<void> {
    return this.#later(() => this.tree.remove(path))
  }

  syncDirectory(path: string): Promise<void> {
    return this.#later(() => void this.tree.directory(path, 'sync directory'))
  }

  space(path: string): Promise<{ readonly totalBytes: number; readonly freeBytes: number }> {
    return this.#later(() => {
      this.tree.directory(path, 'measure the file system of')
      return { totalBytes: TOTAL_BYTES, freeBytes: TOTAL_BYTES - this.tree.usedBytes() }
    })
  }

  /** Done at the call, told of later. */
  #later<T>(action: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      try {
        const value = action()
        this.#clock.turn(() => resolve(value))
      } catch (error) {
        this.#clock.turn(() => reject(error))
      }
    })
  }
}

class MemoryFile implements DiskFile {
  readonly #clock: Clock
  readonly #node: FileNode
  readonly #path: string
  readonly #readOnly: boolean
  #closed = false

  constructor(clock: Clock, node: FileNode, o: { path: string; readOnly: boolean }) {
    this.#clock = clock
    this.#node = node
    this.#path = o.path
    this.#readOnly = o.readOnly
  }

  get size(): number {
    return this.#node.bytes.size
  }

  write(chunks: readonly Uint8Array[], position: number, done: (error?: EnvError) => void): void {
    const refusal = this.#refusal('write to', this.#readOnly)
    if (refusal === undefined) {
      for (const chunk of chunks) {
        this.#node.bytes.write(chunk, position)
        position += chunk.length
      }
    }
    this.#clock.turn(() => done(refusal))
  }

  flush(done: (error?: EnvError) => void): void {
    const refusal = this.#refusal('flush', false)
    this.#clock.turn(() => done(refusal))
  }

  read(position: number, length: number, into?: Buffer): Promise<Buffer> {
    const refusal = this.#refusal('read', false)
    const bytes = this.#node.bytes.read(position, length, into)
    return new Promise((resolve, reject) => this.#clock.turn(() => (refusal === undefined ? resolve(bytes) : reject(refusal))))
  }

  truncate(size: number): Promise<void> {
    const refusal = this.#refusal('truncate', this.#readOnly)
    if (refusal === undefined) this.#node.bytes.truncate(size)
    return new Promise((resolve, reject) => this.#clock.turn(() => (refusal === undefined ? resolve() : reject(refusal))))
  }

  close(): Promise<void> {
    this.#closed = true
    return new Promise(resolve => this.#clock.turn(resolve))
  }

  #refusal(doing: string, readOnly: boolean): EnvError | undefined {
    if (this.#closed) return new EnvError('EBADF', `${doing} ${this.#path}: the file is closed`)
    return readOnly ? new EnvError('EBADF', `${doing} ${this.#path}: it is open for reading only`) : undefined
  }
}
