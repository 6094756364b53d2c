// Brokers as far as replication goes: a log store and `Replicas` each, on simulated hosts, joined by links that can be cut, and a controller that is
// one list of records which every broker applies, sooner or later.
import type { LocalReplica } from '../../../src/broker/local-replica.ts'
import { Replicas } from '../../../src/broker/replicas.ts'
import { DEFAULT_FOLLOWER_SETTINGS, type FollowerSettings, type IsrAnswer, type IsrRequest } from '../../../src/broker/replication.ts'
import { type Kv, sleep } from '../../../src/env/env.ts'
import { SimWorld, type WorldOptions } from '../../../src/env/sim/world.ts'
import { DEFAULT_LOG_CONFIG, type LogConfig } from '../../../src/log/config.ts'
import { LogStore } from '../../../src/log/log-store.ts'
import { applyRecord, emptyImage, type MetadataImage } from '../../../src/metadata/image.ts'
import type { MetadataRecord, PartitionState } from '../../../src/metadata/records.ts'
import { INELIGIBLE_REPLICA, INVALID_UPDATE_VERSION, NONE } from '../../../src/protocol/errors.ts'
import { BufferPool } from '../../../src/util/buffer-pool.ts'
import { batchOf, recordsOf } from '../../log/lab.ts'

export const TOPIC = 't'
export const TOPIC_ID = 'AAECAwQFBgcICQoLDA0ODw'
const DIRECTORY = 'data'

export interface LabOptions {
  readonly brokers?: number
  readonly config?: Partial<LogConfig>
  readonly minInsyncReplicas?: number
  readonly follower?: Partial<FollowerSettings>
  readonly world?: Partial<WorldOptions>
}

/** One life of one broker. */
export class LabBroker {
  readonly id: number
  readonly #lab: ReplicationLab
  readonly incarnationId: string
  readonly image: MetadataImage = emptyImage()
  applied = 0
  store!: LogStore
  meta!: Kv
  replicas!: Replicas
  leaseUntil = Number.POSITIVE_INFINITY
  isClosed = false
  readonly onDeath: (() => void)[] = []
  readonly failures: Error[] = []
  readonly #closeListeners = new Map<number, Set<() => void>>()
  readonly #frames = new BufferPool({ smallestBytes: 64, maxIdleBytes: 1024 * 1024, poisons: true })

  constructor(lab: ReplicationLab, id: number, incarnationId: string) {
    this.#lab = lab
    this.id = id
    this.incarnationId = incarnationId
  }

  get env() {
    return this.#lab.world.env(`b${this.id}`)
  }

  async open(): Promise<void> {
    const { env } = this
    const config: LogConfig = { ...DEFAULT_LOG_CONFIG, ...this.#lab.o.config }
    this.meta = await env.kv.open(`${DIRECTORY}/meta`)
    this.store = await LogStore.open(env, {
      directory: DIRECTORY,
      meta: this.meta,
      clean: false,
      fail: error => void this.failures.push(error),
    })
    this.replicas = new Replicas(env, {
      nodeId: this.id,
      incarnationId: this.incarnationId,
      store: this.store,
      settingsOf: () => ({ log: config, minInsyncReplicas: this.#lab.o.minInsyncReplicas ?? 1 }),
      room: { refusal: undefined, appended: () => {}, metFullDisk: () => {} },
      ruin: () => {},
      world: {
        image: () => this.image,
        leaseUntil: () => this.leaseUntil,
        alterPartition: request => this.#lab.alterPartition(this.id, request),
        fetchFrom: async (leaderId, payload) => this.#leased(await this.#lab.fetch(this, leaderId, payload)),
        sendPromise: (leaderId, payload) => this.#lab.promise(this, leaderId, payload),
      },
      follower: { ...DEFAULT_FOLLOWER_SETTINGS, ...this.#lab.o.follower },
      fail: error => void this.failures.push(error),
    })
    while (this.applied < this.#lab.records.length) applyRecord(this.image, this.#lab.records[this.applied++]!)
    await this.replicas.openAll(this.image)
  }

  /** As from the network: in memory that is overwritten when it is released. */
  #leased(answer: Buffer) {
    const lease = this.#frames.take(answer.length)
    const payload = lease?.bytes.subarray(0, answer.length) ?? answer
    answer.copy(payload)
    return { payload, lease }
  }

  catchUp(): void {
    const changes = []
    while (this.applied < this.#lab.records.length) changes.push(...applyRecord(this.image, this.#lab.records[this.applied++]!))
    if (changes.length > 0) this.replicas.apply(changes)
  }

  replica(partition = 0): LocalReplica {
    for (const replica of this.replicas.all()) if (replica.partition === partition) return replica
    throw new Error(`broker ${this.id} has no replica of ${partition}`)
  }

  /** As followers see this broker's end of a connection to a leader. */
  peer() {
    return {
      nodeId: this.id,
      onClose: (listener: () => void) => {
        const to = this.#closeListeners.get(0) ?? new Set()
        this.#closeListeners.set(0, to)
        to.add(listener)
        return () => void to.delete(listener)
      },
    }
  }

  disconnect(): void {
    for (const listener of [...(this.#closeListeners.get(0) ?? [])]) listener()
    this.#closeListeners.clear()
  }
}

export class ReplicationLab {
  readonly world: SimWorld
  readonly o: LabOptions
  readonly records: MetadataRecord[] = []
  readonly brokers = new Map<number, LabBroker>()
  readonly image = emptyImage()
  /** Ordered pairs "from>to" over which nothing travels. */
  readonly cut = new Set<string>()
  /** Brokers that do not hear of the metadata log for now. */
  readonly deaf = new Set<number>()
  readonly isrRequests: IsrRequest[] = []
  /** What the controller says instead of deciding. */
  controllerSays: ((request: IsrRequest) => Promise<IsrAnswer> | undefined) | undefined
  fetches = 0
  promises = 0
  #incarnations = 0
  readonly #links

  constructor(seed: number, o: LabOptions = {}) {
    this.world = new SimWorld(seed, o.world)
    this.#links = this.world.stream('links')
    this.o = o
  }

  run<T>(body: () => Promise<T>): Promise<T> {
    return this.world.run(body, { maxMs: 600_000 })
  }

  get clock() {
    return this.world.env('controller').clock
  }

  async start(): Promise<void> {
    for (let id = 1; id <= (this.o.brokers ?? 3); id++) await this.openBroker(id)
  }

  async openBroker(id: number): Promise<LabBroker> {
    const broker = new LabBroker(this, id, `incarnation-${++this.#incarnations}`)
    await broker.open()
    this.brokers.set(id, broker)
    this.deaf.delete(id)
    this.commit({
      type: 'brokerRegistered',
      brokerId: id,
      brokerEpoch: this.records.length,
      incarnationId: broker.incarnationId,
      directoryId: `directory-${id}`,
      rack: null,
      fenced: false,
      listeners: [],
      features: [],
      internalListener: null,
      shuttingDown: false,
    })
    await broker.replicas.allSettled()
    return broker
  }

  commit(...records: MetadataRecord[]): void {
    for (const record of records) applyRecord(this.image, record)
    this.records.push(...records)
    for (const broker of this.brokers.values()) if (!broker.isClosed && !this.deaf.has(broker.id)) broker.catchUp()
  }

  /** One topic with these replicas for each partition; the first leads. */
  async createTopic(partitions: readonly (readonly number[])[]): Promise<void> {
    this.commit(
      { type: 'topicCreated', name: TOPIC, topicId: TOPIC_ID },
      ...partitions.map(
        (replicas, partition): MetadataRecord => ({
          type: 'partitionCreated',
          topicId: TOPIC_ID,
          state: {
            partition,
            replicas,
            isr: replicas,
            elr: [],
            lastKnownElr: [],
            leader: replicas[0]!,
            leaderEpoch: 0,
            partitionEpoch: 0,
            addingReplicas: [],
            removingReplicas: [],
          },
        }),
      ),
    )
    await this.settled()
  }

  async settled(): Promise<void> {
    for (const broker of this.brokers.values()) if (!broker.isClosed) await broker.replicas.allSettled()
  }

  state(partition = 0): PartitionState {
    return this.image.topicsById.get(TOPIC_ID)!.partitions[partition]!
  }

  change(change: Partial<PartitionState>, partition = 0): void {
    const before = this.state(partition)
    const led = change.leader !== undefined && change.leader !== -1
    const state = { ...before, ...change, leaderEpoch: before.leaderEpoch + (led ? 1 : 0), partitionEpoch: before.partitionEpoch + 1 }
    this.commit({ type: 'partitionChanged', topicId: TOPIC_ID, state })
  }

  async elect(leader: number, change: Partial<PartitionState> = {}, partition = 0): Promise<LocalReplica> {
    this.change({ leader, ...change }, partition)
    await this.settled()
    return this.broker(leader).replica(partition)
  }

  broker(id: number): LabBroker {
    return this.brokers.get(id)!
  }

  replica(id: number, partition = 0): LocalReplica {
    return this.broker(id).replica(partition)
  }

  crash(id: number, o: { power: boolean } = { power: true }): void {
    const broker = this.broker(id)
    broker.isClosed = true
    this.world.crash(`b${id}`, o)
    broker.disconnect()
    this.brokers.delete(id)
    for (const died of broker.onDeath) died()
  }

  async restart(id: number): Promise<LabBroker> {
    this.world.restart(`b${id}`)
    return this.openBroker(id)
  }

  isolate(id: number, on = true): void {
    for (const other of [...this.brokers.keys()].filter(otherId => otherId !== id)) {
      for (const pair of [`${id}>${other}`, `${other}>${id}`]) on ? this.cut.add(pair) : this.cut.delete(pair)
    }
    if (on) this.deaf.add(id)
    else {
      this.deaf.delete(id)
      this.broker(id)?.catchUp()
    }
  }

  // ------------------------------------------------------------------------------------------------------------------------------ messages

  async alterPartition(from: number, request: IsrRequest): Promise<IsrAnswer> {
    this.isrRequests.push(request)
    const said = this.controllerSays?.(request)
    await sleep(this.clock, 1)
    if (this.deaf.has(from)) throw new Error('cut off')
    if (said !== undefined) return said
    const topics = request.topics.map(({ topicId, partitions }) => ({
      topicId,
      partitions: partitions.map(({ partition, leaderEpoch, partitionEpoch, newIsr }) => {
        const state = this.state(partition)
        if (state.leaderEpoch !== leaderEpoch || state.partitionEpoch !== partitionEpoch)
          return { partition, errorCode: INVALID_UPDATE_VERSION }
        const isGood = newIsr.every(({ brokerId, brokerEpoch }) => this.image.brokers.get(brokerId)?.brokerEpoch === brokerEpoch)
        if (!isGood) return { partition, errorCode: INELIGIBLE_REPLICA }
        this.change({ isr: newIsr.map(({ brokerId }) => brokerId) }, partition)
        return { partition, errorCode: NONE }
      }),
    }))
    return { errorCode: NONE, topics }
  }

  async fetch(from: LabBroker, to: number, payload: readonly Uint8Array[]): Promise<Buffer> {
    this.fetches++
    await this.#travel(from.id, to)
    const target = this.#reach(from.id, to)
    const died = new Promise<never>((_, reject) => target.onDeath.push(() => reject(new Error(`broker ${to} died`))))
    const answered = target.replicas.answerFollower(Buffer.concat(payload), from.peer())
    const { chunks, sent } = await Promise.race([answered, died])
    const bytes = Buffer.concat(chunks)
    sent()
    await this.#travel(to, from.id)
    if (from.isClosed) throw new Error('gone')
    return bytes
  }

  promise(from: LabBroker, to: number, payload: readonly Uint8Array[]): void {
    this.promises++
    const bytes = Buffer.concat(payload)
    this.#travel(from.id, to)
      .then(() => this.#reach(from.id, to).replicas.promised(bytes, { nodeId: from.id }))
      .catch(() => {})
  }

  async #travel(from: number, to: number): Promise<void> {
    if (this.cut.has(`${from}>${to}`)) {
      await sleep(this.clock, 20)
      throw new Error(`no way from ${from} to ${to}`)
    }
    await sleep(this.clock, 0.05 + this.#links.fraction() ** 4 * 5)
  }

  #reach(from: number, to: number): LabBroker {
    const broker = this.brokers.get(to)
    if (broker === undefined || broker.isClosed || this.cut.has(`${from}>${to}`)) throw new Error(`broker ${to} is not there`)
    return broker
  }

  // ------------------------------------------------------------------------------------------------------------------------------ asking

  append(replica: LocalReplica, ...values: string[]): number {
    const result = replica.append(batchOf(values))
    if (!result.ok) throw new Error(result.errorMessage)
    return result.lastOffset + 1
  }

  /** Settles with the error code once the offset is below the high watermark, or never will be. */
  acked(replica: LocalReplica, offset: number): Promise<number> {
    if (replica.leader !== undefined && replica.leader.highWatermark >= offset) return Promise.resolve(NONE)
    return new Promise(resolve => replica.highWatermarkWaits.add(offset, { settle: (_, errorCode) => resolve(errorCode) }, 0))
  }

  async until(condition: () => boolean, maxMs = 20_000): Promise<void> {
    const from = this.clock.now()
    while (!condition()) {
      if (this.clock.now() - from > maxMs) throw new Error(`not reached in ${maxMs} ms: ${condition}\n${this.describe()}`)
      await sleep(this.clock, 0.5)
    }
  }

  /** For who waited in vain. */
  describe(): string {
    const lines = [JSON.stringify(this.state())]
    for (const { id, replicas, leaseUntil } of this.brokers.values()) {
      for (const { leader, following, highWatermark, log } of replicas.all()) {
        const { logStartOffset, logEndOffset, flushedOffset, epochs } = log
        const role = leader === undefined ? following : { ...leader, followers: [...leader.followers], unseen: undefined }
        lines.push(
          JSON.stringify({ id, leaseUntil, highWatermark, logStartOffset, logEndOffset, flushedOffset, epochs: epochs.entries, role }),
        )
      }
    }
    for (const { id, image, applied, failures } of this.brokers.values()) {
      const { leader, leaderEpoch } = image.topicsById.get(TOPIC_ID)!.partitions[0]!
      const brokerEpoch = image.brokers.get(id)?.brokerEpoch
      lines.push(JSON.stringify({ id, applied, of: this.records.length, brokerEpoch, leader, leaderEpoch, failures: failures.map(String) }))
    }
    for (const id of this.brokers.keys()) lines.push(`broker ${id}`, ...this.world.host(`b${id}`).lines.slice(-6))
    return lines.join('\n')
  }

  async values(replica: LocalReplica, endOffset = Number.MAX_SAFE_INTEGER): Promise<string[]> {
    const values: string[] = []
    for (let offset = replica.log.logStartOffset; ; ) {
      const slice = await replica.log.read({ offset, maxBytes: 1 << 20, endOffset, minOneBatch: true })
      if (slice.sizeBytes === 0) return values
      for (const record of recordsOf(slice)) values.push(record.value!.toString())
      offset = slice.nextOffset
    }
  }

  check(): void {
    const failures = [
      ...this.world.failures.map(({ error }) => error),
      ...[...this.brokers.values()].flatMap(({ failures: found }) => found),
    ]
    if (failures.length > 0) throw failures[0]
  }
}

export async function inLab<T>(o: LabOptions, body: (lab: ReplicationLab) => Promise<T>, seed = 1): Promise<T> {
  const lab = new ReplicationLab(seed, o)
  return lab.run(async () => {
    await lab.start()
    const result = await body(lab)
    lab.check()
    return result
  })
}
