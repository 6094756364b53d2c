// The consumer's rules: what is fetched from whom, from which offset, and what `poll` gives out. Pure; the shell is consumer.ts.
//
// Promises: each partition's records come in offset order, none twice, none left out, except where the log itself has a gap or the position
// was reset. One round is fetched ahead: while the user works on what he has, the next bytes are under way.
// Facts: one Fetch per broker at a time, since answers come in order. A position outside the log is OFFSET_OUT_OF_RANGE; where to go on then
// is the user's choice (auto.offset.reset). The leader epoch we know goes along, so that a deposed leader is told apart (KIP-320). Fetch
// sessions (KIP-227) are not used yet: a request names every partition it wants, a session would name those that changed since the last one.
// A broker holds a fetch back until it has something, so a node is asked only when all its partitions have room: a fetch for the idle ones
// alone would sit there while the busy ones run dry (KAFKA-17182).
import * as errors from '../protocol/errors.ts'
import { assert } from '../util/assert.ts'
import { type AbortedTransaction, type ConsumedRecord, type FetchedBytes, isExhausted, openFetched, takeRecords } from './fetched.ts'
import { leaderOf, type MetadataState, type PartitionMetadata } from './metadata.ts'
import type { OffsetSpec } from './offsets.ts'
import { asksForMetadata, type Backoff, backoffMs, UNKNOWN_GRACE_MS } from './retry.ts'

export type AutoOffsetReset = 'earliest' | 'latest' | 'none'

export interface FetcherOptions {
  readonly autoOffsetReset: AutoOffsetReset
  /** Fetching stops above, except for partitions of which nothing is held. */
  readonly maxBufferedBytes: number
  /** What a compressed batch may unpack to. */
  readonly maxBatchBytes: number
  readonly backoff: Backoff
}

export interface FetchPartition {
  readonly topic: string
  readonly partition: number
  /** Of the next record `poll` gives out; undefined while it is looked up. */
  position: number | undefined
  /** Of the record before it; -1 when not known. */
  positionEpoch: number
  /** What to look up; undefined when the position is known. 'committed': the group finds it, and seeks. */
  lookup: OffsetSpec | 'committed' | undefined
  fetchOffset: number
  highWatermark: number
  paused: boolean
  /** Fetched and not given out, oldest first. */
  readonly held: FetchedBytes[]
  /** A fetch or lookup is under way. */
  busy: boolean
  /** Rises with each seek: what was asked for before no longer counts. */
  generation: number
  attempts: number
  retryAtMs: number
  failedLeader: { leaderId: number; leaderEpoch: number } | undefined
  /** For the next `poll` to throw. */
  failure: errors.KafkaError | undefined
}

export interface FetcherState {
  readonly options: FetcherOptions
  readonly metadata: MetadataState
  readonly random: { fraction(): number }
  /** By name; the one longest without a turn in `takePolled` first. */
  readonly partitions: Map<string, FetchPartition>
  /** The group decides what is read: it will notice that a topic is gone, and nobody else needs to. */
  toleratesUnknownTopics: boolean
  /** Nodes with a fetch under way. */
  readonly fetching: Set<number>
  readonly inFlight: Map<number, { readonly nodeId: number | undefined; readonly entries: readonly Entry[] }>
  lastRequestId: number
  bufferedBytes: number
  wakeAtMs: number
}

interface Entry {
  readonly target: FetchPartition
  readonly generation: number
}

export interface PartitionFetch {
  readonly topic: string
  readonly partition: number
  readonly fetchOffset: number
  readonly currentLeaderEpoch: number
}

/** What a broker said of one partition of a fetch. */
export interface PartitionFetched {
  readonly topic: string
  readonly partition: number
  readonly errorCode: number
  readonly highWatermark: number
  readonly records: Buffer | null
  readonly aborted: readonly AbortedTransaction[] | null
}

export type FetcherEvent =
  | { readonly type: 'tick' }
  | { readonly type: 'metadataChanged' }
  | { readonly type: 'fetched'; readonly requestId: number; readonly errorCode: number; readonly partitions: readonly PartitionFetched[] }
  | { readonly type: 'unfetched'; readonly requestId: number }
  /** In the order of the lookup: the offset, or why there is none. */
  | { readonly type: 'lookedUp'; readonly requestId: number; readonly results: readonly (number | errors.KafkaError)[] }

export type FetcherEffect =
  | { readonly type: 'fetch'; readonly requestId: number; readonly nodeId: number; readonly partitions: readonly PartitionFetch[] }
  | {
      readonly type: 'lookUp'
      readonly requestId: number
      readonly queries: readonly { readonly topic: string; readonly partition: number; readonly spec: OffsetSpec }[]
    }
  | { readonly type: 'stale' }
  /** `takePolled` has something: records or a failure. */
  | { readonly type: 'available' }

export type Position = OffsetSpec | 'committed' | { readonly offset: number; readonly leaderEpoch?: number }

export function openFetcher(options: FetcherOptions, metadata: MetadataState, random: { fraction(): number }): FetcherState {
  return {
    options,
    metadata,
    random,
    partitions: new Map(),
    toleratesUnknownTopics: false,
    fetching: new Set(),
    inFlight: new Map(),
    lastRequestId: 0,
    bufferedBytes: 0,
    wakeAtMs: Number.POSITIVE_INFINITY,
  }
}

/** Adds a partition, or moves it to another position. A `tick` must follow. */
export function seek(state: FetcherState, topic: string, partition: number, position: Position): void {
  const key = `${topic}-${partition}`
  let target = state.partitions.get(key)
  if (target === undefined) state.partitions.set(key, (target = newPartition(topic, partition)))
  moveTo(state, target, position)
}

export function unassign(state: FetcherState, topic: string, partition: number): void {
  const target = state.partitions.get(`${topic}-${partition}`)
  if (target === undefined) return
  moveTo(state, target, 'latest')
  state.partitions.delete(`${topic}-${partition}`)
}

function newPartition(topic: string, partition: number): FetchPartition {
  return {
    topic,
    partition,
    position: undefined,
    positionEpoch: -1,
    lookup: undefined,
    fetchOffset: -1,
    highWatermark: -1,
    paused: false,
    held: [],
    busy: false,
    generation: 0,
    attempts: 0,
    retryAtMs: 0,
    failedLeader: undefined,
    failure: undefined,
  }
}

function moveTo(state: FetcherState, target: FetchPartition, position: Position): void {
  for (const fetched of target.held.splice(0)) state.bufferedBytes -= fetched.end
  target.generation++
  target.busy = false
  target.attempts = 0
  target.retryAtMs = 0
  target.failure = undefined
  if (typeof position === 'object' && 'offset' in position) {
    target.position = target.fetchOffset = position.offset
    target.positionEpoch = position.leaderEpoch ?? -1
    target.lookup = undefined
  } else {
    target.position = undefined
    target.positionEpoch = -1
    target.lookup = position
  }
}

export function step(state: FetcherState, event: FetcherEvent, now: number): FetcherEffect[] {
  const effects: FetcherEffect[] = []
  if (event.type === 'fetched') {
    const entries = settle(state, event.requestId)
    const answers = new Map(event.partitions.map(answer => [`${answer.topic}-${answer.partition}`, answer]))
    for (const entry of entries) {
      if (entry.generation !== entry.target.generation) continue
      entry.target.busy = false
      const answer = answers.get(`${entry.target.topic}-${entry.target.partition}`)
      takeAnswer(state, entry.target, answer, event.errorCode, now, effects)
    }
  } else if (event.type === 'unfetched') {
    for (const { target, generation } of settle(state, event.requestId)) {
      if (generation !== target.generation) continue
      target.busy = false
      retryLater(state, target, now)
    }
    effects.push({ type: 'stale' })
  } else if (event.type === 'lookedUp') {
    settle(state, event.requestId).forEach(({ target, generation }, i) => {
      if (generation !== target.generation) return
      target.busy = false
      takeLookup(state, target, event.results[i]!, now, effects)
    })
  }
  ask(state, now, effects)
  return effects
}

/**
 * Gives out up to `maxRecords` records in turn of the partitions. A `tick` should follow: what was taken makes room for the next fetch.
 * @throws KafkaError the failure of a partition, once, when there are no records to give before it
 */
export function takePolled(state: FetcherState, maxRecords: number): ConsumedRecord[] {
  const out: ConsumedRecord[] = []
  for (const [key, target] of [...state.partitions]) {
    if (out.length >= maxRecords) break
    if (target.paused || target.held.length === 0) continue
    takeFrom(state, target, maxRecords - out.length, out)
    state.partitions.delete(key)
    state.partitions.set(key, target)
  }
  if (out.length > 0) return out
  for (const target of state.partitions.values()) {
    if (target.failure === undefined) continue
    const { failure } = target
    target.failure = undefined
    throw failure
  }
  return out
}

function takeFrom(state: FetcherState, target: FetchPartition, maxRecords: number, out: ConsumedRecord[]): void {
  const limit = out.length + maxRecords
  while (out.length < limit && target.held.length > 0) {
    const fetched = target.held[0]!
    try {
      takeRecords(fetched, limit - out.length, state.options.maxBatchBytes, out)
    } catch (error) {
      if (!(error instanceof errors.ProtocolError)) throw error
      const message = `${target.topic}-${target.partition} holds a damaged batch at offset ${fetched.nextOffset}: ${error.message}; seek behind it to go on`
      moveTo(state, target, { offset: fetched.nextOffset })
      target.failure = new errors.KafkaError(errors.CORRUPT_MESSAGE, message, { cause: error })
      return
    }
    target.position = fetched.nextOffset
    target.positionEpoch = fetched.openedEpoch
    if (!isExhausted(fetched)) continue
    target.held.shift()
    state.bufferedBytes -= fetched.end
  }
}

/** No committed offset can be found: what the user wanted in that case happens. */
export function resetPosition(state: FetcherState, target: FetchPartition): void {
  const { autoOffsetReset } = state.options
  if (autoOffsetReset === 'none') {
    const message = `the group has committed no offset of ${nameOf(target)}; seek to one, or set autoOffsetReset to 'earliest' or 'latest'`
    target.failure = new errors.KafkaError(errors.OFFSET_OUT_OF_RANGE, message)
  } else moveTo(state, target, autoOffsetReset)
}

/** There is something for `takePolled`. */
export function hasPolled(state: FetcherState): boolean {
  for (const target of state.partitions.values()) {
    if (target.failure !== undefined || (!target.paused && target.held.length > 0)) return true
  }
  return false
}

// ------------------------------------------------------------------------------------------------------------------------------- asking

/** One is given out, one more may be held: none is fetched beyond it. */
const HELD_ROUNDS = 1

function ask(state: FetcherState, now: number, effects: FetcherEffect[]): void {
  state.wakeAtMs = Number.POSITIVE_INFINITY
  const fetches = new Map<number, { entries: Entry[]; partitions: PartitionFetch[] }>()
  const full = fullNodes(state)
  const lookups: Entry[] = []
  for (const target of state.partitions.values()) {
    if (target.busy || target.failure !== undefined) continue
    if (target.lookup === 'committed') continue
    if (target.lookup !== undefined) {
      if (isDue(state, target, undefined, now)) lookups.push({ target, generation: target.generation })
      continue
    }
    if (target.paused) continue
    const leader = leaderOf(state.metadata, target.topic, target.partition)
    if (leader === undefined) {
      noteRefusal(state, target, now, effects)
      continue
    }
    const { leaderId, leaderEpoch } = leader
    if (full.has(leaderId) || state.fetching.has(leaderId) || !isDue(state, target, leader, now)) continue
    const fetch = fetches.get(leaderId) ?? { entries: [], partitions: [] }
    fetches.set(leaderId, fetch)
    fetch.entries.push({ target, generation: target.generation })
    const { topic, partition, fetchOffset } = target
    fetch.partitions.push({ topic, partition, fetchOffset, currentLeaderEpoch: leaderEpoch })
    target.failedLeader = { leaderId, leaderEpoch }
  }
  for (const [nodeId, { entries, partitions }] of fetches) {
    state.fetching.add(nodeId)
    effects.push({ type: 'fetch', requestId: begin(state, nodeId, entries), nodeId, partitions })
  }
  if (lookups.length > 0) {
    const queries = lookups.map(({ target }) => ({ topic: target.topic, partition: target.partition, spec: target.lookup as OffsetSpec }))
    effects.push({ type: 'lookUp', requestId: begin(state, undefined, lookups), queries })
  }
}

/** Nodes with a partition that has no room. */
function fullNodes(state: FetcherState): Set<number> {
  const full = new Set<number>()
  const maxRounds = state.bufferedBytes >= state.options.maxBufferedBytes ? 0 : HELD_ROUNDS
  for (const target of state.partitions.values()) {
    if (target.paused || target.held.length <= maxRounds) continue
    const leader = leaderOf(state.metadata, target.topic, target.partition)
    if (leader !== undefined) full.add(leader.leaderId)
  }
  return full
}

/** A partition without a leader may be one that does not exist. */
function noteRefusal(state: FetcherState, target: FetchPartition, now: number, effects: FetcherEffect[]): void {
  const refusal = state.metadata.topicErrors.get(target.topic)
  if (refusal === undefined || (state.toleratesUnknownTopics && errors.isRetriable(refusal.errorCode))) return
  const dueAtMs = errors.isRetriable(refusal.errorCode) ? refusal.sinceMs + UNKNOWN_GRACE_MS : now
  if (now < dueAtMs) {
    state.wakeAtMs = Math.min(state.wakeAtMs, dueAtMs)
  } else if (refusal.errorCode !== errors.LEADER_NOT_AVAILABLE) {
    const message = `topic '${target.topic}': ${errors.errorMessage(refusal.errorCode)}`
    failPartition(target, new errors.KafkaError(refusal.errorCode, message), effects)
  }
}

function begin(state: FetcherState, nodeId: number | undefined, entries: readonly Entry[]): number {
  for (const { target } of entries) target.busy = true
  state.inFlight.set(++state.lastRequestId, { nodeId, entries })
  return state.lastRequestId
}

function settle(state: FetcherState, requestId: number): readonly Entry[] {
  const request = state.inFlight.get(requestId)
  assert(request !== undefined, `an answer to request ${requestId}, which is not in flight`)
  state.inFlight.delete(requestId)
  if (request.nodeId !== undefined) state.fetching.delete(request.nodeId)
  return request.entries
}

/** A retry waits for its time, unless another leader has taken over since. */
function isDue(state: FetcherState, target: FetchPartition, leader: PartitionMetadata | undefined, now: number): boolean {
  if (now >= target.retryAtMs) return true
  const failed = target.failedLeader
  if (leader !== undefined && (failed?.leaderId !== leader.leaderId || failed.leaderEpoch < leader.leaderEpoch)) return true
  state.wakeAtMs = Math.min(state.wakeAtMs, target.retryAtMs)
  return false
}

// ------------------------------------------------------------------------------------------------------------------------------ answers

function takeAnswer(
  state: FetcherState,
  target: FetchPartition,
  answer: PartitionFetched | undefined,
  requestError: number,
  now: number,
  effects: FetcherEffect[],
): void {
  const code = requestError !== errors.NONE ? requestError : (answer?.errorCode ?? errors.UNKNOWN_SERVER_ERROR)
  if (asksForMetadata(code)) effects.push({ type: 'stale' })
  if (code === errors.NONE) {
    takeRecordsOf(state, target, answer!, now, effects)
  } else if (code === errors.OFFSET_OUT_OF_RANGE) {
    outOfRange(state, target, now, effects)
  } else if (errors.isRetriable(code) || code === errors.UNKNOWN_SERVER_ERROR) {
    retryLater(state, target, now)
  } else {
    failPartition(target, new errors.KafkaError(code, `fetch of ${nameOf(target)}: ${errors.errorMessage(code)}`), effects)
  }
}

function takeRecordsOf(state: FetcherState, target: FetchPartition, answer: PartitionFetched, now: number, effects: FetcherEffect[]): void {
  target.highWatermark = answer.highWatermark
  target.attempts = 0
  if (answer.records === null || answer.records.length === 0) return
  try {
    const opened = openFetched(target, answer.records, answer.aborted)
    if (opened === undefined) throw new errors.ProtocolError(`${answer.records.length} bytes hold no whole batch`)
    target.fetchOffset = opened.nextFetchOffset
    target.held.push(opened.fetched)
    state.bufferedBytes += opened.fetched.end
    if (!target.paused) effects.push({ type: 'available' })
  } catch (error) {
    if (!(error instanceof errors.ProtocolError)) throw error
    retryLater(state, target, now)
    const message = `fetch of ${nameOf(target)} at offset ${target.fetchOffset}: ${error.message}`
    failPartition(target, new errors.KafkaError(errors.CORRUPT_MESSAGE, message, { cause: error }), effects)
  }
}

function outOfRange(state: FetcherState, target: FetchPartition, now: number, effects: FetcherEffect[]): void {
  const { autoOffsetReset } = state.options
  // What was fetched before comes first; the same offset is out of range still when that is given out.
  if (target.held.length > 0) {
    retryLater(state, target, now)
  } else if (autoOffsetReset === 'none') {
    const message =
      `offset ${target.fetchOffset} of ${nameOf(target)} lies outside the log: its records were deleted, or the log was cut; ` +
      `seek to an offset that exists, or set autoOffsetReset to 'earliest' or 'latest'`
    failPartition(target, new errors.KafkaError(errors.OFFSET_OUT_OF_RANGE, message), effects)
  } else moveTo(state, target, autoOffsetReset)
}

function takeLookup(
  state: FetcherState,
  target: FetchPartition,
  result: number | errors.KafkaError,
  now: number,
  effects: FetcherEffect[],
): void {
  if (typeof result !== 'number') {
    if (result.retriable && result.code !== errors.UNKNOWN_TOPIC_OR_PARTITION) retryLater(state, target, now)
    else failPartition(target, result, effects)
  } else if (result >= 0) {
    target.position = target.fetchOffset = result
    target.lookup = undefined
    target.attempts = 0
    effects.push({ type: 'available' })
  } else {
    // No record is as young as the time asked for: the end is where such a record will appear.
    target.lookup = 'latest'
  }
}

function retryLater(state: FetcherState, target: FetchPartition, now: number): void {
  target.attempts++
  target.retryAtMs = now + backoffMs(state.options.backoff, target.attempts, state.random.fraction())
}

function failPartition(target: FetchPartition, failure: errors.KafkaError, effects: FetcherEffect[]): void {
  target.failure = failure
  effects.push({ type: 'available' })
}

function nameOf(target: FetchPartition): string {
  return `${target.topic}-${target.partition}`
}
