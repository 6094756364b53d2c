// The file system. Names go through fs.promises on the pool; the bytes of one file through `RealFile`.

import { constants, promises as fs } from 'node:fs'
import * as path from 'node:path'
import { type Clock, type DirectoryEntry, type Disk, type DiskFile, EnvError } from '../env.ts'
import { envError } from './errors.ts'
import { RealFile } from './file.ts'
import type { Pool } from './pool.ts'

const FLAGS = {
  create: constants.O_CREAT | constants.O_EXCL | constants.O_RDWR,
  readWrite: constants.O_RDWR,
  read: constants.O_RDONLY,
} as const

/** A synchronous write slower than this means that the kernel is throttling: better a pool thread waits than the loop. */
const SLOW_WRITE_MS = 3
const BREAKER_MS = 100

/** Trips after a slow synchronous write; while it is open all writes go to the pool. */
export class Breaker {
  readonly #clock: Clock
  #openUntil = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  allowsSync(): boolean {
    return this.#openUntil === 0 || this.#clock.now() >= this.#openUntil
  }

  /** Runs a synchronous write and watches its time. */
  run<T>(write: () => T): T {
    const startedAt = this.#clock.now()
    try {
      return write()
    } finally {
      const endedAt = this.#clock.now()
      this.#openUntil = endedAt - startedAt > SLOW_WRITE_MS ? endedAt + BREAKER_MS : 0
    }
  }
}

export class RealDisk implements Disk {
  readonly #clock: Clock
  readonly #pool: Pool
  readonly #breaker: Breaker

  constructor(clock: Clock, pool: Pool) {
    this.#clock = clock
    this.#pool = pool
    this.#breaker = new Breaker(clock)
  }

  open(path: string, mode: 'create' | 'readWrite' | 'read'): Promise<DiskFile> {
    return this.#call('data', `open ${path}`, () =>
      RealFile.open(path, FLAGS[mode], { clock: this.#clock, pool: this.#pool, breaker: this.#breaker }),
    )
  }

  size(path: string): Promise<number> {
    return this.#call('read', `measure ${path}`, async () => {
      const stats = await fs.stat(path)
      if (stats.isDirectory()) throw new EnvError('EISDIR', `measure ${path}: it is a folder`)
      return stats.size
    })
  }

  list(path: string): Promise<DirectoryEntry[]> {
    return this.#call('read', `list ${path}`, async () => {
      const entries = await fs.readdir(path, { withFileTypes: true })
      return entries
        .map((entry): DirectoryEntry => ({ name: entry.name, kind: entry.isDirectory() ? 'directory' : 'file' }))
        .sort((a, b) => (a.name < b.name ? -1 : 1))
    })
  }

  async makeDirectory(path: string): Promise<void> {
    await this.#call('data', `make directory ${path}`, () => fs.mkdir(path, { recursive: true }))
  }

  rename(from: string, to: string): Promise<void> {
    return this.#call('data', `rename ${from} to ${to}`, () => fs.rename(from, to))
  }

  async remove(target: string): Promise<void> {
    // Piece by piece, so that a large folder's unlinks take turns with other work of the pool.
    const kind = await this.#kind(target)
    if (kind === 'missing') return
    if (kind === 'directory') {
      for (const entry of await this.list(target).catch(unlessMissing)) await this.remove(path.join(target, entry.name))
    }
    const removeOne = () => (kind === 'directory' ? fs.rmdir(target) : fs.unlink(target))
    await this.#call('unlink', `remove ${target}`, removeOne).catch(unlessMissing)
  }

  syncDirectory(path: string): Promise<void> {
    return this.#call('data', `sync directory ${path}`, () => syncDirectory(path))
  }

  space(path: string): Promise<{ readonly totalBytes: number; readonly freeBytes: number }> {
    return this.#call('read', `measure the file system of ${path}`, async () => {
      const stats = await fs.statfs(path)
      return { totalBytes: stats.blocks * stats.bsize, freeBytes: stats.bavail * stats.bsize }
    })
  }

  #kind(target: string): Promise<'file' | 'directory' | 'missing'> {
    return this.#call('read', `look at ${target}`, async () => {
      try {
        return (await fs.lstat(target)).isDirectory() ? 'directory' : 'file'
      } catch (error) {
        if (envError(error, '').code === 'ENOENT') return 'missing'
        throw error
      }
    })
  }

  async #call<T>(lane: 'read' | 'data' | 'unlink', doing: string, job: () => Promise<T>): Promise<T> {
    try {
      return await this.#pool.call(lane, job)
    } catch (error) {
      throw envError(error, doing)
    }
  }
}

/** Makes the names in this folder durable. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await fs.open(path, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

function unlessMissing(error: unknown): [] {
  if (error instanceof EnvError && error.code === 'ENOENT') return []
  throw error
}
