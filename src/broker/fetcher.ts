// Follows one leader: fetches all partitions that it leads and this broker follows, through one incremental session, and promises what is durable here.
// Facts: KIP-101, KIP-227, KIP-279, KIP-595; kafka.server.AbstractFetcherThread, ReplicaFetcherThread. Where the logs part, the leader says in its
// answer; the follower cuts, and asks again, as often as it takes. Nothing is ever cut by a high watermark.
// Where we differ from Kafka: the next request may leave while the leader holds the last one, which it answers then, so that a new partition waits for
// nobody; what is durable is promised apart (DESIGN rule 1). At most two requests are under way; answers are taken in order.
import type { Env, Timer } from '../env/env.ts'
import { Fetch } from '../protocol/api/01-fetch.ts'
import {
  errorName,
  FENCED_LEADER_EPOCH,
  FETCH_SESSION_ID_NOT_FOUND,
  INVALID_FETCH_SESSION_EPOCH,
  KAFKA_STORAGE_ERROR,
  KafkaError,
  NONE,
  NOT_LEADER_OR_FOLLOWER,
  OFFSET_OUT_OF_RANGE,
  ProtocolError,
} from '../protocol/errors.ts'
import type { RequestIn, ResponseOut } from '../protocol/schema.ts'
import { Writer } from '../protocol/writer.ts'
import type { Lease } from '../util/buffer-pool.ts'
import type { Uuid } from '../util/uuid.ts'
import { FOLLOWER_FETCH_VERSION } from './follower-fetches.ts'
import type { LocalReplica } from './local-replica.ts'
import type { FollowerSettings, IsrMember, ReplicationWorld } from './replication.ts'

/** Appended and not written yet, for one leader: beyond, it is not asked for more. */
const MAX_BACKLOG_BYTES = 32 * 1024 * 1024
/** Beyond its wait a fetch is answered at once, or its connection is as good as dead. */
const ANSWER_MS = 5000
const MAX_UNDER_WAY = 2
/** Until there may be room on the disk. */
const STORAGE_REST_MS = 1000

type Response = ResponseOut<typeof Fetch>
type PartitionAnswer = Response['responses'][number]['partitions'][number]

export interface FetcherOptions {
  readonly leaderId: number
  readonly self: () => IsrMember
  readonly settings: FollowerSettings
  readonly world: ReplicationWorld
  /** Up to here the replica may be counted on from now on. */
  readonly promise: (replica: LocalReplica) => void
  readonly fail: (error: Error) => void
}

/** One partition, under one leader epoch. */
class Followed {
  readonly replica: LocalReplica
  readonly leaderEpoch: number
  /** Of the request that first named it to the session of now; undefined: none yet. */
  askedIn: number | undefined
  /** Of the request that named it last. What earlier ones bring begins before `fetchOffset`. */
  namedIn = 0
  /** As the session has it. */
  fetchOffset = -1
  /** Where the logs part it is being cut, or it rests after an error. */
  isResting = false
  /** The leader has answered a fetch of this epoch without divergence: what is durable may be promised. */
  isValidated = false
  promisedOffset = -1
  leaderHighWatermark = -1
  appendedBytes = 0
  readonly writtenBefore: number
  unwrittenBytes = 0
  timer: Timer | undefined

  constructor(replica: LocalReplica, leaderEpoch: number) {
    this.replica = replica
    this.leaderEpoch = leaderEpoch
    this.writtenBefore = replica.log.totalWrittenBytes
  }
}

export class Fetcher {
  readonly leaderId: number
  readonly #env: Env
  readonly #o: FetcherOptions
  readonly #followed = new Map<string, Followed>()
  /** To be named in the next request: new, or further than the session knows. */
  readonly #changed = new Set<Followed>()
  #forgotten: { readonly topicId: Uuid; readonly partition: number }[] = []
  #sessionId = 0
  #sessionEpoch = 0
  #requestCount = 0
  #underWay = 0
  /** Settles when all answers so far are taken. */
  #taken: Promise<void> = Promise.resolve()
  #turnAsked = false
  #restTimer: Timer | undefined
  #backlogBytes = 0
  /** Promised, and nothing shows that the leader knows: messages get lost. */
  readonly #unconfirmed = new Set<Followed>()
  #repeatedAtMs = 0
  #isAnswering = false
  #failures = 0
  #closed = false

  constructor(env: Env, o: FetcherOptions) {
    this.#env = env
    this.#o = o
    this.leaderId = o.leaderId
  }

  get size(): number {
    return this.#followed.size
  }

  follow(replica: LocalReplica, leaderEpoch: number): void {
    this.#remove(replica)
    const followed = new Followed(replica, leaderEpoch)
    this.#followed.set(keyOf(replica), followed)
    this.#changed.add(followed)
    this.#sendSoon()
  }

  unfollow(replica: LocalReplica): void {
    if (!this.#remove(replica)) return
    this.#sendSoon()
  }

  #remove(replica: LocalReplica): boolean {
    const followed = this.#followed.get(keyOf(replica))
    if (followed === undefined) return false
    this.#followed.delete(keyOf(replica))
    this.#changed.delete(followed)
    this.#unconfirmed.delete(followed)
    followed.timer?.cancel()
    this.#backlogBytes -= followed.unwrittenBytes
    const { topicId, partition } = replica
    if (followed.askedIn !== undefined) this.#forgotten.push({ topicId, partition })
    return true
  }

  close(): void {
    this.#closed = true
    this.#restTimer?.cancel()
    for (const { timer } of this.#followed.values()) timer?.cancel()
  }

  /** The metadata log says that the leader is back: no rest is needed. */
  retryNow(): void {
    if (this.#restTimer === undefined) return
    this.#restTimer.cancel()
    this.#restTimer = undefined
    this.#sendSoon()
  }

  /** Bytes of the replica's log were written or flushed. @returns what may be promised now and was not, if anything */
  progressed(replica: LocalReplica): void {
    const followed = this.#followed.get(keyOf(replica))
    if (followed === undefined) return
    const wasFull = this.#backlogBytes > MAX_BACKLOG_BYTES
    this.#countUnwritten(followed)
    if (wasFull && this.#backlogBytes <= MAX_BACKLOG_BYTES) this.#sendSoon()
    // A full disk gave up what was appended.
    if (!followed.isResting && followed.fetchOffset > replica.log.logEndOffset) this.#nameAgain(followed)
    if (followed.isValidated && replica.log.ackableOffset > followed.promisedOffset) this.#o.promise(replica)
  }

  /** @returns what is to be promised; undefined when nothing may be, or nothing is new */
  takePromise(replica: LocalReplica): { leaderEpoch: number; ackableOffset: number } | undefined {
    const followed = this.#followed.get(keyOf(replica))
    if (followed === undefined || !followed.isValidated) return undefined
    const ackableOffset = replica.log.ackableOffset
    followed.promisedOffset = ackableOffset
    this.#unconfirmed.add(followed)
    return { leaderEpoch: followed.leaderEpoch, ackableOffset }
  }

  /** The high watermark has counted it; that of a set that we are not in counts others only. */
  #isConfirmed({ replica, promisedOffset, leaderHighWatermark }: Followed): boolean {
    const { world, self } = this.#o
    const isr = world.image().topicsById.get(replica.topicId)?.partitions[replica.partition]?.isr
    return promisedOffset <= leaderHighWatermark && isr?.includes(self().brokerId) === true
  }

  #countUnwritten(followed: Followed): void {
    const { log } = followed.replica
    const written = log.totalWrittenBytes - followed.writtenBefore
    // What a full disk did not take is given up.
    if (log.writtenOffset >= log.logEndOffset) followed.appendedBytes = written
    const unwritten = Math.max(0, followed.appendedBytes - written)
    this.#backlogBytes += unwritten - followed.unwrittenBytes
    followed.unwrittenBytes = unwritten
  }

  // -------------------------------------------------------------------------------------------------------------------------------- send

  /** After this event's work: what it brings goes together. */
  #sendSoon(): void {
    if (this.#turnAsked || this.#closed) return
    this.#turnAsked = true
    this.#env.clock.turn(() => {
      this.#turnAsked = false
      this.#maybeSend()
    })
  }

  #maybeSend(): void {
    if (this.#closed || this.#isAnswering || this.#restTimer !== undefined || this.#backlogBytes > MAX_BACKLOG_BYTES) return
    const hasSession = this.#sessionId !== 0
    const isNews = this.#changed.size > 0 || this.#forgotten.length > 0
    if (this.#underWay === 0 ? this.#followed.size > 0 || (hasSession && isNews) : isNews && hasSession && this.#underWay < MAX_UNDER_WAY)
      this.#send()
  }

  #send(): void {
    const request = ++this.#requestCount
    const isFull = this.#sessionEpoch === 0
    const payload = this.#encode(request, isFull)
    this.#sessionEpoch = this.#sessionEpoch >= 0x7fffffff ? 1 : this.#sessionEpoch + 1
    this.#underWay++
    const answered = this.#o.world.fetchFrom(this.leaderId, payload, this.#o.settings.fetchWaitMaxMs + ANSWER_MS)
    const before = this.#taken
    this.#taken = answered
      .then(
        async ({ payload: answer, lease }) => {
          await before
          this.#take(request, answer, lease)
          lease?.release()
        },
        async (error: Error) => {
          await before
          this.#lost(request, String(error.message))
        },
      )
      .catch((error: Error) => this.#o.fail(error))
  }

  #encode(request: number, isFull: boolean): Uint8Array[] {
    const { settings, self } = this.#o
    const { brokerId: replicaId, brokerEpoch: replicaEpoch } = self()
    const topics = new Map<Uuid, RequestIn<typeof Fetch>['topics'][number]['partitions'][number][]>()
    for (const followed of isFull ? this.#followed.values() : this.#changed) {
      if (followed.isResting) continue
      const { topicId, partition, log } = followed.replica
      followed.askedIn ??= request
      followed.namedIn = request
      followed.fetchOffset = log.logEndOffset
      const wish = {
        partition,
        currentLeaderEpoch: followed.leaderEpoch,
        fetchOffset: log.logEndOffset,
        lastFetchedEpoch: log.epochs.latestEpoch,
        logStartOffset: log.logStartOffset,
        partitionMaxBytes: settings.fetchMaxBytes,
      }
      const partitions = topics.get(topicId)
      if (partitions === undefined) topics.set(topicId, [wish])
      else partitions.push(wish)
    }
    this.#changed.clear()
    const forgotten = new Map<Uuid, number[]>()
    for (const { topicId, partition } of isFull ? [] : this.#forgotten) {
      const isBack = topics.get(topicId)?.some(wish => wish.partition === partition) === true
      if (!isBack) forgotten.set(topicId, [...(forgotten.get(topicId) ?? []), partition])
    }
    this.#forgotten = []
    const w = new Writer()
    w.int16(FOLLOWER_FETCH_VERSION)
    Fetch.req(FOLLOWER_FETCH_VERSION).encode(
      {
        replicaState: { replicaId, replicaEpoch },
        maxWaitMs: settings.fetchWaitMaxMs,
        minBytes: settings.fetchMinBytes ?? 1,
        maxBytes: settings.fetchResponseMaxBytes,
        sessionId: this.#sessionId,
        sessionEpoch: this.#sessionEpoch,
        topics: [...topics].map(([topicId, partitions]) => ({ topicId, partitions })),
        forgottenTopicsData: [...forgotten].map(([topicId, partitions]) => ({ topicId, partitions })),
        rackId: '',
      },
      w,
    )
    return w.done()
  }

  // -------------------------------------------------------------------------------------------------------------------------------- take

  /** @param lease  of the memory of the answer, retained by who keeps some of it */
  #take(request: number, bytes: Buffer, lease: Lease | undefined): void {
    if (this.#closed) return
    this.#underWay--
    let response: Response
    try {
      response = Fetch.res(FOLLOWER_FETCH_VERSION).decode(bytes, 0, bytes.length) as Response
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.#lostSession(request, error.message)
      return
    }
    if (response.errorCode !== NONE) {
      // Another process by now, or the session ended with its connection: a new one is begun at once.
      const isForgotten = response.errorCode === FETCH_SESSION_ID_NOT_FOUND || response.errorCode === INVALID_FETCH_SESSION_EPOCH
      this.#lostSession(request, errorName(response.errorCode), isForgotten)
      return
    }
    this.#failures = 0
    this.#sessionId = response.sessionId
    this.#isAnswering = true
    for (const { topicId, partitions } of response.responses) {
      for (const answer of partitions) {
        const followed = this.#followed.get(`${topicId}/${answer.partitionIndex}`)
        // Named after this request: the answer is about what was followed before.
        if (followed?.askedIn === undefined || followed.askedIn > request || followed.isResting) continue
        if (followed.namedIn > request) this.#takeLate(followed, answer)
        else this.#takeOne(followed, answer, lease)
      }
    }
    this.#isAnswering = false
    this.#repeatPromises()
    this.#maybeSend()
  }

  #takeOne(followed: Followed, answer: PartitionAnswer, lease: Lease | undefined): void {
    const { replica } = followed
    const { log } = replica
    if (answer.errorCode !== NONE) {
      this.#refused(followed, answer)
      return
    }
    if (answer.divergingEpoch.endOffset >= 0) {
      this.#cut(followed, answer.divergingEpoch)
      return
    }
    // Overtaken by what came meanwhile.
    if (followed.fetchOffset !== log.logEndOffset) {
      this.#takeLate(followed, answer)
      return
    }
    const isFirst = !followed.isValidated
    followed.isValidated = true
    const records = answer.records as Buffer | null
    if (records !== null && records.length > 0) {
      try {
        replica.appendAsFollower(records, followed.leaderEpoch, lease)
      } catch (error) {
        if (!(error instanceof KafkaError)) throw error
        this.#rest(followed, error.message, { restMs: error.code === KAFKA_STORAGE_ERROR ? STORAGE_REST_MS : undefined })
      }
      followed.appendedBytes += records.length
      this.#countUnwritten(followed)
      if (!followed.isResting) this.#changed.add(followed)
    }
    this.#follow(followed, answer)
    if (isFirst) this.#o.promise(replica)
  }

  /** To a fetch of an offset that is behind us: the session may not say again how far the leader is. */
  #takeLate(followed: Followed, answer: PartitionAnswer): void {
    if (answer.errorCode === NONE && answer.divergingEpoch.endOffset < 0 && followed.isValidated) this.#follow(followed, answer)
  }

  #follow(followed: Followed, { highWatermark, logStartOffset }: PartitionAnswer): void {
    const { replica } = followed
    followed.leaderHighWatermark = highWatermark
    if (this.#isConfirmed(followed)) this.#unconfirmed.delete(followed)
    replica.followHighWatermark(highWatermark)
    if (logStartOffset > replica.log.logStartOffset) this.#followStart(followed, logStartOffset)
  }

  /** The leader's records begin later: ours do, too, as far as we have any. */
  #followStart(followed: Followed, leaderStartOffset: number): void {
    const { log } = followed.replica
    const offset = Math.min(leaderStartOffset, log.writtenOffset)
    if (offset <= log.logStartOffset) return
    log.setLogStartOffset(offset).then(
      () => this.#nameAgain(followed),
      (error: Error) => this.#ifOurs(error),
    )
  }

  #refused(followed: Followed, { errorCode, logStartOffset }: PartitionAnswer): void {
    const { log } = followed.replica
    // The leader has nothing so old any more; or, after an unclean election, ends before an empty log begins.
    const isEmpty = log.logStartOffset === log.logEndOffset
    const isBehind = logStartOffset > log.logEndOffset || (isEmpty && logStartOffset >= 0 && logStartOffset < log.logEndOffset)
    if (errorCode === OFFSET_OUT_OF_RANGE && isBehind) {
      this.#env.logger.log('warn', 'started a log anew', {
        ...nameOf(followed.replica),
        logEndOffset: log.logEndOffset,
        at: logStartOffset,
      })
      this.#alone(followed, () => log.startAnewAt(logStartOffset))
      return
    }
    // Of another epoch than we follow: the metadata log has, or will have, news.
    const isNews = errorCode === NOT_LEADER_OR_FOLLOWER || errorCode === FENCED_LEADER_EPOCH
    this.#rest(followed, errorName(errorCode), { level: isNews ? 'debug' : 'warn' })
  }

  /** Records that the leader does not have go: behind the end of that epoch, here or there. */
  #cut(followed: Followed, leader: { readonly epoch: number; readonly endOffset: number }): void {
    const { log } = followed.replica
    const ours = log.epochs.endOffsetFor(leader.epoch)
    const offset = Math.min(leader.endOffset, log.logEndOffset, ours.endOffset < 0 ? Number.POSITIVE_INFINITY : ours.endOffset)
    if (offset < log.logEndOffset) {
      const fields = { ...nameOf(followed.replica), logEndOffset: log.logEndOffset, to: offset, leaderEpoch: followed.leaderEpoch }
      this.#env.logger.log('info', 'cut a log to follow its leader', fields)
    }
    this.#alone(followed, () => log.truncateTo(offset))
  }

  /** The partition is not fetched meanwhile. */
  #alone(followed: Followed, work: () => Promise<void>): void {
    followed.isResting = true
    const done = work()
    followed.replica.changing = done.catch(() => {})
    done.then(
      () => {
        followed.replica.truncated()
        this.#countUnwritten(followed)
        this.#resume(followed)
      },
      (error: Error) => this.#ifOurs(error),
    )
  }

  #rest(followed: Followed, cause: string, o: { level?: 'debug' | 'warn'; restMs?: number | undefined }): void {
    followed.isResting = true
    this.#env.logger.log(o.level ?? 'warn', 'could not follow', { ...nameOf(followed.replica), leaderId: this.leaderId, cause })
    followed.timer = this.#env.clock.setTimer(o.restMs ?? this.#o.settings.fetchBackoffMs, () => this.#resume(followed))
  }

  #resume(followed: Followed): void {
    followed.isResting = false
    this.#nameAgain(followed)
  }

  #nameAgain(followed: Followed): void {
    if (this.#followed.get(keyOf(followed.replica)) !== followed) return
    this.#changed.add(followed)
    this.#sendSoon()
  }

  /** A log that is closed, or whose disk failed, has told the node already. */
  #ifOurs(error: Error): void {
    if (error.name === 'AssertionError') this.#o.fail(error)
  }

  // -------------------------------------------------------------------------------------------------------------------------------- rest

  #lost(request: number, cause: string): void {
    if (this.#closed) return
    this.#underWay--
    this.#lostSession(request, cause)
  }

  /** Everything is named again, after a rest. @param mayHurry  the first time there is none */
  #lostSession(_request: number, cause: string, mayHurry = false): void {
    this.#sessionId = this.#sessionEpoch = 0
    this.#forgotten = []
    this.#changed.clear()
    for (const followed of this.#followed.values()) {
      followed.askedIn = undefined
      // What was promised may be lost with the connection: it is said again.
      followed.isValidated = false
    }
    if (this.#underWay > 0 || this.#followed.size === 0) return
    const isFirst = this.#failures++ === 0
    if (isFirst) this.#env.logger.log('info', 'lost a leader', { leaderId: this.leaderId, cause })
    if (isFirst && mayHurry) {
      this.#sendSoon()
      return
    }
    this.#restTimer ??= this.#env.clock.setTimer(this.#o.settings.fetchBackoffMs, () => {
      this.#restTimer = undefined
      this.#maybeSend()
    })
  }

  /** Once in the time that a fetch may take. */
  #repeatPromises(): void {
    if (this.#unconfirmed.size === 0) return
    const now = this.#env.clock.now()
    if (now - this.#repeatedAtMs < this.#o.settings.fetchWaitMaxMs) return
    this.#repeatedAtMs = now
    for (const followed of this.#unconfirmed) {
      if (this.#isConfirmed(followed)) this.#unconfirmed.delete(followed)
      else this.#o.promise(followed.replica)
    }
  }
}

function keyOf({ topicId, partition }: LocalReplica): string {
  return `${topicId}/${partition}`
}

function nameOf({ topic, partition }: LocalReplica): { topic: string; partition: number } {
  return { topic, partition }
}
