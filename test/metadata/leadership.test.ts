// A controller under a quorum that the test moves by hand: what is agreed on when, and who leads.
import { expect, test } from 'vitest'
import { parseConfig } from '../../src/config.ts'
import { memoryEnv } from '../../src/env/memory/env.ts'
import { Controller } from '../../src/metadata/controller.ts'
import { MetadataPublisher } from '../../src/metadata/publisher.ts'
import { encodeRecord } from '../../src/metadata/records.ts'
import { KafkaError, NOT_CONTROLLER } from '../../src/protocol/errors.ts'
import type { CommittedEntry, Quorum, QuorumDescription, QuorumListener } from '../../src/raft/quorum.ts'
import { createTopics } from './node.ts'

class HandMovedQuorum implements Quorum {
  readonly nodeId = 1
  epoch = 0
  leaderId = -1
  isLeader = false
  committedOffset = 0
  logEndOffset = 0
  #uncommitted: CommittedEntry[] = []
  #listener: QuorumListener | undefined

  start(listener: QuorumListener): Promise<void> {
    this.#listener = listener
    return Promise.resolve()
  }

  propose(payloads: readonly Uint8Array[]): number {
    if (!this.isLeader) throw new KafkaError(NOT_CONTROLLER)
    for (const payload of payloads)
      this.#uncommitted.push({ offset: this.logEndOffset++, epoch: this.epoch, payload: Buffer.from(payload) })
    return this.logEndOffset
  }

  /** An entry of the quorum's own. */
  appendOwn(): void {
    this.#uncommitted.push({ offset: this.logEndOffset++, epoch: this.epoch, payload: Buffer.alloc(0) })
  }

  commit(): void {
    const entries = this.#uncommitted.splice(0)
    this.committedOffset += entries.length
    this.#listener!.committed(entries)
  }

  becomeLeader(): void {
    this.epoch++
    this.#lead(1)
    this.appendOwn()
  }

  /** Another node leads; what was not agreed on is gone. */
  loseLeadership(): void {
    this.epoch++
    this.#uncommitted = []
    this.logEndOffset = this.committedOffset
    this.#lead(2)
  }

  describe(): QuorumDescription {
    const { leaderId, epoch, committedOffset: highWatermark } = this
    return { leaderId, epoch, highWatermark, voters: [], observers: [] }
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  #lead(leaderId: number): void {
    this.leaderId = leaderId
    this.isLeader = leaderId === 1
    this.#listener!.leaderChanged({ epoch: this.epoch, leaderId, isLeader: this.isLeader })
  }
}

async function openController() {
  const env = memoryEnv({ logger: { log: () => {} } })
  const quorum = new HandMovedQuorum()
  const failures: Error[] = []
  const fail = (error: Error) => void failures.push(error)
  const publisher = new MetadataPublisher({ fail })
  const controller = new Controller(env, { quorum, publisher, config: parseConfig({}), clusterId: 'cluster', fail })
  await publisher.start(quorum)
  const register = () =>
    controller.registerBroker({
      clusterId: 'cluster',
      brokerId: 1,
      incarnationId: 'process',
      directoryId: 'directory',
      previousBrokerEpoch: -1,
      rack: null,
      listeners: [{ name: 'PLAINTEXT', host: 'h', port: 1, securityProtocol: 'PLAINTEXT' }],
      features: [],
      internalListener: null,
      fenced: false,
      partitions: [],
    })
  const create = async (name: string) => {
    const { response } = await controller.createTopics(createTopics({ name }))
    return response.topics[0]!.errorMessage ?? 'created'
  }
  return { quorum, publisher, controller, failures, register, create }
}

const outcome = (promise: Promise<unknown>) => promise.then(String, (error: KafkaError) => error.codeName)

test('nothing is decided before the first entry of the own epoch is applied', async () => {
  const { quorum, controller, register, publisher } = await openController()
  expect(await outcome(register())).toBe('NOT_CONTROLLER')
  quorum.becomeLeader()
  expect(controller.isActive).toBe(false)
  const registered = register()
  expect(quorum.logEndOffset).toBe(1)
  quorum.commit()
  expect(controller.isActive).toBe(true)
  // The forming of the cluster, then what was parked.
  expect(quorum.logEndOffset).toBe(3)
  quorum.commit()
  expect((await registered).response).toMatchObject({ errorCode: 0, brokerEpoch: 2 })
  expect(publisher.image.brokers.get(1)).toMatchObject({ brokerEpoch: 2 })
})

test('who stops leading throws away what was not agreed on, and fails those who wait', async () => {
  const { quorum, controller, register, create, publisher, failures } = await openController()
  quorum.becomeLeader()
  quorum.commit()
  const registered = register()
  quorum.commit()
  await registered
  const lost = outcome(create('orders'))
  const seen = outcome(create('orders'))
  quorum.loseLeadership()
  expect(controller.isActive).toBe(false)
  expect([await lost, await seen]).toEqual(['NOT_CONTROLLER', 'NOT_CONTROLLER'])
  expect(await outcome(create('orders'))).toBe('NOT_CONTROLLER')

  quorum.becomeLeader()
  const again = create('orders')
  quorum.commit()
  quorum.commit()
  expect(await again).toBe('created')
  expect([...publisher.image.topics.keys()]).toEqual(['orders'])
  expect(failures).toEqual([])
})

test('whoever is parked when another node wins is told so', async () => {
  const { quorum, register } = await openController()
  quorum.becomeLeader()
  const parked = outcome(register())
  quorum.loseLeadership()
  expect(await parked).toBe('NOT_CONTROLLER')
})

test('entries of the quorum between decisions do not shift broker epochs', async () => {
  const { quorum, register, publisher } = await openController()
  quorum.becomeLeader()
  quorum.commit()
  quorum.appendOwn()
  quorum.appendOwn()
  const registered = register()
  quorum.commit()
  const { response } = await registered
  // The epoch is the offset of the record.
  expect(response.brokerEpoch).toBe(quorum.committedOffset - 1)
  expect(publisher.image.offset).toBe(quorum.committedOffset)
})

test('an answer without records waits until what it saw is agreed on', async () => {
  const { quorum, register, create } = await openController()
  quorum.becomeLeader()
  quorum.commit()
  const registered = register()
  quorum.commit()
  await registered
  const answers: string[] = []
  const both = Promise.all(['first', 'second'].map(async who => answers.push(`${who}: ${await create('orders')}`)))
  await new Promise(resolve => setImmediate(resolve))
  expect(answers).toEqual([])
  quorum.commit()
  await both
  expect(answers).toEqual(['first: created', "second: Topic 'orders' already exists."])
  // Nothing is pending any more: the next one is answered at once.
  expect(await create('orders')).toBe("Topic 'orders' already exists.")
})

test('a log of another cluster stops the node', async () => {
  const { quorum, publisher, failures } = await openController()
  quorum.becomeLeader()
  quorum.commit()
  quorum.commit()
  expect(publisher.image.clusterId).toBe('cluster')
  const other = await openController()
  other.quorum.becomeLeader()
  other.quorum.propose([encodeRecord({ type: 'clusterFormed', clusterId: 'another' })])
  other.quorum.commit()
  expect(other.failures.map(error => error.message)).toEqual(['the metadata log is of cluster another, the directory of cluster'])
  expect(failures).toEqual([])
})
