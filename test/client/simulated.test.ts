// The whole client in the simulated world, against a made-up cluster whose nodes crash and whose answers lie.
import { describe, expect, test } from 'vitest'
import type { ConsumedRecord, Consumer } from '../../src/client/consumer.ts'
import { Kafka } from '../../src/client/kafka.ts'
import type { Hold } from '../../src/client/operation.ts'
import { sleep } from '../../src/env/env.ts'
import { SimWorld } from '../../src/env/sim/world.ts'
import * as errors from '../../src/protocol/errors.ts'
import { FakeCluster } from './fake-cluster.ts'

interface Scene {
  readonly world: SimWorld
  readonly cluster: FakeCluster
  readonly kafka: Kafka
}

interface Held {
  count: number
}

function holding(held: Held): Hold {
  return () => {
    held.count++
    return () => void held.count--
  }
}

async function scene<T>(
  options: { seed?: number; nodes?: number },
  play: (scene: Scene) => Promise<T>,
): Promise<{ result: T; world: SimWorld }> {
  const world = new SimWorld(options.seed ?? 1)
  const cluster = new FakeCluster(world, options.nodes ?? 1)
  const held: Held = { count: 0 }
  const result = await world.run(
    async () => {
      await cluster.startAll()
      await using kafka = new Kafka(world.env('client'), { bootstrapServers: cluster.bootstrapServers }, holding(held))
      return await play({ world, cluster, kafka })
    },
    { maxMs: 600_000 },
  )
  expect(held.count).toBe(0)
  expect(world.failures).toEqual([])
  return { result, world }
}

async function read(consumer: Consumer, count: number): Promise<ConsumedRecord[]> {
  const records: ConsumedRecord[] = []
  while (records.length < count) records.push(...(await consumer.poll({ maxWaitMs: 1000 })))
  return records
}

describe('producing and consuming', () => {
  test('what is sent comes back, in order, with all that belongs to it', async () => {
    await scene({}, async ({ cluster, kafka }) => {
      cluster.createTopic('t', 1)
      const producer = kafka.producer({ compression: 'gzip' })
      const sent = await producer.sendBatch([
        { topic: 't', key: 'k', value: 'one', headers: { h: 'x' }, timestamp: 5 },
        { topic: 't', value: null, timestamp: 6 },
      ])
      expect(sent).toEqual([
        { topic: 't', partition: 0, offset: 0, timestamp: 5 },
        { topic: 't', partition: 0, offset: 1, timestamp: 6 },
      ])
      const consumer = kafka.consumer()
      consumer.assign([{ topic: 't', partition: 0, position: 'earliest' }])
      expect(await read(consumer, 2)).toEqual([
        {
          topic: 't',
          partition: 0,
          offset: 0,
          timestamp: 5,
          key: Buffer.from('k'),
          value: Buffer.from('one'),
          headers: [{ key: 'h', value: Buffer.from('x') }],
          leaderEpoch: 1,
        },
        { topic: 't', partition: 0, offset: 1, timestamp: 6, key: null, value: null, headers: [], leaderEpoch: 1 },
      ])
      expect(await consumer.position({ topic: 't', partition: 0 })).toBe(2)
      expect(await consumer.endOffsets()).toEqual([{ topic: 't', partition: 0, offset: 2 }])
    })
  })

  test('records of one turn share a batch and a request', async () => {
    await scene({}, async ({ cluster, kafka }) => {
      const [partition] = cluster.createTopic('t', 1)
      const producer = kafka.producer()
      await Promise.all(Array.from({ length: 100 }, (_, i) => producer.send({ topic: 't', value: String(i) })))
      expect(partition!.batches.length).toBe(1)
      expect(cluster.requests.filter(request => request.endsWith('Produce')).length).toBe(1)
    })
  })

  test('a poll waits for what comes and ends with nothing when nothing does', async () => {
    await scene({}, async ({ world, cluster, kafka }) => {
      cluster.createTopic('t', 1)
      const consumer = kafka.consumer()
      consumer.assign([{ topic: 't', partition: 0, position: 'latest' }])
      await consumer.position({ topic: 't', partition: 0 })
      const before = world.now
      expect(await consumer.poll({ maxWaitMs: 700 })).toEqual([])
      expect(world.now - before).toBeGreaterThanOrEqual(700)
      const waiting = consumer.poll({ maxWaitMs: 10_000 })
      await kafka.producer().send({ topic: 't', value: 'new' })
      expect((await waiting).map(record => String(record.value))).toEqual(['new'])
    })
  })

  test('a busy partition does not run dry beside an idle one on the same broker', async () => {
    await scene({}, async ({ world, cluster, kafka }) => {
      cluster.createTopic('t', 2)
      const producer = kafka.producer({ batchBytes: 200 })
      await producer.sendBatch(Array.from({ length: 1000 }, (_, i) => ({ topic: 't', partition: 0, value: String(i) })))
      const consumer = kafka.consumer()
      consumer.assign([0, 1].map(partition => ({ topic: 't', partition, position: 'earliest' })))
      const before = world.now
      const records: ConsumedRecord[] = []
      while (records.length < 1000) {
        records.push(...(await consumer.poll({ maxWaitMs: 1000, maxRecords: 10 })))
        await sleep(world.env('client').clock, 3)
      }
      // Dozens of rounds: had each waited for fetchMaxWaitMs, more than ten seconds would have passed.
      expect(world.now - before).toBeLessThan(2000)
      expect(records.map(record => Number(record.value))).toEqual(Array.from({ length: 1000 }, (_, i) => i))
    })
  })

  test('a second poll at the same time is refused', async () => {
    await scene({}, async ({ cluster, kafka }) => {
      cluster.createTopic('t', 1)
      const consumer = kafka.consumer()
      consumer.assign([{ topic: 't', partition: 0, position: 'earliest' }])
      const first = consumer.poll({ maxWaitMs: 100 })
      await expect(consumer.poll({ maxWaitMs: 100 })).rejects.toThrow(/one caller at a time/)
      expect(await first).toEqual([])
    })
  })

  test('an iterator gives records until the consumer is closed', async () => {
    await scene({}, async ({ cluster, kafka }) => {
      cluster.createTopic('t', 1)
      await kafka.producer().sendBatch(Array.from({ length: 7 }, (_, i) => ({ topic: 't', value: String(i) })))
      const consumer = kafka.consumer()
      consumer.assign([{ topic: 't', partition: 0, position: 'earliest' }])
      const seen: string[] = []
      for await (const record of consumer) {
        seen.push(String(record.value))
        if (seen.length === 7) await consumer.close()
      }
      expect(seen.join('')).toBe('0123456')
    })
  })
})

describe('failures', () => {
  test('the producer of a crashed leader goes on with the next one within a second', async () => {
    await scene({ nodes: 3 }, async ({ world, cluster, kafka }) => {
      const [partition] = cluster.createTopic('t', 1)
      const producer = kafka.producer()
      await producer.send({ topic: 't', value: 'before' })
      cluster.crash(1)
      const before = world.now
      await producer.send({ topic: 't', value: 'after' })
      expect(world.now - before).toBeLessThan(1000)
      expect(partition!.values).toEqual(['before', 'after'])
    })
  })

  test.each([1, 2, 3, 4, 5, 6, 7, 8])('nodes crash and answers lie: nothing is lost, doubled or reordered (seed %i)', async seed => {
    await scene({ seed, nodes: 3 }, async ({ world, cluster, kafka }) => {
      const partitions = cluster.createTopic('t', 4)
      const random = world.stream('faults')
      const faults = [errors.NOT_LEADER_OR_FOLLOWER, errors.NOT_ENOUGH_REPLICAS, errors.REQUEST_TIMED_OUT, errors.KAFKA_STORAGE_ERROR]
      cluster.faultOf = api => {
        if (random.integer(12) > 0) return undefined
        const errorCode = faults[random.integer(faults.length)]!
        return api === 'Produce' && errorCode !== errors.NOT_ENOUGH_REPLICAS && random.integer(2) === 0
          ? { errorCode, after: 'work' }
          : { errorCode }
      }
      let over = false
      const chaos = (async () => {
        const { clock } = world.env('chaos')
        while (!over) {
          const nodeId = 1 + random.integer(3)
          await sleep(clock, 200 + random.integer(500))
          cluster.crash(nodeId)
          await sleep(clock, 50 + random.integer(500))
          await cluster.restart(nodeId)
          const partition = partitions[random.integer(4)]!
          cluster.move(partition, 1 + random.integer(3))
        }
      })()
      const producer = kafka.producer({ batchBytes: 500 })
      const consumer = kafka.consumer()
      consumer.assign(partitions.map((_, partition) => ({ topic: 't', partition, position: 'earliest' })))
      const sent: Promise<unknown>[] = []
      const { clock } = world.env('client')
      const writing = (async () => {
        for (let i = 0; i < 600; i++) {
          sent.push(producer.send({ topic: 't', partition: i % 4, value: String(i) }))
          if (i % 5 === 0) await sleep(clock, random.integer(60))
        }
      })()
      const records = await read(consumer, 600)
      await writing
      await Promise.all(sent)
      over = true
      await chaos
      for (let partition = 0; partition < 4; partition++) {
        const expected = Array.from({ length: 150 }, (_, i) => String(i * 4 + partition))
        expect(partitions[partition]!.values).toEqual(expected)
        expect(records.filter(record => record.partition === partition).map(record => String(record.value))).toEqual(expected)
      }
    })
  })

  test('one seed tells one story', async () => {
    const play = async () => {
      const { world } = await scene({ seed: 99, nodes: 3 }, async ({ cluster, kafka }) => {
        cluster.createTopic('t', 3)
        const producer = kafka.producer()
        for (let i = 0; i < 20; i++) {
          await producer.send({ topic: 't', value: String(i) })
          if (i === 10) cluster.crash(2)
        }
        const consumer = kafka.consumer()
        consumer.assign([0, 1, 2].map(partition => ({ topic: 't', partition, position: 'earliest' })))
        return read(consumer, 20)
      })
      return world.trace.hash
    }
    expect(await play()).toBe(await play())
  })

  test('a broker that knows only old leaders does not lead the client back', async () => {
    await scene({ nodes: 2 }, async ({ cluster, kafka }) => {
      const [partition] = cluster.createTopic('t', 1)
      const producer = kafka.producer()
      await producer.send({ topic: 't', value: '1' })
      for (const nodeId of [1, 2]) cluster.stale.set(nodeId, new Map([['t-0', { leaderId: 1, leaderEpoch: 1 }]]))
      cluster.move(partition!, 2)
      const sending = producer.send({ topic: 't', value: '2' })
      await sleep(kafkaClock(cluster), 1000)
      cluster.stale.delete(2)
      await sending
      expect(partition!.values).toEqual(['1', '2'])
    })
  })

  test('a cluster that is not there yet is waited for', async () => {
    const world = new SimWorld(3)
    const cluster = new FakeCluster(world, 1)
    cluster.createTopic('t', 1)
    world.env('broker1')
    const result = await world.run(async () => {
      await using kafka = new Kafka(world.env('client'), { bootstrapServers: cluster.bootstrapServers })
      const sending = kafka.producer().send({ topic: 't', value: 'early' })
      await sleep(world.env('chaos').clock, 3000)
      await cluster.startAll()
      return await sending
    })
    expect(result.offset).toBe(0)
  })

  test('whoever waits holds the process, whoever does not lets go', async () => {
    const world = new SimWorld(3)
    world.env('broker1')
    const held: Held = { count: 0 }
    await world.run(async () => {
      await using kafka = new Kafka(world.env('client'), { bootstrapServers: 'broker1:9092' }, holding(held))
      const producer = kafka.producer({ metadataTimeoutMs: 1000 })
      const consumer = kafka.consumer()
      consumer.assign([{ topic: 't', partition: 0, position: { offset: 0 } }])
      expect(held.count).toBe(0)
      const outcomes = Promise.allSettled([
        producer.sendBatch([1, 2].map(() => ({ topic: 't', value: 'v' }))),
        consumer.poll({ maxWaitMs: 1000 }),
        kafka.admin({ timeoutMs: 1000 }).listTopics(),
      ])
      expect(held.count).toBe(3)
      await outcomes
      expect(held.count).toBe(0)
    })
  })

  test('a cluster that never comes is reported with the reason', async () => {
    const world = new SimWorld(3)
    world.env('broker1')
    await world.run(async () => {
      await using kafka = new Kafka(world.env('client'), { bootstrapServers: 'broker1:9092' })
      await expect(kafka.producer({ metadataTimeoutMs: 2000 }).send({ topic: 't', value: 'v' })).rejects.toThrow(/no broker answered/)
      await expect(kafka.admin({ timeoutMs: 2000 }).listTopics()).rejects.toThrow(/broker1:9092/)
      await expect(kafka.admin({ timeoutMs: 2000 }).createTopics([{ name: 't' }])).rejects.toThrow(
        /the controller was not found.*broker1:9092/,
      )
    })
  })

  test('an offset outside the log is thrown, or reset when that is asked for', async () => {
    await scene({}, async ({ cluster, kafka }) => {
      const [partition] = cluster.createTopic('t', 1)
      await kafka.producer({ batchBytes: 1 }).sendBatch(Array.from({ length: 5 }, (_, i) => ({ topic: 't', value: String(i) })))
      partition!.logStartOffset = 3
      partition!.batches.splice(0, 3)
      const strict = kafka.consumer()
      strict.assign([{ topic: 't', partition: 0, position: { offset: 1 } }])
      await expect(strict.poll({ maxWaitMs: 1000 })).rejects.toMatchObject({ code: errors.OFFSET_OUT_OF_RANGE })
      strict.seek({ topic: 't', partition: 0, position: { offset: 4 } })
      expect((await read(strict, 1))[0]!.offset).toBe(4)
      const lenient = kafka.consumer({ autoOffsetReset: 'earliest' })
      lenient.assign([{ topic: 't', partition: 0, position: { offset: 1 } }])
      expect((await read(lenient, 2)).map(({ offset }) => offset)).toEqual([3, 4])
    })
  })

  test('a node that is not the controller sends the admin to the one that is', async () => {
    await scene({ nodes: 3 }, async ({ cluster, kafka }) => {
      const admin = kafka.admin()
      await admin.describeCluster()
      await admin.createTopics([{ name: 'first', numPartitions: 1 }])
      cluster.controllerId = 3
      const [created] = await admin.createTopics([{ name: 'second', numPartitions: 2 }])
      expect(created).toMatchObject({ name: 'second', numPartitions: 2 })
      await expect(admin.createTopics([{ name: 'second' }])).rejects.toMatchObject({ code: errors.TOPIC_ALREADY_EXISTS })
    })
  })
})

describe('closing', () => {
  test('flushes what was given, lingering or not', async () => {
    await scene({}, async ({ world, cluster, kafka }) => {
      const [partition] = cluster.createTopic('t', 1)
      const producer = kafka.producer({ lingerMs: 60_000 })
      const sent = producer.send({ topic: 't', value: 'v' })
      const before = world.now
      await producer.close()
      expect((await sent).offset).toBe(0)
      expect(world.now - before).toBeLessThan(1000)
      expect(partition!.values).toEqual(['v'])
      await expect(producer.send({ topic: 't', value: 'late' })).rejects.toThrow(/closed/)
    })
  })

  test('gives up in time what no broker takes', async () => {
    await scene({}, async ({ cluster, kafka }) => {
      cluster.createTopic('t', 1)
      cluster.faultOf = () => ({ errorCode: errors.NOT_ENOUGH_REPLICAS })
      const producer = kafka.producer()
      const sent = producer.send({ topic: 't', value: 'v' })
      const outcome = expect(sent).rejects.toMatchObject({ code: errors.REQUEST_TIMED_OUT })
      await producer.close({ timeoutMs: 500 })
      await outcome
    })
  })

  test('ready holds a loop back until the buffer has room', async () => {
    await scene({}, async ({ cluster, kafka }) => {
      cluster.createTopic('t', 1)
      const producer = kafka.producer({ bufferBytes: 10_000 })
      let most = 0
      for (let i = 0; i < 500; i++) {
        await producer.ready()
        void producer.send({ topic: 't', value: 'x'.repeat(1000) })
        most = Math.max(most, producer.bufferedBytes)
      }
      await producer.flush()
      expect(most).toBeLessThan(12_000)
      expect(producer.bufferedBytes).toBe(0)
    })
  })

  test('a closed consumer ends its poll', async () => {
    await scene({}, async ({ cluster, kafka }) => {
      cluster.createTopic('t', 1)
      const consumer = kafka.consumer()
      consumer.assign([{ topic: 't', partition: 0, position: 'earliest' }])
      const polling = consumer.poll({ maxWaitMs: 60_000 })
      await consumer.close()
      expect(await polling).toEqual([])
      await expect(consumer.poll({ maxWaitMs: 1 })).rejects.toThrow(/closed/)
    })
  })
})

function kafkaClock(cluster: FakeCluster) {
  return cluster.world.env('chaos').clock
}
