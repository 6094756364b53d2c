// One open file. Appends of a log are small and many: a round trip through libuv's pool costs ~6 µs, a copy into the page cache under 1 µs. So a
// write of at most 256 KiB (70 µs; by the pool 105 µs, of two threads) that finds nothing under way for its file is carried out at once; a larger one
// goes to the pool, where the copy leaves the loop's thread, and whatever is asked for meanwhile follows as one group.

import * as fs from 'node:fs'
import { type Clock, type DiskFile, EnvError } from '../env.ts'
import type { Breaker } from './disk.ts'
import { envError } from './errors.ts'
import { Fifo, type Pool } from './pool.ts'

const SYNC_BYTES = 256 * 1024
/** No more than this is copied into one buffer. */
const STAGING_BYTES = 64 * 1024
/** Chunks whose average is at most this are copied into one buffer first: cheaper than a vector of them. */
const STAGED_CHUNK_BYTES = 4096
const GROUP_BYTES = 1024 * 1024
/** IOV_MAX. */
const GROUP_CHUNKS = 1024

const staging = Buffer.allocUnsafeSlow(STAGING_BYTES)

type Done = (error?: EnvError) => void

interface Write {
  readonly chunks: readonly Uint8Array[]
  readonly position: number
  readonly sizeBytes: number
  readonly done: Done
}

type Operation =
  | { readonly type: 'write'; readonly write: Write }
  | { readonly type: 'truncate'; readonly size: number; readonly done: Done }

export interface FileWorld {
  readonly clock: Clock
  readonly pool: Pool
  readonly breaker: Breaker
}

export class RealFile implements DiskFile {
  readonly #path: string
  readonly #descriptor: number
  readonly #world: FileWorld
  #size: number
  /** Writes and truncations behind the one that is under way, in call order. */
  readonly #queue = new Fifo<Operation>()
  #busy = false
  /** Callers of `flush` whose fdatasync has not started: it will serve all of them. */
  #flushWaiters: Done[] = []
  #flushQueued = false
  #underWay = 0
  #closing: (() => void) | undefined
  #closed = false

  static open(path: string, flags: number, world: FileWorld): Promise<RealFile> {
    return new Promise((resolve, reject) => {
      fs.open(path, flags, 0o644, (error, descriptor) => {
        if (error !== null) return reject(error)
        fs.fstat(descriptor, (error, stats) => {
          if (error === null) return resolve(new RealFile(path, descriptor, stats.size, world))
          fs.close(descriptor, () => reject(error))
        })
      })
    })
  }

  constructor(path: string, descriptor: number, size: number, world: FileWorld) {
    this.#path = path
    this.#descriptor = descriptor
    this.#size = size
    this.#world = world
  }

  get size(): number {
    return this.#size
  }

  write(chunks: readonly Uint8Array[], position: number, done: Done): void {
    if (this.#refused(done, 'write to')) return
    let sizeBytes = 0
    for (const chunk of chunks) sizeBytes += chunk.length
    this.#size = Math.max(this.#size, position + sizeBytes)
    this.#underWay++
    if (sizeBytes <= SYNC_BYTES && !this.#busy && this.#world.breaker.allowsSync()) {
      this.#settle(done, this.#writeNow(chunks, position, sizeBytes))
      return
    }
    this.#queue.push({ type: 'write', write: { chunks, position, sizeBytes, done } })
    this.#startNext()
  }

  flush(done: Done): void {
    if (this.#refused(done, 'flush')) return
    this.#underWay++
    this.#flushWaiters.push(done)
    if (this.#flushQueued) return
    this.#flushQueued = true
    this.#world.pool.run('data', finished => {
      const waiters = this.#flushWaiters
      this.#flushWaiters = []
      this.#flushQueued = false
      fs.fdatasync(this.#descriptor, error => {
        finished()
        const failure = error === null ? undefined : envError(error, `flush ${this.#path}`)
        for (const waiter of waiters) this.#settle(waiter, failure)
      })
    })
  }

  read(position: number, length: number, into?: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(this.#closedError('read'))
      this.#underWay++
      this.#world.pool.run('read', finished => {
        const buffer = into ?? Buffer.allocUnsafeSlow(length)
        const readOn = (filled: number) => {
          fs.read(this.#descriptor, buffer, filled, length - filled, position + filled, (error, count) => {
            if (error === null && count > 0 && filled + count < length) return readOn(filled + count)
            finished()
            this.#leave()
            if (error !== null) return reject(envError(error, `read ${this.#path}`))
            if (into !== undefined) resolve(into.subarray(0, filled + count))
            else resolve(filled + count === length ? buffer : Buffer.from(buffer.subarray(0, filled + count)))
          })
        }
        readOn(0)
      })
    })
  }

  truncate(size: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const done: Done = error => (error === undefined ? resolve() : reject(error))
      if (this.#refused(done, 'truncate')) return
      this.#size = size
      this.#underWay++
      this.#queue.push({ type: 'truncate', size, done })
      this.#startNext()
    })
  }

  close(): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return this.#world.clock.turn(resolve)
      this.#closed = true
      this.#closing = () => {
        fs.close(this.#descriptor, error => (error == null ? resolve() : reject(envError(error, `close ${this.#path}`))))
      }
      if (this.#underWay === 0) this.#closing()
    })
  }

  #startNext(): void {
    if (this.#busy) return
    const operation = this.#queue.shift()
    if (operation === undefined) return
    this.#busy = true
    if (operation.type === 'truncate') this.#truncate(operation.size, operation.done)
    else this.#writeGroup(operation.write)
  }

  #truncate(size: number, done: Done): void {
    this.#world.pool.run('data', finished => {
      fs.ftruncate(this.#descriptor, size, error => {
        finished()
        this.#settle(done, error === null ? undefined : envError(error, `truncate ${this.#path}`))
        this.#free()
      })
    })
  }

  /** `first` and the writes that continue it without a gap, as few system calls as the limits allow. */
  #writeGroup(first: Write): void {
    const group = [first]
    let chunkCount = first.chunks.length
    let endPosition = first.position + first.sizeBytes
    for (;;) {
      const next = this.#queue.peek()
      if (next?.type !== 'write' || next.write.position !== endPosition) break
      if (endPosition - first.position + next.write.sizeBytes > GROUP_BYTES || chunkCount + next.write.chunks.length > GROUP_CHUNKS) break
      group.push(next.write)
      chunkCount += next.write.chunks.length
      endPosition += next.write.sizeBytes
      this.#queue.shift()
    }
    const chunks = group.length === 1 ? first.chunks : group.flatMap(write => write.chunks)
    this.#world.pool.run('data', finished => {
      this.#writeChunks(new Remaining(chunks, first.position), error => {
        finished()
        for (const write of group) this.#settle(write.done, error)
        this.#free()
      })
    })
  }

  #writeChunks(remaining: Remaining, done: Done): void {
    const vector = remaining.vector()
    if (vector.length === 0) {
      done()
      return
    }
    fs.writev(this.#descriptor, vector, remaining.position, (error, count) => {
      if (error !== null) return done(envError(error, `write to ${this.#path}`))
      if (count === 0) return done(this.#shortWrite())
      remaining.advance(count)
      this.#writeChunks(remaining, done)
    })
  }

  #writeNow(chunks: readonly Uint8Array[], position: number, sizeBytes: number): EnvError | undefined {
    try {
      this.#world.breaker.run(() => {
        const isStaged = sizeBytes <= STAGING_BYTES && sizeBytes <= STAGED_CHUNK_BYTES * chunks.length
        const whole = chunks.length === 1 ? chunks[0]! : isStaged ? stage(chunks, sizeBytes) : undefined
        let written = 0
        if (whole !== undefined) written = fs.writeSync(this.#descriptor, whole, 0, sizeBytes, position)
        if (written === sizeBytes) return
        const remaining = new Remaining(whole === undefined ? chunks : [whole], position)
        if (written > 0) remaining.advance(written)
        for (let vector = remaining.vector(); vector.length > 0; vector = remaining.vector()) {
          const count = fs.writevSync(this.#descriptor, vector, remaining.position)
          if (count === 0) throw this.#shortWrite()
          remaining.advance(count)
        }
      })
      return undefined
    } catch (error) {
      return envError(error, `write to ${this.#path}`)
    }
  }

  #shortWrite(): EnvError {
    return new EnvError('EIO', `write to ${this.#path}: the system took no byte of it`)
  }

  #free(): void {
    this.#busy = false
    this.#startNext()
  }

  #refused(done: Done, doing: string): boolean {
    if (!this.#closed) return false
    this.#world.clock.turn(() => done(this.#closedError(doing)))
    return true
  }

  #closedError(doing: string): EnvError {
    return new EnvError('EBADF', `${doing} ${this.#path}: the file is closed`)
  }

  /** Everything that completes goes through the turn, so that `done`s keep the call order whichever way the work was carried out. */
  #settle(done: Done, error: EnvError | undefined): void {
    this.#world.clock.turn(() => {
      this.#leave()
      done(error)
    })
  }

  #leave(): void {
    if (--this.#underWay === 0) this.#closing?.()
  }
}

function stage(chunks: readonly Uint8Array[], sizeBytes: number): Buffer {
  let at = 0
  for (const chunk of chunks) {
    staging.set(chunk, at)
    at += chunk.length
  }
  return staging.subarray(0, sizeBytes)
}

/** What is still to be written of a list of chunks. */
class Remaining {
  readonly #chunks: readonly Uint8Array[]
  #index = 0
  #offset = 0
  position: number

  constructor(chunks: readonly Uint8Array[], position: number) {
    this.#chunks = chunks
    this.position = position
  }

  /** The next system call's worth; empty when all is written. */
  vector(): Uint8Array[] {
    const vector: Uint8Array[] = []
    let bytes = 0
    for (let i = this.#index; i < this.#chunks.length && vector.length < GROUP_CHUNKS && bytes < GROUP_BYTES; i++) {
      let chunk = this.#chunks[i]!
      if (i === this.#index && this.#offset > 0) chunk = chunk.subarray(this.#offset)
      if (bytes + chunk.length > GROUP_BYTES) chunk = chunk.subarray(0, GROUP_BYTES - bytes)
      if (chunk.length === 0) continue
      vector.push(chunk)
      bytes += chunk.length
    }
    return vector
  }

  advance(count: number): void {
    this.position += count
    while (this.#index < this.#chunks.length) {
      const left = this.#chunks[this.#index]!.length - this.#offset
      if (count < left) {
        this.#offset += count
        return
      }
      count -= left
      this.#index++
      this.#offset = 0
    }
  }
}
