// Fetch: hands out stored bytes untouched, up to the high watermark. KIP-74, KIP-227, KIP-320, KIP-392, KIP-516, KIP-595, KIP-951.
// Partitions are read in request (or session) order, each up to min(its maxBytes, what is left); while nothing has been read yet, the first batch
// comes whole even if it is larger than every limit. Whole batches only; the batch that holds the fetch offset may begin before it.
// Answered at once: nothing to wait for, enough bytes, or anything a client must hear of (an error, a divergence). Else parked until minBytes could
// be had, the partition is disturbed, or maxWaitMs passed; then read again.
// `records` is empty, never null; abortedTransactions is null for read_uncommitted, [] for read_committed and for what is not there.
// From version 11 on consumers may read from a follower, up to the high watermark it knows; a leader sends them there (src/broker/read-replica.ts).
// We differ from Kafka: an error of an unknown topic among good ones ends the wait, too. Followers have a listener of their own
// (src/broker/follower-fetches.ts): a replica id on a client listener closes the connection.

import type { LogSlice } from '../../log/walk.ts'
import { Fetch } from '../../protocol/api/01-fetch.ts'
import {
  FENCED_LEADER_EPOCH,
  KAFKA_STORAGE_ERROR,
  KafkaError,
  NONE,
  NOT_LEADER_OR_FOLLOWER,
  OFFSET_OUT_OF_RANGE,
  UNKNOWN_LEADER_EPOCH,
  UNKNOWN_TOPIC_ID,
  UNKNOWN_TOPIC_OR_PARTITION,
} from '../../protocol/errors.ts'
import type { RequestOf, ResponseOf } from '../../protocol/schema.ts'
import type { Lease } from '../../util/buffer-pool.ts'
import { ZERO_UUID } from '../../util/uuid.ts'
import type { RoomShare } from '../answer-room.ts'
import type { Broker } from '../broker.ts'
import type { FetchContext, FetchTarget, FetchWish } from '../fetch-sessions.ts'
import { CloseConnection, handler, type RequestContext } from '../handler.ts'
import { checkIsolationLevel, READ_COMMITTED } from '../isolation-level.ts'
import type { LocalReplica } from '../local-replica.ts'
import { type FetchWatch, ParkedFetch } from '../purgatory.ts'
import { type ReadMemory, releaseAll } from '../read-memory.ts'
import { readReplicaFor } from '../read-replica.ts'
import type { Slices } from '../slices.ts'

/** From this version on consumers name their rack, and may read from followers. */
const FIRST_VERSION_OF_RACKS = 11
/** Reads of segment files under way for one request. */
const READS_AT_ONCE = 4

type Request = RequestOf<typeof Fetch>
type Response = ResponseOf<typeof Fetch>
type PartitionAnswer = Response['responses'][number]['partitions'][number]

/** What one read of one partition gave. */
interface PartitionRead {
  errorCode: number
  highWatermark: number
  logStartOffset: number
  recordsBytes: number
  /** What counts towards minBytes: all the client would take, when whole batches alone kept us from filling its limit. */
  availableBytes: number
  preferredReadReplica: number
  diverges: boolean
  chunks: readonly Buffer[]
  /** Of the chunks' memory. */
  leases: readonly Lease[] | undefined
  divergingEpoch: { epoch: number; endOffset: number } | undefined
  /** Of the leader the client should turn to, with NOT_LEADER_OR_FOLLOWER and FENCED_LEADER_EPOCH. */
  currentLeader: { leaderId: number; leaderEpoch: number } | undefined
}

/** What the client is. */
interface Reader {
  readonly rackId: string
  readonly mayFollow: boolean
}

interface Pass {
  readonly reads: PartitionRead[]
  /** For a pass in which nothing is urgent. */
  readonly watches: () => FetchWatch[]
  /** Read, and known to be there beyond the limits. */
  readonly availableBytes: number
  /** Something the client must hear of now. */
  readonly urgent: boolean
}

export const fetch = handler(Fetch, {
  async answer(broker, request, context) {
    if (Math.max(request.replicaId, request.replicaState.replicaId) >= 0) {
      return new CloseConnection('a replica fetches on a client listener')
    }
    checkIsolationLevel(request.isolationLevel)
    const session = await beginSession(broker, request, context)
    const maxBytes = Math.min(request.maxBytes, broker.config['fetch.max.bytes'])
    const minBytes = Math.min(request.minBytes, maxBytes)
    const room = broker.answerRoom.share()
    try {
      const reader = { rackId: request.rackId, mayFollow: context.version >= FIRST_VERSION_OF_RACKS }
      let pass = await read(broker, session, { maxBytes, reader }, room, context.slices)
      if (request.maxWaitMs > 0 && pass.reads.length > 0 && !pass.urgent && pass.availableBytes < minBytes) {
        releaseAll(leasesOf(pass))
        room.giveBack()
        if (!(await parked(broker, pass.watches(), { minBytes, maxWaitMs: request.maxWaitMs }, context)))
          return new CloseConnection('client closed')
        pass = await read(broker, session, { maxBytes, reader }, room, context.slices)
      }
      context.answerLeases = leasesOf(pass)
      return await compose(broker, request, session, pass, context)
    } finally {
      room.giveBack()
    }
  },
  failed: (request, { errorCode }, { version }) => ({
    errorCode,
    sessionId: 0,
    responses:
      version < 13
        ? request.topics.map(({ topic, partitions }) => ({ topic, partitions: partitions.map(wish => refused(wish, errorCode)) }))
        : [],
  }),
})

async function beginSession(broker: Broker, request: Request, { version, slices }: RequestContext): Promise<FetchContext> {
  const usesTopicIds = version >= 13
  const targets: FetchTarget[] = []
  for (const { topic, topicId, partitions } of request.topics) {
    if (slices.isOver(partitions.length)) await slices.next()
    for (const wish of partitions) targets.push({ topic, topicId, wish })
  }
  const forgotten = request.forgottenTopicsData.flatMap(({ topic, topicId, partitions }) =>
    partitions.map(partition => ({ topic, topicId, partition })),
  )
  const { sessionId, sessionEpoch } = request
  return broker.fetchSessions.begin({ sessionId, sessionEpoch, usesTopicIds, targets, forgotten }, broker.env.clock.now())
}

/** Settles when it is time to read again; false when the client is gone. What was read is not held meanwhile. */
function parked(
  broker: Broker,
  watches: readonly FetchWatch[],
  { minBytes, maxWaitMs }: { minBytes: number; maxWaitMs: number },
  { connection }: RequestContext,
): Promise<boolean> {
  if (connection.closed) return Promise.resolve(false)
  if (broker.closing || !broker.answerRoom.watch(watches.length)) return Promise.resolve(true)
  return new Promise(resolve => {
    let gone = false
    const waiting = new ParkedFetch({
      watches,
      minBytes,
      answer: () => {
        broker.answerRoom.unwatch(watches.length)
        stopListening()
        resolve(!gone)
      },
    })
    const stopListening = connection.onClose(() => {
      gone = true
      waiting.answer()
    })
    waiting.park(broker.env.clock, maxWaitMs)
  })
}

// --------------------------------------------------------------------------------------------------------------------------------- read

/** One pass over the partitions of a request, in order. Some reads of files are under way at once; the limits count what those may bring. */
async function read(
  broker: Broker,
  session: FetchContext,
  { maxBytes, reader }: { maxBytes: number; reader: Reader },
  room: RoomShare,
  slices: Slices,
): Promise<Pass> {
  const { targets } = session
  const reads: PartitionRead[] = []
  /** What is read from, and how much of it could be seen before; by partition, as long as each has one. */
  const replicas: LocalReplica[] = []
  const visibleBytes: number[] = []
  const underWay: { readonly bytes: number; readonly settled: Promise<void> }[] = []
  let mayComeBytes = 0
  let totalBytes = 0
  const took = (i: number, errorCode: number) => {
    if (errorCode !== NONE) reads[i] = refusal(broker, session, targets[i]!, causeOf(broker, session, targets[i]!, reader) ?? errorCode)
    totalBytes += reads[i]!.recordsBytes
  }
  const oldestSettled = async () => {
    const { bytes, settled } = underWay.shift()!
    await settled
    mayComeBytes -= bytes
  }
  for (let i = 0; i < targets.length; i++) {
    if (slices.isOver()) await slices.next()
    const target = targets[i]!
    const { wish } = target
    const replica = replicaFor(broker, session, target, reader)
    if (typeof replica === 'number') {
      reads.push(refusal(broker, session, target, replica))
      continue
    }
    replicas.push(replica)
    visibleBytes.push(replica.visibleBytes)
    const found = check(replica, wish)
    reads.push(found)
    if (reader.mayFollow && found.errorCode === NONE && !found.diverges)
      found.preferredReadReplica = readReplicaFor(broker, replica, { rackId: reader.rackId, fetchOffset: wish.fetchOffset })
    if (!hasMore(found, wish)) continue
    // Where only what others may bring stands in the way, it is awaited.
    while (underWay.length > 0 && (underWay.length >= READS_AT_ONCE || wish.partitionMaxBytes > maxBytes - totalBytes - mayComeBytes)) {
      await oldestSettled()
    }
    const mayTake = Math.min(wish.partitionMaxBytes, maxBytes - totalBytes - mayComeBytes, room.leftBytes)
    const isFirst = totalBytes === 0 && underWay.length === 0
    const bounds = { maxBytes: Math.max(0, mayTake), minOneBatch: isFirst && broker.answerRoom.hasRoomForBatch, memory: broker.readMemory }
    if (bounds.maxBytes === 0 && !bounds.minOneBatch) continue
    const brought = room.reserve(bounds.maxBytes)
    const reading = readLog(replica, wish, found, bounds)
    if (!(reading instanceof Promise)) {
      brought(found.recordsBytes)
      took(i, reading)
      continue
    }
    mayComeBytes += bounds.maxBytes
    const settled = reading.then(errorCode => {
      brought(found.recordsBytes)
      took(i, errorCode)
    })
    // Awaited in its turn: until then its failure has no owner.
    settled.catch(() => {})
    underWay.push({ bytes: bounds.maxBytes, settled })
  }
  while (underWay.length > 0) await oldestSettled()
  let availableBytes = 0
  let urgent = false
  for (const found of reads) {
    availableBytes += found.availableBytes
    urgent ||= mustBeHeard(found)
  }
  const watches = () =>
    replicas.map((source, i) => ({
      source,
      visibleBytesAtRead: visibleBytes[i]!,
      readBytes: reads[i]!.availableBytes,
      maxBytes: targets[i]!.wish.partitionMaxBytes,
    }))
  return { reads, watches, availableBytes, urgent }
}

function mustBeHeard(found: PartitionRead): boolean {
  return found.errorCode !== NONE || found.diverges || found.preferredReadReplica >= 0
}

/** Of the memory that the answer will refer to. */
function leasesOf({ reads }: Pass): Lease[] {
  const leases: Lease[] = []
  for (const found of reads) if (found.leases !== undefined) leases.push(...found.leases)
  return leases
}

function hasMore(found: PartitionRead, wish: FetchWish): boolean {
  return !mustBeHeard(found) && wish.fetchOffset < found.highWatermark
}

/** Reads into `found`. @returns the error code; at once when the bytes are in memory */
function readLog(
  { log }: LocalReplica,
  { fetchOffset, partitionMaxBytes }: FetchWish,
  found: PartitionRead,
  bounds: { maxBytes: number; minOneBatch: boolean; memory: ReadMemory },
): number | Promise<number> {
  const take = ({ chunks, sizeBytes, nextOffset, leases }: LogSlice): number => {
    found.chunks = chunks
    found.leases = leases
    found.recordsBytes = sizeBytes
    found.availableBytes = nextOffset < found.highWatermark ? Math.max(sizeBytes, partitionMaxBytes) : sizeBytes
    return NONE
  }
  try {
    const slice = log.read({ offset: fetchOffset, endOffset: found.highWatermark, ...bounds })
    return slice instanceof Promise ? slice.then(take, codeOf) : take(slice)
  } catch (error) {
    return codeOf(error)
  }
}

function codeOf(error: unknown): number {
  if (error instanceof KafkaError) return error.code
  throw error
}

/** What became of the partition while it was read: its log is closed when its topic is deleted, its files go with retention. */
function causeOf(broker: Broker, session: FetchContext, target: FetchTarget, reader: Reader): number | undefined {
  const replica = replicaFor(broker, session, target, reader)
  if (typeof replica === 'number') return replica
  return target.wish.fetchOffset < replica.log.logStartOffset ? OFFSET_OUT_OF_RANGE : undefined
}

function replicaFor(
  broker: Broker,
  session: FetchContext,
  { topic, topicId, wish }: FetchTarget,
  { mayFollow }: Reader,
): LocalReplica | number {
  const found = session.usesTopicIds ? broker.image.topicsById.get(topicId) : broker.image.topics.get(topic)
  if (found === undefined) return session.usesTopicIds ? UNKNOWN_TOPIC_ID : UNKNOWN_TOPIC_OR_PARTITION
  return mayFollow ? broker.replicas.readableOf(found, wish.partition) : broker.replicas.leaderOf(found, wish.partition)
}

/** Epochs, divergence and bounds: everything that can be said before a byte is read. */
function check(replica: LocalReplica, wish: FetchWish): PartitionRead {
  const { leaderEpoch, highWatermark, log } = replica
  if (wish.currentLeaderEpoch >= 0 && wish.currentLeaderEpoch !== leaderEpoch) {
    if (wish.currentLeaderEpoch > leaderEpoch) return failure(UNKNOWN_LEADER_EPOCH)
    return { ...failure(FENCED_LEADER_EPOCH), currentLeader: { leaderId: replica.leaderId, leaderEpoch } }
  }
  if (wish.lastFetchedEpoch >= 0) {
    const { epoch, endOffset } = log.epochs.endOffsetFor(wish.lastFetchedEpoch)
    if (epoch < 0 || endOffset < 0 || wish.fetchOffset < log.logStartOffset) return failure(OFFSET_OUT_OF_RANGE)
    if (epoch < wish.lastFetchedEpoch || endOffset < wish.fetchOffset) {
      return { ...nothing(highWatermark, log.logStartOffset), diverges: true, divergingEpoch: { epoch, endOffset } }
    }
  }
  if (wish.fetchOffset < log.logStartOffset || wish.fetchOffset > log.logEndOffset) return failure(OFFSET_OUT_OF_RANGE)
  return nothing(highWatermark, log.logStartOffset)
}

function nothing(highWatermark: number, logStartOffset: number): PartitionRead {
  return {
    errorCode: NONE,
    highWatermark,
    logStartOffset,
    recordsBytes: 0,
    availableBytes: 0,
    preferredReadReplica: -1,
    diverges: false,
    chunks: [],
    leases: undefined,
    divergingEpoch: undefined,
    currentLeader: undefined,
  }
}

function failure(errorCode: number): PartitionRead {
  return { ...nothing(-1, -1), errorCode }
}

/** An error, with the leader the client should turn to where it helps. */
function refusal(broker: Broker, session: FetchContext, { topic, topicId, wish }: FetchTarget, errorCode: number): PartitionRead {
  const found = failure(errorCode)
  if (errorCode !== NOT_LEADER_OR_FOLLOWER) return found
  const image = session.usesTopicIds ? broker.image.topicsById.get(topicId) : broker.image.topics.get(topic)
  const state = image?.partitions[wish.partition]
  if (state !== undefined) found.currentLeader = { leaderId: state.leader, leaderEpoch: state.leaderEpoch }
  return found
}

// ------------------------------------------------------------------------------------------------------------------------------- answer

async function compose(
  broker: Broker,
  request: Request,
  session: FetchContext,
  pass: Pass,
  { version, connection, slices }: RequestContext,
): Promise<Response> {
  const { sessionId, errorCode, sent } = broker.fetchSessions.finish(session, pass.reads, broker.env.clock.now())
  const responses: { topic: string; topicId: string; partitions: PartitionAnswer[] }[] = []
  const leadersElsewhere = new Set<number>()
  for (const i of sent) {
    if (slices.isOver()) await slices.next()
    const { topic, topicId, wish } = session.targets[i]!
    const found = pass.reads[i]!
    let last = responses.at(-1)
    if (last === undefined || last.topic !== topic || last.topicId !== topicId)
      responses.push((last = { topic, topicId: topicId || ZERO_UUID, partitions: [] }))
    last.partitions.push(partitionAnswer(wish.partition, found, request.isolationLevel, version))
    if (found.currentLeader !== undefined && found.currentLeader.leaderId >= 0) leadersElsewhere.add(found.currentLeader.leaderId)
  }
  return { errorCode, sessionId, responses, nodeEndpoints: broker.endpointsOf(leadersElsewhere, connection.listenerName) }
}

function partitionAnswer(partitionIndex: number, found: PartitionRead, isolationLevel: number, version: number): PartitionAnswer {
  return {
    partitionIndex,
    // Clients of v5 and before do not know the newer code.
    errorCode: found.errorCode === KAFKA_STORAGE_ERROR && version <= 5 ? NOT_LEADER_OR_FOLLOWER : found.errorCode,
    highWatermark: found.highWatermark,
    // Without transactions everything below the high watermark is stable.
    lastStableOffset: found.highWatermark,
    logStartOffset: found.logStartOffset,
    abortedTransactions: isolationLevel === READ_COMMITTED || isUnknown(found.errorCode) ? [] : null,
    preferredReadReplica: found.preferredReadReplica,
    records: found.chunks,
    divergingEpoch: found.divergingEpoch,
    currentLeader: found.currentLeader,
  }
}

function isUnknown(errorCode: number): boolean {
  return errorCode === UNKNOWN_TOPIC_ID || errorCode === UNKNOWN_TOPIC_OR_PARTITION
}

/** When the request failed as a whole. */
function refused({ partition: partitionIndex }: FetchWish, errorCode: number): PartitionAnswer {
  return { partitionIndex, errorCode, highWatermark: -1, abortedTransactions: [], records: [] }
}
