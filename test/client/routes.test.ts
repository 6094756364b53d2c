import { describe, expect, test } from 'vitest'
import { Kafka } from '../../src/client/kafka.ts'
import { partitionForKey, type StickyState, stickyPartition } from '../../src/client/partitioner.ts'
import { asksForMetadata, backoffMs } from '../../src/client/retry.ts'
import * as errors from '../../src/protocol/errors.ts'
import { HandWorld } from '../net/fake-world.ts'

describe('the partitioner', () => {
  test.each([
    // org.apache.kafka.common.utils.UtilsTest.testMurmur2: the hash, made positive.
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ])('puts the key %s where Java puts it', (key, hash) => {
    for (const count of [1, 3, 10, 1000]) expect(partitionForKey(Buffer.from(key), count)).toBe((hash & 0x7fffffff) % count)
  })

  test('sticks to a partition for a batch, then takes another one that has a leader', () => {
    const sticky: StickyState = { partition: -1, bytesLeft: 0 }
    const next = (led: number[]) =>
      stickyPartition(
        sticky,
        { sizeBytes: 40, batchBytes: 100 },
        5,
        () => led,
        () => 0,
      )
    expect([next([2, 4]), next([2, 4]), next([2, 4]), next([2, 4])]).toEqual([2, 2, 2, 4])
    sticky.bytesLeft = 0
    expect(next([4])).toBe(4)
    sticky.bytesLeft = 0
    expect(next([])).toBe(0)
  })
})

describe('retries', () => {
  test('wait longer each time, up to the maximum, spread by a fifth', () => {
    const backoff = { initialMs: 100, maxMs: 1000 }
    expect([1, 2, 3, 4, 5, 6, 500].map(attempts => backoffMs(backoff, attempts, 0.5))).toEqual([100, 200, 400, 800, 1000, 1000, 1000])
    expect([backoffMs(backoff, 1, 0), backoffMs(backoff, 1, 0.999999)].map(Math.round)).toEqual([80, 120])
  })

  test('every error that asks for metadata may pass', () => {
    for (const code of errors.ERROR_CODES) if (asksForMetadata(code)) expect([code, errors.isRetriable(code)]).toEqual([code, true])
  })
})

describe('settings', () => {
  const kafka = (bootstrapServers: string | string[]) => new Kafka(new HandWorld().env, { bootstrapServers })

  test.each(['localhost:9092', 'a:1,b:2', ' a:1 , b:2 ', '[::1]:9092', 'x.y-z.example:65535'])('%s names servers', servers => {
    expect(() => kafka(servers)).not.toThrow()
  })

  test.each(['', 'localhost', 'a:0', 'a:65536', 'a:b', '::1:9092', 'http://a:1'])("'%s' names none", servers => {
    expect(() => kafka(servers)).toThrow(RangeError)
  })

  test('a producer that cannot be what it is asked to be is refused', () => {
    expect(() => kafka('a:1').producer({ acks: 1, idempotent: true })).toThrow(/needs acks -1/)
    expect(() => kafka('a:1').producer({ acks: 'all' as unknown as -1 })).toThrow(/acks is -1/)
    expect(() => kafka('a:1').producer({ maxInFlightRequests: 6 })).toThrow(/between 1 and 5/)
    expect(() => kafka('a:1').producer({ compression: 'brotli' as 'gzip' })).toThrow(/one of none, gzip/)
  })

  test('an offset below 0 is refused', () => {
    const consumer = kafka('a:1').consumer()
    expect(() => consumer.assign([{ topic: 't', partition: 0, position: { offset: -1 } }])).toThrow(RangeError)
    expect(() => consumer.seek({ topic: 't', partition: 0, position: 'latest' })).toThrow(/not assigned/)
  })
})
