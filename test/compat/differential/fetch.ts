// Fetch: bounds, limits, waiting, epochs, and sessions.
import { Produce } from '../../../src/protocol/api/00-produce.ts'
import { Fetch } from '../../../src/protocol/api/01-fetch.ts'
import { DeleteTopics } from '../../../src/protocol/api/20-delete-topics.ts'
import { DescribeTopicPartitions } from '../../../src/protocol/api/75-describe-topic-partitions.ts'
import type { RequestIn } from '../../../src/protocol/schema.ts'
import { ZERO_UUID } from '../../../src/util/uuid.ts'
import { batchOf } from './batches.ts'
import type { Peer } from './peer.ts'
import { type Scenario, scenario } from './scenario.ts'

type Wish = Partial<RequestIn<typeof Fetch>['topics'][number]['partitions'][number]>
type Rest = Partial<Omit<RequestIn<typeof Fetch>, 'topics'>>
interface Topic {
  readonly name: string
  readonly id: string
}

function request(topic: Topic, wishes: readonly Wish[], rest: Rest = {}): RequestIn<typeof Fetch> {
  const partitions = wishes.map(wish => ({ partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000_000, ...wish }))
  return { ...BOUNDS, ...rest, topics: partitions.length === 0 ? [] : [{ topic: topic.name, topicId: topic.id, partitions }] }
}

const BOUNDS = { maxWaitMs: 0, minBytes: 1, maxBytes: 10_000_000 }
const MISSING: Topic = { name: 'missing', id: 'AAAAAAAAAAAAAAAAAAAAZA' }

async function append(peer: Peer, topic: Topic, partition: number, bytes: Buffer): Promise<void> {
  const answer = await peer.quietly(Produce, 9, {
    acks: -1,
    timeoutMs: 10_000,
    topicData: [{ name: topic.name, partitionData: [{ index: partition, records: bytes }] }],
  })
  const { errorCode } = answer!.responses[0]!.partitionResponses[0]!
  if (errorCode !== 0) throw new Error(`append to ${topic.name}-${partition}: error ${errorCode}`)
}

/** Ten batches of three records in partitions 0 and 1; partition 2 stays empty. */
async function filled(peer: Peer, name: string): Promise<Topic> {
  const topic = { name, id: await peer.topic(name, { partitions: 3 }) }
  for (let nth = 0; nth < 10; nth++) {
    const values = [0, 1, 2].map(i => `${nth}-${i}-${'x'.repeat(100)}`)
    for (const partition of [0, 1]) {
      await append(peer, topic, partition, batchOf(peer.baseTimeMs + nth * 10_000, values, { codec: nth % 4 === 3 ? 1 : 0 }))
    }
  }
  return topic
}

const WISHES: Readonly<Record<string, readonly Wish[]>> = {
  'from the start': [{}],
  'in the middle of a batch': [{ fetchOffset: 4 }],
  'the last record': [{ fetchOffset: 29 }],
  'at the end': [{ fetchOffset: 30 }],
  'beyond the end': [{ fetchOffset: 31 }],
  'far beyond': [{ fetchOffset: 2 ** 40 }],
  'a negative offset': [{ fetchOffset: -1 }],
  'offset -2': [{ fetchOffset: -2 }],
  'an empty partition': [{ partition: 2 }],
  'beyond an empty partition': [{ partition: 2, fetchOffset: 1 }],
  'no such partition': [{ partition: 3 }],
  'partition -1': [{ partition: -1 }],
  'good, missing, good': [{}, { partition: 9 }, { partition: 1, fetchOffset: 27 }],
  'a small partition limit': [{ partitionMaxBytes: 1, fetchOffset: 3 }],
  'a partition limit of 0': [{ partitionMaxBytes: 0 }],
  'a negative partition limit': [{ partitionMaxBytes: -1 }],
  'two small partition limits': [{ partitionMaxBytes: 1 }, { partition: 1, partitionMaxBytes: 1 }],
  'an empty one first, then a small limit': [{ partition: 2 }, { partition: 1, partitionMaxBytes: 1 }],
  'the same partition twice': [{ fetchOffset: 27 }, { fetchOffset: 29 }],
  'the epoch of the leader': [{ currentLeaderEpoch: 0, fetchOffset: 27 }],
  'an epoch ahead': [{ currentLeaderEpoch: 5 }],
  'epoch -2': [{ currentLeaderEpoch: -2, fetchOffset: 27 }],
  'an epoch ahead, beyond the end': [{ currentLeaderEpoch: 5, fetchOffset: 99 }],
  'last fetched epoch 0': [{ lastFetchedEpoch: 0, fetchOffset: 27 }],
  'last fetched epoch 0, at the end': [{ lastFetchedEpoch: 0, fetchOffset: 30 }],
  'last fetched epoch 0, beyond the end': [{ lastFetchedEpoch: 0, fetchOffset: 40 }],
  'last fetched epoch ahead': [{ lastFetchedEpoch: 7, fetchOffset: 27 }],
  'last fetched epoch ahead, beyond the end': [{ lastFetchedEpoch: 7, fetchOffset: 40 }],
  'last fetched epoch -2': [{ lastFetchedEpoch: -2, fetchOffset: 27 }],
  'last fetched epoch of an empty partition': [{ partition: 2, lastFetchedEpoch: 0 }],
  'last fetched epoch and a negative offset': [{ lastFetchedEpoch: 0, fetchOffset: -1 }],
}

const LIMITS: Readonly<Record<string, Rest>> = {
  'max bytes 1': { maxBytes: 1 },
  'max bytes 0': { maxBytes: 0 },
  'max bytes -1': { maxBytes: -1 },
  'max bytes 500': { maxBytes: 500 },
  'max bytes of one partition and a bit': { maxBytes: 3300 },
  'min bytes 0': { minBytes: 0 },
  'min bytes -1': { minBytes: -1 },
  'isolation level 1': { isolationLevel: 1 },
  'isolation level 2': { isolationLevel: 2 },
  'a negative wait': { maxWaitMs: -5, minBytes: 1_000_000 },
  'a rack': { rackId: 'somewhere' },
}

const reading = scenario('fetch, every version', async peer => {
  const topic = await filled(peer, 'fetched')
  for (const version of peer.versions(Fetch)) {
    for (const [what, wishes] of Object.entries(WISHES)) await peer.ask(what, Fetch, version, request(topic, wishes))
    for (const [what, rest] of Object.entries(LIMITS)) await peer.ask(what, Fetch, version, request(topic, [{}, { partition: 1 }], rest))
    await peer.ask('no such topic', Fetch, version, request(MISSING, [{}]))
    await peer.ask('no topic id', Fetch, version, request({ name: '', id: ZERO_UUID }, [{}]))
    await peer.ask('nothing', Fetch, version, request(topic, []))
    const both = request(topic, [{ fetchOffset: 27 }])
    await peer.ask('a missing topic among others', Fetch, version, { ...both, topics: [...request(MISSING, [{}]).topics, ...both.topics] })
    await peer.ask('a topic without partitions', Fetch, version, {
      ...both,
      topics: [{ topic: topic.name, topicId: topic.id, partitions: [] }],
    })
  }
})

const waiting = scenario('fetch, waiting', async peer => {
  const topic = await filled(peer, 'awaited')
  const step = async (what: string, version: number, wishes: readonly Wish[], rest: Rest, meanwhile?: () => Promise<void>) => {
    const waited = await peer.timed(async () => {
      const answer = peer.ask(what, Fetch, version, request(topic, wishes, rest))
      await meanwhile?.()
      await answer
    })
    const { maxWaitMs = 0 } = rest
    peer.record(`${what} v${version}: waited`, waited >= maxWaitMs - 5 ? 'to the end' : 'less')
  }
  for (const version of [4, 11, 12, 17]) {
    await step('too few bytes', version, [{ fetchOffset: 27 }], { maxWaitMs: 300, minBytes: 100_000 })
    await step('enough bytes', version, [{ fetchOffset: 27 }], { maxWaitMs: 2000, minBytes: 10 })
    await step('nothing there', version, [{ fetchOffset: 30 }], { maxWaitMs: 300 })
    await step('nothing there and nothing wanted', version, [{ fetchOffset: 30 }], { maxWaitMs: 2000, minBytes: 0 })
    await step('an error beside', version, [{ fetchOffset: 30 }, { partition: 9 }], { maxWaitMs: 400 })
    await step('out of range beside', version, [{ fetchOffset: 30 }, { partition: 1, fetchOffset: 99 }], { maxWaitMs: 2000 })
    await step('min bytes above max bytes', version, [{}], { maxWaitMs: 2000, minBytes: 1_000_000, maxBytes: 500 })
    await step('min bytes above the partition limit', version, [{ partitionMaxBytes: 100 }], { maxWaitMs: 300, minBytes: 10_000 })
    await step('no partitions', version, [], { maxWaitMs: 2000 })
    await step('a diverging epoch', version, [{ lastFetchedEpoch: 7, fetchOffset: 30 }], { maxWaitMs: 300 })
    await step('an epoch ahead', version, [{ currentLeaderEpoch: 7, fetchOffset: 30 }], { maxWaitMs: 2000 })
  }
})

const sessions = scenario('fetch, sessions', async peer => {
  const topic = await filled(peer, 'sessions')
  const other = { name: 'sessions-other', id: await peer.topic('sessions-other') }
  for (const version of peer.versions(Fetch).filter(each => each >= 7)) {
    const ask = async (step: string, wishes: readonly Wish[], rest: Rest) => peer.ask(step, Fetch, version, request(topic, wishes, rest))
    await ask('sessionless', [{ fetchOffset: 29 }], { sessionId: 0, sessionEpoch: -1 })
    await ask('sessionless with an unknown id', [{ fetchOffset: 29 }], { sessionId: 77, sessionEpoch: -1 })
    await ask('an unknown session', [{ fetchOffset: 29 }], { sessionId: 77, sessionEpoch: 1 })
    await ask('no session but an epoch', [{ fetchOffset: 29 }], { sessionId: 0, sessionEpoch: 1 })
    await ask('epoch -2', [{ fetchOffset: 29 }], { sessionId: 0, sessionEpoch: -2 })
    await ask('a new session with an unknown id', [{ fetchOffset: 29 }], { sessionId: 77, sessionEpoch: 0 })
    await ask('a new session without partitions', [], { sessionId: 0, sessionEpoch: 0 })
    const wishes = [{ fetchOffset: 29 }, { partition: 1, fetchOffset: 30 }, { partition: 9 }]
    const opened = await ask('a new session', wishes, { sessionId: 0, sessionEpoch: 0 })
    const sessionId = opened!.sessionId
    const go = (step: string, epoch: number, more: readonly Wish[], rest: Rest = {}) =>
      ask(step, more, { sessionId, sessionEpoch: epoch, ...rest })
    await go('the session goes on', 1, [])
    await go('one has new data', 2, [{ partition: 1, fetchOffset: 29 }])
    await go('a wrong epoch', 9, [])
    await go('the epoch before', 2, [])
    await go('nothing new', 3, [
      { partition: 0, fetchOffset: 30 },
      { partition: 1, fetchOffset: 30 },
    ])
    await go('an empty partition is added', 4, [{ partition: 2 }])
    await go('the empty partition again', 5, [])
    const forgotten = [{ topic: topic.name, topicId: topic.id, partitions: [2, 9] }]
    await go('two are forgotten', 6, [], { forgottenTopicsData: forgotten })
    await go('unknown ones are forgotten', 7, [], { forgottenTopicsData: [{ topic: MISSING.name, topicId: MISSING.id, partitions: [1] }] })
    await peer.ask('another topic is added', Fetch, version, {
      ...request(other, [{}], { sessionId, sessionEpoch: 8 }),
    })
    await peer.ask('a missing topic is added', Fetch, version, { ...request(MISSING, [{}], { sessionId, sessionEpoch: 9 }) })
    await go('the missing topic is told again', 10, [])
    await go('forgotten and asked for at once', 11, [{ fetchOffset: 29 }], {
      forgottenTopicsData: [{ topic: topic.name, topicId: topic.id, partitions: [0] }],
    })
    if (version === 12) await peer.ask('by id in a session by name', Fetch, 13, request(topic, [], { sessionId, sessionEpoch: 12 }))
    if (version === 13) await peer.ask('by name in a session by id', Fetch, 12, request(topic, [], { sessionId, sessionEpoch: 12 }))
    await go('the session is closed', -1, [])
    await go('the session after its close', 12, [])

    const small = await ask('a session for one', [{ fetchOffset: 30 }], { sessionId: 0, sessionEpoch: 0 })
    await ask('its last partition is forgotten', [], {
      sessionId: small!.sessionId,
      sessionEpoch: 1,
      forgottenTopicsData: [{ topic: topic.name, topicId: topic.id, partitions: [0] }],
    })
    await ask('an emptied session', [], { sessionId: small!.sessionId, sessionEpoch: 2 })
  }
})

/** What wakes a fetch that waits, and what does not. */
const waking = scenario('fetch, woken', async peer => {
  const topic = await filled(peer, 'woken')
  const other = peer.beside()
  let end = 30
  for (const version of [4, 12, 17]) {
    const parked = async (what: string, wishes: readonly Wish[], rest: Rest, meanwhile: () => Promise<unknown>) => {
      const waited = await peer.timed(async () => {
        const answer = peer.ask(what, Fetch, version, request(topic, wishes, rest))
        await other.pause(150)
        await meanwhile()
        await answer
      })
      const { maxWaitMs = 0 } = rest
      peer.record(`${what} v${version}: waited`, waited >= maxWaitMs - 5 ? 'to the end' : 'less')
    }
    const one = batchOf(peer.baseTimeMs, ['x'.repeat(100)])
    await parked('by a record', [{ fetchOffset: end }], { maxWaitMs: 3000 }, () => append(other, topic, 0, one))
    await parked('by enough records', [{ fetchOffset: end + 1 }], { maxWaitMs: 3000, minBytes: 300 }, async () => {
      await append(other, topic, 0, one)
      await append(other, topic, 0, one)
    })
    await parked(
      'by records in two partitions',
      [{ fetchOffset: end + 3 }, { partition: 2 }],
      { maxWaitMs: 3000, minBytes: 300 },
      async () => {
        await append(other, topic, 0, one)
        if (version === 4) await append(other, topic, 2, batchOf(peer.baseTimeMs, ['x'.repeat(200)]))
      },
    )
    await parked('not by too little', [{ fetchOffset: end + 4 }], { maxWaitMs: 500, minBytes: 10_000 }, () => append(other, topic, 0, one))
    await parked('not by another partition', [{ fetchOffset: end + 5 }], { maxWaitMs: 500 }, () => append(other, topic, 1, one))
    end += 5
  }
  other.close()
})

/** Topics go, and come back under the same name. */
const deleted = scenario('fetch, of a topic that goes', async peer => {
  for (const version of [12, 13, 17]) {
    const name = `goes-${version}`
    const topic = { name, id: await peer.topic(name) }
    await append(peer, topic, 0, batchOf(peer.baseTimeMs, ['a', 'b']))
    const opened = await peer.ask('there', Fetch, version, request(topic, [{}], { sessionId: 0, sessionEpoch: 0 }))
    const { sessionId } = opened!
    const go = (step: string, epoch: number, wishes: readonly Wish[] = [], of = topic) =>
      peer.ask(step, Fetch, version, request(of, wishes, { sessionId, sessionEpoch: epoch }))
    await go('read', 1, [{ fetchOffset: 2 }])
    await peer.quietly(DeleteTopics, 6, { topics: [{ name, topicId: ZERO_UUID }], timeoutMs: 10_000 })
    await peer.eventually('it is gone', async () => {
      const seen = await peer.quietly(DescribeTopicPartitions, 0, { topics: [{ name }], cursor: null })
      return seen?.topics[0]?.errorCode === 3
    })
    await peer.pause(100)
    await go('gone', 2)
    await go('still gone', 3)
    const again = { name, id: await peer.topic(name) }
    await go('back, not asked for', 4)
    await go('back, asked for', 5, [{}], again)
    await append(peer, again, 0, batchOf(peer.baseTimeMs, ['c']))
    await go('back, with a record', 6)
    await peer.ask(`by the old id ${version}`, Fetch, 13, request(topic, [{}]))
  }
})

/** Who returned data goes to the end of the line. */
const fairness = scenario('fetch, order in a session', async peer => {
  const topic = await filled(peer, 'fair')
  const first = await peer.ask(
    'opened',
    Fetch,
    12,
    request(topic, [{}, { partition: 1 }], { sessionId: 0, sessionEpoch: 0, maxBytes: 400 }),
  )
  for (const epoch of [1, 2, 3]) {
    await peer.ask(`round ${epoch}`, Fetch, 12, request(topic, [], { sessionId: first!.sessionId, sessionEpoch: epoch, maxBytes: 400 }))
  }
})

export const FETCH: readonly Scenario[] = [reading, waiting, waking, sessions, deleted, fairness]
