// From a record to its partition's queue, and the wait for metadata that may come first. Pure; part of the producer's core.
import * as errors from '../protocol/errors.ts'
import { appendToQueue, emptyQueue } from './accumulator.ts'
import { leaderOf } from './metadata.ts'
import { partitionForKey, stickyPartition } from './partitioner.ts'
import type { Failure, SenderEffect, SenderState, SendItem } from './sender-state.ts'

/** Puts the record into its queue, or among those that wait. */
export function route(state: SenderState, item: SendItem, now: number): void {
  if (place(state, item, now)) return
  const waiting = state.waiting.get(item.topic)
  if (waiting === undefined) state.waiting.set(item.topic, [item])
  else waiting.push(item)
}

/** After the metadata changed: places what can be placed now, gives up what a broker refuses for good. */
export function routeWaiting(state: SenderState, now: number, effects: SenderEffect[]): void {
  for (const [topic, items] of [...state.waiting]) {
    const refusal = state.metadata.topicErrors.get(topic)?.errorCode ?? errors.NONE
    if (refusal !== errors.NONE && !errors.isRetriable(refusal)) {
      state.waiting.delete(topic)
      failItems(state, items, whyUnrouted(state, items[0]!), effects)
      continue
    }
    keepWaiting(
      state,
      topic,
      items.filter(item => !place(state, item, now)),
    )
  }
}

export function expireWaiting(state: SenderState, now: number, effects: SenderEffect[]): void {
  for (const [topic, items] of [...state.waiting]) {
    if (items[0]!.metadataDeadlineMs > now) continue
    for (const item of items) if (item.metadataDeadlineMs <= now) failItems(state, [item], whyUnrouted(state, item), effects)
    keepWaiting(
      state,
      topic,
      items.filter(item => item.metadataDeadlineMs > now),
    )
  }
}

export function failItems(state: SenderState, items: readonly SendItem[], failure: Failure, effects: SenderEffect[]): void {
  for (const item of items) state.bufferedBytes -= item.sizeBytes
  effects.push({ type: 'failed', records: { tickets: items.map(item => item.ticket), indexes: items.map(item => item.index) }, failure })
}

function keepWaiting(state: SenderState, topic: string, items: SendItem[]): void {
  if (items.length > 0) state.waiting.set(topic, items)
  else state.waiting.delete(topic)
}

function place(state: SenderState, item: SendItem, now: number): boolean {
  const partition = choosePartition(state, item)
  if (partition === undefined) return false
  let queues = state.topics.get(item.topic)
  if (queues === undefined) state.topics.set(item.topic, (queues = []))
  queues[partition] ??= emptyQueue(item.topic, partition)
  const queue = queues[partition]
  appendToQueue(queue, item, {
    batchBytes: state.options.batchBytes,
    lingerUntilMs: item.lingers ? now + state.options.lingerMs : Number.NEGATIVE_INFINITY,
    deadlineMs: item.deadlineMs,
  })
  state.active.add(queue)
  return true
}

/** undefined while the topic, or the partition asked for, is not known. */
function choosePartition(state: SenderState, item: SendItem): number | undefined {
  const partitionCount = state.metadata.topics.get(item.topic)?.partitions.length ?? 0
  if (partitionCount === 0) return undefined
  const { key, value } = item.record
  const asked = item.partition ?? state.options.partitioner?.({ topic: item.topic, key, value, partitionCount })
  if (asked !== undefined) return Number.isInteger(asked) && asked >= 0 && asked < partitionCount ? asked : undefined
  if (key !== null) return partitionForKey(key, partitionCount)
  let sticky = state.sticky.get(item.topic)
  if (sticky === undefined) state.sticky.set(item.topic, (sticky = { partition: -1, bytesLeft: 0 }))
  const led = (): number[] =>
    Array.from({ length: partitionCount }, (_, partition) => partition).filter(p => leaderOf(state.metadata, item.topic, p) !== undefined)
  const record = { sizeBytes: item.sizeBytes, batchBytes: state.options.batchBytes }
  return stickyPartition(sticky, record, partitionCount, led, bound => state.random.integer(bound))
}

function whyUnrouted(state: SenderState, item: SendItem): Failure {
  const known = state.metadata.topics.get(item.topic)
  const code = state.metadata.topicErrors.get(item.topic)?.errorCode
  const waited = `within ${state.options.metadataTimeoutMs} ms`
  if (known !== undefined) {
    const asked = item.partition === undefined ? 'the one its partitioner chose' : item.partition
    const message = `topic '${item.topic}' has partitions 0 to ${known.partitions.length - 1}; partition ${asked} did not appear ${waited}`
    return { code: errors.UNKNOWN_TOPIC_OR_PARTITION, message, recordErrors: [] }
  }
  if (code === errors.UNKNOWN_TOPIC_OR_PARTITION) {
    const message = `topic '${item.topic}' did not appear ${waited}: create it, or let the brokers do so (auto.create.topics.enable)`
    return { code, message, recordErrors: [] }
  }
  if (code !== undefined) return { code, message: `topic '${item.topic}': ${errors.errorMessage(code)}`, recordErrors: [] }
  return { code: errors.REQUEST_TIMED_OUT, message: `no broker answered for topic '${item.topic}' ${waited}`, recordErrors: [] }
}
