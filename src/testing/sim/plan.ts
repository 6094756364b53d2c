// What a seed makes happen: the shape of the cluster, of the load and of the trouble, drawn once at the start.

import type { SeededRandom } from '../../env/sim/random.ts'
import type { FaultyOperation } from '../../env/sim/storage.ts'
import type { WorldOptions } from '../../env/sim/world.ts'

export type CodecName = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'

export interface TopicPlan {
  readonly name: string
  readonly partitions: number
  /** Undefined: the default of the cluster. */
  readonly replicationFactor: number | undefined
  readonly configs: Readonly<Record<string, string>>
  /** flush.messages is 1: acknowledged means flushed. */
  readonly flushesFirst: boolean
  /** Old segments are deleted, or records are by request: the log's start moves. */
  readonly retains: boolean
  /** Its segments are written anew; every record needs a key, and has one of its own. */
  readonly compacts: boolean
}

/** What of a disk may fail: an operation, where the path contains this. */
export interface DiskFault {
  readonly operation: FaultyOperation
  readonly path: string
}

export interface ProducerPlan {
  readonly name: string
  readonly acks: -1 | 0 | 1
  readonly idempotent: boolean
  readonly compression: CodecName
  readonly lingerMs: number
  readonly batchBytes: number
  /** Mean pause between two sends. */
  readonly pauseMs: number
  readonly maxValueBytes: number
  readonly maxInFlight: number
  readonly deliveryTimeoutMs: number
}

export interface MemberPlan {
  readonly name: string
  /** Of a static member. */
  readonly instanceId: string | null
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  readonly heartbeatMs: number
  /** Between two commits, at least. 0: after every answer. */
  readonly commitMs: number
  /** How likely it is after every answer that something happens to it. */
  readonly restlessness: number
}

export interface GroupPlan {
  readonly group: string
  readonly members: readonly MemberPlan[]
}

export type Trouble =
  | { readonly type: 'crash'; readonly power: boolean; readonly silent: boolean; readonly downMs: number }
  | { readonly type: 'restart'; readonly downMs: number }
  | { readonly type: 'pause'; readonly ms: number }
  | { readonly type: 'cut'; readonly ms: number; readonly toBroker: boolean; readonly fromBroker: boolean }
  | { readonly type: 'slowDisk'; readonly factor: number; readonly ms: number }
  /** So many writes to segments find no space; the broker goes on. */
  | { readonly type: 'fullDisk'; readonly writes: number }
  /** No file takes a byte until this has passed; the databases live on what is kept for them. */
  | { readonly type: 'crowdedDisk'; readonly ms: number }
  /** The next such operation fails; the broker stops, or answers, and its machine is started anew. */
  | ({ readonly type: 'brokenDisk'; readonly downMs: number } & DiskFault)
  /** The broker's wall clock is so far off from now on. */
  | { readonly type: 'clockJump'; readonly offsetMs: number }
  /** The machine goes down, in good order or not, and when it is up again, bits of its segments are not what they were. */
  | { readonly type: 'flip'; readonly clean: boolean; readonly count: number; readonly downMs: number }
  /** The machine goes down, and when it is up again the index database has lost some of its keys, or cannot be opened. */
  | { readonly type: 'lostIndex'; readonly clean: boolean; readonly share: number; readonly downMs: number }

export interface Plan {
  readonly world: Partial<WorldOptions>
  readonly topics: readonly TopicPlan[]
  readonly producers: readonly ProducerPlan[]
  readonly consumers: number
  /** Topics that come and go, and partitions that are added. */
  readonly churn: boolean
  /** Records are deleted and configurations changed while the load lasts. */
  readonly operates: boolean
  /** Bits of stored records flip: what was damaged is told apart from what must be there. */
  readonly damages: boolean
  /** Consumer groups, of all topics. Not where bits flip. */
  readonly groups: readonly GroupPlan[]
  /** The load lasts at least this long. */
  readonly durationMs: number
  /** Each after so many more events of the broker. */
  readonly troubles: readonly { readonly afterEvents: number; readonly trouble: Trouble }[]
}

const NEVER = '9223372036854775807'

/** What may fail with EIO, and stop the broker. A failed read of records is an answer; at the start it stops the broker too. */
export const DISK_FAULTS: readonly DiskFault[] = [
  { operation: 'write', path: '.log' },
  { operation: 'flush', path: '.log' },
  { operation: 'read', path: '.log' },
  { operation: 'open', path: '.log' },
  { operation: 'truncate', path: '.log' },
  { operation: 'remove', path: '/logs' },
  { operation: 'rename', path: '/logs' },
  { operation: 'makeDirectory', path: '/logs' },
  { operation: 'syncDirectory', path: '/logs' },
  { operation: 'write', path: '/vote' },
  { operation: 'flush', path: '/vote' },
  { operation: 'batch', path: '/meta' },
  { operation: 'batch', path: '/index' },
]

/** Groups are drawn last: what else a seed tells does not change when they do. */
export function drawPlan(random: SeededRandom): Plan {
  const plan = drawLoad(random)
  if (plan.damages || random.chance(0.25)) return plan
  return { ...plan, groups: Array.from({ length: random.pick([1, 1, 2]) }, (_, index) => drawGroup(random, index)) }
}

function drawLoad(random: SeededRandom): Plan {
  const damages = random.chance(0.2)
  const topics = Array.from({ length: random.integerBetween(1, 3) }, (_, i) => drawTopic(random, { index: i, damages }))
  const producers = Array.from({ length: random.integerBetween(1, 3) }, (_, i) => drawProducer(random, i))
  return {
    world: {
      latencyMs: random.pick([
        [0.02, 0.2],
        [0.1, 2],
        [1, 30],
      ]),
      flushMs: random.pick([
        [0.1, 0.5],
        [0.3, 5],
        [2, 40],
      ]),
    },
    topics,
    producers,
    consumers: random.integerBetween(1, 2),
    churn: random.chance(0.4),
    operates: random.chance(0.5),
    damages,
    groups: [],
    durationMs: random.integerBetween(300, 2000),
    troubles: Array.from({ length: random.integerBetween(2, 7) }, () => ({
      afterEvents: drawEventCount(random),
      trouble: damages && random.chance(0.3) ? drawFlip(random) : drawTrouble(random),
    })),
  }
}

export function drawGroup(random: SeededRandom, index: number): GroupPlan {
  const group = `group-${index}`
  const sessionTimeoutMs = random.integerBetween(200, 1500)
  const rebalanceTimeoutMs = random.integerBetween(200, 1500)
  const members = Array.from({ length: random.integerBetween(1, 4) }, (_, i) => ({
    name: `${group}-member-${i}`,
    instanceId: random.chance(0.3) ? `static-${i}` : null,
    sessionTimeoutMs,
    rebalanceTimeoutMs,
    heartbeatMs: sessionTimeoutMs / random.integerBetween(3, 6),
    commitMs: random.pick([0, 20, 200]),
    restlessness: random.pick([0, 0.02, 0.1]),
  }))
  return { group, members }
}

/** Few events hit the start of a node, many its steady life. */
function drawEventCount(random: SeededRandom): number {
  return Math.floor(random.pick([30, 150, 600, 2000]) * random.fraction())
}

function drawDownMs(random: SeededRandom): number {
  return random.pick([1, 30, 300, 2000]) * random.fraction()
}

function drawFlip(random: SeededRandom): Trouble {
  return { type: 'flip', clean: random.chance(0.6), count: random.integerBetween(1, 3), downMs: drawDownMs(random) }
}

function drawTrouble(random: SeededRandom): Trouble {
  const downMs = drawDownMs(random)
  const way = random.fraction()
  if (way < 0.4) return { type: 'crash', power: true, silent: random.chance(0.3), downMs }
  if (way < 0.53) return { type: 'crash', power: false, silent: false, downMs }
  if (way < 0.66) return { type: 'restart', downMs }
  const ms = random.pick([20, 300, 3000]) * random.fraction()
  if (way < 0.73) return { type: 'pause', ms }
  if (way < 0.79) return { type: 'cut', ms, toBroker: random.chance(0.7), fromBroker: random.chance(0.7) }
  if (way < 0.82) return { type: 'fullDisk', writes: random.integerBetween(1, 20) }
  if (way < 0.85) return { type: 'crowdedDisk', ms }
  if (way < 0.92) return { type: 'brokenDisk', ...random.pick(DISK_FAULTS), downMs }
  if (way < 0.94) return { type: 'clockJump', offsetMs: random.integerBetween(-1, 1) * random.pick([50, 5000, 600_000, 18_000_000]) }
  if (way < 0.97) return { type: 'lostIndex', clean: random.chance(0.5), share: random.pick([0.1, 0.5, 1]), downMs }
  return { type: 'slowDisk', factor: random.integerBetween(2, 30), ms }
}

export function drawTopic(random: SeededRandom, { index, damages }: { index: number; damages: boolean }): TopicPlan {
  const flushesFirst = random.chance(0.75)
  const configs: Record<string, string> = {
    'internal.segment.bytes': String(random.pick([2048, 8192, 32_768, 1_048_576])),
    'index.interval.bytes': String(random.pick([100, 1000, 4096])),
  }
  if (!flushesFirst) configs['flush.messages'] = random.pick([NEVER, '10', '1000'])
  if (random.chance(0.3)) configs['segment.ms'] = String(random.integerBetween(50, 2000))
  if (random.chance(0.2)) configs['compression.type'] = random.pick(['uncompressed', 'gzip', 'lz4', 'zstd', 'snappy'])
  if (random.chance(0.2)) configs['message.timestamp.type'] = 'LogAppendTime'
  // What was damaged is led on with what is left of it.
  if (damages) configs['unclean.leader.election.enable'] = 'true'
  const retains = random.chance(0.3)
  if (retains) {
    configs['file.delete.delay.ms'] = '100'
    if (random.chance(0.6)) configs['retention.bytes'] = String(random.integerBetween(5000, 50_000))
    if (random.chance(0.3)) configs['retention.ms'] = String(random.integerBetween(300, 5000))
  }
  const partitions = random.integerBetween(1, 4)
  // Every key is sent once, so only what was appended twice goes; but the segments are written anew all the time.
  const compacts = !damages && partitions % 2 === 0
  if (compacts) {
    configs['cleanup.policy'] = retains ? 'compact,delete' : 'compact'
    configs['min.cleanable.dirty.ratio'] = '0.01'
  }
  return { name: `topic-${index}`, partitions, replicationFactor: undefined, configs, flushesFirst, retains, compacts }
}

export function drawProducer(random: SeededRandom, index: number): ProducerPlan {
  const acks = random.pick([-1, -1, -1, 1, 0] as const)
  return {
    name: `p${index}`,
    acks,
    idempotent: acks === -1 && random.chance(0.85),
    compression: random.pick(['none', 'none', 'gzip', 'snappy', 'lz4', 'zstd']),
    lingerMs: random.pick([0, 0, 5, 20]),
    batchBytes: random.pick([200, 2000, 16_384]),
    pauseMs: random.pick([3, 15, 40]),
    maxValueBytes: random.pick([20, 300, 300, 300, 5000]),
    maxInFlight: random.pick([1, 10, 100]),
    deliveryTimeoutMs: random.pick([4000, 120_000, 120_000]),
  }
}
