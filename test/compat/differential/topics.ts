// CreateTopics, DeleteTopics, CreatePartitions.
import { CreateTopics } from '../../../src/protocol/api/19-create-topics.ts'
import { DeleteTopics } from '../../../src/protocol/api/20-delete-topics.ts'
import { CreatePartitions } from '../../../src/protocol/api/37-create-partitions.ts'
import { DescribeTopicPartitions } from '../../../src/protocol/api/75-describe-topic-partitions.ts'
import type { RequestIn } from '../../../src/protocol/schema.ts'
import { ZERO_UUID } from '../../../src/util/uuid.ts'
import type { Peer } from './peer.ts'
import { type Scenario, scenario } from './scenario.ts'

type NewTopic = RequestIn<typeof CreateTopics>['topics'][number]

const plain = { numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }
const counted = (numPartitions: number, replicationFactor: number) => ({ ...plain, numPartitions, replicationFactor })
const assigned = (...brokers: readonly (readonly [number, readonly number[]])[]) => ({
  ...counted(-1, -1),
  assignments: brokers.map(([partitionIndex, brokerIds]) => ({ partitionIndex, brokerIds })),
})
const configured = (...configs: readonly (readonly [string, string | null])[]) => ({
  ...plain,
  configs: configs.map(([name, value]) => ({ name, value })),
})

const WISHES: Readonly<Record<string, Omit<NewTopic, 'name'>>> = {
  'one partition': plain,
  'three partitions': counted(3, 1),
  defaults: counted(-1, -1),
  'default partitions': counted(-1, 1),
  'default replicas': counted(2, -1),
  'no partitions': counted(0, 1),
  'partitions -2': counted(-2, 1),
  'no replicas': counted(1, 0),
  'replicas -2': counted(1, -2),
  'too many replicas': counted(1, 2),
  'no partitions and no replicas': counted(0, 0),
  'too many partitions': counted(10_001, 1),
  'assigned by hand': assigned([0, [1]], [1, [1]]),
  'assigned in another order': assigned([1, [1]], [0, [1]]),
  'assigned with a gap': assigned([0, [1]], [2, [1]]),
  'assigned from 1': assigned([1, [1]]),
  'assigned negative': assigned([-1, [1]], [0, [1]]),
  'assigned twice': assigned([0, [1]], [0, [1]]),
  'assigned to nobody': assigned([0, []]),
  'assigned to a missing broker': assigned([0, [9]]),
  'assigned to broker -1': assigned([0, [-1]]),
  'assigned to one broker twice': assigned([0, [1, 1]]),
  'assigned unevenly': assigned([0, [1]], [1, [1, 9]]),
  'assigned and counted': { ...assigned([0, [1]]), numPartitions: 1 },
  'assigned and replicated': { ...assigned([0, [1]]), replicationFactor: 1 },
  'assigned, counted and replicated': { ...assigned([0, [1]]), numPartitions: 1, replicationFactor: 1 },
  'a config': configured(['retention.ms', '1000']),
  'several configs': configured(['retention.ms', '-1'], ['segment.bytes', '1048576'], ['message.timestamp.type', 'LogAppendTime']),
  'a config of the wrong type': configured(['retention.ms', 'soon']),
  'a config out of bounds': configured(['retention.ms', '-2']),
  'a segment too small': configured(['segment.bytes', '1000']),
  'an unknown config': configured(['no.such.key', '1']),
  'a broker config': configured(['num.partitions', '1']),
  'a null config': configured(['retention.ms', null]),
  'a config twice': configured(['retention.ms', '1'], ['retention.ms', '2']),
  'an empty config value': configured(['cleanup.policy', '']),
  'an unknown policy': configured(['cleanup.policy', 'keep']),
  'an unknown codec': configured(['compression.type', 'brotli']),
  'a config with spaces': configured(['retention.ms', ' 5000 ']),
  'a boolean config': configured(['unclean.leader.election.enable', 'TRUE']),
  'a wrong boolean': configured(['unclean.leader.election.enable', 'yes']),
  'min isr 0': configured(['min.insync.replicas', '0']),
  'min isr above the replicas': configured(['min.insync.replicas', '3']),
  'a wrong config and a wrong count': { ...configured(['retention.ms', 'soon']), numPartitions: 0 },
}

const NAMES: Readonly<Record<string, string>> = {
  empty: '',
  dot: '.',
  'two dots': '..',
  'a slash': 'a/b',
  'a space': 'a b',
  'an umlaut': 'fünf',
  'too long': 'x'.repeat(250),
  'metadata topic': '__cluster_metadata',
}

const creation = scenario('create topics', async peer => {
  await peer.topic('taken')
  await peer.topic('with.dot')
  for (const version of peer.versions(CreateTopics)) {
    const create = async (step: string, topics: readonly NewTopic[], o: { validateOnly?: boolean; timeoutMs?: number } = {}) => {
      const answer = await peer.quietly(CreateTopics, version, { topics, timeoutMs: 10_000, validateOnly: false, ...o })
      // By key, so that a key that only one of them has hides no other.
      const byKey = answer!.topics.map(topic => ({
        ...topic,
        configs: topic.configs && Object.fromEntries(topic.configs.map(({ name, ...config }) => [name.replaceAll('.', '-'), config])),
      }))
      peer.record(`${step} v${version}`, { ...answer, topics: byKey })
    }
    for (const [what, wish] of Object.entries(WISHES)) {
      const name = `${what.replaceAll(/[^a-z0-9]/g, '-')}-${version}`
      await create(`${what}, validated`, [{ ...wish, name }], { validateOnly: true })
      await create(what, [{ ...wish, name }])
    }
    for (const [what, name] of Object.entries(NAMES)) await create(`name: ${what}`, [{ ...plain, name }])
    await create('name: 249 characters', [{ ...plain, name: 'y'.repeat(248) + version }])
    await create('taken', [{ ...plain, name: 'taken' }])
    await create('taken, validated', [{ ...plain, name: 'taken' }], { validateOnly: true })
    await create('taken and wrong', [{ ...counted(0, 0), name: 'taken' }])
    await create('colliding', [{ ...plain, name: 'with_dot' }])
    await create('twice', [{ ...plain, name: `twice-${version}` }, { ...counted(2, 1), name: `twice-${version}` }]) // biome-ignore format: pairs
    await create('colliding with each other', [{ ...plain, name: `a.b.${version}` }, { ...plain, name: `a_b.${version}` }]) // biome-ignore format: pairs
    await create('good and bad', [{ ...plain, name: `fine-${version}` }, { ...counted(0, 1), name: `bad-${version}` }, { ...plain, name: 'taken' }]) // biome-ignore format: pairs
    await create('nothing', [])
    await create('timeout 0', [{ ...plain, name: `at-once-${version}` }], { timeoutMs: 0 })
    await create('timeout -1', [{ ...plain, name: `before-${version}` }], { timeoutMs: -1 })
    await create('two of ten thousand partitions', ['p', 'q'].map(letter => ({ ...counted(9000, 1), name: `${letter}-${version}` }))) // biome-ignore format: pairs
  }
  await settled(peer, 'at-once-7')
  await settled(peer, 'before-7')
  for (const name of [
    'three-partitions-7',
    'assigned-in-another-order-7',
    'a-config-7',
    'no-partitions-7',
    'twice-7',
    'at-once-7',
    'before-7',
    'a-b-7',
  ]) {
    await peer.ask(`${name} afterwards`, DescribeTopicPartitions, 0, { topics: [{ name }], cursor: null })
  }
})

/** Until the broker has heard of the topic. */
async function settled(peer: Peer, name: string): Promise<void> {
  await peer.pause(200)
  await peer.quietly(DescribeTopicPartitions, 0, { topics: [{ name }], cursor: null })
}

const deletion = scenario('delete topics', async peer => {
  for (const version of peer.versions(DeleteTopics)) {
    const names: string[] = []
    const ids: string[] = []
    for (let nth = 0; nth < 6; nth++) {
      names.push(`gone-${nth}-${version}`)
      ids.push(await peer.topic(names[nth]!))
    }
    const ask = (step: string, topics: readonly { name: string | null; topicId: string }[]) =>
      peer.ask(step, DeleteTopics, version, { topics, topicNames: topics.map(({ name }) => name ?? ''), timeoutMs: 10_000 })
    const byName = (name: string | undefined) => ({ name: name!, topicId: ZERO_UUID })
    await ask('one', [byName(names[0])])
    await ask('one that is gone', [byName(names[0])])
    await ask('one that never was', [byName('missing')])
    await ask('an invalid name', [byName('no/name')])
    await ask('an empty name', [byName('')])
    await ask('two', [byName(names[1]), byName(names[2])])
    await ask('good and missing', [byName(names[3]), byName('missing')])
    await ask('twice', [byName(names[4]), byName(names[4])])
    await ask('a missing one twice', [byName('missing'), byName('missing')])
    await ask('nothing', [])
    if (version < 6) continue
    await ask('by id', [{ name: null, topicId: ids[4]! }])
    await ask('by an unknown id', [{ name: null, topicId: 'AAAAAAAAAAAAAAAAAAAAZA' }])
    await ask('by nothing', [{ name: null, topicId: ZERO_UUID }])
    await ask('by name and id', [{ name: names[5]!, topicId: ids[5]! }])
    await ask('by name, and by id', [byName(names[5]), { name: null, topicId: ids[5]! }])
    await ask('by id twice', [{ name: null, topicId: ids[5]! }, { name: null, topicId: ids[5]! }]) // biome-ignore format: pairs
    await ask('by a missing name and an unknown id', [{ name: 'missing', topicId: 'AAAAAAAAAAAAAAAAAAAAZA' }])
  }
  await peer.pause(200)
  await peer.ask('what is left', DescribeTopicPartitions, 0, {
    topics: peer.versions(DeleteTopics).flatMap(version => [0, 1, 2, 3, 4, 5].map(nth => ({ name: `gone-${nth}-${version}` }))),
    cursor: null,
  })
})

const growth = scenario('create partitions', async peer => {
  for (const version of peer.versions(CreatePartitions)) {
    const name = `grows-${version}`
    await peer.topic(name)
    const ask = (step: string, topics: RequestIn<typeof CreatePartitions>['topics'], validateOnly = false) =>
      peer.ask(step, CreatePartitions, version, { topics, timeoutMs: 10_000, validateOnly })
    const to = (count: number, assignments: readonly (readonly number[])[] | null = null, topic = name) => ({
      name: topic,
      count,
      assignments: assignments?.map(brokerIds => ({ brokerIds })) ?? null,
    })
    await ask('to three, validated', [to(3)], true)
    await ask('to two', [to(2)])
    await peer.eventually('it has grown', async () => {
      const answer = await peer.quietly(DescribeTopicPartitions, 0, { topics: [{ name }], cursor: null })
      return answer?.topics[0]?.partitions.length === 2
    })
    await ask('to the same', [to(2)])
    await ask('to fewer', [to(1)])
    await ask('to none', [to(0)])
    await ask('to -1', [to(-1)])
    await ask('a missing topic', [to(2, null, 'missing')])
    await ask('an invalid name', [to(2, null, 'no/name')])
    await ask('twice', [to(3), to(4)])
    await ask('twice, both missing', [to(3, null, 'missing'), to(4, null, 'missing')])
    await ask('nothing', [])
    await ask('no assignments', [to(3, [])])
    await ask('too many assignments', [to(3, [[1], [1]])])
    await ask('to a missing broker', [to(3, [[9]])])
    await ask('to nobody', [to(3, [[]])])
    await ask('to one twice', [to(3, [[1, 1]])])
    await ask('with another count of replicas', [to(3, [[1, 9]])])
    await ask('assigned, validated', [to(3, [[1]])], true)
    await ask('assigned', [to(4, [[1], [1]])])
    await ask('good and bad', [to(5), to(2, null, 'missing')])
    await peer.eventually('it has grown again', async () => {
      const answer = await peer.quietly(DescribeTopicPartitions, 0, { topics: [{ name }], cursor: null })
      const partitions = answer?.topics[0]?.partitions ?? []
      return partitions.length === 5 && partitions.every(({ errorCode }) => errorCode === 0)
    })
    await peer.ask(`afterwards ${version}`, DescribeTopicPartitions, 0, { topics: [{ name }], cursor: null })
  }
})

export const TOPICS: readonly Scenario[] = [creation, deletion, growth]
