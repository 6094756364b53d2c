// A service's test against a real cluster, in this process: `npx vitest run examples` after `npm run build`.
import { Kafka } from 'ottla'
import { startCluster } from 'ottla/testing'
import { expect, test } from 'vitest'

test('orders survive the death of the broker that leads them', async () => {
  await using cluster = await startCluster({ nodes: 3 })
  await using kafka = new Kafka({ bootstrapServers: cluster.bootstrapServers })
  const producer = kafka.producer()
  await producer.send({ topic: 'orders', key: 'alice', value: '3 apples' })

  await cluster.kill(cluster.leaderOf('orders')!)
  await producer.send({ topic: 'orders', key: 'alice', value: '2 pears' })

  const consumer = kafka.consumer({ groupId: 'billing', autoOffsetReset: 'earliest' })
  consumer.subscribe(['orders'])
  const orders: string[] = []
  for await (const { value } of consumer) if (orders.push(String(value)) === 2) break
  expect(orders).toEqual(['3 apples', '2 pears'])
})
