// What members of a classic group tell each other: subscriptions on joining, assignments from the leader. The bytes are Kafka's own, so our
// members share a group with those of the Java client, librdkafka or kafkajs.
// Facts: ConsumerProtocol (KIP-429, KIP-792). Later versions only add at the end. No bytes at all are an empty assignment. What the sticky
// assignors remember travels as user data: `sticky` its former partitions and their generation, `cooperative-sticky` the generation alone (before
// version 2, which has a field for it).
import { ProtocolError } from '../../protocol/errors.ts'
import { arr, i32, type Out, schema, str } from '../../protocol/schema.ts'
import { ConsumerProtocolAssignment, ConsumerProtocolSubscription } from '../../protocol/stored/consumer-protocol.ts'
import { decodeExtensible, encodeVersioned } from '../../protocol/stored/versioned.ts'
import { Writer } from '../../protocol/writer.ts'
import type { MemberSubscription, TopicPartition } from './assignment.ts'

const VERSION = 3
const NO_GENERATION = -1
const GENERATION_BYTES = 4

const StickyUserData = schema('StickyAssignorUserData', '1', {
  fields: { previousAssignment: arr({ topic: str, partitions: arr(i32) }), generation: i32 },
})

export interface OwnSubscription {
  readonly topics: readonly string[]
  /** What the member holds while it joins, and since which generation; an eager one holds nothing. */
  readonly held: Ownership
  /** What it took over last. */
  readonly previous: Ownership
}

export interface Ownership {
  readonly owned: readonly TopicPartition[]
  /** -1: none. */
  readonly generationId: number
}

/** @param protocol  the assignor the bytes are meant for */
export function encodeSubscription(protocol: string, own: OwnSubscription): Buffer {
  return encodeVersioned(ConsumerProtocolSubscription, VERSION, {
    topics: [...own.topics].sort(),
    userData: userDataOf(protocol, own),
    ownedPartitions: byTopic(own.held.owned),
    generationId: own.held.generationId,
    rackId: null,
  })
}

/** @throws ProtocolError the bytes are no subscription */
export function decodeSubscription(protocol: string, bytes: Buffer): Omit<MemberSubscription, 'memberId' | 'groupInstanceId'> {
  const { topics, userData, ownedPartitions, generationId } = decodeExtensible(ConsumerProtocolSubscription, bytes).value
  const remembered = readUserData(protocol, userData)
  return {
    topics: new Set(topics),
    owned: remembered?.owned ?? flat(ownedPartitions),
    generationId: remembered?.owned === undefined && generationId >= 0 ? generationId : (remembered?.generationId ?? NO_GENERATION),
  }
}

export function encodeAssignment(partitions: readonly TopicPartition[]): Buffer {
  return encodeVersioned(ConsumerProtocolAssignment, VERSION, { assignedPartitions: byTopic(partitions), userData: null })
}

/** @throws ProtocolError the bytes are no assignment */
export function decodeAssignment(bytes: Buffer): TopicPartition[] {
  return bytes.length === 0 ? [] : flat(decodeExtensible(ConsumerProtocolAssignment, bytes).value.assignedPartitions)
}

export function byTopic(partitions: readonly TopicPartition[]): { topic: string; partitions: number[] }[] {
  const topics = new Map<string, number[]>()
  for (const { topic, partition } of partitions) {
    const numbers = topics.get(topic)
    if (numbers === undefined) topics.set(topic, [partition])
    else numbers.push(partition)
  }
  return [...topics].map(([topic, numbers]) => ({ topic, partitions: numbers }))
}

function flat(topics: readonly { readonly topic: string; readonly partitions: readonly number[] }[]): TopicPartition[] {
  return topics.flatMap(({ topic, partitions }) => partitions.map(partition => ({ topic, partition })))
}

function userDataOf(protocol: string, { held, previous }: OwnSubscription): Buffer | null {
  if (protocol === 'cooperative-sticky') {
    const bytes = Buffer.alloc(GENERATION_BYTES)
    bytes.writeInt32BE(held.generationId)
    return bytes
  }
  if (protocol !== 'sticky') return null
  const w = new Writer({ referenceBytes: Number.MAX_SAFE_INTEGER })
  StickyUserData.at(1).encode({ previousAssignment: byTopic(previous.owned), generation: previous.generationId }, w)
  return Buffer.concat(w.done())
}

/** User data that cannot be read is none: it only makes the assignment less sticky. */
function readUserData(protocol: string, userData: Buffer | null): { owned?: TopicPartition[]; generationId: number } | undefined {
  if (userData === null || userData.length < GENERATION_BYTES) return undefined
  if (protocol === 'cooperative-sticky') return { generationId: userData.readInt32BE(0) }
  if (protocol !== 'sticky') return undefined
  try {
    const { previousAssignment, generation } = readSticky(userData)
    return { owned: flat(previousAssignment), generationId: generation }
  } catch (error) {
    if (error instanceof ProtocolError) return undefined
    throw error
  }
}

function readSticky(userData: Buffer): Out<typeof StickyUserData.fields> {
  return StickyUserData.at(1).decodePrefix(userData, 0, userData.length)
}
