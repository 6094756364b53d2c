// What the client believes about the cluster, and when it asks again. Pure.
//
// Facts: every broker answers Metadata from its own, possibly lagging view, so an answer may be older than what we know. Leader epochs rise
// with each leader change (KIP-320): a partition is taken over only from an answer that is not behind it. A topic id that changed means a
// topic made anew, whose epochs start again. Produce and Fetch answers name the new leader themselves (KIP-951). metadata.max.age.ms 5 min,
// metadata.max.idle.ms 5 min.
import { assert } from '../util/assert.ts'
import { type Uuid, ZERO_UUID } from '../util/uuid.ts'
import { type Backoff, backoffMs } from './retry.ts'

export interface BrokerEndpoint {
  readonly nodeId: number
  readonly host: string
  readonly port: number
  readonly rack: string | null
}

export interface PartitionMetadata {
  readonly partition: number
  readonly errorCode: number
  /** -1: no leader known. */
  leaderId: number
  /** -1 from brokers older than 2.1. */
  leaderEpoch: number
  readonly replicas: readonly number[]
  readonly isr: readonly number[]
}

export interface TopicMetadata {
  readonly name: string
  /** ZERO_UUID from brokers older than 2.8. */
  readonly topicId: Uuid
  readonly isInternal: boolean
  /** Index = partition. */
  readonly partitions: readonly PartitionMetadata[]
}

/** A Metadata answer, free of its version. */
export interface MetadataAnswer {
  readonly clusterId: string | null
  readonly controllerId: number
  readonly brokers: readonly BrokerEndpoint[]
  readonly topics: readonly { readonly errorCode: number; readonly topic: TopicMetadata }[]
}

export interface MetadataOptions {
  readonly maxAgeMs: number
  /** A topic nobody used for this long is forgotten. */
  readonly maxIdleMs: number
  readonly backoff: Backoff
}

export interface MetadataState {
  readonly options: MetadataOptions
  clusterId: string | null
  controllerId: number
  brokers: Map<number, BrokerEndpoint>
  readonly topics: Map<string, TopicMetadata>
  /** The error the last answer gave for a topic, and since when it has been so. Gone with the first good answer. */
  readonly topicErrors: Map<string, { errorCode: number; sinceMs: number }>
  /** The topics we work with, and when each was last used. */
  readonly wanted: Map<string, number>
  /** Topics asked for by the request under way; undefined: none is under way. */
  asking: readonly string[] | undefined
  /** When the next request is due. */
  dueAtMs: number
  /** No request before this: the backoff after a failure or an answer that brought nothing new. */
  notBeforeMs: number
  /** Failures, and answers to complaints that brought nothing new, in a row. */
  fruitless: number
  /** Somebody met an error since the last request left: an answer under way may be as old as what he knew. */
  stale: boolean
  /** The request under way was asked for by such an error. */
  askingStale: boolean
}

export type MetadataEvent =
  | { readonly type: 'wanted'; readonly topic: string }
  | { readonly type: 'unwanted'; readonly topic: string }
  /** Somebody met an error that new metadata may cure. */
  | { readonly type: 'stale' }
  | { readonly type: 'answered'; readonly answer: MetadataAnswer; readonly fraction: number }
  | { readonly type: 'failed'; readonly fraction: number }
  | { readonly type: 'leaderNamed'; readonly topic: string; readonly partition: number; readonly leader: LeaderName }
  | { readonly type: 'tick' }

export interface LeaderName {
  readonly leaderId: number
  readonly leaderEpoch: number
  readonly endpoints: readonly BrokerEndpoint[]
}

export type MetadataEffect =
  /** `topics` empty: brokers only. */
  | { readonly type: 'ask'; readonly topics: readonly string[] }
  /** Something readers may wait for is different now. */
  | { readonly type: 'changed' }

export function emptyMetadata(options: MetadataOptions): MetadataState {
  return {
    options,
    clusterId: null,
    controllerId: -1,
    brokers: new Map(),
    topics: new Map(),
    topicErrors: new Map(),
    wanted: new Map(),
    asking: undefined,
    dueAtMs: 0,
    notBeforeMs: 0,
    fruitless: 0,
    stale: false,
    askingStale: false,
  }
}

export function step(state: MetadataState, event: MetadataEvent, now: number): MetadataEffect[] {
  switch (event.type) {
    case 'wanted':
      return want(state, event.topic, now)
    case 'unwanted':
      forget(state, event.topic)
      return []
    case 'stale':
      state.stale = true
      state.dueAtMs = Math.min(state.dueAtMs, now)
      return ask(state, now)
    case 'answered':
      return take(state, event.answer, event.fraction, now)
    case 'failed':
      assert(state.asking !== undefined, 'a metadata request failed that was not under way')
      state.asking = undefined
      state.dueAtMs = now
      state.fruitless++
      postpone(state, event.fraction, now)
      return ask(state, now)
    case 'leaderNamed':
      return takeLeader(state, event.topic, event.partition, event.leader) ? [{ type: 'changed' }] : []
    case 'tick':
      return ask(state, now)
  }
}

/** When `tick` has something to do; Infinity while a request is under way. */
export function nextAskMs(state: MetadataState): number {
  return state.asking === undefined ? Math.max(state.dueAtMs, state.notBeforeMs) : Number.POSITIVE_INFINITY
}

/** The leader of a partition, if it is known and its address is. */
export function leaderOf(state: MetadataState, topic: string, partition: number): PartitionMetadata | undefined {
  const known = state.topics.get(topic)?.partitions[partition]
  return known !== undefined && known.leaderId >= 0 && state.brokers.has(known.leaderId) ? known : undefined
}

function want(state: MetadataState, topic: string, now: number): MetadataEffect[] {
  const known = state.wanted.has(topic)
  state.wanted.set(topic, now)
  if (known) return []
  state.dueAtMs = Math.min(state.dueAtMs, now)
  // A new topic is no reason to wait for the backoff of another.
  state.notBeforeMs = Math.min(state.notBeforeMs, now)
  return ask(state, now)
}

function ask(state: MetadataState, now: number): MetadataEffect[] {
  if (now < nextAskMs(state)) return []
  for (const [topic, usedAt] of state.wanted) {
    if (now - usedAt > state.options.maxIdleMs) forget(state, topic)
  }
  const topics = [...state.wanted.keys()]
  state.asking = topics
  state.askingStale = state.stale
  state.stale = false
  return [{ type: 'ask', topics }]
}

function take(state: MetadataState, answer: MetadataAnswer, fraction: number, now: number): MetadataEffect[] {
  const asked = state.asking
  assert(asked !== undefined, 'metadata answered that was not asked for')
  state.asking = undefined
  state.clusterId = answer.clusterId
  state.controllerId = answer.controllerId
  // A broker that has just started knows nobody yet: the addresses we have are better than none.
  if (answer.brokers.length > 0) state.brokers = new Map(answer.brokers.map(broker => [broker.nodeId, broker]))
  let progress = false
  for (const { errorCode, topic } of answer.topics) {
    if (!state.wanted.has(topic.name)) continue
    if (errorCode === 0) {
      state.topicErrors.delete(topic.name)
      if (takeTopic(state, topic)) progress = true
    } else {
      if (state.topics.delete(topic.name)) progress = true
      const sinceMs = state.topicErrors.get(topic.name)?.sinceMs ?? now
      state.topicErrors.set(topic.name, { errorCode, sinceMs })
    }
  }
  const fruitless = !progress && (state.askingStale || state.topicErrors.size > 0)
  state.fruitless = fruitless ? state.fruitless + 1 : 0
  // Also after a good answer: whoever finds it stale too is heard after a moment, not at once.
  postpone(state, fraction, now)
  if ([...state.wanted.keys()].some(topic => !asked.includes(topic))) state.dueAtMs = state.notBeforeMs = now
  else if (state.topicErrors.size > 0 || state.stale || !allLed(state)) state.dueAtMs = now
  else state.dueAtMs = now + state.options.maxAgeMs
  return [{ type: 'changed' }, ...ask(state, now)]
}

function forget(state: MetadataState, topic: string): void {
  state.wanted.delete(topic)
  state.topics.delete(topic)
  state.topicErrors.delete(topic)
}

function postpone(state: MetadataState, fraction: number, now: number): void {
  state.notBeforeMs = now + backoffMs(state.options.backoff, Math.max(1, state.fruitless), fraction)
}

function allLed(state: MetadataState): boolean {
  for (const [name, { partitions }] of state.topics) {
    if (partitions.some(({ partition }) => leaderOf(state, name, partition) === undefined)) return false
  }
  return true
}

/** Takes over what is not behind what we know; says whether something changed. */
function takeTopic(state: MetadataState, topic: TopicMetadata): boolean {
  const known = state.topics.get(topic.name)
  const sameTopic = known !== undefined && (known.topicId === topic.topicId || [known.topicId, topic.topicId].includes(ZERO_UUID))
  let changed = known?.partitions.length !== topic.partitions.length || !sameTopic
  const partitions = topic.partitions.map(heard => {
    const ours = sameTopic ? known.partitions[heard.partition] : undefined
    if (ours === undefined) return heard
    if (heard.leaderEpoch >= 0 && heard.leaderEpoch < ours.leaderEpoch) return ours
    if (heard.leaderId !== ours.leaderId || heard.leaderEpoch !== ours.leaderEpoch) changed = true
    return heard
  })
  state.topics.set(topic.name, { ...topic, partitions })
  return changed
}

function takeLeader(state: MetadataState, topic: string, partition: number, leader: LeaderName): boolean {
  const known = state.topics.get(topic)?.partitions[partition]
  if (known === undefined || leader.leaderId < 0 || leader.leaderEpoch <= known.leaderEpoch) return false
  for (const endpoint of leader.endpoints) state.brokers.set(endpoint.nodeId, endpoint)
  if (!state.brokers.has(leader.leaderId)) return false
  known.leaderId = leader.leaderId
  known.leaderEpoch = leader.leaderEpoch
  return true
}
