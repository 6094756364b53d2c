// How followers fetch from the leaders of this broker: Kafka's Fetch, over the internal listener, with a session for each follower.
// Facts: KIP-227 (sessions), KIP-279, KIP-320, KIP-595 (divergence in the answer), KIP-903; kafka.server.ReplicaManager.readFromLog.
// Where we differ from Kafka: a session knows which of its partitions have something to tell, so that idle ones cost nothing; a follower reads up to
// what is written, flushed or not; the next request of a follower has the one that waits answered; of a partition that is not led here *yet* nothing is
// said until it is; an error tells the log start offset, which an OFFSET_OUT_OF_RANGE is about.
import type { Env, Timer } from '../env/env.ts'
import type { MetadataImage, PartitionImage } from '../metadata/image.ts'
import { Fetch } from '../protocol/api/01-fetch.ts'
import {
  FENCED_LEADER_EPOCH,
  FETCH_SESSION_ID_NOT_FOUND,
  INVALID_FETCH_SESSION_EPOCH,
  KafkaError,
  NONE,
  NOT_LEADER_OR_FOLLOWER,
  OFFSET_OUT_OF_RANGE,
  ProtocolError,
  STALE_BROKER_EPOCH,
} from '../protocol/errors.ts'
import type { RequestOf, ResponseOf } from '../protocol/schema.ts'
import { Writer } from '../protocol/writer.ts'
import type { Lease } from '../util/buffer-pool.ts'
import type { Uuid } from '../util/uuid.ts'
import type { FollowerWatch, LocalReplica } from './local-replica.ts'
import { ReadMemory } from './read-memory.ts'
import type { FollowerPeer } from './replication.ts'

/**
 * An answer ends with the partition that reaches it, whatever more the follower would take: memory for answers of this size is used again there
 * (src/util/buffer-pool.ts), and is still in the processor's caches when it is.
 */
const ANSWER_BYTES = 1024 * 1024

/** Of Kafka's Fetch, between our own nodes. */
export const FOLLOWER_FETCH_VERSION = 17

type Request = RequestOf<typeof Fetch>
type Wish = Request['topics'][number]['partitions'][number]
type PartitionAnswer = ResponseOf<typeof Fetch>['responses'][number]['partitions'][number]

export interface FollowerAnswer {
  readonly chunks: readonly Uint8Array[]
  /** To be called when nobody looks at the chunks any more. */
  readonly sent: () => void
}

interface Options {
  readonly replicaOf: (topicId: Uuid, partition: number) => LocalReplica | undefined
  readonly image: () => MetadataImage
}

export class FollowerFetches {
  readonly #env: Env
  readonly #o: Options
  readonly #sessions = new Map<number, Session>()
  readonly #memory: ReadMemory
  #closed = false

  constructor(env: Env, o: Options) {
    this.#env = env
    this.#o = o
    this.#memory = new ReadMemory(env)
  }

  /** @throws ProtocolError the sender is no follower of ours · KafkaError NOT_LEADER_OR_FOLLOWER nothing is led here any more */
  async answer(payload: Buffer, peer: FollowerPeer): Promise<FollowerAnswer> {
    if (this.#closed) throw new KafkaError(NOT_LEADER_OR_FOLLOWER, 'The broker is closing')
    if (payload.length < 2 || payload.readInt16BE(0) !== FOLLOWER_FETCH_VERSION) throw new ProtocolError('a fetch of an unknown version')
    const request = Fetch.req(FOLLOWER_FETCH_VERSION).decode(payload, 2, payload.length) as Request
    const { replicaId, replicaEpoch } = request.replicaState
    if (replicaId !== peer.nodeId) throw new ProtocolError(`node ${peer.nodeId} fetches as replica ${replicaId}`)
    if (replicaEpoch < (this.#o.image().brokers.get(replicaId)?.brokerEpoch ?? -1)) return encode({ errorCode: STALE_BROKER_EPOCH })
    const session = this.#sessionFor(request, peer)
    if (typeof session === 'number') return encode({ errorCode: session })
    session.take(request)
    // The first answer brings the session's id, without which the follower cannot go on.
    return request.sessionEpoch === 0 ? session.give(request.maxBytes) : session.giveWithin(request)
  }

  /** The metadata log moved: what was not led here may be now, or never will be. */
  imageMoved(): void {
    for (const session of this.#sessions.values()) session.lookAtPending()
  }

  /** A log was opened: who asked before that waits for its leadership from now on. */
  opened(topicId: Uuid, partition: number): void {
    for (const session of this.#sessions.values()) session.opened(keyOf(topicId, partition))
  }

  /** Who waits is answered; nobody else is. */
  close(): void {
    this.#closed = true
    for (const session of this.#sessions.values()) session.wake()
  }

  #sessionFor(request: Request, peer: FollowerPeer): Session | number {
    const { replicaEpoch } = request.replicaState
    const known = this.#sessions.get(peer.nodeId)
    if (request.sessionEpoch === 0) {
      known?.close()
      const session = new Session(this.#env, { ...this.#o, memory: this.#memory, followerId: peer.nodeId, brokerEpoch: replicaEpoch })
      this.#sessions.set(peer.nodeId, session)
      session.stopListening = peer.onClose(() => {
        session.close()
        if (this.#sessions.get(peer.nodeId) === session) this.#sessions.delete(peer.nodeId)
      })
      return session
    }
    if (known === undefined || known.id !== request.sessionId || known.brokerEpoch !== replicaEpoch) return FETCH_SESSION_ID_NOT_FOUND
    return request.sessionEpoch === known.nextEpoch ? known : INVALID_FETCH_SESSION_EPOCH
  }
}

interface SessionOptions extends Options {
  readonly memory: ReadMemory
  readonly followerId: number
  readonly brokerEpoch: number
}

/** What one follower fetches here. */
class Session {
  readonly id: number
  readonly brokerEpoch: number
  readonly followerId: number
  readonly #env: Env
  readonly #o: SessionOptions
  readonly #targets = new Map<string, Target>()
  /** Have records, or something that must be heard now. */
  readonly #ready = new Set<Target>()
  /** Only their high watermark is news: told with the next answer. */
  readonly #stale = new Set<Target>()
  /** Not led here yet, as far as we know. */
  readonly #pending = new Set<Target>()
  #waiting: { readonly wake: () => void; readonly minBytes: number } | undefined
  #turnAsked = false
  #closed = false
  nextEpoch = 0
  stopListening: () => void = () => {}

  constructor(env: Env, o: SessionOptions) {
    this.#env = env
    this.#o = o
    this.followerId = o.followerId
    this.brokerEpoch = o.brokerEpoch
    this.id = 1 + env.random.integer(0x7fffffff)
  }

  close(): void {
    this.#closed = true
    this.stopListening()
    for (const target of this.#targets.values()) target.unwatch()
    this.#targets.clear()
    this.#ready.clear()
    this.#stale.clear()
    this.#pending.clear()
    this.wake()
  }

  /** What the request says of its partitions. The request before it is answered. */
  take(request: Request): void {
    this.wake()
    this.nextEpoch = this.nextEpoch >= 0x7fffffff ? 1 : this.nextEpoch + 1
    for (const { topicId, partitions } of request.forgottenTopicsData) {
      for (const partition of partitions) this.#forget(keyOf(topicId, partition))
    }
    for (const { topicId, partitions } of request.topics) {
      for (const wish of partitions) {
        const key = keyOf(topicId, wish.partition)
        let target = this.#targets.get(key)
        if (target === undefined) this.#targets.set(key, (target = new Target(this, topicId, wish)))
        else target.takeWish(wish)
        this.look(target)
      }
    }
  }

  #forget(key: string): void {
    const target = this.#targets.get(key)
    if (target === undefined) return
    this.#targets.delete(key)
    this.#ready.delete(target)
    this.#stale.delete(target)
    this.#pending.delete(target)
    target.unwatch()
  }

  /** Holds the wish against the log: its epoch, where the logs part, its bounds. A good fetch is progress of the follower. */
  look(target: Target): void {
    const { wish } = target
    const replica = this.#o.replicaOf(target.topicId, wish.partition)
    const state = this.#o.image().topicsById.get(target.topicId)?.partitions[wish.partition]
    target.watch(replica)
    target.verdict = this.#verdictOn(replica, state, target)
    this.#pending.delete(target)
    this.#ready.delete(target)
    if (target.verdict === 'pending') this.#pending.add(target)
    else if (target.verdict !== 'good') this.ready(target)
    else {
      target.noteFetch(replica!)
      if (target.toldHighWatermark < 0 || wish.fetchOffset < replica!.log.writtenOffset) this.ready(target)
      if (target.isNews(replica!)) this.#stale.add(target)
    }
  }

  #verdictOn(replica: LocalReplica | undefined, state: PartitionImage | undefined, { wish }: Target): Verdict {
    const leader = replica?.leader
    if (replica === undefined || leader === undefined || wish.currentLeaderEpoch > leader.leaderEpoch) {
      // Who knows more than we do, or as much, waits until we lead.
      const isBehind = state !== undefined && wish.currentLeaderEpoch < state.leaderEpoch
      return isBehind ? { errorCode: NOT_LEADER_OR_FOLLOWER, logStartOffset: -1 } : 'pending'
    }
    const { log } = replica
    const refused = (errorCode: number): Verdict => ({ errorCode, logStartOffset: log.logStartOffset })
    if (wish.currentLeaderEpoch < leader.leaderEpoch) return refused(FENCED_LEADER_EPOCH)
    if (wish.lastFetchedEpoch >= 0 && wish.fetchOffset >= log.logStartOffset) {
      const { epoch, endOffset } = log.epochs.endOffsetFor(wish.lastFetchedEpoch)
      if (epoch < 0 || endOffset < 0) return refused(OFFSET_OUT_OF_RANGE)
      if (epoch < wish.lastFetchedEpoch || endOffset < wish.fetchOffset) return { epoch, endOffset }
    }
    if (wish.fetchOffset < log.logStartOffset || wish.fetchOffset > log.logEndOffset) return refused(OFFSET_OUT_OF_RANGE)
    const { followerId: brokerId, brokerEpoch } = this
    const { fetchOffset, logStartOffset } = wish
    return replica.followerFetched({ brokerId, brokerEpoch, fetchOffset, logStartOffset }) ? 'good' : refused(STALE_BROKER_EPOCH)
  }

  ready(target: Target): void {
    this.#ready.add(target)
    if (this.#waiting === undefined || this.#turnAsked) return
    // What else this event brings goes into the same answer.
    this.#turnAsked = true
    this.#env.clock.turn(() => {
      this.#turnAsked = false
      if (this.#isWorthIt()) this.wake()
    })
  }

  #isWorthIt(): boolean {
    const { minBytes } = this.#waiting ?? { minBytes: Number.POSITIVE_INFINITY }
    if (minBytes <= 1) return this.#ready.size > 0
    let bytes = 0
    for (const target of this.#ready) bytes += target.availableBytes
    return bytes >= minBytes
  }

  stale(target: Target): void {
    this.#stale.add(target)
  }

  lookAtPending(): void {
    for (const target of [...this.#pending]) this.look(target)
  }

  opened(key: string): void {
    const target = this.#targets.get(key)
    if (target !== undefined && this.#pending.has(target)) this.look(target)
  }

  wake(): void {
    this.#waiting?.wake()
  }

  // ------------------------------------------------------------------------------------------------------------------------------- answer

  giveWithin({ maxWaitMs, minBytes, maxBytes }: Request): Promise<FollowerAnswer> {
    if (maxWaitMs <= 0) return this.give(maxBytes)
    return new Promise((resolve, reject) => {
      let timer: Timer | undefined
      const waiting = {
        minBytes,
        wake: () => {
          if (this.#waiting !== waiting) return
          this.#waiting = undefined
          timer?.cancel()
          this.give(maxBytes).then(resolve, reject)
        },
      }
      this.#waiting = waiting
      if (this.#isWorthIt()) waiting.wake()
      else timer = this.#env.clock.setTimer(maxWaitMs, waiting.wake)
    })
  }

  async give(wishedBytes: number): Promise<FollowerAnswer> {
    const maxBytes = Math.min(wishedBytes, ANSWER_BYTES)
    const answers = new Map<Target, PartitionAnswer>()
    const leases: Lease[] = []
    let totalBytes = 0
    for (const target of [...this.#ready]) {
      if (totalBytes >= maxBytes) break
      const answer =
        target.verdict === 'good'
          ? this.#read(target, { maxBytes: maxBytes - totalBytes, isFirst: totalBytes === 0, leases })
          : target.refusal()
      const given = answer instanceof Promise ? await answer : answer
      if (this.#closed) break
      if (given === undefined) continue
      answers.set(target, given)
      totalBytes += given.records === null ? 0 : sizeOf(given.records as readonly Buffer[])
    }
    for (const target of this.#stale) {
      if (answers.has(target) || target.verdict !== 'good' || target.replica?.leader === undefined) continue
      answers.set(target, target.news([]))
    }
    this.#stale.clear()
    return encode({ errorCode: NONE, sessionId: this.id, answers }, () => {
      for (const lease of leases) lease.release()
    })
  }

  /** Undefined: it is not its turn yet. */
  #read(
    target: Target,
    o: { maxBytes: number; isFirst: boolean; leases: Lease[] },
  ): PartitionAnswer | undefined | Promise<PartitionAnswer | undefined> {
    const { wish, replica } = target
    const { fetchOffset: offset, partitionMaxBytes } = wish
    const { log } = replica!
    const maxBytes = Math.min(partitionMaxBytes, o.maxBytes)
    const take = (slice: { chunks: readonly Buffer[]; leases?: readonly Lease[] | undefined }) => {
      for (const lease of slice.leases ?? []) o.leases.push(lease)
      // Meanwhile it may have asked for something else, or the leadership is over.
      if (target.wish !== wish || target.verdict !== 'good' || replica!.leader === undefined) return undefined
      if (slice.chunks.length === 0 && offset < log.writtenOffset) return undefined
      this.#ready.delete(target)
      return target.news(slice.chunks)
    }
    const refuse = (error: unknown) => {
      if (!(error instanceof KafkaError)) throw error
      target.verdict = { errorCode: error.code, logStartOffset: log.logStartOffset }
      return target.refusal()
    }
    try {
      const slice = log.read({
        offset,
        maxBytes,
        endOffset: log.writtenOffset,
        minOneBatch: o.isFirst,
        withEmpty: true,
        memory: this.#o.memory,
      })
      return slice instanceof Promise ? slice.then(take).catch(refuse) : take(slice)
    } catch (error) {
      return refuse(error)
    }
  }

  refused(target: Target): void {
    this.#ready.delete(target)
  }
}

/** good: the last fetch was right · pending: not led here yet · a divergence · an error */
type Verdict =
  | 'good'
  | 'pending'
  | { readonly epoch: number; readonly endOffset: number }
  | { readonly errorCode: number; readonly logStartOffset: number }

/** One partition of a session. */
class Target implements FollowerWatch {
  readonly topicId: Uuid
  readonly #session: Session
  wish: Wish
  verdict: Verdict = 'pending'
  replica: LocalReplica | undefined
  /** As last told in this leader epoch; -1: nothing yet, or an error. */
  toldHighWatermark = -1
  #toldLogStartOffset = -1
  #isAtEnd = false
  #writtenBytesAtFetch = 0

  constructor(session: Session, topicId: Uuid, wish: Wish) {
    this.#session = session
    this.topicId = topicId
    this.wish = wish
  }

  takeWish(wish: Wish): void {
    // That a fetch of a new epoch was good must be told: promises begin with it.
    if (wish.currentLeaderEpoch !== this.wish.currentLeaderEpoch) this.toldHighWatermark = -1
    this.wish = wish
  }

  /** The wish is good. */
  noteFetch({ log }: LocalReplica): void {
    this.#isAtEnd = this.wish.fetchOffset >= log.writtenOffset
    this.#writtenBytesAtFetch = log.totalWrittenBytes
  }

  watch(replica: LocalReplica | undefined): void {
    if (replica === this.replica) return
    this.unwatch()
    this.replica = replica
    replica?.followerWatches.add(this)
  }

  unwatch(): void {
    this.replica?.followerWatches.delete(this)
    this.replica = undefined
  }

  /** Since the follower's fetch; without end when it must hear something now. */
  get availableBytes(): number {
    const { log } = this.replica ?? {}
    if (log === undefined || this.verdict !== 'good' || this.toldHighWatermark < 0) return Number.POSITIVE_INFINITY
    return this.#isAtEnd ? log.totalWrittenBytes - this.#writtenBytesAtFetch : Number.POSITIVE_INFINITY
  }

  written(): void {
    if (this.verdict === 'good' && this.wish.fetchOffset < this.replica!.log.writtenOffset) this.#session.ready(this)
  }

  highWatermarkMoved(): void {
    this.#session.stale(this)
  }

  logStartMoved(): void {
    if (this.verdict !== 'good') return
    this.toldHighWatermark = -1
    this.#session.ready(this)
  }

  disturbed(): void {
    this.#session.look(this)
  }

  isNews(replica: LocalReplica): boolean {
    return replica.leader!.highWatermark !== this.toldHighWatermark || replica.log.logStartOffset !== this.#toldLogStartOffset
  }

  news(records: readonly Buffer[]): PartitionAnswer {
    const { leader, log } = this.replica!
    this.toldHighWatermark = leader!.highWatermark
    this.#toldLogStartOffset = log.logStartOffset
    return {
      partitionIndex: this.wish.partition,
      errorCode: NONE,
      highWatermark: leader!.highWatermark,
      lastStableOffset: leader!.highWatermark,
      logStartOffset: log.logStartOffset,
      abortedTransactions: null,
      records,
    }
  }

  refusal(): PartitionAnswer {
    const { verdict } = this
    this.toldHighWatermark = -1
    this.#session.refused(this)
    const partitionIndex = this.wish.partition
    const nothing = { partitionIndex, highWatermark: -1, abortedTransactions: null, records: [] }
    if (typeof verdict === 'string') return { ...nothing, errorCode: NOT_LEADER_OR_FOLLOWER }
    if ('errorCode' in verdict) return { ...nothing, ...verdict }
    return { ...nothing, errorCode: NONE, divergingEpoch: { epoch: verdict.epoch, endOffset: verdict.endOffset } }
  }
}

function encode(
  o: { errorCode: number; sessionId?: number; answers?: ReadonlyMap<Target, PartitionAnswer> },
  sent: () => void = () => {},
): FollowerAnswer {
  const topics = new Map<Uuid, PartitionAnswer[]>()
  for (const [{ topicId }, answer] of o.answers ?? []) {
    const partitions = topics.get(topicId)
    if (partitions === undefined) topics.set(topicId, [answer])
    else partitions.push(answer)
  }
  const w = new Writer()
  const responses = [...topics].map(([topicId, partitions]) => ({ topicId, partitions }))
  Fetch.res(FOLLOWER_FETCH_VERSION).encode({ errorCode: o.errorCode, sessionId: o.sessionId ?? 0, responses }, w)
  return { chunks: w.done(), sent }
}

function sizeOf(chunks: readonly Buffer[]): number {
  let bytes = 0
  for (const chunk of chunks) bytes += chunk.length
  return bytes
}

function keyOf(topicId: Uuid, partition: number): string {
  return `${topicId}/${partition}`
}
