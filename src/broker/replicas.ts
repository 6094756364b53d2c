// The shell around all partitions this broker holds: it follows the metadata log. A committed change opens a log, begins or ends a leadership, or
// deletes; nothing else does. Leadership never survives a process (docs/ARCHITECTURE.md, rule 2): until our own registration is committed, logs
// are opened and nothing leads.
// What a leader knows of its followers is in replica.ts; what they fetch in follower-fetches.ts; how this broker follows others in following.ts.
import type { Env, Timer } from '../env/env.ts'
import { folderNameOf } from '../log/home.ts'
import type { LogStore, Verdict } from '../log/log-store.ts'
import type { PartitionLog } from '../log/partition-log.ts'
import type { ImageChange, MetadataImage, PartitionImage, TopicImage } from '../metadata/image.ts'
import { KAFKA_STORAGE_ERROR, NOT_LEADER_OR_FOLLOWER, UNKNOWN_TOPIC_OR_PARTITION } from '../protocol/errors.ts'
import type { Uuid } from '../util/uuid.ts'
import type { ProduceRoom } from './disk-room.ts'
import { FollowedLeaders } from './followed-leaders.ts'
import { type FollowerAnswer, FollowerFetches } from './follower-fetches.ts'
import { IsrProposals } from './isr-proposals.ts'
import { LocalReplica, type ReplicaWorld, type TopicSettings } from './local-replica.ts'
import { decodePromises } from './promises.ts'
import type { BrokerState } from './replica.ts'
import type { FollowerPeer, FollowerSettings, ReplicationWorld } from './replication.ts'

/** What recovery found in one partition; goes to the controller with the registration. */
export interface ReplicaVerdict {
  readonly topicId: Uuid
  readonly partition: number
  readonly verdict: Verdict
  readonly loose: boolean
}

interface Slot {
  readonly topic: string
  readonly topicId: Uuid
  readonly partition: number
  /** What the metadata log says now; undefined: the partition is to be deleted. */
  wanted: PartitionImage | undefined
  replica: LocalReplica | undefined
  /** A read met damage in its log, which is to be opened again to see what is left. */
  isDamaged: boolean
  /** The leader epoch when its log was found corrupt: who is to lead it must be elected after that. */
  corruptSince: number | undefined
  /** What opening its log found. */
  verdict: ReplicaVerdict | undefined
  busy: boolean
  /** While it was busy: by another state, or because what it depends on is another. */
  isAskedAgain: boolean
  /** The last work on this slot; settled when the slot is as wanted. */
  settling: Promise<void> | undefined
}

export interface ReplicasOptions {
  readonly nodeId: number
  /** Of this process; our own registration is told from an earlier one by it. */
  readonly incarnationId: Uuid
  readonly store: LogStore
  readonly settingsOf: (topic: string) => TopicSettings
  readonly room: ProduceRoom
  /** The controller is told that our copy lost something, however long that takes; the partition is led elsewhere, or by nobody, once it is agreed on. */
  readonly ruin: (topicId: Uuid, partition: number, isStill: () => boolean) => void
  /** A leadership of ours began (the replica's `leader` is set) or ended. */
  readonly roleChanged?: (replica: LocalReplica) => void
  readonly world: ReplicationWorld
  readonly follower: FollowerSettings
  readonly fail: (error: Error) => void
}

const OPENED_AT_ONCE = 32
/** Looks at who lags, in the time that one may lag. */
const TICKS_PER_LAG = 3

export class Replicas {
  readonly #env: Env
  readonly #options: ReplicasOptions
  readonly #slots = new Map<Uuid, Slot[]>()
  /** By topic; forgotten when any configuration changes. */
  readonly #settings = new Map<string, TopicSettings>()
  readonly #opening = new Turnstile(OPENED_AT_ONCE)
  readonly #world: ReplicaWorld
  readonly #followers: FollowerFetches
  readonly #leaders: FollowedLeaders
  readonly #proposals: IsrProposals
  /** Of our registration; -1 before it. */
  #brokerEpoch = -1
  #lastLeaseMs = Number.NEGATIVE_INFINITY
  #tick: Timer | undefined
  #closed = false

  constructor(env: Env, options: ReplicasOptions) {
    this.#env = env
    this.#options = options
    const { world, follower: settings, fail } = options
    const self = () => ({ brokerId: options.nodeId, brokerEpoch: this.#brokerEpoch })
    this.#followers = new FollowerFetches(env, {
      image: world.image,
      replicaOf: (topicId, partition) => this.#replicaOf(topicId, partition),
    })
    this.#leaders = new FollowedLeaders(env, { world, settings, self, fail })
    this.#proposals = new IsrProposals(env, { world, self })
    this.#world = {
      clock: env.clock,
      room: options.room,
      leaseUntil: world.leaseUntil,
      roleChanged: replica => options.roleChanged?.(replica),
      proposes: (replica, proposal) => this.#proposals.propose(replica, proposal),
      followerProgressed: replica => this.#leaders.progressed(replica),
    }
  }

  /**
   * Opens the log of every partition the image gives us and says what was found; to be called once, when `apply` is told of every later change.
   * Nothing leads yet.
   */
  async openAll(image: MetadataImage): Promise<ReplicaVerdict[]> {
    const expected = new Set<string>()
    for (const { name, partitions } of image.topics.values()) {
      for (const state of partitions) if (this.#isOurs(state)) expected.add(folderNameOf(name, state.partition))
    }
    const known = (topicId: Uuid, partition: number) => this.#isOurs(image.topicsById.get(topicId)?.partitions[partition])
    await this.#options.store.setAsideUnknown(known, { expected })
    for (const topic of image.topics.values()) {
      for (const state of topic.partitions) if (this.#isOurs(state)) this.#want(this.#slotFor(topic, state), state)
    }
    await this.allSettled()
    return [...this.#slots.values()].flatMap(slots => slots.map(slot => slot.verdict).filter(verdict => verdict !== undefined))
  }

  /** To be called for every committed change, in order, after the image has it. */
  apply(changes: readonly ImageChange[]): void {
    for (const change of changes) {
      switch (change.type) {
        case 'brokerChanged':
          if (change.broker?.incarnationId === this.#options.incarnationId) this.#registered(change.broker.brokerEpoch)
          else this.#brokerChanged(change.brokerId)
          break
        case 'partitionChanged':
          if (this.#isOurs(change.partition)) this.#want(this.#slotFor(change.topic, change.partition), change.partition)
          else if (this.#isOurs(change.previous)) this.#want(this.#slotFor(change.topic, change.previous!), undefined)
          break
        case 'topicDeleted':
          this.#settings.delete(change.topic.name)
          for (const slot of this.#slots.get(change.topic.topicId) ?? []) if (slot !== undefined) this.#want(slot, undefined)
          break
        case 'configChanged':
          this.#settings.clear()
          this.#reconfigure(change.resource)
          break
        default:
      }
    }
    this.#followers.imageMoved()
  }

  /** Settles when everything the metadata log has said of these topics so far is done. */
  async settled(topicIds: Iterable<Uuid>): Promise<void> {
    for (const topicId of topicIds) for (const slot of this.#slots.get(topicId) ?? []) await slot?.settling
  }

  /** The same, but not longer than this. */
  settledWithin(topicIds: readonly Uuid[], timeoutMs: number): Promise<void> {
    return new Promise(resolve => {
      const timer = this.#env.clock.setTimer(Math.max(0, timeoutMs), resolve)
      this.settled(topicIds).then(() => {
        timer.cancel()
        resolve()
      })
    })
  }

  async allSettled(): Promise<void> {
    await this.settled([...this.#slots.keys()])
  }

  /** @returns the replica when this broker leads the partition and serves it, else the error code to answer */
  leaderOf(topic: TopicImage, partition: number): LocalReplica | number {
    const state = topic.partitions[partition]
    if (state === undefined) return UNKNOWN_TOPIC_OR_PARTITION
    const slot = this.#slots.get(topic.topicId)?.[partition]
    if (slot?.replica?.leader !== undefined) return slot.replica
    return slot !== undefined && state.leader === this.#options.nodeId && !slot.busy ? KAFKA_STORAGE_ERROR : NOT_LEADER_OR_FOLLOWER
  }

  /** @returns the replica when consumers may read here, from the leader or a follower (KIP-392), else the error code to answer */
  readableOf(topic: TopicImage, partition: number): LocalReplica | number {
    const replica = this.leaderOf(topic, partition)
    if (typeof replica !== 'number') return replica
    const followed = this.#replicaOf(topic.topicId, partition)
    return followed?.following === undefined ? replica : followed
  }

  // -------------------------------------------------------------------------------------------------------------------------- replication

  /** Method 4: a follower fetches. @throws ProtocolError the sender is no follower of ours */
  answerFollower(payload: Buffer, peer: FollowerPeer): Promise<FollowerAnswer> {
    return this.#followers.answer(payload, peer)
  }

  /** Method 5: what a follower promises. @throws ProtocolError it cannot be read */
  promised(payload: Buffer, { nodeId: brokerId }: Pick<FollowerPeer, 'nodeId'>): void {
    const { brokerEpoch, promises } = decodePromises(payload)
    for (const { topicId, partition, leaderEpoch, ackableOffset } of promises) {
      this.#replicaOf(topicId, partition)?.followerPromised({ brokerId, brokerEpoch, leaderEpoch, ackableOffset })
    }
  }

  /** To be called whenever the lease on our registration was prolonged. */
  leaseRenewed(): void {
    const wasOver = this.#env.clock.now() > this.#lastLeaseMs
    this.#lastLeaseMs = this.#options.world.leaseUntil()
    if (wasOver) for (const replica of this.all()) replica.leaseRenewed()
  }

  #replicaOf(topicId: Uuid, partition: number): LocalReplica | undefined {
    return this.#slots.get(topicId)?.[partition]?.replica
  }

  #brokerState(brokerId: number): BrokerState {
    const broker = this.#options.world.image().brokers.get(brokerId)
    return { brokerId, brokerEpoch: broker?.brokerEpoch ?? -1, isLive: broker?.fenced === false && !broker.shuttingDown }
  }

  #brokerStates(state: PartitionImage): BrokerState[] {
    return state.replicas.map(brokerId => this.#brokerState(brokerId))
  }

  /** What others lead is followed from now on; what this broker led before it leads no more, and the change that says so comes with the registration. */
  #registered(brokerEpoch: number): void {
    if (this.#brokerEpoch === brokerEpoch) return
    this.#brokerEpoch = brokerEpoch
    for (const slots of this.#slots.values()) {
      for (const slot of slots) {
        if (slot?.wanted !== undefined && slot.wanted.leader !== this.#options.nodeId) this.#want(slot, slot.wanted)
      }
    }
  }

  #brokerChanged(brokerId: number): void {
    const broker = this.#brokerState(brokerId)
    for (const replica of this.all()) replica.brokerChanged(broker)
    if (broker.isLive) this.#leaders.isBack(brokerId)
  }

  /** Who lags is looked for while anybody leads others. */
  #tickLater(): void {
    if (this.#tick !== undefined || this.#closed) return
    this.#tick = this.#env.clock.setTimer(this.#options.follower.lagTimeMaxMs / TICKS_PER_LAG, () => {
      this.#tick = undefined
      let leadsOthers = false
      for (const replica of this.all()) {
        replica.tick()
        if (replica.leader !== undefined && replica.leader.followers.size > 0) leadsOthers = true
      }
      if (leadsOthers) this.#tickLater()
    })
  }

  /** Whether clients may be sent here for this partition. */
  serves(topicId: Uuid, partition: number): boolean {
    return this.#slots.get(topicId)?.[partition]?.replica?.leader !== undefined
  }

  /** All open replicas. */
  *all(): Iterable<LocalReplica> {
    for (const slots of this.#slots.values()) for (const slot of slots) if (slot?.replica !== undefined) yield slot.replica
  }

  /** Deletes what of a log lies below its start, in the background: the records are gone already. */
  dropExpired({ highWatermark, log }: LocalReplica): void {
    log.deleteExpiredSegments(highWatermark, this.#env.clock.wallTime()).catch(error => this.#options.fail(error))
  }

  /** Logs that met a full disk take records again. */
  resume(): void {
    for (const { log } of this.all()) log.resume()
  }

  /** Answers every parked fetch of a client now; used when the node closes. Followers go on: what was accepted waits for them. */
  releaseFetches(): void {
    for (const replica of this.all()) replica.fetchWaits.disturbed()
  }

  /** Ends all leaderships. The logs belong to the store, which is closed after this. */
  async close(): Promise<void> {
    this.#closed = true
    this.#tick?.cancel()
    this.#followers.close()
    this.#leaders.close()
    this.#proposals.close()
    await this.allSettled()
    for (const replica of this.all()) replica.resign()
  }

  #isOurs(state: PartitionImage | undefined): boolean {
    return state?.replicas.includes(this.#options.nodeId) ?? false
  }

  #slotFor(topic: TopicImage, state: PartitionImage): Slot {
    let slots = this.#slots.get(topic.topicId)
    if (slots === undefined) this.#slots.set(topic.topicId, (slots = []))
    return (slots[state.partition] ??= {
      topic: topic.name,
      topicId: topic.topicId,
      partition: state.partition,
      wanted: state,
      replica: undefined,
      isDamaged: false,
      corruptSince: undefined,
      verdict: undefined,
      busy: false,
      isAskedAgain: false,
      settling: undefined,
    })
  }

  #want(slot: Slot, wanted: PartitionImage | undefined): void {
    slot.wanted = wanted
    if (slot.replica !== undefined && !this.#isInRole(slot.replica, wanted)) this.#resign(slot.replica)
    slot.isAskedAgain = true
    if (slot.busy || this.#closed) return
    slot.busy = true
    slot.settling = this.#settle(slot)
  }

  async #settle(slot: Slot): Promise<void> {
    try {
      for (let done = false; !done && !this.#closed; ) {
        slot.isAskedAgain = false
        done = (await this.#bringTo(slot, slot.wanted)) && !slot.isAskedAgain
      }
    } catch (error) {
      this.#options.fail(error instanceof Error ? error : new Error(String(error)))
    } finally {
      slot.busy = false
    }
  }

  /** @returns whether that is still what is wanted */
  async #bringTo(slot: Slot, wanted: PartitionImage | undefined): Promise<boolean> {
    if (wanted === undefined) {
      await this.#delete(slot)
      return slot.wanted === undefined
    }
    if (slot.replica === undefined || slot.isDamaged) await this.#open(slot)
    const replica = slot.replica!
    if (this.#brokerEpoch === -1 || wanted.leader === -1) this.#resign(replica)
    else if (wanted.leader !== this.#options.nodeId) await this.#follow(slot, replica, wanted)
    else if (replica.leader?.leaderEpoch === wanted.leaderEpoch)
      replica.isrCommitted(wanted, this.#brokerStates(wanted), this.#minIsrOf(slot))
    else await this.#lead(slot, replica, wanted)
    return slot.wanted === wanted && !slot.isDamaged
  }

  /** Leads, or follows, as the metadata log has it. */
  #isInRole({ leader, following }: LocalReplica, wanted: PartitionImage | undefined): boolean {
    if (wanted === undefined) return false
    if (wanted.leader === this.#options.nodeId) return leader !== undefined
    return following?.leaderId === wanted.leader && following.leaderEpoch === wanted.leaderEpoch
  }

  #resign(replica: LocalReplica): void {
    this.#leaders.unfollow(replica)
    replica.resign()
  }

  async #open(slot: Slot): Promise<void> {
    const { topic, topicId, partition } = slot
    await this.#opening.enter()
    try {
      const again = slot.isDamaged
      const options = {
        topic,
        topicId,
        partition,
        config: this.#settingsOf(topic).log,
        leaderEpoch: slot.wanted?.leaderEpoch,
        onProgress: () => slot.replica?.logProgressed(),
        isAwaited: () => slot.replica?.isAwaited ?? false,
        onDamage: (damaged: PartitionLog) => this.#damaged(slot, damaged),
      }
      const { store, ruin } = this.#options
      const { log, verdict, loose } = await (again ? store.reopenDamaged(options) : store.openPartition(options))
      slot.isDamaged = false
      slot.verdict = { topicId, partition, verdict, loose }
      slot.corruptSince = verdict === 'corrupt' ? slot.wanted?.leaderEpoch : undefined
      slot.replica = new LocalReplica({ topic, topicId, partition, log, world: this.#world })
      this.#followers.opened(topicId, partition)
      if (again) ruin(topicId, partition, () => slot.corruptSince !== undefined)
    } finally {
      this.#opening.leave()
    }
  }

  /** Nothing of it is served any more: the log is opened again, which sets aside what is damaged, and then waits for the operator. */
  #damaged(slot: Slot, log: PartitionLog): void {
    if (slot.replica?.log !== log || slot.isDamaged || this.#closed) return
    slot.isDamaged = true
    this.#resign(slot.replica)
    this.#env.logger.log('error', 'stopped leading: the log is damaged', { topic: slot.topic, partition: slot.partition })
    if (slot.wanted !== undefined) this.#want(slot, slot.wanted)
  }

  async #lead(slot: Slot, replica: LocalReplica, state: PartitionImage): Promise<void> {
    this.#resign(replica)
    await replica.changing
    if (slot.corruptSince !== undefined && state.leaderEpoch <= slot.corruptSince) return
    await this.#acceptDamage(slot, replica)
    if (slot.isDamaged || slot.wanted?.leaderEpoch !== state.leaderEpoch) return
    replica.log.beginEpoch(state.leaderEpoch)
    replica.lead({
      brokerId: this.#options.nodeId,
      brokerEpoch: this.#brokerEpoch,
      state,
      replicas: this.#brokerStates(state),
      minInsyncReplicas: this.#minIsrOf(slot),
      lagTimeMaxMs: this.#options.follower.lagTimeMaxMs,
    })
    if (state.replicas.length > 1) this.#tickLater()
    this.#env.logger.log('info', 'became leader', { topic: slot.topic, partition: slot.partition, leaderEpoch: state.leaderEpoch })
  }

  /** What is left of a damaged log is filled from the leader. */
  async #follow(slot: Slot, replica: LocalReplica, state: PartitionImage): Promise<void> {
    if (this.#isInRole(replica, state)) return
    this.#resign(replica)
    await replica.changing
    await this.#acceptDamage(slot, replica)
    if (slot.isDamaged || slot.wanted?.leaderEpoch !== state.leaderEpoch || slot.wanted.leader !== state.leader) return
    const { leader: leaderId, leaderEpoch } = state
    replica.follow({ leaderId, leaderEpoch })
    this.#leaders.follow(replica, { leaderId, leaderEpoch })
    this.#env.logger.log('info', 'became follower', { topic: slot.topic, partition: slot.partition, leaderId, leaderEpoch })
  }

  async #acceptDamage(slot: Slot, { log }: LocalReplica): Promise<void> {
    if (slot.corruptSince === undefined) return
    await log.acceptDamage()
    slot.corruptSince = undefined
    const { topic, partition } = slot
    this.#env.logger.log('warn', 'accepted what is left of a corrupt log', { topic, partition, logEndOffset: log.logEndOffset })
  }

  #settingsOf(topic: string): TopicSettings {
    let settings = this.#settings.get(topic)
    if (settings === undefined) this.#settings.set(topic, (settings = this.#options.settingsOf(topic)))
    return settings
  }

  #minIsrOf(slot: Slot): number {
    return this.#settingsOf(slot.topic).minInsyncReplicas
  }

  async #delete(slot: Slot): Promise<void> {
    if (slot.replica !== undefined) this.#resign(slot.replica)
    slot.replica = undefined
    slot.isDamaged = false
    await this.#options.store.deletePartition(slot.topicId, slot.partition)
    const slots = this.#slots.get(slot.topicId)
    if (slot.wanted !== undefined || slots === undefined) return
    delete slots[slot.partition]
    if (slots.every(other => other === undefined)) this.#slots.delete(slot.topicId)
  }

  #reconfigure(resource: string): void {
    const topic = resource.startsWith('topic/') ? resource.slice('topic/'.length) : undefined
    for (const slots of this.#slots.values()) {
      for (const slot of slots) {
        if (slot?.replica === undefined || slot.wanted === undefined || (topic !== undefined && slot.topic !== topic)) continue
        const settings = this.#settingsOf(slot.topic)
        slot.replica.log.configure(settings.log)
        slot.replica.isrCommitted(slot.wanted, this.#brokerStates(slot.wanted), settings.minInsyncReplicas)
      }
    }
  }
}

/** Lets so many in at once; the others wait in line. */
class Turnstile {
  #free: number
  readonly #line: (() => void)[] = []

  constructor(places: number) {
    this.#free = places
  }

  async enter(): Promise<void> {
    if (this.#free > 0) this.#free--
    else await new Promise<void>(resolve => this.#line.push(resolve))
  }

  leave(): void {
    const next = this.#line.shift()
    if (next === undefined) this.#free++
    else next()
  }
}
