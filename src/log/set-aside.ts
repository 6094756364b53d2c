// Bytes that cannot be trusted, or that nobody knows, are moved out of the way and kept: `<logs>/set-aside/<n>/<name>`. Only an operator deletes them.

import type { Disk, DiskFile } from '../env/env.ts'
import { EnvError } from '../env/env.ts'

const COPY_BYTES = 1024 * 1024

export class SetAside {
  readonly #disk: Disk
  readonly #root: string
  #next: number | undefined

  constructor(disk: Disk, logsDirectory: string) {
    this.#disk = disk
    this.#root = `${logsDirectory}/set-aside`
  }

  /** A new folder, under the log's own folder name. */
  async folder(name: string): Promise<string> {
    const folder = `${await this.#number()}/${name}`
    await this.#disk.makeDirectory(folder)
    return folder
  }

  /** Moves a whole folder. */
  async moveDirectory(path: string): Promise<string> {
    const parent = await this.#number()
    await this.#disk.makeDirectory(parent)
    const to = `${parent}/${path.slice(path.lastIndexOf('/') + 1)}`
    await this.#disk.rename(path, to)
    await this.#syncNames(parent)
    await this.#disk.syncDirectory(path.slice(0, path.lastIndexOf('/')))
    return to
  }

  async moveFile(path: string, folder: string): Promise<void> {
    await this.#disk.rename(path, `${folder}/${path.slice(path.lastIndexOf('/') + 1)}`)
  }

  /** Copies the file's bytes from `position` on. They are durable, with their name, after `finish`. */
  async copyTail(file: DiskFile, position: number, to: string): Promise<void> {
    const copy = await this.#disk.open(to, 'create')
    for (let at = position; at < file.size; ) {
      const bytes = await file.read(at, COPY_BYTES)
      if (bytes.length === 0) break
      await new Promise<void>((resolve, reject) => {
        copy.write([bytes], at - position, error => (error === undefined ? resolve() : reject(error)))
      })
      at += bytes.length
    }
    await new Promise<void>((resolve, reject) => void copy.flush(error => (error === undefined ? resolve() : reject(error))))
    await copy.close()
  }

  /** Makes everything in this folder durable. */
  async finish(folder: string): Promise<void> {
    await this.#disk.syncDirectory(folder)
    await this.#syncNames(folder.slice(0, folder.lastIndexOf('/')))
  }

  async #syncNames(numbered: string): Promise<void> {
    await this.#disk.syncDirectory(numbered)
    await this.#disk.syncDirectory(this.#root)
    await this.#disk.syncDirectory(this.#root.slice(0, this.#root.lastIndexOf('/')))
  }

  async #number(): Promise<string> {
    if (this.#next === undefined) {
      const names = await listIfThere(this.#disk, this.#root)
      this.#next = Math.max(0, ...names.map(({ name }) => Number(name)).filter(Number.isInteger)) + 1
    }
    return `${this.#root}/${this.#next++}`
  }
}

export async function listIfThere(disk: Disk, path: string): ReturnType<Disk['list']> {
  try {
    return await disk.list(path)
  } catch (error) {
    if (error instanceof EnvError && error.code === 'ENOENT') return []
    throw error
  }
}
