// The client library's front door: one `Kafka` per cluster, from which producers, consumers and admins are made. Works with Ottla and with
// Apache Kafka from 2.1 on. Names and defaults are Kafka's where it has them; where they differ it says so.
import type { Env } from '../env/env.ts'
import { CODEC_NAMES, type Codec } from '../protocol/compression.ts'
import { REMEMBERED_BATCHES } from './accumulator.ts'
import { Admin } from './admin.ts'
import { type Address, Cluster, type ClusterOptions } from './cluster.ts'
import { Consumer } from './consumer.ts'
import type { AutoOffsetReset } from './fetcher.ts'
import { ASSIGNORS, type AssignorName } from './group/assignors.ts'
import type { GroupOptions } from './group/session.ts'
import type { IsolationLevel } from './offsets.ts'
import type { Hold } from './operation.ts'
import type { Partitioner } from './partitioner.ts'
import { Producer } from './producer.ts'

export interface KafkaSettings {
  /** `'host:port,host:port'` or a list of `'host:port'`; any broker leads to the others. IPv6 in brackets. */
  readonly bootstrapServers: string | readonly string[]
  /** Shown in the brokers' logs and quotas. Default 'ottla'. */
  readonly clientId?: string
  /** For a broker's answer to one request. Default 30 s. */
  readonly requestTimeoutMs?: number
  /** To connect to one broker. Default 10 s. */
  readonly connectTimeoutMs?: number
  /** Between tries, doubling up to the maximum. Default 100 ms and 1 s. */
  readonly retryBackoffMs?: number
  readonly retryBackoffMaxMs?: number
}

export interface ProducerSettings {
  /** -1 (default): every in-sync replica has the record. 1: the leader has it. 0: it was sent. */
  readonly acks?: -1 | 0 | 1
  /** Each record once and in order, whatever is retried. Default true with acks -1; needs acks -1. */
  readonly idempotent?: boolean
  /** Waits for more records before a batch that is not full leaves. Default 0: what one turn of the event loop gives goes together. */
  readonly lingerMs?: number
  /** Default 64 KiB (Kafka: 16). */
  readonly batchBytes?: number
  /** Default 1 MiB. */
  readonly maxRequestBytes?: number
  readonly compression?: Compression
  readonly partitioner?: Partitioner
  /** From `send` to the acknowledgement. Default 2 min. */
  readonly deliveryTimeoutMs?: number
  /** How long a record waits for an unknown topic or partition to appear. Default 10 s (Kafka: 60). */
  readonly metadataTimeoutMs?: number
  /** Requests under way per broker. Default and maximum 5. */
  readonly maxInFlightRequests?: number
  /** `ready()` waits above. Default 32 MiB. */
  readonly bufferBytes?: number
  /** Asks for topics in a way that lets the brokers create them, if they do that. Default true. */
  readonly allowAutoTopicCreation?: boolean
}

export type Compression = (typeof CODEC_NAMES)[number]

export interface ConsumerSettings extends GroupSettings {
  /**
   * What happens at an offset that is no longer, or not yet, in the log, and where the group has committed none. Default 'latest' with a groupId;
   * 'none' without one: `poll` throws (Kafka: latest).
   */
  readonly autoOffsetReset?: AutoOffsetReset
  readonly isolationLevel?: IsolationLevel
  /** How long a broker may hold back a fetch that finds nothing. Default 500 ms. */
  readonly fetchMaxWaitMs?: number
  readonly fetchMinBytes?: number
  /** Default 50 MiB, 1 MiB of one partition. */
  readonly fetchMaxBytes?: number
  readonly partitionMaxBytes?: number
  /** Fetched and not given out yet: fetching ahead stops above. Default 64 MiB. */
  readonly maxBufferedBytes?: number
  /** What a compressed batch may unpack to. Default 128 MiB. */
  readonly maxBatchBytes?: number
  /** For offsets that have to be looked up. Default 60 s. */
  readonly operationTimeoutMs?: number
}

/** For consumers that belong to a group: `subscribe`, commits. */
export interface GroupSettings {
  readonly groupId?: string
  /** Makes a static member: it keeps its partitions while it restarts within the session timeout, and does not leave when it closes. */
  readonly groupInstanceId?: string
  /** A member that is silent for so long is dead. Default 45 s; brokers have bounds (group.min.session.timeout.ms, 6 s). */
  readonly sessionTimeoutMs?: number
  /** Default 3 s, and at most a third of the session timeout. */
  readonly heartbeatIntervalMs?: number
  /** Between two polls; a member that needs longer loses its partitions. A rebalance waits as long for each member. Default 5 min. */
  readonly maxPollIntervalMs?: number
  /**
   * How the group shares its partitions, preferred first; all members must have one in common. Default range, cooperative-sticky. With
   * cooperative-sticky alone the consumer keeps its partitions during a rebalance, and loses those that move.
   */
  readonly partitionAssignors?: readonly AssignorName[]
  /** Commits what earlier polls gave out: now and then, before partitions are given up, and on `close`. Default true with a groupId. */
  readonly autoCommit?: boolean
  /** Default 5 s. */
  readonly autoCommitIntervalMs?: number
  /** How often is looked for new partitions, and for new topics that match a pattern. Default 5 min. */
  readonly metadataMaxAgeMs?: number
}

export interface AdminSettings {
  /** For one operation, retries included. Default 60 s. */
  readonly timeoutMs?: number
}

interface Closable {
  close(): Promise<void>
}

const KIB = 1024
const MIB = 1024 * 1024
const METADATA_MAX_AGE_MS = 300_000

export class Kafka {
  readonly #env: Env
  readonly #bootstrap: readonly Address[]
  readonly #settings: KafkaSettings
  readonly #hold: Hold
  readonly #open = new Set<Closable>()

  /**
   * Opens nothing yet: connections are made when they are needed.
   * @param hold  called while somebody waits for this client; where timers keep no process alive it has to do that
   */
  constructor(env: Env, settings: KafkaSettings, hold: Hold = () => () => undefined) {
    this.#env = env
    this.#hold = hold
    this.#settings = settings
    this.#bootstrap = parseServers(settings.bootstrapServers)
  }

  producer(settings: ProducerSettings = {}): Producer {
    const acks = settings.acks ?? -1
    if (acks !== -1 && acks !== 0 && acks !== 1)
      throw new RangeError(`acks is -1 (all in-sync replicas), 0 or 1, not ${JSON.stringify(acks)}`)
    const idempotent = settings.idempotent ?? acks === -1
    if (idempotent && acks !== -1) throw new RangeError(`an idempotent producer needs acks -1, not ${acks}`)
    const maxInFlightRequests = settings.maxInFlightRequests ?? REMEMBERED_BATCHES
    if (maxInFlightRequests < 1 || maxInFlightRequests > REMEMBERED_BATCHES) {
      throw new RangeError(`maxInFlightRequests lies between 1 and ${REMEMBERED_BATCHES}, not at ${maxInFlightRequests}`)
    }
    const cluster = this.#cluster(settings.allowAutoTopicCreation ?? true)
    const options = {
      acks,
      idempotent,
      maxInFlightRequests,
      batchBytes: settings.batchBytes ?? 64 * KIB,
      lingerMs: settings.lingerMs ?? 0,
      maxRequestBytes: settings.maxRequestBytes ?? MIB,
      deliveryTimeoutMs: settings.deliveryTimeoutMs ?? 120_000,
      metadataTimeoutMs: settings.metadataTimeoutMs ?? 10_000,
      backoff: cluster.options.backoff,
      partitioner: settings.partitioner,
      codec: codecOf(settings.compression ?? 'none'),
      requestTimeoutMs: cluster.options.requestTimeoutMs,
      bufferBytes: settings.bufferBytes ?? 32 * MIB,
    }
    const producer: Producer = new Producer(cluster, options, () => this.#open.delete(producer))
    this.#open.add(producer)
    return producer
  }

  consumer(settings: ConsumerSettings = {}): Consumer {
    const cluster = this.#cluster(false, settings.metadataMaxAgeMs)
    const operationTimeoutMs = settings.operationTimeoutMs ?? 60_000
    const options = {
      autoOffsetReset: settings.autoOffsetReset ?? (settings.groupId === undefined ? 'none' : 'latest'),
      isolationLevel: settings.isolationLevel ?? 'read_uncommitted',
      fetchMaxWaitMs: settings.fetchMaxWaitMs ?? 500,
      fetchMinBytes: settings.fetchMinBytes ?? 1,
      fetchMaxBytes: settings.fetchMaxBytes ?? 50 * MIB,
      partitionMaxBytes: settings.partitionMaxBytes ?? MIB,
      maxBufferedBytes: settings.maxBufferedBytes ?? 64 * MIB,
      maxBatchBytes: settings.maxBatchBytes ?? 128 * MIB,
      operationTimeoutMs,
      backoff: cluster.options.backoff,
      requestTimeoutMs: cluster.options.requestTimeoutMs,
      group: settings.groupId === undefined ? undefined : groupOptions(settings.groupId, settings, operationTimeoutMs, cluster.options),
    } as const
    const consumer: Consumer = new Consumer(cluster, options, () => this.#open.delete(consumer))
    this.#open.add(consumer)
    return consumer
  }

  admin(settings: AdminSettings = {}): Admin {
    const admin: Admin = new Admin(this.#cluster(false), { timeoutMs: settings.timeoutMs ?? 60_000 }, () => this.#open.delete(admin))
    this.#open.add(admin)
    return admin
  }

  /** Closes all that was made here; producers flush first. */
  async close(): Promise<void> {
    await Promise.all([...this.#open].map(client => client.close()))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #cluster(allowAutoTopicCreation: boolean, metadataMaxAgeMs = METADATA_MAX_AGE_MS): Cluster {
    const settings = this.#settings
    return new Cluster(this.#env, {
      bootstrap: this.#bootstrap,
      clientId: settings.clientId ?? 'ottla',
      connectTimeoutMs: settings.connectTimeoutMs ?? 10_000,
      requestTimeoutMs: settings.requestTimeoutMs ?? 30_000,
      backoff: { initialMs: settings.retryBackoffMs ?? 100, maxMs: settings.retryBackoffMaxMs ?? 1000 },
      allowAutoTopicCreation,
      metadataMaxAgeMs,
      hold: this.#hold,
    })
  }
}

function groupOptions(groupId: string, settings: GroupSettings, operationTimeoutMs: number, cluster: ClusterOptions): GroupOptions {
  if (groupId === '') throw new RangeError("a group's id is not empty")
  if (settings.groupInstanceId === '') throw new RangeError('a group instance id is not empty')
  const sessionTimeoutMs = settings.sessionTimeoutMs ?? 45_000
  const heartbeatIntervalMs = settings.heartbeatIntervalMs ?? Math.min(3000, Math.floor(sessionTimeoutMs / 3))
  if (heartbeatIntervalMs >= sessionTimeoutMs) {
    throw new RangeError(`heartbeatIntervalMs ${heartbeatIntervalMs} must be less than sessionTimeoutMs ${sessionTimeoutMs}`)
  }
  const assignors = settings.partitionAssignors ?? DEFAULT_ASSIGNORS
  const names = Object.keys(ASSIGNORS)
  const unknown = assignors.find(name => !names.includes(name))
  if (assignors.length === 0 || unknown !== undefined) {
    throw new RangeError(`partitionAssignors are some of ${names.join(', ')}${unknown === undefined ? '' : `, not '${unknown}'`}`)
  }
  return {
    groupId,
    groupInstanceId: settings.groupInstanceId ?? null,
    sessionTimeoutMs,
    heartbeatIntervalMs,
    maxPollIntervalMs: settings.maxPollIntervalMs ?? 300_000,
    assignors,
    autoCommit: settings.autoCommit ?? true,
    autoCommitIntervalMs: settings.autoCommitIntervalMs ?? 5000,
    metadataMaxAgeMs: settings.metadataMaxAgeMs ?? METADATA_MAX_AGE_MS,
    requestTimeoutMs: cluster.requestTimeoutMs,
    operationTimeoutMs,
    backoff: cluster.backoff,
  }
}

const DEFAULT_ASSIGNORS: readonly AssignorName[] = ['range', 'cooperative-sticky']

function parseServers(servers: string | readonly string[]): Address[] {
  const list = (typeof servers === 'string' ? servers.split(',') : servers).map(server => server.trim()).filter(server => server !== '')
  if (list.length === 0) throw new RangeError('bootstrapServers names no server')
  return list.map(server => {
    const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d+)$/.exec(server) ?? []
    const host = bracketed ?? plain
    if (host === undefined || Number(port) < 1 || Number(port) > 65535) {
      throw new RangeError(`'${server}' in bootstrapServers is not host:port (IPv6: [host]:port)`)
    }
    return { host, port: Number(port) }
  })
}

function codecOf(compression: Compression): Codec {
  const codec = CODEC_NAMES.indexOf(compression)
  if (codec < 0) throw new RangeError(`compression is one of ${CODEC_NAMES.join(', ')}, not '${compression}'`)
  return codec as Codec
}
