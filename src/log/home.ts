// Where one log lives: its folder `<logs>/<topic>-<partition>` with the segment files and `partition.metadata` (the topic's id, in Kafka's
// format), its part of `meta`, its part of `index`. Names are not identity: a folder belongs to the log whose topic id stands in it.
// Nothing is made before the first append, so a partition nobody writes to costs no file.

import { type DirectoryEntry, type Disk, type DiskFile, EnvError, type Logger } from '../env/env.ts'
import { isUuid, type Uuid } from '../util/uuid.ts'
import type { Catalog } from './catalog.ts'
import type { DurableState } from './durable-state.ts'
import type { OpenSegments } from './open-segments.ts'
import { Segment, type SegmentPlace } from './segment.ts'
import type { SetAside } from './set-aside.ts'

const IDENTITY_FILE = 'partition.metadata'
const MAX_IDENTITY_BYTES = 1024

export interface LogHomeOptions {
  readonly disk: Disk
  readonly logger: Logger
  /** The folder of all logs. */
  readonly logsDirectory: string
  readonly topic: string
  readonly topicId: Uuid
  readonly partition: number
  readonly catalog: Catalog
  readonly durable: DurableState
  readonly setAside: SetAside
  readonly open: OpenSegments
  readonly indexIntervalBytes: number
  /** false: there is no folder of this name. */
  readonly folderExists: boolean
}

export class LogHome implements SegmentPlace {
  readonly disk: Disk
  readonly logger: Logger
  readonly topic: string
  readonly topicId: Uuid
  readonly partition: number
  readonly catalog: Catalog
  readonly durable: DurableState
  readonly setAside: SetAside
  readonly open: OpenSegments
  readonly indexIntervalBytes: number
  readonly folderName: string
  readonly directory: string
  /** As `identify` found them. */
  fileNames: readonly string[] | undefined
  /** Names of folders in the log's folder, where there should be none. */
  folderNames: readonly string[] = []
  readonly #logsDirectory: string
  /** The identity file, written and not yet durable. */
  #identity: DiskFile | undefined
  #folder: 'unknown' | 'missing' | 'ours'

  constructor(o: LogHomeOptions) {
    this.disk = o.disk
    this.logger = o.logger
    this.topic = o.topic
    this.topicId = o.topicId
    this.partition = o.partition
    this.catalog = o.catalog
    this.durable = o.durable
    this.setAside = o.setAside
    this.open = o.open
    this.indexIntervalBytes = o.indexIntervalBytes
    this.folderName = folderNameOf(o.topic, o.partition)
    this.#logsDirectory = o.logsDirectory
    this.directory = `${o.logsDirectory}/${this.folderName}`
    this.#folder = o.folderExists ? 'unknown' : 'missing'
  }

  segment(baseOffset: number, jitterMs = 0): Segment {
    return new Segment(this, baseOffset, jitterMs)
  }

  /** The log's name, for the logger. */
  get name(): { topic: string; partition: number } {
    return { topic: this.topic, partition: this.partition }
  }

  /** Whether the folder is there, and ours. */
  get isThere(): boolean {
    return this.#folder === 'ours'
  }

  /** An orderly close left segments of this log in the folder. */
  trustFolder(): void {
    this.#folder = 'ours'
  }

  /**
   * Says durably that bytes of this log were lost, and forgets what the catalog says: before anything is cut, so that a crash in between is not
   * taken for a smaller, sound log.
   */
  async distrust(logStartOffset: number): Promise<void> {
    await this.durable.setMark('damaged', true)
    await this.durable.setLogStartOffset(logStartOffset)
    await this.catalog.clear()
    await this.catalog.write([this.catalog.deleteSegment(0)], { sync: true })
  }

  /** Whose folder it is. */
  async identify(): Promise<'ours' | 'foreign' | 'missing'> {
    if (this.#folder !== 'unknown') return this.#folder
    const entries = await entriesIn(this.disk, this.directory)
    if (entries === 'missing') this.#folder = 'missing'
    if (entries === 'missing' || entries === 'foreign') return entries
    this.fileNames = entries.filter(({ kind }) => kind === 'file').map(({ name }) => name)
    this.folderNames = entries.filter(({ kind }) => kind === 'directory').map(({ name }) => name)
    if ((await readIdentity(this.disk, this.directory)) !== this.topicId) return 'foreign'
    this.#folder = 'ours'
    return 'ours'
  }

  /** For a folder that another topic left under our name. */
  async setAsideFolder(): Promise<void> {
    const to = await this.setAside.moveDirectory(this.directory)
    this.#folder = 'missing'
    this.logger.log('warn', 'set aside a folder of another topic', { ...this.name, to })
  }

  /** Makes the folder and its identity, not durably yet. */
  async prepare(): Promise<void> {
    const found = await this.identify()
    if (found === 'ours') return
    if (found === 'foreign') await this.setAsideFolder()
    await this.disk.makeDirectory(this.directory)
    const path = `${this.directory}/${IDENTITY_FILE}`
    const file = await this.disk.open(path, 'create')
    try {
      await writeFile(file, Buffer.from(`version: 0\ntopic_id: ${this.topicId}\n`))
    } catch (error) {
      // On a full disk the file can be made, and not be written: it is made again when there is room.
      await file.close()
      await this.disk.remove(path)
      throw error
    }
    this.#identity = file
    this.#folder = 'ours'
  }

  /** Makes the names in the folder durable; the first time also the folder, its identity, and in `meta` that it was made. */
  async makeNamesDurable(isFirst: boolean): Promise<void> {
    const identity = this.#identity ?? (isFirst ? await this.disk.open(`${this.directory}/${IDENTITY_FILE}`, 'readWrite') : undefined)
    this.#identity = undefined
    const folder = identity === undefined ? Promise.resolve() : flushFile(identity).then(() => identity.close())
    await Promise.all([folder, this.disk.syncDirectory(this.directory)])
    if (!isFirst) return
    await this.disk.syncDirectory(this.#logsDirectory)
    await this.durable.setMark('created', true)
  }
}

/** Kafka's name for the folder of a partition. */
export function folderNameOf(topic: string, partition: number): string {
  return `${topic}-${partition}`
}

/** Whether the name is of that form. */
export function isFolderName(name: string): boolean {
  return /^.+-\d+$/.test(name)
}

/** foreign: something else than a folder has the name. */
async function entriesIn(disk: Disk, directory: string): Promise<readonly DirectoryEntry[] | 'missing' | 'foreign'> {
  try {
    return await disk.list(directory)
  } catch (error) {
    if (isMissing(error)) return 'missing'
    if (isOfOtherKind(error)) return 'foreign'
    throw error
  }
}

/** The topic id in a log's folder; undefined when it is missing or unreadable. */
export async function readIdentity(disk: Disk, directory: string): Promise<Uuid | undefined> {
  let text: string
  try {
    const file = await disk.open(`${directory}/${IDENTITY_FILE}`, 'read')
    text = (await file.read(0, Math.min(file.size, MAX_IDENTITY_BYTES)).finally(() => file.close())).toString('latin1')
  } catch (error) {
    if (isMissing(error) || isOfOtherKind(error)) return undefined
    throw error
  }
  const id = /^version: 0\ntopic_id: (.+)\n$/.exec(text)?.[1]
  return id !== undefined && isUuid(id) ? id : undefined
}

/** A file where a folder was expected, or the other way round. */
export function isOfOtherKind(error: unknown): boolean {
  return error instanceof EnvError && (error.code === 'ENOTDIR' || error.code === 'EISDIR')
}

export function isMissing(error: unknown): boolean {
  return error instanceof EnvError && error.code === 'ENOENT'
}

export function writeFile(file: DiskFile, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => file.write([bytes], file.size, error => (error === undefined ? resolve() : reject(error))))
}

export function flushFile(file: DiskFile): Promise<void> {
  return new Promise((resolve, reject) => file.flush(error => (error === undefined ? resolve() : reject(error))))
}
