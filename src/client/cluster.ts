// The client's view of a cluster, kept fresh, and its connections. Shell around metadata.ts.
//
// One connection per address and lane: a parked Fetch holds back every answer behind it, so consumers fetch on a lane of their own; a JoinGroup is
// parked until all members came, so it has one too, beside that of the group's other requests. A broken
// connection is opened again when somebody needs it, after a backoff that doubles with each failure (reconnect.backoff.ms 50 … 1000).
import { type Env, EnvError, type Timer } from '../env/env.ts'
import { Connection } from '../net/connection.ts'
import { Metadata } from '../protocol/api/03-metadata.ts'
import { errorName, KafkaError, NETWORK_EXCEPTION } from '../protocol/errors.ts'
import type { ResponseOut } from '../protocol/schema.ts'
import { emptyMetadata, type LeaderName, type MetadataAnswer, type MetadataEvent, type MetadataState, nextAskMs, step } from './metadata.ts'
import { type Hold, Occupancy } from './operation.ts'
import { type Backoff, backoffMs } from './retry.ts'

export interface Address {
  readonly host: string
  readonly port: number
}

export interface ClusterOptions {
  /** At least one. */
  readonly bootstrap: readonly Address[]
  readonly clientId: string
  /** To connect and learn the versions of one broker. */
  readonly connectTimeoutMs: number
  /** For an answer, beyond what the request itself allows the broker to wait. */
  readonly requestTimeoutMs: number
  readonly backoff: Backoff
  readonly allowAutoTopicCreation: boolean
  /** When what is known is asked for again although nobody complained. */
  readonly metadataMaxAgeMs: number
  readonly hold: Hold
}

export type Lane = 'main' | 'fetch' | 'group' | 'join'

/** A broker answers Metadata from memory: one that needs longer is not there, and another one can tell. */
const METADATA_TIMEOUT_MS = 5000
/** A broker that has not answered for so long is not the one to ask. */
const SILENCE_MS = 300
const METADATA_MAX_IDLE_MS = 5 * 60_000
const METADATA_BACKOFF: Backoff = { initialMs: 50, maxMs: 1000 }
const RECONNECT_BACKOFF: Backoff = { initialMs: 50, maxMs: 1000 }

/** One address and lane. */
interface Slot {
  /** Pending while connecting; the same promise for all who ask, so that they go on in the order they asked. */
  opened: Promise<Connection> | undefined
  connection: Connection | undefined
  failures: number
  notBeforeMs: number
}

interface Waiter {
  readonly attempt: () => boolean
  readonly reject: (error: Error) => void
}

export class Cluster {
  readonly env: Env
  readonly options: ClusterOptions
  readonly metadata: MetadataState
  readonly occupancy: Occupancy
  readonly #slots = new Map<string, Slot>()
  readonly #listeners = new Set<() => void>()
  readonly #waiters = new Set<Waiter>()
  #timer: Timer | undefined
  #timerAtMs = Number.POSITIVE_INFINITY
  /** Why the last broker that was asked did not answer. */
  #lastFailure: Error | undefined
  #closed = false

  constructor(env: Env, options: ClusterOptions) {
    this.env = env
    this.options = options
    this.occupancy = new Occupancy(options.hold)
    const maxima = { maxAgeMs: options.metadataMaxAgeMs, maxIdleMs: METADATA_MAX_IDLE_MS }
    this.metadata = emptyMetadata({ ...maxima, backoff: METADATA_BACKOFF })
  }

  /** Keeps the topic's metadata fresh from now on, and for as long as it is called again within five minutes. */
  want(topic: string): void {
    this.#step({ type: 'wanted', topic })
  }

  unwant(topic: string): void {
    this.#step({ type: 'unwanted', topic })
  }

  /** Somebody met an error that new metadata may cure. */
  stale(): void {
    this.#step({ type: 'stale' })
  }

  /** A broker's answer named the leader of a partition (KIP-951). */
  leaderNamed(topic: string, partition: number, leader: LeaderName): void {
    this.#step({ type: 'leaderNamed', topic, partition, leader })
  }

  /** Calls back after each change of the metadata. The result takes the listener off again. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /**
   * Waits until the metadata shows what is looked for.
   * @param look  called after each change; undefined: not yet. What it throws rejects.
   * @param goal  for the message: "the leader of t-0"
   * @throws KafkaError NETWORK_EXCEPTION when the time passes
   */
  until<T>(look: () => T | undefined, options: { readonly timeoutMs: number; readonly goal: string }): Promise<T> {
    return new Promise((resolve, reject) => {
      const settle = (act: () => void): boolean => {
        this.#waiters.delete(waiter)
        timer?.cancel()
        act()
        return true
      }
      const attempt = (): boolean => {
        try {
          const found = look()
          return found === undefined ? false : settle(() => resolve(found))
        } catch (error) {
          return settle(() => reject(error as Error))
        }
      }
      const waiter: Waiter = { attempt, reject: error => void settle(() => reject(error)) }
      let timer: Timer | undefined
      if (this.#closed) return reject(closedError())
      if (attempt()) return undefined
      this.#waiters.add(waiter)
      timer = this.env.clock.setTimer(options.timeoutMs, () => {
        waiter.reject(this.unreachable(`${options.goal} was not found within ${options.timeoutMs} ms`))
      })
      this.#step({ type: 'tick' })
      return undefined
    })
  }

  /** Settles after the next change of the metadata, or after `timeoutMs`. */
  changed(timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(closedError())
      const timer = this.env.clock.setTimer(timeoutMs, () => void waiter.attempt())
      const waiter: Waiter = {
        attempt: () => {
          this.#waiters.delete(waiter)
          timer.cancel()
          resolve()
          return true
        },
        reject: error => {
          this.#waiters.delete(waiter)
          timer.cancel()
          reject(error)
        },
      }
      this.#waiters.add(waiter)
      return undefined
    })
  }

  /** The error for an operation that found no broker to carry it out. */
  unreachable(what: string): KafkaError {
    const why = this.#lastFailure === undefined ? '' : `: ${this.#lastFailure.message}`
    return new KafkaError(NETWORK_EXCEPTION, `${what}${why}`, { cause: this.#lastFailure })
  }

  /**
   * The connection to a node, opened if need be.
   * @throws EnvError, KafkaError or ProtocolError when it cannot be had
   */
  connection(nodeId: number, lane: Lane = 'main'): Promise<Connection> {
    const address = this.metadata.brokers.get(nodeId)
    if (address === undefined) return Promise.reject(new EnvError('EHOSTUNREACH', `the address of node ${nodeId} is not known`))
    return this.#connect(address, lane)
  }

  /**
   * As `connection`, for a node that told its address otherwise.
   * @throws EnvError, KafkaError or ProtocolError when it cannot be had
   */
  connectionTo(address: Address, lane: Lane): Promise<Connection> {
    return this.#connect(address, lane)
  }

  /**
   * A connection to whichever broker can be had: an open one, one we know, one of the bootstrap servers.
   * @throws the error of the last broker tried
   */
  async anyConnection(): Promise<Connection> {
    let failure: Error | undefined
    for (const address of this.#candidates()) {
      try {
        return await this.#connect(address, 'main')
      } catch (error) {
        failure = error as Error
        if (this.#closed) break
      }
    }
    throw failure ?? closedError()
  }

  /** Ends all connections and rejects whoever waits. Idempotent. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#timer?.cancel()
    this.#listeners.clear()
    for (const waiter of [...this.#waiters]) waiter.reject(closedError())
    for (const slot of this.#slots.values()) slot.connection?.close()
    this.#slots.clear()
  }

  // ------------------------------------------------------------------------------------------------------------------------ connections

  /** Whom to ask what anybody knows, the likeliest to answer first. */
  #candidates(): Address[] {
    const known = this.#shuffled([...this.metadata.brokers.values()])
    const rank = (address: Address) => {
      const connection = this.#slots.get(slotKey(address, 'main'))?.connection
      return connection === undefined ? 1 : connection.silentMs < SILENCE_MS ? 0 : 2
    }
    return [...known.sort((a, b) => rank(a) - rank(b)), ...this.#shuffled([...this.options.bootstrap])]
  }

  #connect(address: Address, lane: Lane): Promise<Connection> {
    if (this.#closed) return Promise.reject(closedError())
    const key = slotKey(address, lane)
    let slot = this.#slots.get(key)
    if (slot === undefined) this.#slots.set(key, (slot = { opened: undefined, connection: undefined, failures: 0, notBeforeMs: 0 }))
    slot.opened ??= this.#open(slot, address)
    return slot.opened
  }

  async #open(slot: Slot, address: Address): Promise<Connection> {
    try {
      const waitMs = slot.notBeforeMs - this.env.clock.now()
      if (waitMs > 0) await new Promise<void>(resolve => void this.env.clock.setTimer(waitMs, resolve))
      if (this.#closed) throw closedError()
      const { clientId, connectTimeoutMs } = this.options
      const connection = await Connection.open(this.env, { ...address, clientId, timeoutMs: connectTimeoutMs })
      if (this.#closed) {
        connection.close()
        throw closedError()
      }
      slot.connection = connection
      slot.failures = 0
      connection.onClose(error => {
        slot.opened = slot.connection = undefined
        this.#postpone(slot, error)
      })
      return connection
    } catch (error) {
      slot.opened = undefined
      this.#postpone(slot, error as Error)
      throw error
    }
  }

  #postpone(slot: Slot, error: Error): void {
    if (this.#closed) return
    this.#lastFailure = error
    slot.failures++
    slot.notBeforeMs = this.env.clock.now() + backoffMs(RECONNECT_BACKOFF, slot.failures, this.env.random.fraction())
  }

  #shuffled<T>(items: T[]): T[] {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.env.random.integer(i + 1)
      const item = items[i]!
      items[i] = items[j]!
      items[j] = item
    }
    return items
  }

  // --------------------------------------------------------------------------------------------------------------------------- metadata

  #step(event: MetadataEvent): void {
    if (this.#closed) return
    let changed = false
    for (const effect of step(this.metadata, event, this.env.clock.now())) {
      if (effect.type === 'ask') void this.#ask(effect.topics)
      else changed = true
    }
    this.#arm()
    if (!changed) return
    for (const waiter of [...this.#waiters]) waiter.attempt()
    for (const listener of [...this.#listeners]) listener()
  }

  async #ask(topics: readonly string[]): Promise<void> {
    const fraction = this.env.random.fraction()
    try {
      const answer = await this.#askSeveral(topics)
      this.#lastFailure = undefined
      this.#step({ type: 'answered', answer, fraction })
    } catch (error) {
      this.#lastFailure = error as Error
      this.#step({ type: 'failed', fraction })
    }
  }

  /** Asks one broker, and soon another one as well when the first is silent; the first answer counts. */
  #askSeveral(topics: readonly string[]): Promise<MetadataAnswer> {
    return new Promise((resolve, reject) => {
      const asked = new Set<string>()
      let [running, isOver] = [0, false]
      let timer: Timer | undefined
      const settle = (act: () => void) => {
        isOver = true
        timer?.cancel()
        act()
      }
      const attempt = () => {
        running++
        timer = this.env.clock.setTimer(SILENCE_MS, attempt)
        this.#askOne(topics, asked).then(
          answer => {
            if (!isOver) settle(() => resolve(answer))
          },
          (error: Error) => {
            running--
            // Nobody is left whom we have not asked.
            timer?.cancel()
            if (!isOver && running === 0) settle(() => reject(error))
          },
        )
      }
      attempt()
    })
  }

  /** @param asked  addresses that others are asking, or have asked in vain */
  async #askOne(topics: readonly string[], asked: Set<string>): Promise<MetadataAnswer> {
    let failure: Error | undefined
    for (const address of this.#candidates()) {
      const key = slotKey(address, 'main')
      if (asked.has(key)) continue
      asked.add(key)
      try {
        const connection = await this.#connect(address, 'main')
        return await askMetadata(connection, topics, { ...this.options, timeoutMs: METADATA_TIMEOUT_MS })
      } catch (error) {
        failure = error as Error
        if (this.#closed) break
      }
    }
    throw failure ?? this.unreachable('no broker answered')
  }

  #arm(): void {
    const atMs = nextAskMs(this.metadata)
    if (atMs >= this.#timerAtMs) return
    this.#timer?.cancel()
    this.#timerAtMs = atMs
    this.#timer = this.env.clock.setTimer(Math.max(0, atMs - this.env.clock.now()), () => {
      this.#timerAtMs = Number.POSITIVE_INFINITY
      this.#step({ type: 'tick' })
    })
  }
}

function slotKey(address: Address, lane: Lane): string {
  return `${address.host}:${address.port}/${lane}`
}

function closedError(): EnvError {
  return new EnvError('ECANCELED', 'the client is closed')
}

/** @param topics  null: all of them */
export async function askMetadata(
  connection: Connection,
  topics: readonly string[] | null,
  options: { readonly allowAutoTopicCreation: boolean; readonly timeoutMs: number },
): Promise<MetadataAnswer> {
  const { allowAutoTopicCreation, timeoutMs } = options
  const request = { topics: topics?.map(name => ({ name })) ?? null, allowAutoTopicCreation }
  const answer = await connection.request(Metadata, request, { timeoutMs })
  if (answer.errorCode !== 0) throw new KafkaError(answer.errorCode, `Metadata was refused: ${errorName(answer.errorCode)}`)
  return readMetadata(answer)
}

function readMetadata(answer: ResponseOut<typeof Metadata>): MetadataAnswer {
  return {
    clusterId: answer.clusterId,
    controllerId: answer.controllerId,
    brokers: answer.brokers,
    topics: answer.topics.map(({ errorCode, name, topicId, isInternal, partitions }) => ({
      errorCode,
      topic: {
        name: name ?? '',
        topicId,
        isInternal,
        partitions: partitions
          .map(partition => ({
            partition: partition.partitionIndex,
            errorCode: partition.errorCode,
            leaderId: partition.leaderId,
            leaderEpoch: partition.leaderEpoch,
            replicas: partition.replicaNodes,
            isr: partition.isrNodes,
          }))
          .sort((a, b) => a.partition - b.partition),
      },
    })),
  }
}
