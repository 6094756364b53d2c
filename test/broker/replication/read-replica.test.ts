import { describe, expect, test } from 'vitest'
import type { Broker } from '../../../src/broker/broker.ts'
import { readReplicaFor } from '../../../src/broker/read-replica.ts'
import { NOT_LEADER_OR_FOLLOWER } from '../../../src/protocol/errors.ts'
import { inLab, type ReplicationLab, TOPIC } from './lab.ts'

const SELECTOR = 'org.apache.kafka.common.replica.RackAwareReplicaSelector'

function brokerOf(lab: ReplicationLab, racks: Record<number, string>, selector: string | null = SELECTOR): Broker {
  const brokers = new Map([...lab.image.brokers].map(([id, broker]) => [id, { ...broker, rack: racks[id] ?? null }]))
  return { nodeId: 1, config: { 'replica.selector.class': selector }, image: { ...lab.image, brokers } } as unknown as Broker
}

describe('a consumer that names its rack (KIP-392)', () => {
  const leading = (body: (lab: ReplicationLab) => Promise<void> | void) =>
    inLab({ minInsyncReplicas: 2 }, async lab => {
      await lab.createTopic([[1, 2, 3]])
      await lab.acked(lab.replica(1), lab.append(lab.replica(1), 'a'))
      await lab.until(() => [2, 3].every(id => lab.replica(1).leader!.followers.get(id)!.fetchOffset === 1))
      await body(lab)
    })
  const choose = (lab: ReplicationLab, racks: Record<number, string>, rackId: string, fetchOffset = 0) =>
    readReplicaFor(brokerOf(lab, racks), lab.replica(1), { rackId, fetchOffset })

  test('is sent to the in-sync replica of that rack', () =>
    leading(lab => {
      expect(choose(lab, { 1: 'a', 2: 'b', 3: 'c' }, 'c')).toBe(3)
      expect(choose(lab, { 1: 'a', 2: 'b', 3: 'c' }, 'b')).toBe(2)
    }))

  test('reads from the leader when it is of that rack, when nobody is, and when no selector is configured', () =>
    leading(lab => {
      expect(choose(lab, { 1: 'a', 2: 'a' }, 'a')).toBe(-1)
      expect(choose(lab, { 1: 'a', 2: 'b' }, 'z')).toBe(-1)
      expect(choose(lab, { 2: 'b' }, '')).toBe(-1)
      expect(readReplicaFor(brokerOf(lab, { 2: 'b' }, null), lab.replica(1), { rackId: 'b', fetchOffset: 0 })).toBe(-1)
    }))

  test('is not sent to who lacks what it asks for, is not in sync, or not live', () =>
    leading(async lab => {
      expect(choose(lab, { 2: 'b' }, 'b', 2)).toBe(-1)
      lab.replica(1).leader!.followers.get(3)!.isLive = false
      expect(choose(lab, { 3: 'c' }, 'c')).toBe(-1)
      lab.change({ isr: [1] })
      expect(choose(lab, { 2: 'b' }, 'b')).toBe(-1)
    }))
})

describe('a follower', () => {
  test('is read up to the high watermark it knows, and not before it follows', () =>
    inLab({ minInsyncReplicas: 2 }, async lab => {
      await lab.createTopic([[1, 2, 3]])
      await lab.acked(lab.replica(1), lab.append(lab.replica(1), 'a'))
      const { replicas, image } = lab.broker(2)
      const topic = image.topics.get(TOPIC)!
      const replica = replicas.readableOf(topic, 0)
      expect(replica).toBe(lab.replica(2))
      expect(replicas.leaderOf(topic, 0)).toBe(NOT_LEADER_OR_FOLLOWER)
      await lab.until(() => lab.replica(2).highWatermark === 1)
      let woken = 0
      const before = lab.replica(2).visibleBytes
      lab.replica(2).fetchWaits.add({ progressed: () => woken++, answer: () => {} } as never, 0)
      await lab.acked(lab.replica(1), lab.append(lab.replica(1), 'b'))
      await lab.until(() => lab.replica(2).highWatermark === 2)
      expect(woken).toBe(1)
      expect(lab.replica(2).visibleBytes).toBeGreaterThan(before)
      lab.change({ leader: -1 })
      expect(replicas.readableOf(topic, 0)).toBe(NOT_LEADER_OR_FOLLOWER)
    }))
})
