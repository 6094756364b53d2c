// A file without meaning in the data directory, `reserve`, which is given up when the disk is full: LevelDB writes a table when it opens, and a node that
// could not start on a full disk could not be told to delete anything. It comes back when there is room.
import { type Disk, type Env, EnvError } from '../env/env.ts'

export const RESERVE_FILE = 'reserve'
/** Two databases, each with a buffer of 4 MiB to write out, and the log it is written from. */
const ROOM_TO_START_BYTES = 24 * 1024 * 1024
const CHUNK_BYTES = 1024 * 1024
/** It is made only where twice its size is left then. */
const ROOM_FACTOR = 3

/** Before anything is opened in the directory: a full disk gets the reserve. */
export async function makeRoomToStart(env: Env, directory: string): Promise<void> {
  try {
    const { freeBytes } = await env.disk.space(directory)
    if (freeBytes >= ROOM_TO_START_BYTES) return
  } catch (error) {
    if (error instanceof EnvError && error.code === 'ENOENT') return
    throw error
  }
  await giveUp(env, directory)
}

export class DiskReserve {
  readonly #env: Env
  readonly #directory: string
  readonly #sizeBytes: number
  #hasTried = false
  /** undefined: not looked yet. */
  #isThere: boolean | undefined

  constructor(env: Env, o: { directory: string; sizeBytes: number }) {
    this.#env = env
    this.#directory = o.directory
    this.#sizeBytes = o.sizeBytes
  }

  /** Nobody has tried to make it yet. */
  get isWanted(): boolean {
    return this.#sizeBytes > 0 && this.#isThere === undefined && !this.#hasTried
  }

  async release(): Promise<void> {
    if (this.#sizeBytes === 0 || this.#isThere === false) return
    await giveUp(this.#env, this.#directory)
    this.#isThere = false
  }

  /** @param o  freeBytes: what may be used of the disk for this */
  async restore({ freeBytes }: { freeBytes: number }): Promise<void> {
    this.#hasTried = true
    if (this.#sizeBytes === 0 || this.#isThere === true || freeBytes < ROOM_FACTOR * this.#sizeBytes) return
    const path = `${this.#directory}/${RESERVE_FILE}`
    const { disk, random } = this.#env
    try {
      if ((await sizeOf(disk, path)) !== this.#sizeBytes)
        await fill(disk, { path, sizeBytes: this.#sizeBytes, chunk: random.bytes(CHUNK_BYTES) })
      this.#isThere = true
    } catch (error) {
      // Nothing depends on it; half a reserve is removed with the next one.
      if (!(error instanceof EnvError)) throw error
      this.#env.logger.log('warn', 'failed to make the reserve on the disk', { path, error })
      await disk.remove(path).catch(() => {})
    }
  }
}

async function giveUp({ disk, logger }: Env, directory: string): Promise<void> {
  const path = `${directory}/${RESERVE_FILE}`
  if ((await sizeOf(disk, path)) === undefined) return
  await disk.remove(path)
  logger.log('warn', 'gave up the reserve: the disk is full', { path })
}

async function sizeOf(disk: Disk, path: string): Promise<number | undefined> {
  try {
    const file = await disk.open(path, 'read')
    const { size } = file
    await file.close()
    return size
  } catch (error) {
    if (error instanceof EnvError && error.code === 'ENOENT') return undefined
    throw error
  }
}

/** With random bytes: some file systems keep no room for zeros. */
async function fill(disk: Disk, o: { path: string; sizeBytes: number; chunk: Buffer }): Promise<void> {
  await disk.remove(o.path)
  const file = await disk.open(o.path, 'create')
  try {
    for (let at = 0; at < o.sizeBytes; at += o.chunk.length) {
      const bytes = o.chunk.subarray(0, Math.min(o.chunk.length, o.sizeBytes - at))
      await new Promise<void>((resolve, reject) => file.write([bytes], at, error => (error === undefined ? resolve() : reject(error))))
    }
    await new Promise<void>((resolve, reject) => file.flush(error => (error === undefined ? resolve() : reject(error))))
  } finally {
    await file.close()
  }
}
