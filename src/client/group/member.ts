// A member of a classic group: carries out what membership.ts decides, and as leader hands out the partitions. A shell.

import { JoinGroup } from '../../protocol/api/11-join-group.ts'
import { Heartbeat } from '../../protocol/api/12-heartbeat.ts'
import { LeaveGroup } from '../../protocol/api/13-leave-group.ts'
import { SyncGroup } from '../../protocol/api/14-sync-group.ts'
import * as errors from '../../protocol/errors.ts'
import { Alarm } from '../alarm.ts'
import { askMetadata, type Cluster } from '../cluster.ts'
import { asFailure, refusal } from '../operation.ts'
import type { Backoff } from '../retry.ts'
import type { MemberSubscription, TopicPartition } from './assignment.ts'
import { ASSIGNORS, type Assignor, type AssignorName } from './assignors.ts'
import { decodeSubscription, encodeAssignment, encodeSubscription, type Ownership } from './blobs.ts'
import type { GroupCoordinator } from './coordinator.ts'
import {
  type JoinedMember,
  type MemberAssignment,
  type MembershipEffect,
  type MembershipEvent,
  type MembershipState,
  NO_GENERATION,
  openMembership,
  step,
  wakeAtMs,
} from './membership.ts'
import type { Committer } from './offsets.ts'

export interface MemberOptions {
  readonly groupInstanceId: string | null
  readonly sessionTimeoutMs: number
  readonly heartbeatIntervalMs: number
  readonly maxPollIntervalMs: number
  /** Preferred first. */
  readonly assignors: readonly AssignorName[]
  readonly metadataMaxAgeMs: number
  readonly requestTimeoutMs: number
  readonly backoff: Backoff
}

/** What the consumer knows and the member needs. */
export interface MemberHost {
  /** What is assigned now. */
  owned(): readonly TopicPartition[]
  /** Somebody waits in `poll`. */
  polling(): boolean
  /** There is a task, or a failure. */
  wake(): void
}

/** What only `poll` may do. */
export type Task = Extract<MembershipEffect, { type: 'prepare' } | { type: 'apply' }>

const PROTOCOL_TYPE = 'consumer'
/** An answer to JoinGroup comes when all members joined, or at the end of the rebalance timeout. */
const JOIN_MARGIN_MS = 5000
/** A leader that does not learn of some topic goes on without it. */
const TOPICS_TIMEOUT_MS = 5000
const PATTERN_RETRY_MS = 1000

export class GroupMember {
  readonly #coordinator: GroupCoordinator
  readonly #cluster: Cluster
  readonly #options: MemberOptions
  readonly #host: MemberHost
  readonly #state: MembershipState
  readonly #alarm: Alarm
  readonly #patternAlarm: Alarm
  readonly #offChange: () => void
  #topics: ReadonlySet<string> = new Set()
  #pattern: RegExp | undefined
  /** What was taken over last: an eager member has given it up when it joins, a sticky leader wants to know it. */
  #previous: Ownership = { owned: [], generationId: NO_GENERATION }
  /** As leader: the partition counts that the present assignment was made for. */
  #assignedCounts: ReadonlyMap<string, number | undefined> = new Map()
  #task: Task | undefined
  #closed = false

  constructor(coordinator: GroupCoordinator, options: MemberOptions, host: MemberHost) {
    const { cluster } = coordinator
    this.#coordinator = coordinator
    this.#cluster = cluster
    this.#options = options
    this.#host = host
    this.#state = openMembership(options, cluster.env.random)
    this.#alarm = new Alarm(cluster.env.clock, () => this.#step({ type: host.polling() ? 'polled' : 'tick' }))
    this.#patternAlarm = new Alarm(cluster.env.clock, () => void this.#findTopics())
    this.#offChange = cluster.onChange(() => this.#compareCounts())
  }

  get isSubscribed(): boolean {
    return this.#state.phase !== 'idle' || this.#pattern !== undefined
  }

  /** Those of the list, or those that match the pattern so far. */
  get topics(): ReadonlySet<string> {
    return this.#topics
  }

  /** cooperative only when every assignor is that the group may choose. */
  get mode(): Assignor['mode'] {
    return this.#options.assignors.every(name => ASSIGNORS[name].mode === 'cooperative') ? 'cooperative' : 'eager'
  }

  get task(): Task | undefined {
    return this.#task
  }

  /** Why it is no member and will be none. */
  get failure(): errors.KafkaError | undefined {
    return this.#state.failure
  }

  get identity(): Committer {
    const { memberId, generationId } = this.#state
    return { memberId, generationId, groupInstanceId: this.#options.groupInstanceId }
  }

  /** Joins, or joins again with other topics. */
  subscribe(topics: readonly string[] | RegExp): void {
    const failed = this.#state.phase === 'failed'
    if (failed) this.#step({ type: 'unwanted', reason: 'the consumer subscribes anew' })
    this.#pattern = topics instanceof RegExp ? topics : undefined
    if (topics instanceof RegExp) void this.#findTopics()
    else this.#takeTopics(new Set(topics))
  }

  /** Leaves, unless it is a static member. What was assigned is for the caller to give up. */
  unsubscribe(reason: string): void {
    this.#pattern = undefined
    this.#topics = new Set()
    this.#task = undefined
    this.#assignedCounts = new Map()
    this.#step({ type: 'unwanted', reason })
  }

  polled(): void {
    this.#step({ type: 'polled' })
  }

  /** Keeps the metadata fresh that changes of the group are noticed by. */
  wantTopics(): void {
    for (const topic of this.#assignedCounts.keys()) this.#cluster.want(topic)
  }

  /** @param o.rejoin  partitions were given up that somebody waits for */
  done(task: Task, o: { readonly rejoin: boolean }): void {
    if (this.#task !== task) return
    this.#task = undefined
    if (task.type === 'apply') this.#previous = { owned: this.#host.owned(), generationId: this.#state.generationId }
    this.#step(task.type === 'prepare' ? { type: 'prepared', id: task.id } : { type: 'applied', id: task.id, rejoin: o.rejoin })
  }

  commitRefused(code: number, generationId: number): void {
    this.#step({ type: 'commitRefused', code, generationId })
  }

  /** Leaves. Settles when the coordinator knows, or cannot be told within `timeoutMs`. */
  async close(reason: string, timeoutMs: number): Promise<void> {
    const { memberId } = this.#state
    const leaves = this.isSubscribed && memberId !== '' && this.#options.groupInstanceId === null && this.failure === undefined
    this.#closed = true
    this.#alarm.cancel()
    this.#patternAlarm.cancel()
    this.#offChange()
    if (leaves) await this.#leave(memberId, reason, timeoutMs)
  }

  #step(event: MembershipEvent): void {
    if (this.#closed) return
    for (const effect of step(this.#state, event, this.#cluster.env.clock.now())) this.#perform(effect)
    this.#alarm.set(wakeAtMs(this.#state))
  }

  #perform(effect: MembershipEffect): void {
    switch (effect.type) {
      case 'prepare':
      case 'apply':
        this.#task = effect
        this.#host.wake()
        break
      case 'join':
        void this.#during(effect.id, () => this.#join(effect))
        break
      case 'assign':
        void this.#during(effect.id, () => this.#assign(effect))
        break
      case 'sync':
        void this.#during(effect.id, () => this.#sync(effect.id, effect.assignments))
        break
      case 'heartbeat':
        void this.#during(effect.id, () => this.#beat(effect.id))
        break
      case 'leave':
        this.#log('info', 'left the group', { memberId: effect.memberId, reason: effect.reason })
        void this.#leave(effect.memberId, effect.reason, this.#options.requestTimeoutMs)
        break
      case 'forgetCoordinator':
        this.#coordinator.forget()
        break
      case 'failed':
        this.#task = undefined
        this.#log('warn', 'is no member any more', { reason: effect.error.message })
        this.#host.wake()
        break
    }
  }

  /** What goes wrong is an event too. */
  async #during(id: number, act: () => Promise<void>): Promise<void> {
    try {
      await act()
    } catch (error) {
      const failure = asFailure(error)
      const refused =
        failure instanceof errors.KafkaError
          ? failure
          : new errors.KafkaError(errors.NETWORK_EXCEPTION, failure.message, { cause: failure })
      this.#step({ type: 'refused', id, error: refused })
    }
  }

  async #join({ id, memberId, reason }: Extract<MembershipEffect, { type: 'join' }>): Promise<void> {
    const { sessionTimeoutMs, maxPollIntervalMs, groupInstanceId, assignors } = this.#options
    const held = { owned: this.#host.owned(), generationId: this.#state.generationId }
    const own = { topics: [...this.#topics], held, previous: this.#previous }
    const request = {
      groupId: this.#coordinator.groupId,
      sessionTimeoutMs,
      rebalanceTimeoutMs: maxPollIntervalMs,
      memberId,
      groupInstanceId,
      protocolType: PROTOCOL_TYPE,
      protocols: assignors.map(name => ({ name, metadata: encodeSubscription(name, own) })),
      reason,
    }
    const timeoutMs = Math.max(maxPollIntervalMs + JOIN_MARGIN_MS, this.#options.requestTimeoutMs)
    const answer = await this.#coordinator.request(JoinGroup, request, { lane: 'join', timeoutMs })
    if (answer.errorCode === errors.NONE) {
      const { generationId, leader } = answer
      this.#log('debug', 'joined', { memberId: answer.memberId, generationId, leader, reason })
      this.#step({ type: 'joined', id, answer })
    } else this.#step({ type: 'refused', id, error: this.#refusal(answer.errorCode, 'joining'), memberId: answer.memberId })
  }

  async #sync(id: number, assignments: readonly MemberAssignment[]): Promise<void> {
    const { groupId } = this.#coordinator
    const protocolName = this.#state.protocolName
    const timeoutMs = Math.max(this.#options.maxPollIntervalMs + JOIN_MARGIN_MS, this.#options.requestTimeoutMs)
    const request = { groupId, ...this.identity, protocolType: PROTOCOL_TYPE, protocolName, assignments }
    const answer = await this.#coordinator.request(SyncGroup, request, { lane: 'join', timeoutMs })
    if (answer.errorCode === errors.NONE) this.#step({ type: 'synced', id, assignment: answer.assignment })
    else this.#step({ type: 'refused', id, error: this.#refusal(answer.errorCode, 'synchronizing') })
  }

  async #beat(id: number): Promise<void> {
    const request = { groupId: this.#coordinator.groupId, ...this.identity }
    // A coordinator that needs longer than a session takes the member for dead anyway.
    const timeoutMs = Math.min(this.#options.sessionTimeoutMs, this.#options.requestTimeoutMs)
    const answer = await this.#coordinator.request(Heartbeat, request, { timeoutMs })
    if (answer.errorCode === errors.NONE) this.#step({ type: 'beaten', id })
    else this.#step({ type: 'refused', id, error: this.#refusal(answer.errorCode, 'a heartbeat') })
  }

  async #leave(memberId: string, reason: string, timeoutMs: number): Promise<void> {
    const { groupId } = this.#coordinator
    const request = { groupId, memberId, members: [{ memberId, groupInstanceId: null, reason }] }
    // Whoever is not heard is taken for dead after the session timeout.
    await this.#coordinator.request(LeaveGroup, request, { timeoutMs }).catch(asFailure)
  }

  #refusal(code: number, what: string): errors.KafkaError {
    return refusal(code, `${what} in group '${this.#coordinator.groupId}'`, null)
  }

  #log(level: 'debug' | 'info' | 'warn', event: string, fields: Record<string, unknown>): void {
    this.#cluster.env.logger.log(level, `consumer ${event}`, { group: this.#coordinator.groupId, ...fields })
  }

  // ---------------------------------------------------------------------------------------------------------------------------- leader

  async #assign({ id, protocolName, members }: Extract<MembershipEffect, { type: 'assign' }>): Promise<void> {
    const assignor: Assignor | undefined = ASSIGNORS[protocolName as AssignorName]
    if (assignor === undefined)
      throw new errors.KafkaError(errors.INCONSISTENT_GROUP_PROTOCOL, `the group chose '${protocolName}', which is not offered here`)
    const subscriptions = members.map(member => this.#subscriptionOf(protocolName, member))
    const topics = [...new Set(subscriptions.flatMap(subscription => [...subscription.topics]))]
    await this.#learn(topics)
    if (this.#closed) return
    const counts = new Map(topics.map(topic => [topic, this.#partitionCount(topic)]))
    this.#assignedCounts = counts
    const existing = new Map([...counts].filter((entry): entry is [string, number] => entry[1] !== undefined))
    const assignment = assignor.assign(subscriptions, existing)
    const assignments = [...assignment].map(([memberId, partitions]) => ({ memberId, assignment: encodeAssignment(partitions) }))
    this.#step({ type: 'assigned', id, assignments })
  }

  #subscriptionOf(protocolName: string, { memberId, groupInstanceId, metadata }: JoinedMember): MemberSubscription {
    try {
      return { memberId, groupInstanceId, ...decodeSubscription(protocolName, metadata) }
    } catch (error) {
      if (!(error instanceof errors.ProtocolError)) throw error
      this.#log('warn', 'cannot read the subscription of another member, which gets nothing', { memberId, reason: error.message })
      return { memberId, groupInstanceId, topics: new Set(), owned: [], generationId: NO_GENERATION }
    }
  }

  /** Waits until every topic is known, or known not to be there. */
  async #learn(topics: readonly string[]): Promise<void> {
    const { metadata } = this.#cluster
    for (const topic of topics) this.#cluster.want(topic)
    const isDecided = (topic: string) => {
      const refused = metadata.topicErrors.get(topic)?.errorCode
      return metadata.topics.has(topic) || (refused !== undefined && refused !== errors.LEADER_NOT_AVAILABLE)
    }
    const goal = `the topics of group '${this.#coordinator.groupId}'`
    await this.#cluster
      .until(() => (topics.every(isDecided) ? true : undefined), { timeoutMs: TOPICS_TIMEOUT_MS, goal })
      .catch(error => void asFailure(error))
  }

  #partitionCount(topic: string): number | undefined {
    return this.#cluster.metadata.topics.get(topic)?.partitions.length
  }

  #compareCounts(): void {
    if (!this.#state.isLeader || this.#state.generationId === NO_GENERATION) return
    for (const [topic, count] of this.#assignedCounts) {
      const now = this.#partitionCount(topic)
      if (now === count) continue
      this.#assignedCounts = new Map([...this.#assignedCounts, [topic, now]])
      this.#step({ type: 'wanted', reason: `topic '${topic}' has ${now ?? 'no'} partitions, not ${count ?? 'none'}` })
    }
  }

  // ------------------------------------------------------------------------------------------------------------------------------ topics

  #takeTopics(topics: ReadonlySet<string>): void {
    const same = topics.size === this.#topics.size && [...topics].every(topic => this.#topics.has(topic))
    if (same && this.#state.phase !== 'idle') return
    this.#topics = topics
    this.#step({ type: 'wanted', reason: 'the subscription changed' })
  }

  /** The topics that match the pattern; again and again, since topics come and go. */
  async #findTopics(): Promise<void> {
    const pattern = this.#pattern
    if (pattern === undefined || this.#closed) return
    try {
      const connection = await this.#cluster.anyConnection()
      const { topics } = await askMetadata(connection, null, { allowAutoTopicCreation: false, timeoutMs: this.#options.requestTimeoutMs })
      if (this.#closed || this.#pattern !== pattern) return
      const names = topics.filter(({ errorCode, topic }) => errorCode === errors.NONE && !topic.isInternal).map(({ topic }) => topic.name)
      this.#takeTopics(new Set(names.filter(name => matches(pattern, name))))
      this.#patternAlarm.set(this.#cluster.env.clock.now() + this.#options.metadataMaxAgeMs)
    } catch (error) {
      asFailure(error)
      if (!this.#closed) this.#patternAlarm.set(this.#cluster.env.clock.now() + PATTERN_RETRY_MS)
    }
  }
}

/** A pattern with the flag g remembers where it was. */
function matches(pattern: RegExp, name: string): boolean {
  pattern.lastIndex = 0
  return pattern.test(name)
}
