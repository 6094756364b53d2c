// What a seed makes happen to a whole cluster, drawn once at the start. Troubles name their victims by what they do when the moment comes.

import type { SeededRandom } from '../../env/sim/random.ts'
import type { WorldOptions } from '../../env/sim/world.ts'
import { type DiskFault, drawGroup, drawProducer, drawTopic, type GroupPlan, type ProducerPlan, type TopicPlan } from './plan.ts'

/** Whom it hits: the active controller, the leader of the partition that is written to most, one that is just starting, or anybody. */
export type Aim = 'controller' | 'leader' | 'starting' | 'any'

/** Who is parted from the victim. */
export type Parted = 'nodes' | 'clients' | 'all'

export type ClusterTrouble =
  | { readonly type: 'kill'; readonly aim: Aim; readonly power: boolean; readonly silent: boolean; readonly downMs: number }
  /** All at the same moment, or one at a time, each as soon as it is up. */
  | { readonly type: 'blackout'; readonly downMs: number }
  | { readonly type: 'restart'; readonly aim: Aim; readonly downMs: number }
  | { readonly type: 'roll' }
  | { readonly type: 'pause'; readonly aim: Aim; readonly ms: number }
  /** @see SimNetwork.cut */
  | {
      readonly type: 'cut'
      readonly aim: Aim
      readonly from: Parted
      readonly inward: boolean
      readonly outward: boolean
      readonly refusing: boolean
      readonly ms: number
      readonly resendMs: number
    }
  /** The victim and every other node forget, or reset, their connections. */
  | { readonly type: 'disconnect'; readonly aim: Aim; readonly way: 'reset' | 'forget' | 'half-open' }
  | { readonly type: 'slowLink'; readonly aim: Aim; readonly delayMs: number; readonly jitterMs: number; readonly ms: number }
  | { readonly type: 'slowDisk'; readonly aim: Aim; readonly factor: number; readonly ms: number }
  | ({ readonly type: 'brokenDisk'; readonly aim: Aim; readonly downMs: number } & DiskFault)
  /** No file takes a byte until this has passed; the databases live on what is kept for them. */
  | { readonly type: 'crowdedDisk'; readonly aim: Aim; readonly ms: number }
  | { readonly type: 'clockJump'; readonly aim: Aim; readonly offsetMs: number }

export interface ClusterPlan {
  readonly world: Partial<WorldOptions>
  /** Their ids are 1 … nodes; the first ones vote. */
  readonly nodes: number
  readonly voters: number
  /** Directories are given their places before the first start; else the nodes find each other. */
  readonly prepared: boolean
  /** Of every node. */
  readonly properties: Readonly<Record<string, string>>
  readonly topics: readonly TopicPlan[]
  readonly producers: readonly ProducerPlan[]
  /** Of all clients: the impatient try again while the first try is still under way. */
  readonly requestTimeoutMs: number
  readonly consumers: number
  /** Topics that come and go, and partitions that are added. */
  readonly churn: boolean
  readonly groups: readonly GroupPlan[]
  readonly durationMs: number
  /** Each after so many more events of the world. */
  readonly troubles: readonly { readonly afterEvents: number; readonly trouble: ClusterTrouble }[]
}

const NODE_COUNTS = [1, 2, 3, 3, 3, 3, 3, 3, 4, 5] as const

/** What stops a node when it fails once. */
const STOPPING_FAULTS: readonly DiskFault[] = [
  { operation: 'write', path: '.log' },
  { operation: 'flush', path: '.log' },
  { operation: 'truncate', path: '.log' },
  { operation: 'write', path: '/vote' },
  { operation: 'flush', path: '/vote' },
  { operation: 'batch', path: '/meta' },
  { operation: 'batch', path: '/index' },
]

export function drawClusterPlan(random: SeededRandom): ClusterPlan {
  const nodes = random.pick(NODE_COUNTS)
  const voters = nodes > 3 && random.chance(0.5) ? 3 : nodes
  const topics = Array.from({ length: random.integerBetween(1, 2) }, (_, index) => drawReplicated(random, { index, nodes }))
  return {
    world: {
      latencyMs: random.pick([
        [0.02, 0.2],
        [0.05, 0.5],
        [0.1, 2],
        [1, 20],
      ]),
      flushMs: random.pick([
        [0.1, 0.5],
        [0.3, 5],
        [2, 40],
      ]),
    },
    nodes,
    voters,
    prepared: random.chance(0.5),
    properties: {
      ...(random.chance(0.3) ? { 'replica.lag.time.max.ms': String(random.pick([500, 3000])) } : {}),
      ...(random.chance(0.3) ? { 'broker.session.timeout.ms': String(random.pick([800, 3000])) } : {}),
      ...(random.chance(0.2) ? { 'auto.leader.rebalance.enable': 'false' } : {}),
    },
    topics,
    producers: Array.from({ length: random.integerBetween(1, 3) }, (_, i) => ({ ...drawProducer(random, i), deliveryTimeoutMs: 120_000 })),
    consumers: random.integerBetween(1, 2),
    churn: random.chance(0.3),
    groups: random.chance(0.4) ? [drawGroup(random, 0)] : [],
    requestTimeoutMs: random.pick([400, 3000, 3000]),
    durationMs: random.integerBetween(500, 3000),
    troubles: Array.from({ length: random.integerBetween(2, 6) }, () => ({
      afterEvents: drawEventCount(random),
      trouble: drawClusterTrouble(random),
    })),
  }
}

function drawReplicated(random: SeededRandom, { index, nodes }: { index: number; nodes: number }): TopicPlan {
  const topic = drawTopic(random, { index, damages: false })
  const replicationFactor = random.chance(0.15) ? random.integerBetween(1, nodes) : Math.min(3, nodes)
  const minInsync = random.chance(0.2) ? 1 : Math.min(2, replicationFactor)
  return {
    ...topic,
    partitions: Math.min(topic.partitions, 3),
    replicationFactor,
    configs: { ...topic.configs, 'min.insync.replicas': String(minInsync) },
  }
}

/** Few events hit the middle of a failover, many the steady life. */
function drawEventCount(random: SeededRandom): number {
  return Math.floor(random.pick([50, 400, 2000, 6000]) * random.fraction())
}

function drawDownMs(random: SeededRandom): number {
  return random.pick([1, 30, 300, 3000]) * random.fraction()
}

function drawAim(random: SeededRandom): Aim {
  return random.pick(['controller', 'controller', 'leader', 'leader', 'starting', 'any', 'any'] as const)
}

function drawClusterTrouble(random: SeededRandom): ClusterTrouble {
  const aim = drawAim(random)
  const downMs = drawDownMs(random)
  const ms = random.pick([30, 500, 2500, 6000]) * random.fraction()
  const way = random.fraction()
  if (way < 0.22) return { type: 'kill', aim, power: true, silent: random.chance(0.3), downMs }
  if (way < 0.38) return { type: 'kill', aim, power: false, silent: false, downMs }
  if (way < 0.44) return { type: 'blackout', downMs }
  if (way < 0.52) return { type: 'restart', aim, downMs }
  if (way < 0.55) return { type: 'roll' }
  if (way < 0.64) return { type: 'pause', aim, ms }
  if (way < 0.82) {
    const direction = random.pick(['both', 'both', 'inward', 'outward'] as const)
    return {
      type: 'cut',
      aim,
      from: random.pick(['nodes', 'nodes', 'all', 'clients'] as const),
      inward: direction !== 'outward',
      outward: direction !== 'inward',
      refusing: random.chance(0.15),
      ms,
      resendMs: random.pick([0, 300, 1000]),
    }
  }
  if (way < 0.87) return { type: 'disconnect', aim, way: random.pick(['reset', 'reset', 'forget', 'half-open'] as const) }
  if (way < 0.9) return { type: 'slowLink', aim, delayMs: random.integerBetween(5, 150), jitterMs: random.integerBetween(0, 200), ms }
  if (way < 0.94) return { type: 'slowDisk', aim, factor: random.integerBetween(2, 30), ms }
  if (way < 0.97) return { type: 'brokenDisk', aim, ...random.pick(STOPPING_FAULTS), downMs }
  if (way < 0.985) return { type: 'crowdedDisk', aim, ms }
  return { type: 'clockJump', aim, offsetMs: random.integerBetween(-1, 1) * random.pick([50, 5000, 600_000]) }
}
