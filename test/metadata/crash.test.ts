// The metadata half of a node is killed, or its machine loses power, after every event of a life with registrations, topics and producer ids. What was
// answered holds in the next life; nothing that must rise ever goes back, nothing that must be given once is given twice.
import { expect, test } from 'vitest'
import { SimWorld } from '../../src/env/sim/world.ts'
import { copyImage, type MetadataImage } from '../../src/metadata/image.ts'
import { checkImage, checkProgress } from './invariants.ts'
import { createTopics, type MetadataNode, openNode } from './node.ts'

interface Life {
  done: boolean
  node: MetadataNode | undefined
  /** As of the last answer, or the last event. */
  image: MetadataImage | undefined
}

interface Promised {
  readonly topics: Set<string>
  readonly brokerEpochs: number[]
  readonly producerIds: number[]
  clusterId: string | undefined
}

function live(world: SimWorld, promised: Promised, number: number): Life {
  const env = world.env('n1')
  const life: Life = { done: false, node: undefined, image: undefined }
  const body = async () => {
    const node = (life.node = await openNode(env, { directory: '/data', snapshotEveryEntries: 8 }))
    promised.clusterId ??= node.identity.clusterId
    expect(node.identity.clusterId).toBe(promised.clusterId)
    for (const name of promised.topics) expect(node.publisher.image.topics.has(name)).toBe(true)
    const logs = [...node.publisher.image.topics.values()].map(
      ({ topicId }) => ({ topicId, partition: 0, verdict: 'torn', loose: false }) as const,
    )
    const { response } = await node.controller.registerBroker(node.registration({ incarnationId: `life ${number}`, partitions: logs }))
    expect(response.errorCode).toBe(0)
    for (const earlier of promised.brokerEpochs) expect(response.brokerEpoch).toBeGreaterThan(earlier)
    promised.brokerEpochs.push(response.brokerEpoch)
    const names = Array.from({ length: 6 }, (_, nth) => `life${number}-${nth}`)
    await Promise.all([
      ...names.map(async name => {
        const answer = await node.controller.createTopics(createTopics({ name, numPartitions: 2 }))
        expect(answer.response.topics[0]!.errorCode).toBe(0)
        expect(node.publisher.image.topics.has(name)).toBe(true)
        promised.topics.add(name)
      }),
      ...[1, 2].map(async () => {
        const { response: block } = await node.controller.allocateProducerIds({ brokerId: 1, brokerEpoch: response.brokerEpoch })
        expect(block.count).toBe(1000)
        expect(promised.producerIds).not.toContain(block.firstProducerId)
        promised.producerIds.push(block.firstProducerId)
      }),
    ])
    for (const { partitions } of node.publisher.image.topics.values()) for (const p of partitions) expect(p.leader).toBe(1)
    await node.close({ cleanEpoch: response.brokerEpoch })
    life.done = true
  }
  body().catch(error => world.failures.push({ host: 'n1', error }))
  return life
}

test.each([
  ['killed', [false]],
  ['without power', [true]],
  ['killed and then without power', [false, true]],
] as const)('%s after every event: what was answered holds', async (_name, powers) => {
  let crashes = 0
  for (let crashAt = 0, crashed = true; crashed; crashAt++) {
    const world = new SimWorld(crashAt)
    const promised: Promised = { topics: new Set(), brokerEpochs: [], producerIds: [], clusterId: undefined }
    let before: MetadataImage | undefined
    for (const [number, at] of [crashAt, Math.floor(crashAt / 2), Number.POSITIVE_INFINITY].entries()) {
      const life = live(world, promised, number)
      const first = world.eventCount
      let died = false
      while (!life.done && !died) {
        if (world.eventCount - first >= at) died = true
        else if (!(await world.step())) throw new Error(`stalled: ${world.failures.map(({ error }) => error)}`)
        const image = life.node?.publisher.image
        if (image === undefined) continue
        checkImage(image)
        if (before !== undefined) checkProgress(before, image)
        before = copyImage(image)
      }
      if (number === 0) crashed = died
      if (died) crashes++
      world.crash('n1', { power: powers[number % powers.length]! })
      world.restart('n1')
    }
    expect(world.failures).toEqual([])
    expect(promised.topics.size).toBeGreaterThanOrEqual(6)
  }
  expect(crashes).toBeGreaterThan(50)
})
