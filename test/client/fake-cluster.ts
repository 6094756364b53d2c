// A cluster of made-up brokers in the simulated world: real sockets, frames and messages, and behind them one shared, perfect log per
// partition. Leaders move, nodes crash, answers are refused on demand. It shows what the client does, not what a broker should.
import type { Env } from '../../src/env/env.ts'
import type { SimWorld } from '../../src/env/sim/world.ts'
import { type IncomingRequest, Server } from '../../src/net/server.ts'
import { Produce } from '../../src/protocol/api/00-produce.ts'
import { Fetch } from '../../src/protocol/api/01-fetch.ts'
import { ListOffsets } from '../../src/protocol/api/02-list-offsets.ts'
import { Metadata } from '../../src/protocol/api/03-metadata.ts'
import { ApiVersions } from '../../src/protocol/api/18-api-versions.ts'
import { CreateTopics } from '../../src/protocol/api/19-create-topics.ts'
import { InitProducerId } from '../../src/protocol/api/22-init-producer-id.ts'
import * as batches from '../../src/protocol/batch.ts'
import * as errors from '../../src/protocol/errors.ts'
import { decodeRequestHeader, encodeResponse } from '../../src/protocol/message.ts'
import { decodeBatch } from '../../src/protocol/records.ts'
import type { Api, RequestOf, ResponseOf } from '../../src/protocol/schema.ts'
import { uuidFromBytes, ZERO_UUID } from '../../src/util/uuid.ts'
import { SequenceModel } from './sequence-model.ts'

export class FakePartition {
  leaderId: number
  leaderEpoch = 1
  logStartOffset = 0
  endOffset = 0
  readonly batches: Buffer[] = []
  readonly sequences = new SequenceModel()

  constructor(leaderId: number) {
    this.leaderId = leaderId
  }

  get values(): string[] {
    return this.batches.flatMap(batch => decodeBatch(batch, 0, { maxBytes: 1 << 24 }).map(record => String(record.value)))
  }
}

/** What a broker answers in place of the truth, and whether it does the work all the same. */
export type Fault = { readonly errorCode: number; readonly after?: 'work' }
type Ask = { readonly env: Env; readonly nodeId: number }

const KNOWN = [Produce, Fetch, ListOffsets, Metadata, ApiVersions, CreateTopics, InitProducerId] as const

export class FakeCluster {
  readonly world: SimWorld
  readonly nodeIds: readonly number[]
  readonly topics = new Map<string, { topicId: string; partitions: FakePartition[] }>()
  /** Asked before each partition of a Produce or Fetch is served. */
  faultOf: (api: 'Produce' | 'Fetch', topic: string, partition: number) => Fault | undefined = () => undefined
  controllerId = 1
  /** A node that shows leaders as they were (by node id). */
  readonly stale = new Map<number, Map<string, { leaderId: number; leaderEpoch: number }>>()
  readonly requests: string[] = []
  lastProducerId = 1000
  readonly #servers = new Map<number, Server>()

  constructor(world: SimWorld, nodeCount: number) {
    this.world = world
    this.nodeIds = Array.from({ length: nodeCount }, (_, i) => i + 1)
  }

  get bootstrapServers(): string {
    return this.nodeIds.map(nodeId => `${hostOf(nodeId)}:9092`).join(',')
  }

  async start(nodeId: number): Promise<void> {
    const env = this.world.env(hostOf(nodeId))
    const server = await Server.open(env, {
      listeners: [{ name: 'CLIENT', host: '0.0.0.0', port: 9092 }],
      maxRequestBytes: 10 << 20,
      mayOverlap: frame => frame.readInt16BE(0) === Produce.key,
      onRequest: request => this.#serve({ env, nodeId }, request),
    })
    this.#servers.set(nodeId, server)
  }

  async startAll(): Promise<void> {
    for (const nodeId of this.nodeIds) await this.start(nodeId)
  }

  /** Another node leads what it led. */
  crash(nodeId: number): void {
    this.world.crash(hostOf(nodeId), { power: false })
    this.#servers.delete(nodeId)
    const living = this.nodeIds.filter(id => this.#servers.has(id))
    for (const { partitions } of this.topics.values()) {
      for (const partition of partitions) if (partition.leaderId === nodeId) this.move(partition, living[0] ?? -1)
    }
  }

  async restart(nodeId: number): Promise<void> {
    this.world.restart(hostOf(nodeId))
    await this.start(nodeId)
  }

  move(partition: FakePartition, leaderId: number): void {
    partition.leaderId = leaderId
    partition.leaderEpoch++
  }

  createTopic(name: string, partitionCount: number): FakePartition[] {
    const partitions = Array.from({ length: partitionCount }, (_, i) => new FakePartition(this.nodeIds[i % this.nodeIds.length]!))
    this.topics.set(name, { topicId: uuidFromBytes(this.world.stream(name).bytes(16)), partitions })
    return partitions
  }

  #serve(ask: Ask, request: IncomingRequest): void {
    const apiOf = (key: number): Api | undefined => KNOWN.find(candidate => candidate.key === key)
    const header = decodeRequestHeader(request.frame, apiOf)
    const api = apiOf(header.apiKey)!
    const body = api.req(header.apiVersion).decode(request.frame, header.bodyStart, request.frame.length)
    this.requests.push(`${ask.nodeId} ${api.name}`)
    const respond = (answer: unknown): void => {
      request.respond(encodeResponse(api, header.apiVersion, header.correlationId, answer as ResponseOf<Api>))
    }
    switch (api.key) {
      case ApiVersions.key:
        respond({ apiKeys: KNOWN.map(({ key, minVersion, maxVersion }) => ({ apiKey: key, minVersion, maxVersion })) })
        break
      case Metadata.key:
        respond(this.#metadata(ask, body as RequestOf<typeof Metadata>))
        break
      case InitProducerId.key:
        respond({ errorCode: 0, producerId: ++this.lastProducerId, producerEpoch: 0 })
        break
      case CreateTopics.key:
        respond(this.#createTopics(ask, body as RequestOf<typeof CreateTopics>))
        break
      case ListOffsets.key:
        respond(this.#listOffsets(ask, body as RequestOf<typeof ListOffsets>))
        break
      case Produce.key:
        // Replication takes a moment.
        ask.env.clock.setTimer(1 + ask.env.random.integer(5), () => {
          const answer = this.#produce(ask, body as RequestOf<typeof Produce>)
          if ((body as RequestOf<typeof Produce>).acks === 0) request.respondNothing()
          else respond(answer)
        })
        break
      case Fetch.key:
        this.#fetch(ask, body as RequestOf<typeof Fetch>, respond, ask.env.clock.now())
        break
    }
  }

  #metadata(ask: Ask, body: RequestOf<typeof Metadata>): ResponseOf<typeof Metadata> {
    const names = body.topics?.map(({ name }) => name!) ?? [...this.topics.keys()]
    const brokers = this.nodeIds
      .filter(nodeId => this.#servers.has(nodeId))
      .map(nodeId => ({ nodeId, host: hostOf(nodeId), port: 9092, rack: null }))
    const topics = names.map(name => {
      const topic = this.topics.get(name)
      if (topic === undefined) return { errorCode: errors.UNKNOWN_TOPIC_OR_PARTITION, name, topicId: ZERO_UUID, partitions: [] }
      const partitions = topic.partitions.map((partition, partitionIndex) => {
        const { leaderId, leaderEpoch } = this.stale.get(ask.nodeId)?.get(`${name}-${partitionIndex}`) ?? partition
        return { partitionIndex, leaderId, leaderEpoch, replicaNodes: this.nodeIds, isrNodes: this.nodeIds }
      })
      return { name, topicId: topic.topicId, partitions }
    })
    return { brokers, clusterId: 'fake', controllerId: this.controllerId, topics }
  }

  #createTopics(ask: Ask, body: RequestOf<typeof CreateTopics>): ResponseOf<typeof CreateTopics> {
    return {
      topics: body.topics.map(({ name, numPartitions }) => {
        if (ask.nodeId !== this.controllerId) return { name, errorCode: errors.NOT_CONTROLLER, errorMessage: null }
        if (this.topics.has(name)) return { name, errorCode: errors.TOPIC_ALREADY_EXISTS, errorMessage: 'it is there' }
        this.createTopic(name, numPartitions)
        return { name, topicId: this.topics.get(name)!.topicId, numPartitions, replicationFactor: 1, errorMessage: null }
      }),
    }
  }

  #listOffsets(ask: Ask, body: RequestOf<typeof ListOffsets>): ResponseOf<typeof ListOffsets> {
    return {
      topics: body.topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map(({ partitionIndex, timestamp, currentLeaderEpoch }) => {
          const partition = this.topics.get(name)?.partitions[partitionIndex]
          const errorCode = this.#leaderError(ask, partition, currentLeaderEpoch)
          if (errorCode !== 0) return { partitionIndex, errorCode }
          return { partitionIndex, offset: timestamp === -2 ? partition!.logStartOffset : partition!.endOffset, leaderEpoch: 1 }
        }),
      })),
    }
  }

  #produce(ask: Ask, body: RequestOf<typeof Produce>): ResponseOf<typeof Produce> {
    return {
      responses: body.topicData.map(({ name, topicId, partitionData }) => {
        const topic = this.#nameOf(name, topicId)
        return {
          name,
          topicId,
          partitionResponses: partitionData.map(({ index, records }) => {
            const partition = this.topics.get(topic)?.partitions[index]
            const leaderError = this.#leaderError(ask, partition, -1)
            if (leaderError !== 0) return { index, errorCode: leaderError, baseOffset: -1 }
            const fault = this.faultOf('Produce', topic, index)
            if (fault !== undefined && fault.after === undefined) return { index, errorCode: fault.errorCode, baseOffset: -1 }
            const result = append(partition!, records!)
            return { index, ...(fault === undefined ? result : { errorCode: fault.errorCode, baseOffset: -1 }) }
          }),
        }
      }),
    }
  }

  /** Holds back until there is something, or the time is up; looks every millisecond. */
  #fetch(ask: Ask, body: RequestOf<typeof Fetch>, respond: (answer: ResponseOf<typeof Fetch>) => void, startedAt: number): void {
    let interesting = ask.env.clock.now() - startedAt >= body.maxWaitMs
    const responses = body.topics.map(({ topic, topicId, partitions }) => {
      const name = this.#nameOf(topic, topicId)
      return {
        topic,
        topicId,
        partitions: partitions.map(({ partition: partitionIndex, fetchOffset, currentLeaderEpoch }) => {
          const partition = this.topics.get(name)?.partitions[partitionIndex]
          let errorCode = this.#leaderError(ask, partition, currentLeaderEpoch)
          errorCode ||= this.faultOf('Fetch', name, partitionIndex)?.errorCode ?? 0
          if (errorCode === 0 && (fetchOffset < partition!.logStartOffset || fetchOffset > partition!.endOffset)) {
            errorCode = errors.OFFSET_OUT_OF_RANGE
          }
          if (errorCode !== 0) {
            interesting = true
            return { partitionIndex, errorCode, highWatermark: -1, records: Buffer.alloc(0) }
          }
          const records = partition!.batches.filter(batch => batches.lastOffset(batch, 0) >= fetchOffset).slice(0, 3)
          if (records.length > 0) interesting = true
          return { partitionIndex, highWatermark: partition!.endOffset, records }
        }),
      }
    })
    if (interesting) respond({ responses })
    else ask.env.clock.setTimer(1, () => this.#fetch(ask, body, respond, startedAt))
  }

  #nameOf(name: string, topicId: string): string {
    return name !== '' ? name : ([...this.topics].find(([, topic]) => topic.topicId === topicId)?.[0] ?? '?')
  }

  #leaderError(ask: Ask, partition: FakePartition | undefined, currentLeaderEpoch: number): number {
    if (partition === undefined) return errors.UNKNOWN_TOPIC_OR_PARTITION
    if (partition.leaderId !== ask.nodeId) return errors.NOT_LEADER_OR_FOLLOWER
    if (currentLeaderEpoch >= 0 && currentLeaderEpoch < partition.leaderEpoch) return errors.FENCED_LEADER_EPOCH
    return 0
  }
}

function append(partition: FakePartition, records: Buffer): { errorCode: number; baseOffset: number } {
  const batch = Buffer.from(records)
  const numbered = {
    producerId: batches.producerId(batch, 0),
    producerEpoch: batches.producerEpoch(batch, 0),
    baseSequence: batches.baseSequence(batch, 0),
    count: batches.recordCount(batch, 0),
  }
  const verdict = partition.sequences.judge(numbered)
  if (verdict.type === 'refuse') return { errorCode: verdict.errorCode, baseOffset: -1 }
  if (verdict.type === 'duplicate') return { errorCode: 0, baseOffset: verdict.offset }
  const baseOffset = partition.endOffset
  batches.setBaseOffset(batch, 0, baseOffset)
  batches.setLeaderEpoch(batch, 0, partition.leaderEpoch)
  partition.batches.push(batch)
  partition.endOffset += numbered.count
  partition.sequences.appended(numbered, baseOffset)
  return { errorCode: 0, baseOffset }
}

export function hostOf(nodeId: number): string {
  return `broker${nodeId}`
}
