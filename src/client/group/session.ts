// The group's half of a consumer: gives up and takes over partitions as the group decides, commits positions, and finds the committed ones.
// A shell; the rules of membership are in membership.ts.
//
// Promises: a position is committed only for records whose successors were asked for by another `poll`, so that what a crash interrupts comes
// again. Before a partition is given up its position is committed; when it was lost it is not, since another member may be further.
import type { KafkaError } from '../../protocol/errors.ts'
import * as errors from '../../protocol/errors.ts'
import type { Cluster } from '../cluster.ts'
import { asFailure, Deadline } from '../operation.ts'
import { UNKNOWN_GRACE_MS } from '../retry.ts'
import type { TopicPartition } from './assignment.ts'
import { decodeAssignment } from './blobs.ts'
import { GroupCoordinator } from './coordinator.ts'
import { GroupMember, type MemberOptions, type Task } from './member.ts'
import { type CommittedOffset, type Committer, commitOffsets, fetchCommitted, type OffsetToCommit, OUTSIDER } from './offsets.ts'

/** Told inside `poll` and `close`; the group waits for what is returned. What it throws, `poll` throws. */
export interface RebalanceListener {
  /** After each rebalance, with the partitions that are new; their positions may be chosen here with `seek`. */
  onPartitionsAssigned?(partitions: readonly TopicPartition[]): void | Promise<void>
  /** Before partitions are given up: what was done with their records can still be committed. */
  onPartitionsRevoked?(partitions: readonly TopicPartition[]): void | Promise<void>
  /** They are gone: another member may have them already. Default: onPartitionsRevoked. */
  onPartitionsLost?(partitions: readonly TopicPartition[]): void | Promise<void>
}

export interface GroupOptions extends MemberOptions {
  readonly groupId: string
  readonly autoCommit: boolean
  readonly autoCommitIntervalMs: number
  readonly operationTimeoutMs: number
}

/** The partitions of the consumer, as the group sees them. */
export interface HeldPartitions {
  owned(): TopicPartition[]
  /** Without a position: nothing is fetched until it has one. */
  add(partitions: readonly TopicPartition[]): void
  remove(partitions: readonly TopicPartition[]): void
  /** Where each partition that has a position stands. @param consumed  behind what was asked beyond, or also what the user has in hand */
  positions(consumed: 'surely' | 'so far'): OffsetToCommit[]
  /** Those that wait for their committed offset. */
  unpositioned(): TopicPartition[]
  /** @param committed  undefined: there is none; auto.offset.reset decides */
  position(target: TopicPartition, committed: CommittedOffset | undefined): void
  fail(target: TopicPartition, error: KafkaError): void
  polling(): boolean
  wake(): void
}

export class GroupSession {
  readonly coordinator: GroupCoordinator
  readonly #cluster: Cluster
  readonly #options: GroupOptions
  readonly #held: HeldPartitions
  readonly #member: GroupMember
  #listener: RebalanceListener = {}
  /** Partition → the position committed last. */
  readonly #committed = new Map<string, number>()
  #commitDueAtMs: number
  #committing = false
  #finding = false
  /** Partitions were added or taken away: what was asked for before is old. */
  #changes = 0
  #calling = false
  #closed = false

  constructor(cluster: Cluster, options: GroupOptions, held: HeldPartitions) {
    this.#cluster = cluster
    this.#options = options
    this.#held = held
    this.coordinator = new GroupCoordinator(cluster, options.groupId)
    this.#member = new GroupMember(this.coordinator, options, held)
    this.#commitDueAtMs = cluster.env.clock.now() + options.autoCommitIntervalMs
  }

  get isSubscribed(): boolean {
    return this.#member.isSubscribed
  }

  get topics(): string[] {
    return [...this.#member.topics].sort()
  }

  get identity(): Committer {
    return this.#member.identity
  }

  /** The user's listener runs. */
  get calling(): boolean {
    return this.#calling
  }

  /** `attend` has something to do. */
  get pending(): boolean {
    return this.#member.task !== undefined || this.#member.failure !== undefined
  }

  subscribe(topics: readonly string[] | RegExp, listener: RebalanceListener): void {
    this.#listener = listener
    this.#member.subscribe(topics)
  }

  /** Gives up all, committed if that is automatic, and leaves the group. */
  async unsubscribe(): Promise<void> {
    if (!this.isSubscribed) return
    try {
      await this.#giveUp(this.#held.owned(), this.#isLost() ? 'lost' : 'revoked')
    } finally {
      this.#member.unsubscribe('the consumer unsubscribed')
    }
  }

  /**
   * Does what the group waits for; called by `poll` before it gives out more records.
   * @throws what a listener threw, and what ended the membership for good
   */
  async attend(): Promise<void> {
    this.#member.polled()
    for (let { task } = this.#member; task !== undefined; task = this.#member.task) await this.#perform(task)
    const { failure } = this.#member
    if (failure !== undefined) {
      await this.#giveUp(this.#held.owned(), 'lost')
      throw failure
    }
    if (this.#options.autoCommit && this.#cluster.env.clock.now() >= this.#commitDueAtMs) void this.#commitInPassing()
    this.findPositions()
  }

  /** Partitions that wait for their committed offset get it in the background. */
  findPositions(): void {
    if (this.#held.unpositioned().length > 0) void this.#findCommitted()
  }

  wantTopics(): void {
    this.#member.wantTopics()
  }

  /**
   * @param offsets  default: behind all that was given out
   * @param o.once  is not tried again, whatever comes
   * @throws KafkaError the first refusal
   */
  async commit(
    offsets: readonly OffsetToCommit[] = this.#held.positions('so far'),
    o: { readonly once: boolean; readonly timeoutMs?: number } = { once: false },
  ): Promise<void> {
    if (offsets.length === 0) return
    const deadline = new Deadline(this.#cluster.env.clock, o.timeoutMs ?? this.#options.operationTimeoutMs)
    const attempt = () => this.#tryCommit(offsets, deadline, o.once)
    const refused = o.once ? await this.#cluster.occupancy.during(attempt) : await this.coordinator.retrying(deadline, attempt)
    if (refused !== undefined) throw refused
  }

  committed(partitions: readonly TopicPartition[]): Promise<CommittedOffset[]> {
    const deadline = new Deadline(this.#cluster.env.clock, this.#options.operationTimeoutMs)
    return this.coordinator.retrying(deadline, () => fetchCommitted(this.coordinator, partitions, { requireStable: true }))
  }

  /** Commits if that is automatic, tells the listener, and leaves the group. */
  async close(timeoutMs: number): Promise<void> {
    this.#closed = true
    const deadline = new Deadline(this.#cluster.env.clock, timeoutMs)
    try {
      await this.#giveUp(this.#held.owned(), this.isSubscribed && this.#isLost() ? 'lost' : 'revoked', timeoutMs)
    } finally {
      await this.#member.close('the consumer is closed', deadline.leftMs)
    }
  }

  // ------------------------------------------------------------------------------------------------------------------------- rebalancing

  #isLost(): boolean {
    return this.identity.generationId < 0
  }

  async #perform(task: Task): Promise<void> {
    if (task.type === 'prepare') await this.#prepare(task)
    else await this.#apply(task)
  }

  async #prepare(task: Extract<Task, { type: 'prepare' }>): Promise<void> {
    const { mode, topics } = this.#member
    const owned = this.#held.owned()
    const leaving = task.lost || mode === 'eager' ? owned : owned.filter(({ topic }) => !topics.has(topic))
    try {
      await this.#giveUp(leaving, task.lost ? 'lost' : 'revoked', undefined, task)
    } finally {
      this.#member.done(task, { rejoin: false })
    }
  }

  async #apply(task: Extract<Task, { type: 'apply' }>): Promise<void> {
    const failures: unknown[] = []
    const assignment = readAssignment(task.assignment, failures)
    const wanted = new Map(assignment.filter(({ topic }) => this.#member.topics.has(topic)).map(target => [keyOf(target), target]))
    const owned = this.#held.owned()
    const ownedKeys = new Set(owned.map(keyOf))
    const leaving = owned.filter(target => !wanted.has(keyOf(target)))
    const added = [...wanted.values()].filter(target => !ownedKeys.has(keyOf(target)))
    await this.#giveUp(leaving, 'revoked', undefined, task).catch(error => void failures.push(error))
    // The assignment may have been overtaken meanwhile.
    if (this.#member.task === task) {
      this.#changes++
      this.#held.add(added)
      await this.#call(() => this.#listener.onPartitionsAssigned?.(added)).catch(error => void failures.push(error))
      this.#member.done(task, { rejoin: leaving.length > 0 })
    }
    if (failures.length > 0) throw failures[0]
  }

  /** @param task  it is for; when another has taken its place meanwhile, the partitions are left to that one */
  async #giveUp(partitions: readonly TopicPartition[], how: 'revoked' | 'lost', timeoutMs?: number, task?: Task): Promise<void> {
    if (partitions.length === 0) return
    if (how === 'revoked' && this.#options.autoCommit) await this.#commitBeforeGivingUp(partitions, timeoutMs)
    if (task !== undefined && this.#member.task !== task) return
    const { onPartitionsRevoked, onPartitionsLost } = this.#listener
    const callback = how === 'lost' ? (onPartitionsLost ?? onPartitionsRevoked) : onPartitionsRevoked
    try {
      if (this.isSubscribed) await this.#call(() => callback?.call(this.#listener, partitions))
    } finally {
      this.#held.remove(partitions)
      for (const target of partitions) this.#committed.delete(keyOf(target))
    }
  }

  async #call(callback: () => void | Promise<void>): Promise<void> {
    this.#calling = true
    try {
      await callback()
    } finally {
      this.#calling = false
    }
  }

  // ---------------------------------------------------------------------------------------------------------------------------- commits

  #uncommitted(): OffsetToCommit[] {
    return this.#held.positions('surely').filter(position => this.#committed.get(keyOf(position)) !== position.offset)
  }

  async #commitInPassing(): Promise<void> {
    const { clock } = this.#cluster.env
    this.#commitDueAtMs = clock.now() + this.#options.autoCommitIntervalMs
    const offsets = this.#uncommitted()
    if (this.#committing || offsets.length === 0 || (this.isSubscribed && this.#isLost())) return
    this.#committing = true
    try {
      await this.commit(offsets, { once: true })
    } catch (error) {
      // The next one says the same and more.
      const { message } = asFailure(error)
      this.#cluster.env.logger.log('debug', 'consumer could not commit', { group: this.#options.groupId, reason: message })
      this.#commitDueAtMs = Math.min(this.#commitDueAtMs, clock.now() + this.#options.backoff.maxMs)
    } finally {
      this.#committing = false
    }
  }

  async #commitBeforeGivingUp(partitions: readonly TopicPartition[], timeoutMs = this.#options.sessionTimeoutMs): Promise<void> {
    const keys = new Set(partitions.map(keyOf))
    const offsets = this.#uncommitted().filter(position => keys.has(keyOf(position)))
    try {
      await this.commit(offsets, { once: false, timeoutMs: Math.min(timeoutMs, this.#options.operationTimeoutMs) })
    } catch (error) {
      const { message } = asFailure(error)
      this.#cluster.env.logger.log('warn', 'consumer could not commit before it gave up partitions', {
        group: this.#options.groupId,
        reason: message,
      })
    }
  }

  /** @returns a refusal for good; throws those that may pass */
  async #tryCommit(offsets: readonly OffsetToCommit[], deadline: Deadline, once: boolean): Promise<KafkaError | undefined> {
    if (this.#member.failure !== undefined) return this.#member.failure
    const committer = this.isSubscribed ? this.identity : OUTSIDER
    if (this.isSubscribed && committer.generationId < 0) {
      const message = `group '${this.#options.groupId}': this consumer is no member at the moment; poll to join, then commit what is assigned`
      return new errors.KafkaError(errors.REBALANCE_IN_PROGRESS, message)
    }
    const refusals = await commitOffsets(this.coordinator, committer, offsets)
    const refused = new Set(refusals.map(keyOf))
    for (const offset of offsets) if (!refused.has(keyOf(offset))) this.#committed.set(keyOf(offset), offset.offset)
    const first = refusals[0]?.error
    if (first === undefined) return undefined
    if (first.code === errors.UNKNOWN_TOPIC_OR_PARTITION && deadline.elapsedMs > UNKNOWN_GRACE_MS) return first
    if (first.retriable && !once) throw first
    if (ENDS_MEMBERSHIP.has(first.code) && this.isSubscribed) this.#member.commitRefused(first.code, committer.generationId)
    return first
  }

  /** In the background: `poll` has other partitions to serve meanwhile. */
  async #findCommitted(): Promise<void> {
    if (this.#finding) return
    this.#finding = true
    const asked = this.#held.unpositioned()
    const changes = this.#changes
    try {
      const committed = new Map((await this.committed(asked)).map(offset => [keyOf(offset), offset]))
      const waiting = new Set(changes === this.#changes ? this.#held.unpositioned().map(keyOf) : [])
      for (const target of asked) {
        if (!waiting.has(keyOf(target))) continue
        const found = committed.get(keyOf(target))
        if (found !== undefined) this.#committed.set(keyOf(target), found.offset)
        this.#held.position(target, found)
      }
    } catch (error) {
      const failure = asFailure(error)
      // Closed, or one that may pass: the next poll asks again.
      if (failure instanceof errors.KafkaError && !failure.retriable && !this.#closed)
        for (const target of asked) this.#held.fail(target, failure)
    } finally {
      this.#finding = false
      if (!this.#closed) this.#held.wake()
    }
  }
}

/** What cannot be read assigns nothing. */
function readAssignment(bytes: Buffer, failures: unknown[]): TopicPartition[] {
  try {
    return decodeAssignment(bytes)
  } catch (error) {
    if (!(error instanceof errors.ProtocolError)) throw error
    const message = `the leader of the group sent an assignment that cannot be read: ${error.message}`
    failures.push(new errors.KafkaError(errors.INCONSISTENT_GROUP_PROTOCOL, message, { cause: error }))
    return []
  }
}

const ENDS_MEMBERSHIP: ReadonlySet<number> = new Set([
  errors.UNKNOWN_MEMBER_ID,
  errors.ILLEGAL_GENERATION,
  errors.FENCED_INSTANCE_ID,
  errors.REBALANCE_IN_PROGRESS,
])

function keyOf({ topic, partition }: TopicPartition): string {
  return `${topic}-${partition}`
}
