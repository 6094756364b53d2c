// What a client asked for in its earlier fetches, so that it need not repeat it, and what it was told, so that we need not.
// Facts: KIP-227; org.apache.kafka.server.{FetchManager,FetchSession,FetchContext}. Epoch -1 = no session, 0 = open one, n = the n-th
// incremental fetch of a session. A session is made when its first answer is made, not when its request arrives.
// We differ from Kafka: one cache instead of shards; a session is found for eviction by a scan, which only a full cache pays.

import { FETCH_SESSION_ID_NOT_FOUND, FETCH_SESSION_TOPIC_ID_ERROR, INVALID_FETCH_SESSION_EPOCH, NONE } from '../protocol/errors.ts'
import type { Uuid } from '../util/uuid.ts'

/** What the request says of one partition. */
export interface FetchWish {
  readonly partition: number
  readonly currentLeaderEpoch: number
  readonly fetchOffset: number
  readonly lastFetchedEpoch: number
  readonly partitionMaxBytes: number
}

/** One partition of a fetch. `topic` is '' when the request names topics by id (v13+), `topicId` is the zero id when it names them. */
export interface FetchTarget {
  readonly topic: string
  readonly topicId: Uuid
  wish: FetchWish
}

/** The part of a partition's answer that decides whether an incremental answer must mention it. */
export interface FetchAnswer {
  readonly errorCode: number
  readonly highWatermark: number
  readonly logStartOffset: number
  readonly recordsBytes: number
  readonly preferredReadReplica: number
  readonly diverges: boolean
}

export interface FetchSessionRequest {
  readonly sessionId: number
  readonly sessionEpoch: number
  readonly usesTopicIds: boolean
  readonly targets: readonly FetchTarget[]
  readonly forgotten: readonly { readonly topic: string; readonly topicId: Uuid; readonly partition: number }[]
}

/** How one fetch relates to its session. `refused` is the error of the whole answer; then there is nothing to read. */
export interface FetchContext {
  readonly kind: 'sessionless' | 'full' | 'incremental' | 'refused'
  readonly errorCode: number
  readonly targets: readonly FetchTarget[]
  readonly session: FetchSession | undefined
  readonly usesTopicIds: boolean
  /** The epoch the session must still have when the answer leaves. */
  readonly nextEpoch: number
}

interface CachedTarget extends FetchTarget {
  /** As last told; -1 after an error, so that recovery is told again. */
  highWatermark: number
  logStartOffset: number
}

interface FetchSession {
  readonly id: number
  readonly usesTopicIds: boolean
  readonly createdAtMs: number
  lastUsedAtMs: number
  /** Expected of the next request. */
  epoch: number
  /** In the order of reading: who returned data goes to the end. */
  readonly targets: Map<string, CachedTarget>
}

export const INITIAL_EPOCH = 0
export const FINAL_EPOCH = -1

export class FetchSessions {
  readonly #sessions = new Map<number, FetchSession>()
  readonly #maxSessions: number
  readonly #maxBytes: number
  readonly #evictionMs: number
  readonly #randomId: () => number
  #bytes = 0

  /**
   * @param maxBytes  what all sessions together may hold in memory: a client can name any number of partitions, existing or not
   * @param randomId  an id in [1, 2^31)
   */
  constructor(o: { maxSessions: number; maxBytes: number; evictionMs: number; randomId: () => number }) {
    this.#maxSessions = o.maxSessions
    this.#maxBytes = o.maxBytes
    this.#evictionMs = o.evictionMs
    this.#randomId = o.randomId
  }

  get size(): number {
    return this.#sessions.size
  }

  begin(request: FetchSessionRequest, nowMs: number): FetchContext {
    const { sessionEpoch, targets, usesTopicIds } = request
    if (sessionEpoch === INITIAL_EPOCH || sessionEpoch === FINAL_EPOCH) {
      this.#drop(this.#sessions.get(request.sessionId))
      const kind = sessionEpoch === INITIAL_EPOCH ? 'full' : 'sessionless'
      return { kind, errorCode: NONE, targets, session: undefined, usesTopicIds, nextEpoch: 0 }
    }
    const session = this.#sessions.get(request.sessionId)
    if (session === undefined) return refused(FETCH_SESSION_ID_NOT_FOUND)
    if (session.epoch !== sessionEpoch) return refused(INVALID_FETCH_SESSION_EPOCH)
    if (session.usesTopicIds !== usesTopicIds) return refused(FETCH_SESSION_TOPIC_ID_ERROR)
    this.#bytes += update(session, request)
    if (this.#bytes > this.#maxBytes) {
      this.#drop(session)
      return refused(FETCH_SESSION_ID_NOT_FOUND)
    }
    if (session.targets.size === 0) {
      this.#drop(session)
      return { kind: 'sessionless', errorCode: NONE, targets: [], session: undefined, usesTopicIds, nextEpoch: 0 }
    }
    session.lastUsedAtMs = nowMs
    session.epoch = epochAfter(session.epoch)
    return { kind: 'incremental', errorCode: NONE, targets: [...session.targets.values()], session, usesTopicIds, nextEpoch: session.epoch }
  }

  /**
   * Closes the fetch: which of the answers (one per target, in order) are sent, under which session id.
   * Answers that say nothing new are left out of an incremental fetch.
   */
  finish<A extends FetchAnswer>(
    context: FetchContext,
    answers: readonly A[],
    nowMs: number,
  ): { readonly sessionId: number; readonly errorCode: number; readonly sent: readonly number[] } {
    switch (context.kind) {
      case 'refused':
        return { sessionId: 0, errorCode: context.errorCode, sent: [] }
      case 'sessionless':
        return { sessionId: 0, errorCode: NONE, sent: allOf(answers) }
      case 'full':
        return { sessionId: this.#open(context, answers, nowMs), errorCode: NONE, sent: allOf(answers) }
      case 'incremental': {
        const session = context.session!
        if (session.epoch !== context.nextEpoch) return { sessionId: session.id, errorCode: INVALID_FETCH_SESSION_EPOCH, sent: [] }
        return { sessionId: session.id, errorCode: NONE, sent: tell(session, context.targets as readonly CachedTarget[], answers) }
      }
    }
  }

  /** @returns the new session's id, 0 when there is no room or nothing to remember */
  #open(context: FetchContext, answers: readonly FetchAnswer[], nowMs: number): number {
    const { length } = context.targets
    const bytes = context.targets.reduce((sum, target) => sum + sizeOf(target), 0)
    if (length === 0 || this.#bytes + bytes > this.#maxBytes || !this.#makeRoom(length, nowMs)) return 0
    const targets = new Map<string, CachedTarget>()
    for (let i = 0; i < length; i++) {
      const target = context.targets[i]!
      const { highWatermark, logStartOffset, errorCode } = answers[i]!
      targets.set(keyOf(target.topic, target.topicId, target.wish.partition), {
        topic: target.topic,
        topicId: target.topicId,
        wish: target.wish,
        highWatermark: errorCode === NONE ? highWatermark : -1,
        logStartOffset,
      })
    }
    const id = this.#newId()
    for (const target of targets.values()) this.#bytes += sizeOf(target)
    this.#sessions.set(id, { id, usesTopicIds: context.usesTopicIds, createdAtMs: nowMs, lastUsedAtMs: nowMs, epoch: 1, targets })
    return id
  }

  /** A full cache gives up a session unused for the eviction time, else an old one with fewer partitions than the newcomer. */
  #makeRoom(newSize: number, nowMs: number): boolean {
    if (this.#sessions.size < this.#maxSessions) return true
    let stalest: FetchSession | undefined
    let smallest: FetchSession | undefined
    for (const session of this.#sessions.values()) {
      if (stalest === undefined || session.lastUsedAtMs < stalest.lastUsedAtMs) stalest = session
      if (nowMs - session.createdAtMs > this.#evictionMs && (smallest === undefined || session.targets.size < smallest.targets.size))
        smallest = session
    }
    if (stalest !== undefined && nowMs - stalest.lastUsedAtMs > this.#evictionMs) return this.#drop(stalest)
    if (smallest !== undefined && smallest.targets.size < newSize) return this.#drop(smallest)
    return false
  }

  #drop(session: FetchSession | undefined): boolean {
    if (session === undefined || !this.#sessions.delete(session.id)) return false
    for (const target of session.targets.values()) this.#bytes -= sizeOf(target)
    return true
  }

  #newId(): number {
    let id = this.#randomId()
    while (this.#sessions.has(id)) id = this.#randomId()
    return id
  }
}

/** @returns by how many bytes the session grew */
function update(session: FetchSession, request: FetchSessionRequest): number {
  let grown = 0
  for (const target of request.targets) {
    const key = keyOf(target.topic, target.topicId, target.wish.partition)
    const cached = session.targets.get(key)
    if (cached !== undefined) {
      cached.wish = target.wish
      continue
    }
    session.targets.set(key, { topic: target.topic, topicId: target.topicId, wish: target.wish, highWatermark: -1, logStartOffset: -1 })
    grown += sizeOf(target)
  }
  for (const { topic, topicId, partition } of request.forgotten) {
    const key = keyOf(topic, topicId, partition)
    const cached = session.targets.get(key)
    if (cached === undefined) continue
    session.targets.delete(key)
    grown -= sizeOf(cached)
  }
  return grown
}

function tell(session: FetchSession, targets: readonly CachedTarget[], answers: readonly FetchAnswer[]): number[] {
  const sent: number[] = []
  for (let i = 0; i < targets.length; i++) {
    const target = targets[i]!
    const answer = answers[i]!
    if (!isNews(target, answer)) continue
    target.highWatermark = answer.errorCode === NONE ? answer.highWatermark : -1
    target.logStartOffset = answer.logStartOffset
    sent.push(i)
    if (answer.recordsBytes > 0) moveToEnd(session, target)
  }
  return sent
}

function isNews(told: CachedTarget, answer: FetchAnswer): boolean {
  return (
    answer.recordsBytes > 0 ||
    answer.errorCode !== NONE ||
    answer.highWatermark !== told.highWatermark ||
    answer.logStartOffset !== told.logStartOffset ||
    answer.preferredReadReplica >= 0 ||
    answer.diverges
  )
}

function moveToEnd(session: FetchSession, target: CachedTarget): void {
  const key = keyOf(target.topic, target.topicId, target.wish.partition)
  if (session.targets.delete(key)) session.targets.set(key, target)
}

function keyOf(topic: string, topicId: Uuid, partition: number): string {
  return `${topic === '' ? topicId : topic}/${partition}`
}

/** About what a cached target takes in memory. */
function sizeOf(target: FetchTarget): number {
  return 256 + 2 * target.topic.length
}

function epochAfter(epoch: number): number {
  return epoch >= 0x7fffffff ? 1 : epoch + 1
}

function allOf(answers: readonly unknown[]): number[] {
  return answers.map((_, i) => i)
}

function refused(errorCode: number): FetchContext {
  return { kind: 'refused', errorCode, targets: [], session: undefined, usesTopicIds: false, nextEpoch: 0 }
}
