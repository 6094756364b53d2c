// What `meta` keeps for each log, because it cannot be rebuilt from the segments: the log start offset, the leader epochs with their start
// offsets, and four marks. Synced before anything that depends on it.
//
// Keys: "log/" · topic id (16) · partition u32 · kind (1) · for an epoch its number u32. Values: float64.

import type { Kv, KvOperation } from '../env/env.ts'
import { type Uuid, uuidToBytes } from '../util/uuid.ts'

/**
 * created: a segment of this log has existed, so a missing folder is damage and not a new log.
 * loose: unflushed records may have been promised since the last full flush.
 * damaged: bytes of this log were lost or set aside, and nobody has accepted the rest yet.
 * gaps: this log may hold gaps between offsets (compaction), so a gap is not damage.
 */
export type Mark = 'created' | 'loose' | 'damaged' | 'gaps'

const KIND = { epoch: 0x65, logStartOffset: 0x6f, created: 0x63, loose: 0x6c, damaged: 0x64, gaps: 0x67 } as const

export interface DurableLogState {
  logStartOffset: number
  readonly epochs: { epoch: number; startOffset: number }[]
  readonly marks: Set<Mark>
}

const MARKS = ['created', 'loose', 'damaged', 'gaps'] as const
const PREFIX = Buffer.from('log/')
const ID_BYTES = 20
const EMPTY = Buffer.alloc(0)
const LAST = Buffer.alloc(ID_BYTES + 1, 0xff)

/** Topic id and partition: how both databases name a log. */
export function logId(topicId: Uuid, partition: number): Buffer {
  const id = Buffer.alloc(ID_BYTES)
  uuidToBytes(topicId).copy(id)
  id.writeUInt32BE(partition, 16)
  return id
}

export function topicIdIn(id: Buffer): Uuid {
  return id.toString('base64url', 0, 16)
}

export function partitionIn(id: Buffer): number {
  return id.readUInt32BE(16)
}

/** What `meta` holds of every log, or of one, by its id in hex. */
export async function loadDurableStates(meta: Kv, of?: Buffer): Promise<Map<string, DurableLogState>> {
  const states = new Map<string, DurableLogState>()
  const idEnd = PREFIX.length + ID_BYTES
  for await (const [key, value] of meta.entries({
    gte: Buffer.concat([PREFIX, of ?? EMPTY]),
    lt: Buffer.concat([PREFIX, of ?? EMPTY, LAST]),
  })) {
    const id = key.toString('hex', PREFIX.length, idEnd)
    let state = states.get(id)
    if (state === undefined) states.set(id, (state = noDurableState()))
    const kind = key[idEnd]
    if (kind === KIND.epoch) state.epochs.push({ epoch: key.readUInt32BE(idEnd + 1), startOffset: value.readDoubleBE(0) })
    else if (kind === KIND.logStartOffset) state.logStartOffset = value.readDoubleBE(0)
    else for (const mark of MARKS) if (kind === KIND[mark]) state.marks.add(mark)
  }
  return states
}

export function noDurableState(): DurableLogState {
  return { logStartOffset: 0, epochs: [], marks: new Set() }
}

/** The part of `meta` that belongs to one log. */
export class DurableState {
  readonly #meta: Kv
  readonly #prefix: Buffer

  constructor(meta: Kv, id: Buffer) {
    this.#meta = meta
    this.#prefix = Buffer.concat([PREFIX, id])
  }

  setLogStartOffset(offset: number): Promise<void> {
    return this.#write([{ type: 'put', key: this.#key(KIND.logStartOffset), value: float64(offset) }])
  }

  setMark(mark: Mark, on: boolean): Promise<void> {
    const key = this.#key(KIND[mark])
    return this.#write([on ? { type: 'put', key, value: Buffer.alloc(0) } : { type: 'delete', key }])
  }

  /** Writes and deletes the epochs that differ. */
  changeEpochs(put: readonly { epoch: number; startOffset: number }[], remove: readonly number[]): Promise<void> {
    return this.#write([
      ...put.map(({ epoch, startOffset }): KvOperation => ({ type: 'put', key: this.#epochKey(epoch), value: float64(startOffset) })),
      ...remove.map((epoch): KvOperation => ({ type: 'delete', key: this.#epochKey(epoch) })),
    ])
  }

  /** Unsynced: what a deleted log leaves behind is never read again. */
  clear(): Promise<void> {
    return this.#meta.clear(this.#range())
  }

  #write(operations: KvOperation[]): Promise<void> {
    return this.#meta.batch(operations, { sync: true })
  }

  #range(): { gte: Buffer; lt: Buffer } {
    return { gte: this.#prefix, lt: Buffer.concat([this.#prefix, Buffer.from([0xff])]) }
  }

  #key(kind: number): Buffer {
    return Buffer.concat([this.#prefix, Buffer.from([kind])])
  }

  #epochKey(epoch: number): Buffer {
    const key = Buffer.concat([this.#prefix, Buffer.from([KIND.epoch, 0, 0, 0, 0])])
    key.writeUInt32BE(epoch, this.#prefix.length + 1)
    return key
  }
}

function float64(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleBE(value, 0)
  return bytes
}
