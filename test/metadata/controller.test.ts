import { expect, test } from 'vitest'
import { memoryEnv } from '../../src/env/memory/env.ts'
import { NOT_CONTROLLER, POLICY_VIOLATION } from '../../src/protocol/errors.ts'
import { createTopics, openNode } from './node.ts'

const logger = { log: () => {} }

test('a topic that was answered is there after a restart, led in a higher epoch by the new process', async () => {
  const env = memoryEnv({ logger })
  const first = await openNode(env, { directory: '/data' })
  const registered = await first.controller.registerBroker(first.registration())
  expect(registered.response.errorCode).toBe(0)
  const created = await first.controller.createTopics(createTopics({ name: 'orders', numPartitions: 2 }))
  expect(created.response.topics[0]).toMatchObject({ name: 'orders', errorCode: 0, numPartitions: 2, replicationFactor: 1 })
  expect(first.publisher.image.topics.get('orders')!.partitions.map(p => [p.leader, p.leaderEpoch])).toEqual([
    [1, 0],
    [1, 0],
  ])
  await first.close()

  const second = await openNode(env, { directory: '/data' })
  expect(second.identity).toEqual({ ...first.identity, formatted: false })
  expect(second.quorum.epoch).toBe(first.quorum.epoch + 1)
  const again = await second.controller.registerBroker(second.registration())
  expect(again.response.brokerEpoch).toBeGreaterThan(registered.response.brokerEpoch)
  expect(second.publisher.image.topics.get('orders')!.partitions.map(p => [p.leader, p.leaderEpoch])).toEqual([
    [1, 1],
    [1, 1],
  ])
  await second.close()
  expect([...first.failures, ...second.failures]).toEqual([])
})

test('two creations of one topic in flight cannot both win, and the loser is told only when the winner is agreed on', async () => {
  const env = memoryEnv({ logger })
  const node = await openNode(env, { directory: '/data' })
  await node.controller.registerBroker(node.registration())
  const [won, lost] = await Promise.all([
    node.controller.createTopics(createTopics({ name: 'orders' })),
    node.controller.createTopics(createTopics({ name: 'orders' })),
  ])
  expect(won.response.topics[0]!.errorCode).toBe(0)
  expect(lost.response.topics[0]!.errorMessage).toBe("Topic 'orders' already exists.")
  expect(lost.offset).toBe(won.offset)
  await node.close()
})

test('whoever waits when the controller closes is told NOT_CONTROLLER', async () => {
  const env = memoryEnv({ logger })
  const node = await openNode(env, { directory: '/data' })
  await node.controller.registerBroker(node.registration())
  const waiting = node.controller.createTopics(createTopics({ name: 'orders' }))
  const closing = node.close()
  await expect(waiting).rejects.toMatchObject({ code: NOT_CONTROLLER })
  await closing
  await expect(node.controller.createTopics(createTopics({ name: 'orders' }))).rejects.toMatchObject({ code: NOT_CONTROLLER })
})

test('a change too large to be agreed on as one is refused, nothing of it is done, and the next one goes on', async () => {
  const env = memoryEnv({ logger })
  const node = await openNode(env, { directory: '/data' })
  const large = node.controller.registerBroker(node.registration({ rack: 'r'.repeat(17 * 1024 * 1024) }))
  expect(await large.then(Object.keys, error => error.code)).toBe(POLICY_VIOLATION)
  expect(node.publisher.image.brokers.size).toBe(0)
  await node.controller.registerBroker(node.registration())
  const created = await node.controller.createTopics(createTopics({ name: 'a' }))
  expect(created.response.topics[0]).toMatchObject({ name: 'a', errorCode: 0 })
  await node.close()
  expect(node.failures).toEqual([])
})
