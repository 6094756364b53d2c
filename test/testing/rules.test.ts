// Each rule of an embedded cluster notices what breaks it, and says which and how.
import { expect, test } from 'vitest'
import { memoryEnv } from '../../src/env/memory/env.ts'
import { silentLogger } from '../../src/env/real/logger.ts'
import { emptyImage, type MetadataImage } from '../../src/metadata/image.ts'
import type { PartitionState } from '../../src/metadata/records.ts'
import { Rules, type Witness } from '../../src/testing/embedded/rules.ts'

const env = memoryEnv({ logger: silentLogger })
const TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAAQ'
const HEALTHY: PartitionState = {
  partition: 0,
  replicas: [1, 2, 3],
  isr: [1, 2],
  elr: [3],
  lastKnownElr: [],
  leader: 1,
  leaderEpoch: 5,
  partitionEpoch: 9,
  addingReplicas: [],
  removingReplicas: [],
}

function imageWith(change: Partial<PartitionState>, offset = 10): MetadataImage {
  const image = emptyImage()
  // Not by records: applying what breaks a rule stops a node.
  const topic = { name: 'orders', topicId: TOPIC_ID, partitions: [{ ...HEALTHY, ...change }] }
  image.topics.set(topic.name, topic)
  image.topicsById.set(TOPIC_ID, topic)
  image.offset = offset
  return image
}

interface Shown {
  readonly id: number
  readonly image: MetadataImage
  readonly leadsEpoch?: number
}

function witness({ id, image, leadsEpoch }: Shown): Witness {
  const broker = { nodeId: id, replicas: { all: () => [] } } as unknown as NonNullable<Witness['node']>['broker']
  const quorum = { isLeader: leadsEpoch !== undefined, epoch: leadsEpoch ?? 0 }
  return {
    id,
    life: 1,
    isOpening: false,
    node: { nodeId: id, image, quorum, brokerEpoch: 1, broker },
    logOf: (topic, partition) => ({ disk: env.disk, directory: `/node-${id}/${topic}-${partition}` }),
  }
}

async function verdictOn(...shown: readonly Shown[]): Promise<string> {
  const rules = new Rules()
  await rules.check(shown.map(witness), env.clock)
  try {
    rules.report(() => 'and what there is')
    return 'fine'
  } catch (error) {
    expect((error as Error).name).toBe('AssertionError')
    expect((error as Error).message).toMatch(/^The cluster broke its rules\.\n {2}.*\nand what there is$/s)
    return (error as Error).message.split('\n')[1]!.trim()
  }
}

test('a healthy cluster is fine', async () => {
  expect(
    await verdictOn({ id: 1, image: imageWith({}), leadsEpoch: 4 }, { id: 2, image: imageWith({}) }, { id: 3, image: imageWith({}, 8) }),
  ).toBe('fine')
})

test.each([
  [{ leader: 3 }, 'the leader is in sync: orders-0 has leader 3, in-sync 1, 2, eligible 3, replicas 1, 2, 3'],
  [{ isr: [1, 4] }, 'who is in sync is a replica: orders-0 has leader 1, in-sync 1, 4, eligible 3, replicas 1, 2, 3'],
  [{ elr: [4] }, 'who is eligible is a replica: orders-0 has leader 1, in-sync 1, 2, eligible 4, replicas 1, 2, 3'],
  [{ elr: [2] }, 'nobody is both in sync and eligible: orders-0 has leader 1, in-sync 1, 2, eligible 2, replicas 1, 2, 3'],
])('%j is reported', async (change, verdict) => {
  expect(await verdictOn({ id: 1, image: imageWith(change) })).toBe(verdict)
})

test('two leaders under one leader epoch are reported', async () => {
  expect(await verdictOn({ id: 1, image: imageWith({}) }, { id: 2, image: imageWith({ leader: 2 }, 11) })).toBe(
    'one leader per leader epoch: orders-0 was given to 1 and to 2 in epoch 5',
  )
})

test('two controllers in one epoch are reported', async () => {
  expect(await verdictOn({ id: 1, image: imageWith({}), leadsEpoch: 4 }, { id: 2, image: imageWith({}), leadsEpoch: 4 })).toBe(
    'one controller per epoch: nodes 1 and 2 both lead the metadata log in epoch 4',
  )
})

test('different images at one offset are reported', async () => {
  expect(await verdictOn({ id: 1, image: imageWith({}) }, { id: 2, image: imageWith({ partitionEpoch: 8 }) })).toMatch(
    /^images are equal at equal offsets: nodes 1 and 2 at offset 10; one alone has .*"partitionEpoch":9/,
  )
})
