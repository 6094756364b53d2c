// The controllers of three nodes: who is asked, who is watched, who is fenced.
import { expect, test } from 'vitest'
import { INVALID_UPDATE_VERSION } from '../../src/protocol/errors.ts'
import { ManyNodes, outcomeOf } from './many.ts'
import { createTopics } from './node.ts'

const orders = createTopics({ name: 'orders', numPartitions: 3, replicationFactor: 3 })

async function withOrders(body: (many: ManyNodes) => Promise<void>, o: ConstructorParameters<typeof ManyNodes>[0] = {}): Promise<void> {
  const many = new ManyNodes(o)
  await many.run(async () => {
    await many.start()
    await many.node(3).router.createTopics(orders)
    await body(many)
  })
}

const partitions = (many: ManyNodes, at = many.leaderId) => many.node(at).image.topics.get('orders')!.partitions

test('any node reaches the active controller, and what it answers is known where it says', () =>
  withOrders(async many => {
    for (const { router, publisher } of many.nodes.values()) {
      const { response, offset } = await router.createTopics(orders)
      expect(response.topics[0]).toMatchObject({ name: 'orders', errorCode: 36 })
      await publisher.whenApplied(offset)
      expect(publisher.image.topics.has('orders')).toBe(true)
    }
  }))

test('a controller that dies on the way is not waited for: the next one is asked', () =>
  withOrders(async many => {
    many.cut.add(1)
    const created = many.node(3).router.createTopics(createTopics({ name: 'payments' }))
    await many.sleep(50)
    many.elect(2)
    const { response } = await created
    expect(response.topics[0]!.errorCode).toBe(0)
    expect(many.node(2).image.topics.has('payments')).toBe(true)
  }))

test('what was decided, and whose answer was lost, is told when it is asked again', () =>
  withOrders(async many => {
    const created = many.node(3).router.createTopics(createTopics({ name: 'payments' }))
    await many.until('it is agreed on', () => many.node(2).image.topics.has('payments'))
    many.node(1).kill()
    many.elect(2)
    expect((await created).response.topics[0]!.errorMessage).toBe("Topic 'payments' already exists.")
  }))

test('nobody leads: a request waits for its time, and no longer', () =>
  withOrders(async many => {
    many.node(1).kill()
    const before = many.world.now
    expect(await outcomeOf(many.node(3).router.createTopics({ ...orders, timeoutMs: 3000 }))).toBe('REQUEST_TIMED_OUT')
    expect(many.world.now - before).toBeGreaterThanOrEqual(3000)
    expect(many.world.now - before).toBeLessThan(3100)
  }))

test('a closed router fails what waits', () =>
  withOrders(async many => {
    many.node(1).kill()
    const waiting = outcomeOf(many.node(3).router.createTopics(orders))
    await many.sleep(30)
    many.node(3).router.close()
    expect(await waiting).toBe('NOT_CONTROLLER')
  }))

test('a broker whose process is gone is fenced at once', () =>
  withOrders(async many => {
    const before = many.world.now
    many.node(3).kill()
    await many.until('it is fenced', () => many.leader.image.brokers.get(3)!.fenced)
    expect(many.world.now - before).toBeLessThan(20)
    expect(partitions(many).every(({ leader, isr }) => leader !== 3 && !isr.includes(3))).toBe(true)
  }))

test('a lost connection to a process that is there fences nobody', () =>
  withOrders(async many => {
    many.node(1).controller.peerLost(3)
    await many.sleep(5000)
    expect(many.leader.image.brokers.get(3)!.fenced).toBe(false)
  }))

test('another process where a broker was: that broker is gone, until it registers', () =>
  withOrders(async many => {
    many.node(1).controller.peerConnected(3, 'process 3.1')
    await many.sleep(50)
    expect(many.leader.image.brokers.get(3)!.fenced).toBe(false)
    many.node(1).controller.peerConnected(3, 'process 3.2')
    await many.until('it is fenced', () => many.leader.image.brokers.get(3)!.fenced)
  }))

test('a silent broker is fenced when its session ends, and serves again when it is heard', () =>
  withOrders(async many => {
    many.node(3).silent = true
    await many.sleep(1200)
    expect(many.leader.image.brokers.get(3)!.fenced).toBe(false)
    await many.sleep(800)
    expect(many.leader.image.brokers.get(3)!.fenced).toBe(true)
    many.node(3).silent = false
    await many.until('it serves', () => !many.leader.image.brokers.get(3)!.fenced)
    expect(many.leader.image.brokers.get(3)!.brokerEpoch).toBe(many.node(3).brokerEpoch)
  }))

test('a new controller dials every broker that serves, and fences those that are gone', () =>
  withOrders(async many => {
    many.node(1).kill()
    const before = many.world.now
    many.elect(2)
    await many.until('the old one is fenced', () => many.leader.image.brokers.get(1)!.fenced)
    expect(many.world.now - before).toBeLessThan(20)
    await many.sleep(10_000)
    expect(many.leader.image.brokers.get(3)!.fenced).toBe(false)
    expect(partitions(many).every(({ leader }) => leader === 2 || leader === 3)).toBe(true)
  }))

test('a deposed leader that hangs loses its leaderships before a whole session', () =>
  withOrders(async many => {
    many.cut.add(1)
    const before = many.world.now
    many.elect(2)
    await many.until('the old one is fenced', () => many.leader.image.brokers.get(1)!.fenced)
    expect(many.world.now - before).toBeGreaterThan(700)
    expect(many.world.now - before).toBeLessThan(1100)
  }))

test('elections every second depose no broker that lives', () =>
  withOrders(async many => {
    const epochs = partitions(many).map(({ leaderEpoch }) => leaderEpoch)
    for (let round = 0; round < 12; round++) {
      many.elect(1 + (round % 3))
      await many.sleep(1000)
    }
    expect([...many.leader.image.brokers.values()].filter(({ fenced }) => fenced)).toEqual([])
    expect(partitions(many).map(({ leaderEpoch }) => leaderEpoch)).toEqual(epochs)
  }))

test('a controller that was paused itself fences nobody for it', () =>
  withOrders(async many => {
    const before = partitions(many)
    for (let phase = 0; phase < 10; phase++) {
      await many.sleep(1000 + 25 * phase)
      many.world.host('node-1').pausedUntil = many.world.now + 4000
      await many.sleep(4000)
    }
    expect([...many.leader.image.brokers.values()].filter(({ fenced }) => fenced)).toEqual([])
    expect(partitions(many)).toEqual(before)
  }))

test('who shuts down hands over, and may stop when those who serve know', () =>
  withOrders(async many => {
    const node = many.node(3)
    node.wantsShutdown = true
    await many.until('it may stop', () => node.mayShutDown, 1500)
    expect(many.leader.image.brokers.get(3)).toMatchObject({ fenced: true, shuttingDown: true })
    expect(partitions(many).every(({ leader, isr }) => leader !== 3 && !isr.includes(3))).toBe(true)
  }))

test('a controlled shutdown goes on under a new controller', () =>
  withOrders(async many => {
    many.node(3).wantsShutdown = true
    await many.until('it is told', () => many.leader.image.brokers.get(3)!.shuttingDown)
    many.elect(2)
    await many.until('it may stop', () => many.node(3).mayShutDown, 3000)
    expect(many.leader.image.brokers.get(3)!.fenced).toBe(true)
  }))

test('leaderships go back to preferred replicas a little after they are in sync again', () =>
  withOrders(async many => {
    many.node(3).kill()
    await many.until('it is fenced', () => many.leader.image.brokers.get(3)!.fenced)
    many.gone.delete(3)
    many.node(3).quorum.leaderIs(1)
    await many.node(3).register()
    for (const { partition, leader, leaderEpoch, partitionEpoch } of partitions(many)) {
      const newIsr = [1, 2, 3].map(brokerId => ({ brokerId, brokerEpoch: many.node(brokerId).brokerEpoch }))
      const { id, brokerEpoch, router, image } = many.node(leader)
      const change = { partition, leaderEpoch, partitionEpoch, newIsr }
      const { topicId } = image.topics.get('orders')!
      const { response } = await router.alterPartition({ brokerId: id, brokerEpoch, topics: [{ topicId, partitions: [change] }] })
      expect(response).toEqual({ errorCode: 0, topics: [{ topicId, partitions: [{ partition, errorCode: 0 }] }] })
    }
    expect(partitions(many).filter(({ leader }) => leader === 3)).toEqual([])
    await many.sleep(1000)
    expect(partitions(many).filter(({ leader }) => leader === 3)).toEqual([])
    await many.sleep(1000)
    expect(partitions(many).every(({ leader, replicas }) => leader === replicas[0])).toBe(true)
  }))

test('the quorum is described by its leader, whoever is asked: voters with their listeners, observers, and how far they are', () =>
  withOrders(
    async many => {
      many.cut.add(2)
      await many.leader.router.createTopics(createTopics({ name: 'payments' }))
      const topics = [{ topicName: '__cluster_metadata', partitions: [{ partitionIndex: 0 }] }]
      const { response } = await many.node(4).router.describeQuorum({ topics })
      const partition = response.topics[0]!.partitions[0]!
      expect(partition).toMatchObject({ leaderId: 1, leaderEpoch: 1, highWatermark: many.log.length, errorCode: 0 })
      expect(partition.currentVoters.map(({ replicaId }) => replicaId)).toEqual([1, 2, 3])
      expect(partition.observers).toMatchObject([
        { replicaId: 4, logEndOffset: many.log.length, lastFetchTimestamp: 5, lastCaughtUpTimestamp: 4 },
      ])
      const [leader, behind] = partition.currentVoters
      expect(leader!.lastFetchTimestamp).toBeGreaterThan(1e12)
      expect(behind!.logEndOffset).toBeLessThan(many.log.length)
      expect(response.nodes!.map(({ nodeId, listeners }) => [nodeId, listeners])).toEqual(
        [1, 2, 3].map(id => [id, [{ name: 'INTERNAL', host: 'h', port: 1000 + id }]]),
      )
      many.cut.clear()
      many.elect(1)
    },
    { count: 4 },
  ))

const shrinkTo = (many: ManyNodes, partition: number, members: readonly number[]) => {
  const { leader, leaderEpoch, partitionEpoch } = partitions(many, 3)[partition]!
  const { topicId } = many.node(3).image.topics.get('orders')!
  const newIsr = members.map(brokerId => ({ brokerId, brokerEpoch: many.node(brokerId).brokerEpoch }))
  const topics = [{ topicId, partitions: [{ partition, leaderEpoch, partitionEpoch, newIsr }] }]
  return many.node(leader).router.alterPartition({ brokerId: leader, brokerEpoch: many.node(leader).brokerEpoch, topics })
}
/** Led by a broker that is no controller here. */
const ledBy = (many: ManyNodes, id: number) => partitions(many, 3).find(({ leader }) => leader === id)!.partition

test('a decision that its controller could not have agreed on is made by the next one, from what was agreed on', () =>
  withOrders(async many => {
    const partition = ledBy(many, 3)
    const changed = shrinkTo(many, partition, [2, 3])
    // Asked, decided, and proposed; then the controller is cut off.
    await many.until('it is decided', () => many.node(1).quorum.logEndOffset > many.log.length)
    many.cut.add(1)
    many.elect(2)
    expect((await changed).response.topics[0]!.partitions).toEqual([{ partition, errorCode: 0 }])
    expect(partitions(many)[partition]).toMatchObject({ isr: [3, 2], partitionEpoch: 1 })
    many.cut.delete(1)
    many.elect(2)
  }))

test('an ISR change that was agreed on, and whose answer was lost, is not made twice', () =>
  withOrders(async many => {
    const partition = ledBy(many, 3)
    const changed = shrinkTo(many, partition, [2, 3])
    await many.until('it is agreed on', () => partitions(many, 3)[partition]!.isr.length === 2)
    many.node(1).kill()
    many.elect(2)
    expect((await changed).response.topics[0]!.partitions).toEqual([{ partition, errorCode: INVALID_UPDATE_VERSION }])
    expect(partitions(many)[partition]).toMatchObject({ isr: [3, 2], partitionEpoch: 1 })
  }))

test('a deposed controller that does not know it yet answers nothing', () =>
  withOrders(async many => {
    many.cut.add(1)
    const answered = outcomeOf(many.node(1).controller.createTopics(createTopics({ name: 'payments' })))
    many.elect(2)
    await many.sleep(1000)
    many.cut.delete(1)
    many.elect(2)
    expect(await answered).toBe('NOT_CONTROLLER')
    expect(many.leader.image.topics.has('payments')).toBe(false)
  }))

test('without auto.leader.rebalance.enable leaderships stay where they went', () =>
  withOrders(
    async many => {
      const moved = await shrinkTo(many, ledBy(many, 3), [2, 3])
      expect(moved.response.errorCode).toBe(0)
      many.node(3).kill()
      await many.until('it is fenced', () => many.leader.image.brokers.get(3)!.fenced)
      many.gone.delete(3)
      many.node(3).quorum.leaderIs(1)
      await many.node(3).register()
      await many.sleep(20)
      for (const { partition } of partitions(many)) await shrinkTo(many, partition, [1, 2, 3])
      await many.sleep(20_000)
      expect(partitions(many).filter(({ leader }) => leader === 3)).toEqual([])
    },
    { properties: { 'auto.leader.rebalance.enable': 'false' } },
  ))
