// The hints themselves, and how they are packed: [type, version, node id, incarnation id, sequence, …]. A field may be added behind the known ones of a
// version; what does not fit, or is of another version, is nobody's.
import { type Packable, PackError, pack, type Unpacked, unpack } from '../util/pack.ts'

/** Who says it. */
export interface HintHead {
  readonly nodeId: number
  /** Of its process. */
  readonly incarnationId: string
  /** Counts up within the process. */
  readonly sequence: number
}

/** Of the metadata log, as the node knows it. */
export interface MetadataHint {
  readonly epoch: number
  /** -1: it knows of none. */
  readonly leaderId: number
  /** Everything before it is agreed on. */
  readonly committedOffset: number
}

export interface HintAddress {
  readonly host: string
  readonly port: number
}

/** How busy a node is. Undefined: it does not know, or has no such role. */
export interface Load {
  /** From and to clients, per second since the digest before. */
  readonly receivedBytesPerSecond: number | undefined
  readonly sentBytesPerSecond: number | undefined
  readonly partitionsLed: number | undefined
  readonly connections: number | undefined
  /** Of one core; above 1 with several threads. */
  readonly cpuShare: number | undefined
  readonly residentBytes: number | undefined
  readonly diskFreeBytes: number | undefined
}

export interface Announcement extends HintHead, MetadataHint {
  readonly type: 'announcement'
}

export interface Digest extends HintHead, MetadataHint {
  readonly type: 'digest'
  /** The listener for the other nodes. */
  readonly internal: HintAddress
  /** Undefined: it cannot be dialled. */
  readonly gossip: HintAddress | undefined
  readonly load: Load
}

export type Hint = Announcement | Digest

const ANNOUNCEMENT = 1
const DIGEST = 2
const VERSION = 1
const MAX_ID_LENGTH = 64
const MAX_HOST_LENGTH = 255

export function encodeHint(hint: Hint): Buffer {
  const { nodeId, incarnationId, sequence, epoch, leaderId, committedOffset } = hint
  const common: Packable[] = [nodeId, incarnationId, sequence, epoch, leaderId, committedOffset]
  if (hint.type === 'announcement') return pack(ANNOUNCEMENT, VERSION, common)
  const { internal, gossip, load } = hint
  const numbers = LOAD_KEYS.map(key => load[key] ?? null)
  return pack(DIGEST, VERSION, [
    ...common,
    [internal.host, internal.port],
    gossip === undefined ? null : [gossip.host, gossip.port],
    numbers,
  ])
}

const LOAD_KEYS = [
  'receivedBytesPerSecond',
  'sentBytesPerSecond',
  'partitionsLed',
  'connections',
  'cpuShare',
  'residentBytes',
  'diskFreeBytes',
] as const satisfies readonly (keyof Load)[]

/** Undefined: it is not a hint, or of a kind we do not know. */
export function decodeHint(bytes: Uint8Array, maxBytes: number): Hint | undefined {
  const unpacked = tryUnpack(bytes, maxBytes)
  if (unpacked === undefined || unpacked.version !== VERSION) return undefined
  const { type, fields } = unpacked
  const [nodeId, incarnationId, sequence, epoch, leaderId, committedOffset] = fields
  if (!isCount(nodeId) || !isText(incarnationId, MAX_ID_LENGTH) || !isCount(sequence)) return undefined
  if (!isCount(epoch) || !(leaderId === -1 || isCount(leaderId)) || !isCount(committedOffset)) return undefined
  const common = { nodeId, incarnationId, sequence, epoch, leaderId, committedOffset }
  if (type === ANNOUNCEMENT) return { type: 'announcement', ...common }
  if (type !== DIGEST) return undefined
  const internal = readAddress(fields[6])
  const gossip = fields[7] === null ? undefined : readAddress(fields[7])
  const load = readLoad(fields[8])
  if (internal === undefined || (gossip === undefined && fields[7] !== null) || load === undefined) return undefined
  return { type: 'digest', ...common, internal, gossip, load }
}

function tryUnpack(bytes: Uint8Array, maxBytes: number) {
  try {
    return unpack(bytes, 'hint', maxBytes)
  } catch (error) {
    if (error instanceof PackError) return undefined
    throw error
  }
}

function readAddress(value: Unpacked | undefined): HintAddress | undefined {
  const [host, port] = Array.isArray(value) ? (value as readonly Unpacked[]) : []
  return isText(host, MAX_HOST_LENGTH) && isCount(port) && port > 0 && port <= 65_535 ? { host, port } : undefined
}

function readLoad(value: Unpacked | undefined): Load | undefined {
  if (!Array.isArray(value) || value.length < LOAD_KEYS.length) return undefined
  const numbers = (value as readonly Unpacked[]).slice(0, LOAD_KEYS.length)
  if (!numbers.every(each => each === null || (typeof each === 'number' && each >= 0))) return undefined
  return Object.fromEntries(LOAD_KEYS.map((key, i) => [key, numbers[i] ?? undefined])) as unknown as Load
}

function isCount(value: Unpacked | undefined): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function isText(value: Unpacked | undefined, maxLength: number): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= maxLength
}
