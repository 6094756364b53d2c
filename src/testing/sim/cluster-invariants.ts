// What must be true of a whole cluster between any two events (docs/ARCHITECTURE.md, rules that must never break). Throws at the first that is not.
// It runs after every event: numbers first, texts only when something is wrong or new. The logs themselves are compared now and then, and at the end.

import type { Broker } from '../../broker/broker.ts'
import type { LocalReplica } from '../../broker/local-replica.ts'
import type { SimHost } from '../../env/sim/host.ts'
import type { MetadataImage, PartitionImage, TopicImage } from '../../metadata/image.ts'
import { encodeRecord } from '../../metadata/records.ts'
import { recordsOf } from '../../metadata/snapshot.ts'
import { AssertionError } from '../../util/assert.ts'
import { crc32c } from '../../util/crc32c.ts'
import type { ClusterNode } from './cluster-node.ts'
import { Invariants, type Leaders } from './invariants.ts'
import type { TopicPlan } from './plan.ts'
import { firstDifference, storedBatches } from './stored-batches.ts'

/** Events between two comparisons of all logs. */
const LOGS_EVERY = 4000

/** One node, and what was seen of it. */
interface Watched {
  readonly node: ClusterNode
  readonly invariants: Invariants
  /** What it had applied when it was last looked at. */
  imageOffset: number
  life: number
}

export class ClusterInvariants {
  readonly #topics: readonly TopicPlan[]
  readonly #watched: readonly Watched[]
  readonly #byHost: ReadonlyMap<SimHost, Watched>
  /** By offset: the image of whoever was there first. */
  readonly #images = new Map<number, { readonly hash: number; readonly broker: number }>()
  /** By raft epoch. */
  readonly #controllers = new Map<number, number>()
  /** The latest any broker has applied. */
  #newest: MetadataImage | undefined
  /** By topic id and partition, of topics that flush first: no later leader may have less. */
  readonly #promised = new Map<string, number>()
  readonly #leaders = new WeakMap<LocalReplica, number>()
  #events = 0

  constructor(nodes: readonly ClusterNode[], topics: readonly TopicPlan[]) {
    const leaders: Leaders = new Map()
    this.#topics = topics
    this.#watched = nodes.map(node => ({ node, invariants: new Invariants(leaders), imageOffset: -1, life: 0 }))
    this.#byHost = new Map(this.#watched.map(watched => [watched.node.host, watched]))
  }

  /** @param host  whose event it was: on the others nothing has changed */
  check(host: SimHost | undefined): void {
    const watched = host === undefined ? undefined : this.#byHost.get(host)
    if (watched !== undefined) this.#checkNode(watched)
    if (++this.#events % LOGS_EVERY === 0) this.checkLogs()
  }

  #checkNode(watched: Watched): void {
    const { node, invariants } = watched
    if (node.node === undefined || node.closing) return
    const { broker } = node.node
    this.#checkController(node)
    if (watched.life !== node.life || watched.imageOffset !== broker.image.offset) {
      watched.life = node.life
      watched.imageOffset = broker.image.offset
      this.#checkImage(broker)
    }
    invariants.check(broker, node.life)
    for (const replica of broker.replicas.all()) this.#checkLeader(broker, replica)
  }

  #checkController(node: ClusterNode): void {
    const { quorum, nodeId } = node.node!
    if (!quorum.isLeader) return
    const before = this.#controllers.get(quorum.epoch)
    if (before === undefined) this.#controllers.set(quorum.epoch, nodeId)
    else if (before !== nodeId) broken(`nodes ${before} and ${nodeId} both lead the metadata log in epoch ${quorum.epoch}`)
  }

  #checkImage({ image, nodeId }: Broker): void {
    const hash = hashOf(image)
    const before = this.#images.get(image.offset)
    if (before !== undefined && before.hash !== hash)
      broken(`brokers ${before.broker} and ${nodeId} have applied different things up to offset ${image.offset}`)
    if (before !== undefined) return
    this.#images.set(image.offset, { hash, broker: nodeId })
    for (const topic of image.topics.values()) for (const state of topic.partitions) checkPartition(topic, state)
    if (this.#newest === undefined || image.offset > this.#newest.offset) this.#newest = image
  }

  #checkLeader(broker: Broker, replica: LocalReplica): void {
    const { leader, log } = replica
    if (leader === undefined) return
    const { leaderEpoch, highWatermark } = leader
    const key = `${replica.topicId} ${replica.partition}`
    if (this.#leaders.get(replica) !== leaderEpoch) {
      this.#leaders.set(replica, leaderEpoch)
      const promised = this.#promised.get(key) ?? 0
      if (log.logEndOffset < promised && this.#flushesFirst(replica.topic))
        broken(
          `broker ${broker.nodeId} leads ${replica.topic}-${replica.partition} in epoch ${leaderEpoch} with a log up to ${log.logEndOffset}, though the high watermark was ${promised}`,
        )
    }
    if (highWatermark > (this.#promised.get(key) ?? 0)) this.#promised.set(key, highWatermark)
  }

  /** Members of an in-sync set hold the same bytes up to the high watermark, whether they run or not. */
  checkLogs(): void {
    for (const { node } of this.#watched) {
      if (node.node === undefined || node.closing) continue
      for (const replica of node.node.broker.replicas.all()) {
        if (replica.leader !== undefined) this.#compare(node, replica, replica.leader.highWatermark)
      }
    }
  }

  /** Everybody has everything. */
  checkWhole(): void {
    for (const { node } of this.#watched) {
      for (const replica of node.node?.broker.replicas.all() ?? []) {
        if (replica.leader !== undefined) this.#compare(node, replica, replica.log.logEndOffset)
      }
    }
  }

  #compare(leading: ClusterNode, replica: LocalReplica, endOffset: number): void {
    const { topic, topicId, partition, log } = replica
    const state = this.#newest?.topicsById.get(topicId)?.partitions[partition]
    // Not the leader of this moment: what it may still show was promised by another in-sync set.
    if (state === undefined || state.leaderEpoch !== replica.leader!.leaderEpoch || this.#compacts(topic)) return
    const batches = storedBatches(leading.host.storage, topic, partition)
    if (batches === undefined) return
    for (const id of state.isr) {
      const member = this.#watched.find(({ node }) => node.id === id)?.node
      if (member === undefined || member === leading) continue
      const copy = findReplica(member, topicId, partition)
      if (copy === undefined && !this.#flushesFirst(topic)) continue
      const theirs = storedBatches(member.host.storage, topic, partition)
      if (theirs === undefined) {
        if (endOffset > log.logStartOffset) broken(`broker ${id} is in sync for ${topic}-${partition} and has no log of it`)
        continue
      }
      const logStartOffset = copy?.log.logStartOffset ?? firstOffset(storedBatches(member.host.storage, topic, partition)!)
      const difference = firstDifference({ batches, logStartOffset: log.logStartOffset }, { batches: theirs, logStartOffset }, endOffset)
      if (difference !== undefined)
        broken(`${topic}-${partition}, leader ${leading.id} and broker ${id}, which is in sync, differ below ${endOffset}: ${difference}`)
    }
  }

  #flushesFirst(topic: string): boolean {
    return this.#topics.find(({ name }) => name === topic)?.flushesFirst ?? true
  }

  #compacts(topic: string): boolean {
    return topic === '__consumer_offsets' || this.#topics.some(({ name, compacts }) => name === topic && compacts)
  }
}

function checkPartition({ name }: TopicImage, { partition, replicas, isr, elr, leader }: PartitionImage): void {
  if (leader !== -1 && !isr.includes(leader)) broken(`${name}-${partition} is led by ${leader}, in sync are ${isr.join(', ')}`)
  const strange = [...isr, ...elr].find(id => !replicas.includes(id))
  if (strange !== undefined)
    broken(`${name}-${partition} has ${strange} in its in-sync or eligible set, its replicas are ${replicas.join(', ')}`)
  const both = isr.find(id => elr.includes(id))
  if (both !== undefined) broken(`${name}-${partition} has ${both} both in sync and eligible`)
}

function findReplica({ node }: ClusterNode, topicId: string, partition: number): LocalReplica | undefined {
  for (const replica of node?.broker.replicas.all() ?? [])
    if (replica.topicId === topicId && replica.partition === partition) return replica
  return undefined
}

/** The same for images with the same content, in whatever order it came. */
function hashOf(image: MetadataImage): number {
  let sum = image.epoch
  for (const record of recordsOf(image)) {
    const bytes = encodeRecord(record)
    sum += crc32c(bytes, 0, bytes.length) >>> 0
  }
  return sum
}

function firstOffset(batches: Iterable<{ readonly baseOffset: number }>): number {
  for (const { baseOffset } of batches) return baseOffset
  return 0
}

function broken(how: string): never {
  throw new AssertionError(how)
}
