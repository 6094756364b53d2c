// The producer's rules: which batch leaves when, under which number, and what becomes of it. Pure; the shell is producer.ts.
//
// Facts: KIP-98 (idempotence: producer id, epoch, sequence), KIP-91 (delivery timeout), KIP-360 (recovery by a higher epoch).
// Promises, for the idempotent producer: records of one partition are written in the order they were given, each once, whatever is retried.
//  - A batch keeps its number over all retries, so a broker that has it answers with the offset it got the first time.
//  - After a failure the batches of a partition are retried one at a time, oldest first; new ones wait behind them.
//  - When a number will never be written (its batch was refused or given up), what follows it is renumbered under a new epoch. Not before
//    every batch that may be in the log was judged by a broker under its old number: renumbering one that is there would write it twice.
//  - The first batch under a new identity travels alone: a broker without state takes any number for the first (KIP-360), so a second batch
//    could be written although the first was refused, and before it.
//  - No batch is numbered more than four after the oldest unacknowledged one, also when newer ones were acknowledged before it: the broker
//    would no longer know it when it comes again.
//  - A leader that is silent is not waited for: who leads is asked of others, and when metadata names a newer leader epoch, a batch in flight to the
//    old leader goes to the new one, under its number. Whatever the old one makes of it, and says later, counts no more.
// We differ from Kafka's client in the last three rules, and in two more: epochs are raised per partition (the broker keeps them so), so a gap in
// one partition disturbs no other; and without idempotence one batch per partition is in flight, so that retries keep the order there too.
import { BATCH_HEADER_BYTES } from '../protocol/batch.ts'
import * as errors from '../protocol/errors.ts'
import { assert } from '../util/assert.ts'
import { type Batch, mayNumber, mayReset, numberBatch, type PartitionQueue, resetQueue, splitBatch } from './accumulator.ts'
import { leaderOf, type MetadataState, type PartitionMetadata } from './metadata.ts'
import { asksForMetadata, backoffMs } from './retry.ts'
import { expireWaiting, failItems, route, routeWaiting } from './routing.ts'
import type { BatchResult, Failure, SenderEffect, SenderEvent, SenderOptions, SenderState, SendItem } from './sender-state.ts'

export function openSender(options: SenderOptions, metadata: MetadataState, random: SenderState['random']): SenderState {
  return {
    options,
    metadata,
    random,
    topics: new Map(),
    waiting: new Map(),
    sticky: new Map(),
    active: new Set(),
    inFlight: new Map(),
    nodeLoad: new Map(),
    lastRequestId: 0,
    producerId: -1,
    producerEpoch: -1,
    identityAsked: false,
    identityRetryAtMs: 0,
    identityAttempts: 0,
    identityError: undefined,
    wakeAtMs: Number.POSITIVE_INFINITY,
    bufferedBytes: 0,
  }
}

/** Takes one record. A `tick` must follow in the same turn; many records may share it. */
export function append(state: SenderState, item: SendItem, now: number): void {
  state.bufferedBytes += item.sizeBytes
  route(state, item, now)
}

export function step(state: SenderState, event: SenderEvent, now: number): SenderEffect[] {
  const effects: SenderEffect[] = []
  switch (event.type) {
    case 'tick':
      break
    case 'metadataChanged':
      routeWaiting(state, now, effects)
      leaveOldLeaders(state, now)
      break
    case 'flush':
      for (const queue of state.active) for (const batch of queue.batches) batch.lingerUntilMs = Number.NEGATIVE_INFINITY
      for (const items of state.waiting.values()) for (const item of items) item.lingers = false
      break
    case 'identified':
      state.identityAsked = false
      state.identityAttempts = 0
      state.identityError = undefined
      state.producerId = event.producerId
      state.producerEpoch = event.producerEpoch
      break
    case 'unidentified':
      failIdentity(state, event.failure, event.retriable, now, effects)
      break
    case 'answered':
      settle(state, event.requestId, (queue, batch, i) => judge(state, queue, batch, event.results[i], now, effects))
      break
    case 'unanswered':
      settle(state, event.requestId, (queue, batch) => {
        if (state.options.acks === 0 && event.written) return deliver(state, queue, batch, WRITTEN_BLIND, effects)
        if (event.written) batch.maybeAppended = true
        retryLater(state, queue, batch, event.reason, now)
      })
      effects.push({ type: 'stale' })
      // A connection that ends takes all its requests with it, one event each: nothing leaves between them, or a later batch would overtake an
      // earlier one that still counts as in flight, to a broker that may have lost what it knew of this producer.
      state.wakeAtMs = now
      return effects
    case 'abandon':
      abandon(state, event.failure, effects)
      break
  }
  expire(state, now, effects)
  doubt(state, now, effects)
  sendReady(state, now, effects)
  return effects
}

/** A leader that has not answered for so long may not be one any more. */
const DOUBT_MS = 500

const WRITTEN_BLIND: BatchResult = { errorCode: 0, errorMessage: null, baseOffset: -1, logAppendTimeMs: -1, recordErrors: [] }

// ------------------------------------------------------------------------------------------------------------------------------ sending

/** Fills requests until no node may take, or no partition has, another batch; notes when to look again. */
function sendReady(state: SenderState, now: number, effects: SenderEffect[]): void {
  for (;;) {
    const round = new Map<number, { batches: Batch[]; sizeBytes: number }>()
    state.wakeAtMs = Number.POSITIVE_INFINITY
    for (const queue of [...state.active]) {
      wakeAt(state, queue.batches[0]!.deadlineMs)
      const next = nextBatch(state, queue, now, effects)
      if (next === undefined) continue
      const request = round.get(next.leader.leaderId) ?? { batches: [], sizeBytes: 0 }
      if (request.batches.length > 0 && request.sizeBytes + next.batch.sizeBytes > state.options.maxRequestBytes) continue
      round.set(next.leader.leaderId, request)
      request.batches.push(next.batch)
      request.sizeBytes += next.batch.sizeBytes
      dispatch(state, queue, next.batch, next.leader)
    }
    if (round.size === 0) break
    for (const [nodeId, { batches }] of round) {
      const requestId = ++state.lastRequestId
      state.inFlight.set(requestId, { nodeId, batches, abandoned: new Set(), doubtAtMs: now + DOUBT_MS })
      state.nodeLoad.set(nodeId, (state.nodeLoad.get(nodeId) ?? 0) + 1)
      effects.push({ type: 'send', nodeId, requestId, batches })
    }
  }
  for (const items of state.waiting.values()) wakeAt(state, items[0]!.metadataDeadlineMs)
  if (state.options.idempotent) for (const { doubtAtMs } of state.inFlight.values()) wakeAt(state, doubtAtMs)
}

function wakeAt(state: SenderState, atMs: number): void {
  if (atMs < state.wakeAtMs) state.wakeAtMs = atMs
}

interface Sendable {
  readonly batch: Batch
  readonly leader: PartitionMetadata
}

/** The batch of this partition that may leave now, if there is one; otherwise notes when there may be. */
function nextBatch(state: SenderState, queue: PartitionQueue, now: number, effects: SenderEffect[]): Sendable | undefined {
  if (queue.needsReset && mayReset(queue)) {
    const usedId = queue.producerId
    if (resetQueue(queue) && state.producerId === usedId) state.producerId = -1
  }
  const batch = candidate(state, queue)
  if (batch === undefined) return undefined
  const leader = leaderOf(state.metadata, queue.topic, queue.partition)
  if (leader === undefined) return undefined
  const failed = batch.failedLeader
  const sameLeader = failed?.leaderId === leader.leaderId && failed.leaderEpoch >= leader.leaderEpoch
  const notBeforeMs = batch.attempts === 0 ? batch.lingerUntilMs : sameLeader ? batch.retryAtMs : Number.NEGATIVE_INFINITY
  if (now < notBeforeMs) {
    wakeAt(state, notBeforeMs)
    return undefined
  }
  if ((state.nodeLoad.get(leader.leaderId) ?? 0) >= state.options.maxInFlightRequests) return undefined
  if (state.options.idempotent && queue.producerId < 0 && !identify(state, queue, now, effects)) return undefined
  return { batch, leader }
}

/** By the order of the partition alone. */
function candidate(state: SenderState, queue: PartitionQueue): Batch | undefined {
  const first = queue.batches.find(batch => batch.state === 'queued')
  if (first === undefined) return undefined
  if (queue.needsReset) {
    // Those that may be in the log are judged under their old numbers, one by one; nothing else moves.
    if (queue.inFlightCount > 0) return undefined
    return queue.batches.find(batch => batch.state === 'queued' && batch.maybeAppended && batch.baseSequence >= 0)
  }
  if (first.baseSequence >= 0) return first === queue.batches[0] ? first : undefined
  const { acks, idempotent, maxInFlightRequests } = state.options
  const limit = acks === 0 ? Number.POSITIVE_INFINITY : idempotent && queue.established ? maxInFlightRequests : 1
  return queue.inFlightCount < limit && (!idempotent || mayNumber(queue)) ? first : undefined
}

/** Takes over the producer's id, or sees to it that one is asked for. */
function identify(state: SenderState, queue: PartitionQueue, now: number, effects: SenderEffect[]): boolean {
  if (state.producerId >= 0) {
    queue.producerId = state.producerId
    queue.producerEpoch = state.producerEpoch
    return true
  }
  if (state.identityAsked) return false
  if (now < state.identityRetryAtMs) {
    wakeAt(state, state.identityRetryAtMs)
    return false
  }
  state.identityAsked = true
  effects.push({ type: 'askIdentity' })
  return false
}

function dispatch(state: SenderState, queue: PartitionQueue, batch: Batch, leader: PartitionMetadata): void {
  if (state.options.idempotent && batch.baseSequence < 0) numberBatch(queue, batch)
  batch.state = 'inFlight'
  batch.attempts++
  batch.failedLeader = { leaderId: leader.leaderId, leaderEpoch: leader.leaderEpoch }
  queue.inFlightCount++
  // The others of this node come first next time.
  state.active.delete(queue)
  state.active.add(queue)
}

// ------------------------------------------------------------------------------------------------------------------------------ answers

function settle(state: SenderState, requestId: number, decide: (queue: PartitionQueue, batch: Batch, i: number) => void): void {
  const request = state.inFlight.get(requestId)
  assert(request !== undefined, `an answer to request ${requestId}, which is not in flight`)
  state.inFlight.delete(requestId)
  state.nodeLoad.set(request.nodeId, state.nodeLoad.get(request.nodeId)! - 1)
  request.batches.forEach((batch, i) => {
    if (batch.state !== 'inFlight' || request.abandoned.has(batch)) return
    const queue = state.topics.get(batch.topic)![batch.partition]!
    queue.inFlightCount--
    batch.state = 'queued'
    decide(queue, batch, i)
  })
}

/** Without idempotence a second try may write twice, so it waits for the outcome of the first. */
function doubt({ options, inFlight }: SenderState, now: number, effects: SenderEffect[]): void {
  if (!options.idempotent) return
  let doubted = false
  for (const request of inFlight.values()) {
    if (request.doubtAtMs > now) continue
    request.doubtAtMs = now + DOUBT_MS
    doubted = true
  }
  if (doubted) effects.push({ type: 'stale' })
}

function leaveOldLeaders(state: SenderState, now: number): void {
  if (!state.options.idempotent) return
  for (const { batches, abandoned } of state.inFlight.values()) {
    for (const batch of batches) {
      if (batch.state !== 'inFlight' || abandoned.has(batch)) continue
      const leader = leaderOf(state.metadata, batch.topic, batch.partition)
      const { leaderId, leaderEpoch } = batch.failedLeader!
      if (leader === undefined || leader.leaderId === leaderId || leader.leaderEpoch <= leaderEpoch) continue
      abandoned.add(batch)
      const queue = state.topics.get(batch.topic)![batch.partition]!
      queue.inFlightCount--
      batch.state = 'queued'
      batch.maybeAppended = true
      retryLater(state, queue, batch, 'another broker leads the partition now', now)
    }
  }
}

function judge(
  state: SenderState,
  queue: PartitionQueue,
  batch: Batch,
  result: BatchResult | undefined,
  now: number,
  effects: SenderEffect[],
): void {
  const code = result?.errorCode ?? errors.UNKNOWN_SERVER_ERROR
  if (asksForMetadata(code)) effects.push({ type: 'stale' })
  if (result !== undefined && code === errors.NONE) {
    deliver(state, queue, batch, result, effects)
  } else if (code === errors.DUPLICATE_SEQUENCE_NUMBER) {
    // The broker has it, and does not say where.
    deliver(state, queue, batch, WRITTEN_BLIND, effects)
  } else if (batch.baseSequence >= 0 && JUDGED_BY_SEQUENCE.has(code)) {
    // The broker looked for it among what it has: it is not there.
    batch.maybeAppended = false
    const isOldest = queue.batches[0] === batch
    if (code !== errors.OUT_OF_ORDER_SEQUENCE_NUMBER || isOldest) queue.needsReset = true
    if (code === errors.INVALID_PRODUCER_EPOCH) queue.needsNewId = true
    retryLater(state, queue, batch, errors.errorName(code), now)
  } else if (code === errors.MESSAGE_TOO_LARGE && batch.records.length > 1) {
    if (batch.baseSequence >= 0) queue.needsReset = true
    splitBatch(queue, batch)
  } else if (errors.isRetriable(code)) {
    if (!REFUSED_BEFORE_APPEND.has(code)) batch.maybeAppended = true
    retryLater(state, queue, batch, errors.errorName(code), now)
  } else {
    const unnamed = `the answer does not name ${batch.topic}-${batch.partition}; the records may have been written`
    const message = result === undefined ? unnamed : (result.errorMessage ?? errors.errorMessage(code))
    fail(state, queue, batch, { code, message, recordErrors: result?.recordErrors ?? [] }, effects)
  }
}

/** The broker compared the batch's number with those it has, among them those of the last five batches. */
const JUDGED_BY_SEQUENCE: ReadonlySet<number> = new Set([
  errors.OUT_OF_ORDER_SEQUENCE_NUMBER,
  errors.UNKNOWN_PRODUCER_ID,
  errors.INVALID_PRODUCER_EPOCH,
])
/** This try wrote nothing. All other retriable errors may also come after the leader wrote the batch. */
const REFUSED_BEFORE_APPEND: ReadonlySet<number> = new Set([errors.NOT_ENOUGH_REPLICAS, errors.CORRUPT_MESSAGE, errors.UNKNOWN_TOPIC_ID])

function retryLater(state: SenderState, queue: PartitionQueue, batch: Batch, reason: string, now: number): void {
  assert(queue.batches.includes(batch), `a batch of ${batch.topic}-${batch.partition} is retried that is not queued`)
  batch.lastError = reason
  batch.retryAtMs = now + backoffMs(state.options.backoff, batch.attempts, state.random.fraction())
}

function deliver(state: SenderState, queue: PartitionQueue, batch: Batch, result: BatchResult, effects: SenderEffect[]): void {
  if (batch.producerId === queue.producerId && batch.producerEpoch === queue.producerEpoch) queue.established = true
  remove(state, queue, batch)
  effects.push({ type: 'delivered', batch, baseOffset: result.baseOffset, logAppendTimeMs: result.logAppendTimeMs })
}

function fail(state: SenderState, queue: PartitionQueue, batch: Batch, failure: Failure, effects: SenderEffect[]): void {
  if (batch.baseSequence >= 0) queue.needsReset = true
  remove(state, queue, batch)
  effects.push({ type: 'failed', records: batch, failure })
}

function remove(state: SenderState, queue: PartitionQueue, batch: Batch): void {
  if (batch.state === 'inFlight') queue.inFlightCount--
  batch.state = 'done'
  queue.batches.splice(queue.batches.indexOf(batch), 1)
  if (queue.batches.length === 0) state.active.delete(queue)
  state.bufferedBytes -= batch.sizeBytes - BATCH_HEADER_BYTES
}

// ----------------------------------------------------------------------------------------------------------------------------- giving up

function expire(state: SenderState, now: number, effects: SenderEffect[]): void {
  for (const queue of [...state.active]) {
    for (const batch of [...queue.batches]) {
      if (batch.deadlineMs > now) break
      const waited = `${batch.topic}-${batch.partition}: not acknowledged within delivery timeout ${state.options.deliveryTimeoutMs} ms`
      const message =
        batch.attempts === 0
          ? `${waited}; never sent: ${whyUnsent(state, queue)}`
          : `${waited}; try ${batch.attempts}: ${batch.lastError ?? 'no answer yet'}; it may have been written`
      fail(state, queue, batch, { code: errors.REQUEST_TIMED_OUT, message, recordErrors: [] }, effects)
    }
  }
  expireWaiting(state, now, effects)
}

function whyUnsent(state: SenderState, queue: PartitionQueue): string {
  if (leaderOf(state.metadata, queue.topic, queue.partition) === undefined) return 'the partition has no leader'
  if (state.options.idempotent && queue.producerId < 0) return `no producer id yet (${state.identityError ?? 'no answer'})`
  return 'the requests before it are still unanswered'
}

function failIdentity(state: SenderState, failure: Failure, retriable: boolean, now: number, effects: SenderEffect[]): void {
  state.identityAsked = false
  state.identityAttempts++
  state.identityError = failure.message
  state.identityRetryAtMs = now + backoffMs(state.options.backoff, state.identityAttempts, state.random.fraction())
  if (retriable) return
  for (const queue of [...state.active]) {
    if (queue.producerId >= 0) continue
    for (const batch of [...queue.batches]) fail(state, queue, batch, failure, effects)
  }
}

function abandon(state: SenderState, failure: Failure, effects: SenderEffect[]): void {
  for (const queue of [...state.active]) for (const batch of [...queue.batches]) fail(state, queue, batch, failure, effects)
  for (const items of state.waiting.values()) failItems(state, items, failure, effects)
  state.waiting.clear()
}
