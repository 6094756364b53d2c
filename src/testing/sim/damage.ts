// Bits that flip in stored bytes while the machine is off, and the judgement over each of them at the end. A batch that was hit must not be served;
// it must be found by who reads it, or lie among what was set aside, or be gone with what was deleted or cut off. Everything else that was
// acknowledged must be readable, or lie unharmed among what was set aside.

import { DirectoryNode, type FileNode } from '../../env/memory/tree.ts'
import type { SeededRandom } from '../../env/sim/random.ts'
import type { SimStorage } from '../../env/sim/storage.ts'
import { headerFault } from '../../log/walk.ts'
import * as batch from '../../protocol/batch.ts'
import { BATCH_HEADER_BYTES } from '../../protocol/batch.ts'
import { decodeBatch } from '../../protocol/records.ts'
import type { Final, HistoryEvent, PartitionName, Sent } from '../history.ts'
import { identify } from './payload.ts'

const LOGS = '/data/logs'
const SET_ASIDE = 'set-aside'
/** The leader epoch is under no checksum. Only what lies around it tells what it was in a batch that recovery reads. */
const LEADER_EPOCH_AT = 12
const MAGIC_AT = 16
/** No seed has so many elections. */
const TOO_LATE_EPOCH = 10_000
const MAX_UNPACKED_BYTES = 64 * 1024 * 1024

/** A batch of which one bit is not what was written. */
export interface Flip extends PartitionName {
  readonly path: string
  readonly node: FileNode
  readonly position: number
  /** As it stands since the flip. */
  readonly bytes: Buffer
  readonly baseOffset: number
  readonly lastOffset: number
  /** What was in it. */
  readonly ids: ReadonlySet<string>
  /** It may look sound: its leader epoch is another one that could be. Then it is as good as it was. */
  readonly mayPass: boolean
}

interface SegmentFile extends PartitionName {
  readonly path: string
  readonly node: FileNode
}

/** Flips a bit of a batch of one of these topics; the machine is off and everything it kept is durable. Undefined: there is none. */
export function flipOne(storage: SimStorage, topics: readonly string[], random: SeededRandom): Flip | undefined {
  const files = segmentFiles(storage, topics).filter(({ node }) => node.bytes.size >= BATCH_HEADER_BYTES)
  if (files.length === 0) return undefined
  const { topic, partition, path, node } = random.pick(files)
  const stored = node.bytes.read(0, node.bytes.size)
  const batches = [...batchesOf(stored)]
  if (batches.length === 0) return undefined
  // The last batches are where recovery looks, the first where it does not.
  const index = random.chance(0.3) ? batches.length - 1 : random.integer(batches.length)
  const position = batches[index]!
  const size = batch.batchSize(stored, position)
  const bytes = stored.subarray(position, position + size)
  const [baseOffset, lastOffset] = [batch.baseOffset(bytes, 0), batch.lastOffset(bytes, 0)]
  const ids = new Set(idsIn(bytes, 0))
  const at = random.integer(random.chance(0.3) ? BATCH_HEADER_BYTES : size)
  bytes[at]! ^= 1 << random.integer(8)
  const mayPass = at >= LEADER_EPOCH_AT && at < MAGIC_AT && isPossibleEpoch(stored, batches, index)
  const changed = bytes.subarray(at, at + 1)
  node.bytes.write(changed, position + at)
  storage.fileHistory(node).durable.write(changed, position + at)
  return { topic, partition, path, node, position, bytes: Buffer.from(bytes), baseOffset, lastOffset, ids, mayPass }
}

/** As far as its neighbours in the segment tell. */
function isPossibleEpoch(stored: Buffer, batches: readonly number[], index: number): boolean {
  const [before, at, behind] = [batches[index - 1], batches[index]!, batches[index + 1]]
  const epoch = batch.leaderEpoch(stored, at)
  const earliest = before === undefined ? 0 : batch.leaderEpoch(stored, before)
  const latest = behind === undefined ? TOO_LATE_EPOCH : batch.leaderEpoch(stored, behind)
  return epoch >= earliest && epoch <= latest
}

interface NotedFlip {
  readonly flip: Flip
  /** The broker had shut down in good order: nothing it stored may be taken for a torn end. */
  readonly clean: boolean
  /** How much of the history came before it. */
  readonly eventCount: number
}

export class Damages {
  #flips: NotedFlip[] = []

  noteFlip(noted: NotedFlip): void {
    this.#flips.push(noted)
  }

  /** Without its checkpoint a log cannot tell damage near its end from an unflushed end. */
  noteLostIndex(eventCount: number): void {
    this.#flips = this.#flips.map(noted => ({ ...noted, clean: false, eventCount }))
  }

  /** @returns what is wrong, when everything was read at the end */
  judge(storage: SimStorage, events: readonly HistoryEvent[], flushesFirst: (topic: string) => boolean): string[] {
    if (this.#flips.length === 0) return []
    const finals = new Map(events.filter(event => event.type === 'final').map(final => [nameOf(final), final]))
    const wrong = this.#flips.map(({ flip }) => judgeFlip(storage, flip, finals.get(nameOf(flip))!)).filter(fault => fault !== undefined)
    return [...wrong, ...this.#losses(events, { finals, setAside: idsSetAside(storage), flushesFirst })]
  }

  /** What was acknowledged before a flip, lay in no damaged batch, and is neither in the log nor set aside. */
  #losses(
    events: readonly HistoryEvent[],
    o: { finals: Map<string, Final>; setAside: Set<string>; flushesFirst: (topic: string) => boolean },
  ): string[] {
    const hit = new Set(this.#flips.flatMap(({ flip }) => [...flip.ids]))
    const there = new Set([...o.finals.values()].flatMap(({ records }) => records.map(({ id }) => id)))
    const sent = new Map<string, { sent: Sent; index: number }>()
    const lost: string[] = []
    for (const [index, event] of events.entries()) {
      if (event.type === 'sent') sent.set(event.id, { sent: event, index })
      if (event.type !== 'acked') continue
      const { id, offset } = event
      const {
        sent: { topic, partition, acks },
        index: sentAt,
      } = sent.get(id)!
      const final = o.finals.get(nameOf({ topic, partition }))
      if (acks === 0 || !o.flushesFirst(topic) || final === undefined || (offset >= 0 && offset < final.logStartOffset)) continue
      if (hit.has(id) || there.has(id) || o.setAside.has(id) || this.#isTorn(topic, partition, { offset, sentAt })) continue
      lost.push(
        `${id}, acknowledged at offset ${offset} of ${topic}-${partition}, is neither in the log nor set aside, and was not damaged`,
      )
    }
    return lost
  }

  /** Behind damage that came with a power cut, within what may have been unflushed, nobody can tell what was acknowledged. An answer may arrive later. */
  #isTorn(topic: string, partition: number, { offset, sentAt }: { offset: number; sentAt: number }): boolean {
    return this.#flips.some(
      ({ flip, clean, eventCount }) =>
        !clean && flip.topic === topic && flip.partition === partition && sentAt < eventCount && (offset < 0 || offset >= flip.baseOffset),
    )
  }
}

function judgeFlip(storage: SimStorage, flip: Flip, final: Final): string | undefined {
  const name = `the damaged batch ${flip.baseOffset}…${flip.lastOffset} of ${nameOf(flip)}`
  const isInPlace = storage.tree.find(flip.path) === flip.node && flip.node.bytes.read(flip.position, flip.bytes.length).equals(flip.bytes)
  if (!isInPlace || flip.mayPass || flip.lastOffset < final.logStartOffset) return undefined
  const served = final.records.find(({ id }) => flip.ids.has(id ?? ''))
  if (served !== undefined) return `${name} was served: ${served.id} at offset ${served.offset}`
  return `${name} lies in the log, and nobody was told`
}

function nameOf({ topic, partition }: PartitionName): string {
  return `${topic}-${partition}`
}

/** The records in all unharmed batches among what was set aside. */
function idsSetAside(storage: SimStorage): Set<string> {
  const ids = new Set<string>()
  const root = storage.tree.find(`${LOGS}/${SET_ASIDE}`)
  if (root instanceof DirectoryNode) {
    for (const { node } of filesUnder(root, '')) {
      const bytes = node.bytes.read(0, node.bytes.size)
      // The first batch may be the damaged one: whole ones are looked for from every byte on.
      for (let p = 0; p + BATCH_HEADER_BYTES <= bytes.length; p++) {
        if (!isWhole(bytes, p)) continue
        for (const id of idsIn(bytes, p)) ids.add(id)
        p += batch.batchSize(bytes, p) - 1
      }
    }
  }
  return ids
}

function* batchesOf(bytes: Buffer): Iterable<number> {
  for (let p = 0; p + BATCH_HEADER_BYTES <= bytes.length && isWhole(bytes, p); p += batch.batchSize(bytes, p)) yield p
}

function isWhole(b: Buffer, p: number): boolean {
  return headerFault(b, p) === undefined && p + batch.batchSize(b, p) <= b.length && batch.crcIsValid(b, p)
}

function idsIn(b: Buffer, p: number): string[] {
  const ids = decodeBatch(b, p, { maxBytes: MAX_UNPACKED_BYTES }).map(({ value }) => identify(value).id)
  return ids.filter(id => id !== undefined)
}

function segmentFiles(storage: SimStorage, topics: readonly string[]): SegmentFile[] {
  const root = storage.tree.find(LOGS)
  if (!(root instanceof DirectoryNode)) return []
  const found: SegmentFile[] = []
  for (const [name, folder] of root.entries) {
    const [, topic = '', partition = ''] = /^(.+)-(\d+)$/.exec(name) ?? []
    if (!topics.includes(topic) || folder.kind !== 'directory') continue
    for (const { path, node } of filesUnder(folder, `${LOGS}/${name}`)) {
      if (path.endsWith('.log')) found.push({ topic, partition: Number(partition), path, node })
    }
  }
  return found
}

function* filesUnder(directory: DirectoryNode, path: string): Iterable<{ path: string; node: FileNode }> {
  for (const [name, node] of directory.entries) {
    if (node.kind === 'file') yield { path: `${path}/${name}`, node }
    else yield* filesUnder(node, `${path}/${name}`)
  }
}
