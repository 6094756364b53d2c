// The simulated disk door: what the storage holds, later, by a seeded delay; sometimes not at all.

import { assert } from '../../util/assert.ts'
import { type DirectoryEntry, type Disk, type DiskFile, EnvError } from '../env.ts'
import type { FileNode } from '../memory/tree.ts'
import type { SimProcess } from './host.ts'
import type { SeededRandom } from './random.ts'
import type { FaultyOperation, FileHistory, SimStorage } from './storage.ts'

const TOTAL_BYTES = 2 ** 36
/** The real door may carry out smaller writes within the call. */
const SYNC_BYTES = 64 * 1024

type Done = (error?: EnvError) => void

/** How long things take on this disk. */
class Delays {
  readonly #process: SimProcess
  readonly #random: SeededRandom

  constructor(process: SimProcess, random: SeededRandom) {
    this.#process = process
    this.#random = random
  }

  /** Mostly near the low end; one in a hundred takes up to ten times as long. */
  of(kind: 'write' | 'flush' | 'read'): number {
    const { writeMs, flushMs, readMs } = this.#process.world.options
    const [least, most] = kind === 'write' ? writeMs : kind === 'flush' ? flushMs : readMs
    const fraction = this.#random.fraction()
    const stretch = this.#random.chance(0.01) ? 10 : 1
    return (least + (most - least) * fraction * fraction) * stretch * this.#process.host.diskSlowness
  }
}

interface FileWorld {
  readonly process: SimProcess
  readonly storage: SimStorage
  readonly delays: Delays
  readonly random: SeededRandom
}

export class SimDisk implements Disk {
  readonly #world: FileWorld

  constructor(process: SimProcess, storage: SimStorage, random: SeededRandom) {
    this.#world = { process, storage, random, delays: new Delays(process, random) }
  }

  open(path: string, mode: 'create' | 'readWrite' | 'read'): Promise<DiskFile> {
    const { storage } = this.#world
    const open = () => {
      const node = storage.tree.openFile(path, mode)
      return new SimFile(this.#world, { node, history: storage.fileHistory(node), path, readOnly: mode === 'read' })
    }
    // Only a new file needs space.
    return mode === 'create' || !storage.full ? this.#later('open', path, open) : this.#after(open)
  }

  size(path: string): Promise<number> {
    return this.#later('open', path, () => this.#world.storage.tree.openFile(path, 'read').bytes.size)
  }

  list(path: string): Promise<DirectoryEntry[]> {
    return this.#later('list', path, () => this.#world.storage.tree.list(path))
  }

  makeDirectory(path: string): Promise<void> {
    return this.#later('makeDirectory', path, () => void this.#world.storage.tree.makeDirectory(path))
  }

  rename(from: string, to: string): Promise<void> {
    return this.#later('rename', from, () => this.#world.storage.tree.rename(from, to))
  }

  remove(path: string): Promise<void> {
    return this.#later('remove', path, () => this.#world.storage.tree.remove(path))
  }

  syncDirectory(path: string): Promise<void> {
    const { storage } = this.#world
    return this.#later('syncDirectory', path, () => storage.syncDirectory(storage.tree.directory(path, 'sync directory')), 'flush')
  }

  space(path: string): Promise<{ readonly totalBytes: number; readonly freeBytes: number }> {
    const { tree, full } = this.#world.storage
    return this.#later('space', path, () => {
      tree.directory(path, 'measure the file system of')
      return { totalBytes: TOTAL_BYTES, freeBytes: full ? 0 : TOTAL_BYTES - tree.usedBytes() }
    })
  }

  #later<T>(operation: FaultyOperation, path: string, action: () => T, delay: 'write' | 'flush' | 'read' = 'read'): Promise<T> {
    const fault = this.#world.storage.fault(operation, path)
    return this.#after(() => {
      if (fault !== undefined) throw fault
      return action()
    }, delay)
  }

  #after<T>(action: () => T, delay: 'write' | 'flush' | 'read' = 'read'): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#world.process.later(this.#world.delays.of(delay), 'disk name', () => {
        try {
          resolve(action())
        } catch (error) {
          reject(error)
        }
      })
    })
  }
}

class SimFile implements DiskFile {
  readonly #world: FileWorld
  readonly #node: FileNode
  readonly #history: FileHistory
  readonly #path: string
  readonly #readOnly: boolean
  #size: number
  /** Writes and truncations, in call order; the first is under way. */
  readonly #queue: (() => void)[] = []
  #underWay = 0
  #closed = false
  #closing: (() => void) | undefined

  constructor(world: FileWorld, o: { node: FileNode; history: FileHistory; path: string; readOnly: boolean }) {
    this.#world = world
    this.#node = o.node
    this.#history = o.history
    this.#path = o.path
    this.#readOnly = o.readOnly
    this.#size = o.node.bytes.size
  }

  get size(): number {
    return this.#size
  }

  write(chunks: readonly Uint8Array[], position: number, done: Done): void {
    if (this.#refused('write to', done)) return
    const { process, storage, random, delays } = this.#world
    const bytes = Buffer.concat(chunks)
    process.world.trace.bytes(bytes)
    this.#size = Math.max(this.#size, position + bytes.length)
    this.#underWay++
    const fault = storage.fault('write', this.#path, position + bytes.length <= this.#node.bytes.size)
    // A refused write may have left its first part.
    const kept = fault === undefined ? bytes : bytes.subarray(0, random.integer(bytes.length + 1))
    const change = { type: 'write', position, bytes: kept } as const
    this.#history.underWay.add(change)
    const carryOut = () => {
      assert(Buffer.concat(chunks).equals(bytes), `bytes on their way to ${this.#path} were changed before they were written`)
      this.#history.underWay.delete(change)
      if (kept.length > 0) this.#node.bytes.write(kept, position)
      this.#history.add(change)
    }
    if (this.#queue.length === 0 && bytes.length <= SYNC_BYTES && random.chance(0.7)) {
      carryOut()
      process.world.turn(process, () => this.#finish(done, fault))
      return
    }
    this.#enqueue('disk write', delays.of('write'), () => {
      carryOut()
      this.#finish(done, fault)
    })
  }

  flush(done: Done): void {
    if (this.#refused('flush', done, false)) return
    const { process, storage, delays } = this.#world
    const fault = storage.fault('flush', this.#path)
    const number = this.#history.nextNumber
    this.#underWay++
    process.later(delays.of('flush'), 'disk flush', () => {
      if (fault !== undefined) this.#history.forget(number)
      else if (storage.flushesLieFor === undefined || !this.#path.includes(storage.flushesLieFor)) this.#history.makeDurable(number)
      this.#finish(done, fault)
    })
  }

  read(position: number, length: number, into?: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      if (this.#refused('read', error => reject(error), false)) return
      const { process, storage, delays } = this.#world
      const fault = storage.fault('read', this.#path)
      this.#underWay++
      process.later(delays.of('read'), 'disk read', () => {
        const bytes = this.#node.bytes.read(position, length, into)
        this.#finish(error => (error === undefined ? resolve(bytes) : reject(error)), fault)
      })
    })
  }

  truncate(size: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const done: Done = error => (error === undefined ? resolve() : reject(error))
      if (this.#refused('truncate', done)) return
      const fault = this.#world.storage.fault('truncate', this.#path)
      const change = { type: 'truncate', size } as const
      this.#size = size
      this.#underWay++
      if (fault === undefined) this.#history.underWay.add(change)
      this.#enqueue('disk truncate', this.#world.delays.of('write'), () => {
        if (fault === undefined) {
          this.#history.underWay.delete(change)
          this.#node.bytes.truncate(size)
          this.#history.add(change)
        }
        this.#finish(done, fault)
      })
    })
  }

  close(): Promise<void> {
    return new Promise(resolve => {
      const { process } = this.#world
      if (this.#closed) {
        process.world.turn(process, resolve)
        return
      }
      this.#closed = true
      this.#closing = () => void process.later(this.#world.delays.of('write'), 'disk close', resolve)
      if (this.#underWay === 0) this.#closing()
    })
  }

  #enqueue(kind: string, delayMs: number, carryOut: () => void): void {
    const { process } = this.#world
    const start = () =>
      void process.later(delayMs, kind, () => {
        this.#queue.shift()
        this.#queue[0]?.()
        carryOut()
      })
    this.#queue.push(start)
    if (this.#queue.length === 1) start()
  }

  #finish(done: Done, fault: EnvError | undefined): void {
    done(fault)
    if (--this.#underWay === 0) this.#closing?.()
  }

  #refused(doing: string, done: Done, writes = true): boolean {
    if (!this.#closed && !(writes && this.#readOnly)) return false
    const { process } = this.#world
    const why = this.#closed ? 'the file is closed' : 'it is open for reading only'
    process.world.turn(process, () => done(new EnvError('EBADF', `${doing} ${this.#path}: ${why}`)))
    return true
  }
}
