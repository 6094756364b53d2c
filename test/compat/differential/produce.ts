// Produce: what is stored, what is refused, and with which code.
import { Produce } from '../../../src/protocol/api/00-produce.ts'
import { Fetch } from '../../../src/protocol/api/01-fetch.ts'
import * as batch from '../../../src/protocol/batch.ts'
import { ZERO_UUID } from '../../../src/util/uuid.ts'
import { altered, batchOf, damaged } from './batches.ts'
import type { Peer } from './peer.ts'
import { type Scenario, scenario } from './scenario.ts'

type Parts = readonly (readonly [index: number, records: Buffer])[]

/** Sends batches to the partitions of one topic. `topicId` is used from v13 on. */
function request(
  topic: { name: string; id: string },
  parts: Parts,
  o: { acks?: number; timeoutMs?: number; transactionalId?: string } = {},
) {
  return {
    transactionalId: o.transactionalId ?? null,
    acks: o.acks ?? -1,
    timeoutMs: o.timeoutMs ?? 10_000,
    topicData: [{ name: topic.name, topicId: topic.id, partitionData: parts.map(([index, records]) => ({ index, records })) }],
  }
}

/** Everything that is in a partition. */
async function readBack(peer: Peer, step: string, topic: string, partition = 0): Promise<void> {
  await peer.ask(`${step}, as stored`, Fetch, 11, {
    maxWaitMs: 0,
    minBytes: 0,
    maxBytes: 50_000_000,
    topics: [{ topic, partitions: [{ partition, fetchOffset: 0, partitionMaxBytes: 50_000_000 }] }],
  })
}

/** Null is not among them: Kafka never answers it. */
function malformed(base: number): Record<string, Buffer> {
  const good = batchOf(base, ['a', 'b'])
  const three = batchOf(base, ['a', 'b', 'c'])
  return {
    'no bytes': Buffer.alloc(0),
    'ten bytes': good.subarray(0, 10),
    'sixteen bytes': good.subarray(0, 16),
    'a header alone': good.subarray(0, 61),
    'a batch cut short': good.subarray(0, good.length - 1),
    'two batches': Buffer.concat([good, good]),
    'a batch and a cut one': Buffer.concat([good, good.subarray(0, 30)]),
    'a batch and five bytes': Buffer.concat([good, Buffer.alloc(5)]),
    'a batch and zeros': Buffer.concat([good, Buffer.alloc(40)]),
    'a wrong checksum': damaged(good, b => void (b[17]! ^= 1)),
    'a wrong byte in a record': damaged(good, b => void (b[b.length - 2]! ^= 1)),
    'magic 0': altered(good, b => void (b[16] = 0)),
    'magic 1': altered(good, b => void (b[16] = 1)),
    'magic 3': altered(good, b => void (b[16] = 3)),
    'magic -1': altered(good, b => void (b[16] = 255)),
    'length 0': damaged(good, b => batch.setLength(b, 0, 0)),
    'length -1': damaged(good, b => batch.setLength(b, 0, -1)),
    'length 14': damaged(good, b => batch.setLength(b, 0, 14)),
    'length 48': damaged(good, b => batch.setLength(b, 0, 48)),
    'length 49': damaged(good, b => batch.setLength(b, 0, 49)),
    'a length of 2 GB': damaged(good, b => batch.setLength(b, 0, 0x7fffffff)),
    'a base offset': altered(good, b => batch.setBaseOffset(b, 0, 5)),
    'a negative base offset': altered(good, b => batch.setBaseOffset(b, 0, -1)),
    'the control bit': altered(good, b => batch.setAttributes(b, 0, batch.CONTROL_BIT)),
    'the delete horizon bit': altered(good, b => batch.setAttributes(b, 0, batch.DELETE_HORIZON_BIT)),
    'an unused attribute bit': altered(good, b => batch.setAttributes(b, 0, 0x100)),
    'codec 5': altered(good, b => batch.setAttributes(b, 0, 5)),
    'codec 7': altered(good, b => batch.setAttributes(b, 0, 7)),
    'gzip that is none': altered(good, b => batch.setAttributes(b, 0, 1)),
    'count 0': altered(good, b => batch.setRecordCount(b, 0, 0)),
    'count -1': altered(good, b => batch.setRecordCount(b, 0, -1)),
    'count 3': altered(good, b => batch.setRecordCount(b, 0, 3)),
    'count and delta of 3, of two records': altered(good, b => {
      batch.setRecordCount(b, 0, 3)
      batch.setLastOffsetDelta(b, 0, 2)
    }),
    'count and delta of 2, of three records': altered(three, b => {
      batch.setRecordCount(b, 0, 2)
      batch.setLastOffsetDelta(b, 0, 1)
    }),
    'delta -1': altered(good, b => batch.setLastOffsetDelta(b, 0, -1)),
    'delta 5': altered(good, b => batch.setLastOffsetDelta(b, 0, 5)),
    'no records': batchOf(base, []),
    'a record longer than the batch': altered(good, b => void (b[61] = 100)),
    'a record too short for its fields': altered(good, b => void (b[61] = 4)),
    'a record of negative length': altered(good, b => void (b[61] = 3)),
    'a key length of -2': altered(good, b => void (b[65] = 3)),
    'a negative header count': altered(good, b => void (b[68] = 1)),
    'a record attribute': altered(good, b => void (b[62] = 1)),
    'a producer id without a sequence': altered(good, b => batch.setProducerId(b, 0, 77)),
    'an epoch and a sequence without a producer id': altered(good, b => {
      batch.setProducerEpoch(b, 0, 0)
      batch.setBaseSequence(b, 0, 0)
    }),
    'a leader epoch': damaged(good, b => batch.setLeaderEpoch(b, 0, 9)),
    'a maximum timestamp of -1': altered(good, b => batch.setMaxTimestamp(b, 0, -1)),
    'a maximum timestamp far ahead': altered(good, b => batch.setMaxTimestamp(b, 0, base + 1e12)),
    'no timestamps': batchOf(-1, ['a']),
    'a timestamp far ahead': batchOf(base + 30 * 3_600_000, ['a', 'b']),
    'a timestamp of 1970': batchOf(0, ['a']),
    'a timestamp below -1': batchOf(-5000, ['a']),
    'one timestamp of two far ahead': altered(good, b => batch.setBaseTimestamp(b, 0, base + 2 * 3_600_000 - 500 + 3_600_000)),
    good,
  }
}

const everyVersion = scenario('produce, every version', async peer => {
  const { baseTimeMs } = peer
  const good = batchOf(baseTimeMs, ['a', 'b'])
  for (const version of peer.versions(Produce)) {
    const name = `produce-${version}`
    const topic = { name, id: await peer.topic(name, { partitions: 2 }) }
    for (const acks of [-1, 1]) await peer.ask(`acks ${acks}`, Produce, version, request(topic, [[0, good]], { acks }))
    await peer.tell('acks 0', Produce, version, request(topic, [[0, good]], { acks: 0 }))
    await peer.tell('acks 0, no such partition', Produce, version, request(topic, [[7, good]], { acks: 0 }))
    await peer.tell('acks 0, a damaged batch', Produce, version, request(topic, [[0, damaged(good, b => void (b[17]! ^= 1))]], { acks: 0 }))
    await peer.tell('acks 0, one of two refused', Produce, version, request(topic, [[1, good], [7, good]], { acks: 0 })) // biome-ignore format: pairs
    for (const acks of [2, -2]) await peer.ask(`acks ${acks}`, Produce, version, request(topic, [[0, good]], { acks }))
    await peer.ask('acks 2, no such partition', Produce, version, request(topic, [[7, good]], { acks: 2 }))
    await peer.ask('acks 2, no batch', Produce, version, request(topic, [[0, Buffer.alloc(0)]], { acks: 2 }))
    await peer.ask('no such topic', Produce, version, request({ name: 'missing', id: 'AAAAAAAAAAAAAAAAAAAAZA' }, [[0, good]]))
    await peer.ask('no topic id', Produce, version, request({ name: 'missing', id: ZERO_UUID }, [[0, good]]))
    await peer.ask('no such partition', Produce, version, request(topic, [[2, good], [-1, good]])) // biome-ignore format: pairs
    await peer.ask('good and bad', Produce, version, request(topic, [[0, good], [9, good], [1, Buffer.alloc(3)]])) // biome-ignore format: pairs
    await peer.ask('no partitions', Produce, version, request(topic, []))
    await peer.ask('nothing', Produce, version, { ...request(topic, []), topicData: [] })
    await peer.ask('timeout 0', Produce, version, request(topic, [[0, good]], { timeoutMs: 0 }))
    await peer.ask('timeout -1', Produce, version, request(topic, [[0, good]], { timeoutMs: -1 }))
    for (const codec of [1, 2, 3, 4] as const) {
      await peer.ask(`codec ${codec}`, Produce, version, request(topic, [[0, batchOf(baseTimeMs, ['x'.repeat(200), 'y'], { codec })]]))
    }
    await peer.ask('two batches', Produce, version, request(topic, [[0, Buffer.concat([good, good])]]))
    await peer.ask('a batch cut short', Produce, version, request(topic, [[0, good.subarray(0, 70)]]))
    await readBack(peer, `version ${version}`, name)
  }
})

const oddRequests = scenario('produce, odd requests', async peer => {
  const { baseTimeMs } = peer
  const topic = { name: 'odd', id: await peer.topic('odd', { partitions: 2 }) }
  for (const version of [9, 13]) {
    const one = request(topic, [[0, batchOf(baseTimeMs, ['a'])]])
    await peer.ask('a partition twice', Produce, version, request(topic, [[0, batchOf(baseTimeMs, ['b'])], [0, batchOf(baseTimeMs, ['c'])]])) // biome-ignore format: pairs
    await peer.ask('a topic twice', Produce, version, { ...one, topicData: [...one.topicData, ...one.topicData] })
    await peer.ask('a transactional id', Produce, version, request(topic, [[0, batchOf(baseTimeMs, ['d'])]], { transactionalId: 't' }))
    const transactional = batchOf(baseTimeMs, ['e'], { transactional: true, producerId: 5, producerEpoch: 0, baseSequence: 0 })
    await peer.ask('a transactional batch', Produce, version, request(topic, [[1, transactional]], { transactionalId: 't' }))
    await peer.ask('a transactional batch without an id', Produce, version, request(topic, [[1, transactional]]))
  }
  await readBack(peer, 'the topic', 'odd')
  await peer.ask('an internal topic', Produce, 9, request({ name: '__consumer_offsets', id: ZERO_UUID }, [[0, batchOf(baseTimeMs, ['a'])]]))
})

const malformedBatches = scenario('produce, malformed batches', async peer => {
  const topics = { plain: {}, stamped: { 'message.timestamp.type': 'LogAppendTime' }, packed: { 'compression.type': 'gzip' } }
  for (const [name, configs] of Object.entries(topics)) {
    const cases = Object.entries(malformed(peer.baseTimeMs))
    const topic = { name, id: await peer.topic(name, { configs, partitions: cases.length }) }
    for (const [partition, [what, bytes]] of cases.entries()) {
      for (const version of [3, 7, 8, 13]) await peer.ask(`${name}, ${what}`, Produce, version, request(topic, [[partition, bytes]]))
      await readBack(peer, `${name}, ${what}`, name, partition)
    }
  }
})

const topicConfigs = scenario('produce, topic configs', async peer => {
  const { baseTimeMs } = peer
  const send = async (step: string, topic: { name: string; id: string }, bytes: Buffer, acks = -1) => {
    for (const version of [3, 9, 13]) await peer.ask(`${step}`, Produce, version, request(topic, [[0, bytes]], { acks }))
  }
  const small = { name: 'small', id: await peer.topic('small', { configs: { 'max.message.bytes': '1000' } }) }
  await send('a batch of exactly the limit', small, batchOf(baseTimeMs, ['x'.repeat(1000 - 61 - 10)]))
  await send('a batch over the limit by one', small, batchOf(baseTimeMs, ['x'.repeat(1000 - 61 - 8)]))
  await send('a batch over the limit', small, batchOf(baseTimeMs, ['x'.repeat(2000)]))
  await send('a batch over the limit, not compressed', small, batchOf(baseTimeMs, ['x'.repeat(2000)], { codec: 1 }))
  await send(
    'too large and damaged',
    small,
    damaged(batchOf(baseTimeMs, ['x'.repeat(2000)]), b => void (b[17]! ^= 1)),
  )
  await readBack(peer, 'small', 'small')

  const segments = { 'segment.bytes': '1048576', 'max.message.bytes': '3000000' }
  const tight = { name: 'tight', id: await peer.topic('tight', { configs: segments }) }
  await send('a batch larger than a segment', tight, batchOf(baseTimeMs, ['x'.repeat(2_000_000)]))
  await readBack(peer, 'tight', 'tight')

  const careful = { name: 'careful', id: await peer.topic('careful', { configs: { 'min.insync.replicas': '2' } }) }
  for (const acks of [-1, 0x0001])
    await send(`more replicas wanted than there are, acks ${acks}`, careful, batchOf(baseTimeMs, ['a']), acks)

  const window = { 'message.timestamp.before.max.ms': '86400000', 'message.timestamp.after.max.ms': '60000' }
  const timed = { name: 'timed', id: await peer.topic('timed', { configs: window }) }
  await send('too old', timed, batchOf(baseTimeMs - 25 * 3_600_000, ['a', 'b', 'c']))
  await send('half of it too old', timed, batchOf(baseTimeMs - 22 * 3_600_000 - 2000, ['a', 'b', 'c']))
  await send('ahead by an hour', timed, batchOf(baseTimeMs + 3 * 3_600_000, ['a']))
  await send('without a time', timed, batchOf(-1, ['a']))
  await send('compressed and too old', timed, batchOf(baseTimeMs - 25 * 3_600_000, ['a', 'b'], { codec: 2 }))
  await readBack(peer, 'timed', 'timed')

  const stamped = { name: 'stamp', id: await peer.topic('stamp', { configs: { 'message.timestamp.type': 'LogAppendTime' } }) }
  for (const codec of [0, 1, 2, 3, 4] as const) await send(`stamped, codec ${codec}`, stamped, batchOf(0, ['a', 'b'], { codec }))
  const claimed = altered(batchOf(baseTimeMs, ['a']), b => batch.setAttributes(b, 0, batch.LOG_APPEND_TIME_BIT))
  await send('stamped by the client', stamped, claimed)
  const plain = { name: 'plain-time', id: await peer.topic('plain-time') }
  await send('stamped by the client, on a CreateTime topic', plain, claimed)
  await readBack(peer, 'stamp', 'stamp')
  await readBack(peer, 'plain-time', 'plain-time')

  for (const target of ['uncompressed', 'gzip', 'snappy', 'lz4', 'zstd']) {
    const name = `to-${target}`
    const topic = { name, id: await peer.topic(name, { configs: { 'compression.type': target } }) }
    for (const codec of [0, 1, 2, 3, 4] as const) {
      const identity = { producerId: 900 + codec, producerEpoch: 3, baseSequence: 10 }
      await peer.ask(
        `${name} from ${codec}`,
        Produce,
        9,
        request(topic, [[0, batchOf(baseTimeMs, ['a', 'b'.repeat(500)], { codec, ...identity })]]),
      )
    }
    await readBack(peer, name, name)
  }
})

const gaps = scenario('produce, offsets with gaps', async peer => {
  const { baseTimeMs } = peer
  const topic = { name: 'gaps', id: await peer.topic('gaps', { partitions: 1 }) }
  const gapped = altered(batchOf(baseTimeMs, ['a', 'b', 'c']), b => {
    // The offset deltas of the second and third record become 2 and 4.
    b[73] = 4
    b[82] = 8
  })
  await peer.ask('uncompressed', Produce, 9, request(topic, [[0, gapped]]))
  await peer.ask('and one more', Produce, 9, request(topic, [[0, batchOf(baseTimeMs, ['d'])]]))
  await readBack(peer, 'gaps', 'gaps')
})

/** [producer, epoch, first sequence, records], to one partition in this order. */
const SEQUENCES: readonly (readonly [what: string, producerId: number, epoch: number, sequence: number, count: number])[] = [
  ['the first', 1, 0, 0, 2],
  ['the second', 1, 0, 2, 1],
  ['the second again', 1, 0, 2, 1],
  ['the first again', 1, 0, 0, 2],
  ['the first with another end', 1, 0, 0, 1],
  ['the first two at once', 1, 0, 0, 3],
  ['a gap', 1, 0, 5, 1],
  ['the third', 1, 0, 3, 1],
  ['the fourth', 1, 0, 4, 1],
  ['the fifth', 1, 0, 5, 1],
  ['the first again, still remembered', 1, 0, 0, 2],
  ['the sixth', 1, 0, 6, 1],
  ['the first again, forgotten', 1, 0, 0, 2],
  ['the second again, remembered', 1, 0, 2, 1],
  ['a new epoch in the middle', 1, 1, 7, 1],
  ['a new epoch', 1, 1, 0, 1],
  ['a new epoch again', 1, 1, 0, 1],
  ['an old epoch', 1, 0, 7, 1],
  ['an old epoch, a known batch', 1, 0, 6, 1],
  ['an epoch far ahead', 1, 100, 0, 1],
  ['the last epoch', 1, 32767, 0, 1],
  ['the last epoch goes on', 1, 32767, 1, 1],
  ['an unknown producer in the middle', 2, 3, 100, 1],
  ['and it goes on', 2, 3, 101, 1],
  ['an unknown producer near the end', 3, 0, 2147483645, 2],
  ['the last sequence', 3, 0, 2147483647, 1],
  ['zero after the last', 3, 0, 0, 1],
  ['one after zero', 3, 0, 1, 1],
  ['a batch across the end', 4, 0, 2147483646, 4],
  ['what follows it', 4, 0, 2, 1],
  ['the same across the end again', 4, 0, 2147483646, 4],
  ['a negative epoch', 5, -1, 0, 1],
  ['a negative sequence', 6, 0, -1, 1],
  ['a negative sequence of a known one', 1, 32767, -2, 1],
  ['no producer', -1, -1, -1, 1],
  ['no producer but a sequence', -1, 5, 7, 1],
  ['a large producer id', 2 ** 40, 0, 0, 1],
]

const idempotence = scenario('produce, sequences', async peer => {
  for (const version of [3, 9, 12, 13]) {
    const name = `sequences-${version}`
    // Each producer has its own partition.
    const topic = { name, id: await peer.topic(name, { partitions: 8 }) }
    for (const [what, producerId, producerEpoch, baseSequence, count] of SEQUENCES) {
      const values = Array.from({ length: count }, (_, i) => `${what} ${i}`)
      const bytes = batchOf(peer.baseTimeMs, values, { producerId, producerEpoch, baseSequence })
      await peer.ask(
        what,
        Produce,
        version,
        request(topic, [[producerId < 0 || producerId > 6 ? 7 : producerId, bytes]], { acks: version === 9 ? 1 : -1 }),
      )
    }
    for (let partition = 0; partition < 8; partition++) await readBack(peer, `${name}-${partition}`, name, partition)
  }
  const stamped = {
    name: 'sequences-stamped',
    id: await peer.topic('sequences-stamped', { configs: { 'message.timestamp.type': 'LogAppendTime' } }),
  }
  for (const turn of ['once', 'again']) {
    const bytes = batchOf(peer.baseTimeMs, ['a'], { producerId: 9, producerEpoch: 0, baseSequence: 0 })
    await peer.ask(`stamped, ${turn}`, Produce, 9, request(stamped, [[0, bytes]]))
  }
})

export const PRODUCE: readonly Scenario[] = [everyVersion, oddRequests, malformedBatches, topicConfigs, gaps, idempotence]
