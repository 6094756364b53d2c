// Random requests against the decide functions: every image they lead to keeps the rules, and is the same whether it came from the decisions, from
// the bytes of the records, or from a snapshot and the records after it.
import { expect, test } from 'vitest'
import { SeededRandom } from '../../src/env/sim/random.ts'
import { applyRecord, copyImage, emptyImage, type ImageChange, type MetadataImage } from '../../src/metadata/image.ts'
import { decodeRecord, encodeRecord } from '../../src/metadata/records.ts'
import { decodeSnapshot, differences, encodeSnapshot } from '../../src/metadata/snapshot.ts'
import { assert } from '../../src/util/assert.ts'
import { checkImage, checkProgress } from './invariants.ts'
import { Conversation } from './scenario.ts'

const TOPICS = ['orders', 'payments', 'a.b', 'c']

function randomRequest(image: MetadataImage, random: SeededRandom): string {
  const some = <T>(list: readonly T[]): T => list[random.integer(list.length)]!
  const broker = 1 + random.integer(5)
  const topic = some(TOPICS)
  const registered = image.brokers.get(broker)
  switch (random.integer(20)) {
    case 0:
    case 1:
    case 2: {
      const logs = [...image.topics.values()].flatMap(({ name, partitions }) =>
        partitions
          .filter(({ replicas }) => replicas.includes(broker))
          .map(p => `${name}-${p.partition}:${some(['clean', 'torn', 'torn', 'corrupt', 'torn+loose', 'clean+loose'])}`),
      )
      const options = [random.integer(3) === 0 ? 'fenced' : '', random.integer(8) === 0 ? `dir=${random.integer(100)}` : '']
      if (registered !== undefined && random.integer(3) === 0) options.push('clean')
      return `register ${broker} ${options.join(' ')} rack=${broker % 2} logs=${logs.join(',')}`
    }
    case 3:
      return `fence ${broker}`
    case 4:
    case 5:
      return `unfence ${broker}`
    case 6:
      return random.integer(3) === 0 ? `unregister ${broker}` : `ids ${broker}`
    case 7:
    case 8:
      return `create ${topic} partitions=${1 + random.integer(4)} rf=${1 + random.integer(3)} config:min.insync.replicas=${1 + random.integer(3)}`
    case 9:
      return random.integer(3) === 0 ? `delete ${topic}` : `grow ${topic} ${1 + random.integer(6)}`
    case 10:
      return `alter topic/${topic} min.insync.replicas=${1 + random.integer(3)} & broker/ min.insync.replicas=${1 + random.integer(3)}`
    case 11:
      return `alter topic/${topic} ${some(['-min.insync.replicas', 'unclean.leader.election.enable=true', '-unclean.leader.election.enable', 'retention.ms=5'])}`
    case 12:
      return `elect ${some(['preferred', 'unclean'])} all`
    case 13:
    case 14:
    case 15: {
      const partition = some([...(image.topics.get(topic)?.partitions ?? [])])
      if (partition === undefined) return `isr ${topic}-0 by=${broker} to=${broker}`
      // Mostly by the leader, with members that are there.
      const by = random.integer(8) === 0 ? broker : partition.leader
      const members = partition.replicas.filter(id => id === by || random.integer(3) > 0)
      const stale = random.integer(8) === 0 ? ` epoch=${partition.leaderEpoch}/${partition.partitionEpoch - 1}` : ''
      return `isr ${topic}-${partition.partition} by=${by} to=${members}${stale}`
    }
    case 16:
      return `beat ${broker}${some(['', '', ' at=10', ' fence'])}`
    case 17:
      return `beat ${broker} shutdown${some(['', ` given=${image.offset}`])}`
    case 18: {
      const led = image.topics.get(topic)?.partitions.length ?? 0
      return led === 0 || random.integer(2) === 0 ? some(['balance', 'balance 1']) : `ruin ${broker} ${topic}-${random.integer(led)}`
    }
    default:
      return `replace topic/${topic} retention.ms=${random.integer(3)}`
  }
}

/** States worth having been in. */
const reached = new Set<string>()

function note(image: MetadataImage): void {
  for (const { partitions } of image.topics.values()) {
    for (const p of partitions) {
      if (p.leader === -1) reached.add('leaderless')
      if (p.leader === -1 && p.elr.length > 0) reached.add('only eligible')
      if (p.leader === -1 && p.elr.length === 0 && p.lastKnownElr.length > 0) reached.add('only remembered')
      if (p.leader === -1 && p.elr.length === 0 && p.lastKnownElr.length === 0) reached.add('nobody left')
      if (p.leader !== -1 && p.elr.length > 0) reached.add('led with an ELR')
      if (image.brokers.get(p.leader)?.shuttingDown === true) reached.add('led to the end')
      if (p.isr.length > 1 && p.leader !== p.replicas[0] && p.isr.includes(p.replicas[0]!)) reached.add('unbalanced')
    }
  }
}

test.each(Array.from({ length: 15 }, (_, seed) => seed))(
  'seed %i: the rules hold after every request, and all ways lead to one image',
  seed => {
    const random = new SeededRandom(seed, 'requests')
    const conversation = new Conversation()
    const { image } = conversation
    let replayed = copyImage(image)
    for (let i = 0; i < 150; i++) {
      const before = copyImage(image)
      const request = randomRequest(image, random)
      conversation.say(request.replace(/ +/g, ' ').replace(/ logs=$/, ''))
      checkImage(image)
      checkProgress(before, image)
      // Followers see the bytes.
      replayed = applyAll(replayed, conversation.lastRecords)
      replayed.offset = image.offset
      assert(differences(replayed, image).length === 0, `the records of ${request} lead elsewhere`)
      note(image)
      if (i % 10 === 9) {
        replayed = decodeSnapshot({ endOffset: image.offset, epoch: image.epoch, chunks: encodeSnapshot(image) })
        expect([replayed.offset, replayed.epoch]).toEqual([image.offset, image.epoch])
        expect(differences(image, replayed)).toEqual([])
        expect(asText(replayed)).toBe(asText(image))
      }
    }
  },
)

test('those requests reached every kind of partition', () => {
  expect([...reached].sort()).toEqual([
    'leaderless',
    'led to the end',
    'led with an ELR',
    'nobody left',
    'only eligible',
    'only remembered',
    'unbalanced',
  ])
})

test('who knows an old image and is told the differences knows the new one', () => {
  const random = new SeededRandom(7, 'requests')
  const conversation = new Conversation()
  let before = copyImage(conversation.image)
  for (let i = 0; i < 200; i++) {
    conversation.say(
      randomRequest(conversation.image, random)
        .replace(/ +/g, ' ')
        .replace(/ logs=$/, ''),
    )
    if (i % 20 !== 19) continue
    const told = follow(before, differences(before, conversation.image))
    expect(told).toBe(view(conversation.image))
    before = copyImage(conversation.image)
  }
})

function applyAll(image: MetadataImage, records: readonly Buffer[]): MetadataImage {
  for (const record of records) applyRecord(image, decodeRecord(record))
  return image
}

function asText(image: MetadataImage): string {
  return JSON.stringify([...records(image)].sort())
}

function* records(image: MetadataImage): Generator<string> {
  for (const chunk of encodeSnapshot(image)) yield chunk.toString('hex')
}

/** What a listener would hold that keeps partitions, configs and brokers by what it is told. */
function view(image: MetadataImage): string {
  const partitions = [...image.topics.values()].flatMap(({ name, partitions }) => partitions.map(p => `${name} ${JSON.stringify(p)}`))
  const configs = [...image.configs].flatMap(([resource, values]) => [...values].map(([key, value]) => `${resource} ${key}=${value}`))
  const brokers = [...image.brokers.values()].map(broker => JSON.stringify(broker))
  return [...partitions, ...configs, ...brokers, image.nextProducerId].sort().join('\n')
}

function follow(before: MetadataImage, changes: readonly ImageChange[]): string {
  const image = copyImage(before)
  for (const change of changes) {
    switch (change.type) {
      case 'topicDeleted':
        applyRecord(image, { type: 'topicDeleted', topicId: change.topic.topicId })
        break
      case 'topicCreated':
        applyRecord(image, { type: 'topicCreated', name: change.topic.name, topicId: change.topic.topicId })
        break
      case 'partitionChanged': {
        const topic = image.topicsById.get(change.topic.topicId)!
        ;(topic.partitions as unknown[])[change.partition.partition] = change.partition
        break
      }
      case 'brokerChanged':
        if (change.broker === undefined) image.brokers.delete(change.brokerId)
        else image.brokers.set(change.brokerId, change.broker)
        break
      case 'configChanged':
        applyRecord(image, { type: 'configChanged', resource: change.resource, key: change.key, value: change.value ?? null })
        break
      case 'producerIdsAllocated':
        image.nextProducerId = change.nextProducerId
        break
      default:
        throw new Error(`not in these requests: ${change.type}`)
    }
  }
  return view(image)
}

test('an empty image has an empty snapshot', () => {
  expect(encodeSnapshot(emptyImage())).toEqual([])
  expect(differences(emptyImage(), decodeSnapshot({ endOffset: 0, epoch: 0, chunks: [] }))).toEqual([])
})

test('a large image is cut into chunks', () => {
  const image = emptyImage()
  applyRecord(image, { type: 'topicCreated', name: 'wide', topicId: 'id' })
  const state = {
    replicas: [1, 2, 3],
    isr: [1, 2, 3],
    elr: [],
    lastKnownElr: [],
    leader: 1,
    leaderEpoch: 7,
    partitionEpoch: 9,
    addingReplicas: [],
    removingReplicas: [],
  }
  for (let partition = 0; partition < 50_000; partition++)
    applyRecord(image, { type: 'partitionCreated', topicId: 'id', state: { ...state, partition } })
  const chunks = encodeSnapshot(image)
  expect(chunks.length).toBeGreaterThan(1)
  for (const chunk of chunks) expect(chunk.length).toBeLessThan(1024 * 1024)
  expect(decodeSnapshot({ endOffset: 1, epoch: 1, chunks }).topics.get('wide')!.partitions.length).toBe(50_000)
  expect(
    encodeRecord({ type: 'partitionCreated', topicId: 'AAAAAAAAAAAAAAAAAAAAAA', state: { ...state, partition: 5 } }).length,
  ).toBeLessThan(60)
})
