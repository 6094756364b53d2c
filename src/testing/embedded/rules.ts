// What must be true of a cluster, whatever was done to it (docs/ARCHITECTURE.md, rules that must never break): looked at now and then while it lives, and
// in full when it is asked for. Every rule that broke is told, in the words of the rule, with the facts.
import type { Broker } from '../../broker/broker.ts'
import type { LocalReplica } from '../../broker/local-replica.ts'
import { type Clock, sleep } from '../../env/env.ts'
import type { MetadataImage, PartitionImage, TopicImage } from '../../metadata/image.ts'
import { recordsOf } from '../../metadata/snapshot.ts'
import { AssertionError } from '../../util/assert.ts'
import { Invariants } from '../sim/invariants.ts'
import { firstDifference, lastValues, type StoredLog } from './stored-log.ts'

/** A node that runs, as far as it is looked at. */
export interface RunningNode {
  readonly nodeId: number
  readonly image: MetadataImage
  readonly quorum: { readonly isLeader: boolean; readonly epoch: number }
  /** -1: it is no broker. */
  readonly brokerEpoch: number
  readonly broker: Pick<Broker, 'nodeId' | 'replicas'>
}

/** One node, as far as it can be looked at. */
export interface Witness {
  readonly id: number
  /** Counts its processes. */
  readonly life: number
  /** Undefined while it does not run, or is being started. */
  readonly node: RunningNode | undefined
  /** Its disk is not as it left it: it is being started. */
  readonly isOpening: boolean
  logOf(topic: string, partition: number): StoredLog
}

/** More are not told one by one. */
const MAX_TOLD = 20
/** What changes while it is looked at may look broken: it is looked at again. */
const LOOKS = 3
const LOOK_AGAIN_MS = 50

export class Rules {
  readonly #leadersOfReplicas = new Map<string, string>()
  /** By node. */
  readonly #invariants = new Map<number, Invariants>()
  /** By topic id, partition and leader epoch. */
  readonly #leaders = new Map<string, number>()
  /** By epoch. */
  readonly #controllers = new Map<number, number>()
  readonly #broken = new Set<string>()

  broke(rule: string, facts: string): void {
    this.#broken.add(`${rule}: ${facts}`)
  }

  /** At one node that runs; cheap. */
  look({ id, life, node }: Witness): void {
    if (node === undefined) return
    this.#lookAtController(node)
    for (const topic of node.image.topics.values()) for (const state of topic.partitions) this.#lookAtPartition(topic, state)
    if (node.brokerEpoch === -1) return
    let invariants = this.#invariants.get(id)
    if (invariants === undefined) this.#invariants.set(id, (invariants = new Invariants(this.#leadersOfReplicas)))
    try {
      invariants.check(node.broker, life)
    } catch (error) {
      if (!(error instanceof AssertionError)) throw error
      this.broke('offsets of a replica never contradict each other, nor go back', `node ${id}, ${error.message}`)
    }
  }

  /** At all of them, and at their disks. */
  async check(witnesses: readonly Witness[], clock: Clock): Promise<void> {
    for (const witness of witnesses) this.look(witness)
    this.#compareImages(witnesses)
    const copies = copiesOf(witnesses)
    for (const { topicId, partitions } of [...(newestImage(witnesses)?.topics.values() ?? [])]) {
      for (const { partition } of partitions) {
        let difference = await differenceOf(witnesses, copies, { topicId, partition })
        for (let looks = 1; difference !== undefined && looks < LOOKS; looks++) {
          await sleep(clock, LOOK_AGAIN_MS)
          difference = await differenceOf(witnesses, copiesOf(witnesses), { topicId, partition })
        }
        if (difference !== undefined) this.broke('logs of in-sync replicas are equal below the high watermark', difference)
      }
    }
  }

  /** @throws AssertionError with all that broke so far */
  report(context: () => string): void {
    if (this.#broken.size === 0) return
    const told = [...this.#broken].slice(0, MAX_TOLD)
    if (told.length < this.#broken.size) told.push(`… and ${this.#broken.size - told.length} more`)
    const error = new AssertionError(`The cluster broke its rules.\n  ${told.join('\n  ')}\n${context()}`)
    this.#broken.clear()
    throw error
  }

  #lookAtController({ nodeId, quorum }: RunningNode): void {
    if (!quorum.isLeader) return
    const before = this.#controllers.get(quorum.epoch)
    if (before === undefined) this.#controllers.set(quorum.epoch, nodeId)
    else if (before !== nodeId)
      this.broke('one controller per epoch', `nodes ${before} and ${nodeId} both lead the metadata log in epoch ${quorum.epoch}`)
  }

  #lookAtPartition({ name, topicId }: TopicImage, { partition, replicas, isr, elr, leader, leaderEpoch }: PartitionImage): void {
    const facts = () => `${name}-${partition} has leader ${leader}, in-sync ${list(isr)}, eligible ${list(elr)}, replicas ${list(replicas)}`
    if (leader !== -1 && !isr.includes(leader)) this.broke('the leader is in sync', facts())
    if (!isr.every(id => replicas.includes(id))) this.broke('who is in sync is a replica', facts())
    if (!elr.every(id => replicas.includes(id))) this.broke('who is eligible is a replica', facts())
    if (isr.some(id => elr.includes(id))) this.broke('nobody is both in sync and eligible', facts())
    if (leader === -1) return
    const key = `${topicId} ${partition} ${leaderEpoch}`
    const before = this.#leaders.get(key)
    if (before === undefined) this.#leaders.set(key, leader)
    else if (before !== leader)
      this.broke('one leader per leader epoch', `${name}-${partition} was given to ${before} and to ${leader} in epoch ${leaderEpoch}`)
  }

  #compareImages(witnesses: readonly Witness[]): void {
    const byOffset = new Map<number, RunningNode>()
    for (const { node } of witnesses) {
      if (node === undefined) continue
      const other = byOffset.get(node.image.offset)
      if (other === undefined) {
        byOffset.set(node.image.offset, node)
        continue
      }
      const [ours, theirs] = [linesOf(other.image), linesOf(node.image)]
      const difference = [...ours].find(line => !theirs.has(line)) ?? [...theirs].find(line => !ours.has(line))
      if (difference !== undefined)
        this.broke(
          'images are equal at equal offsets',
          `nodes ${other.nodeId} and ${node.nodeId} at offset ${node.image.offset}; one alone has ${difference}`,
        )
    }
  }
}

/** Of the nodes that run, by topic id and partition. */
type Copies = ReadonlyMap<string, readonly { readonly nodeId: number; readonly replica: LocalReplica }[]>

function copiesOf(witnesses: readonly Witness[]): Copies {
  const copies = new Map<string, { nodeId: number; replica: LocalReplica }[]>()
  for (const { node } of witnesses) {
    if (node === undefined || node.brokerEpoch === -1) continue
    for (const replica of node.broker.replicas.all()) {
      const key = `${replica.topicId} ${replica.partition}`
      const found = copies.get(key)
      if (found === undefined) copies.set(key, [{ nodeId: node.nodeId, replica }])
      else found.push({ nodeId: node.nodeId, replica })
    }
  }
  return copies
}

/** Members of an in-sync set hold the same below the high watermark, whether they run or not. @returns what is wrong, in words */
async function differenceOf(
  witnesses: readonly Witness[],
  copies: Copies,
  { topicId, partition }: { readonly topicId: string; readonly partition: number },
): Promise<string | undefined> {
  const topic = newestImage(witnesses)?.topicsById.get(topicId)
  const state = topic?.partitions[partition]
  if (topic === undefined || state === undefined) return undefined
  const { isr } = state
  const { from, to, compacts, flushesFirst } = agreedRange(copies.get(`${topicId} ${partition}`) ?? [], state)
  if (to <= from) return undefined
  const members = witnesses.filter(({ id, node, isOpening }) => isr.includes(id) && !isOpening && (node !== undefined || flushesFirst))
  const [first, ...others] = members
  for (const other of others) {
    const [one, two] = [first!.logOf(topic.name, partition), other.logOf(topic.name, partition)]
    const difference = await (compacts ? differentValues : firstDifference)(one, two, { from, to })
    if (difference !== undefined)
      return `${topic.name}-${partition}, nodes ${first!.id} and ${other.id} of in-sync ${list(isr)}, offsets ${from} to ${to}: ${difference}`
  }
  return undefined
}

/** From the latest log start to the highest high watermark that anybody shows. */
function agreedRange(copies: NonNullable<ReturnType<Copies['get']>>, { isr, leaderEpoch }: PartitionImage) {
  const range = { from: 0, to: 0, compacts: false, flushesFirst: true }
  for (const { nodeId, replica } of copies) {
    const { config, logStartOffset } = replica.log
    // Of another leadership: what it shows may have been another in-sync set's.
    if (replica.leaderEpoch === leaderEpoch) range.to = Math.max(range.to, replica.highWatermark)
    if (isr.includes(nodeId)) range.from = Math.max(range.from, logStartOffset)
    range.compacts ||= config.cleanupPolicy.includes('compact')
    range.flushesFirst &&= config.flushMessages === 1
  }
  return range
}

/** Of those that run, who has applied most. */
export function newestImage(witnesses: readonly Witness[]): MetadataImage | undefined {
  let newest: MetadataImage | undefined
  for (const { node } of witnesses) if (node !== undefined && node.image.offset > (newest?.offset ?? -1)) newest = node.image
  return newest
}

async function differentValues(one: StoredLog, other: StoredLog, range: { from: number; to: number }): Promise<string | undefined> {
  const [ours, theirs] = [await lastValues(one, range), await lastValues(other, range)]
  for (const key of new Set([...ours.keys(), ...theirs.keys()])) {
    const [a, b] = [ours.get(key), theirs.get(key)]
    if (a !== b) return `the last value of key ${JSON.stringify(key)} is ${a ?? 'none'} in the first, ${b ?? 'none'} in the second`
  }
  return undefined
}

function linesOf(image: MetadataImage): Set<string> {
  return new Set([...recordsOf(image)].map(record => JSON.stringify(record)))
}

function list(ids: readonly number[]): string {
  return ids.length === 0 ? 'nobody' : ids.join(', ')
}
