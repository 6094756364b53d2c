// What is asked of the controller crosses the wire whole, and what is not of our kind is an error.
import { expect, test } from 'vitest'
import { SeededRandom } from '../../src/env/sim/random.ts'
import {
  decodeAnswer,
  decodeOperation,
  encodeAnswer,
  encodeOperation,
  OPERATION_NAMES,
  type OperationName,
} from '../../src/metadata/operation-codecs.ts'
import type { ControllerOperations } from '../../src/metadata/operations.ts'
import { answerOperation } from '../../src/metadata/router.ts'
import { KafkaError } from '../../src/protocol/errors.ts'

type Examples = {
  readonly [Name in OperationName]: {
    readonly request: Parameters<ControllerOperations[Name]>[0]
    readonly response: Awaited<ReturnType<ControllerOperations[Name]>>['response']
  }
}

const topicId = 'AAAAAAAAAAAAAAAAAAAAAQ'
const incarnation = { brokerId: 3, brokerEpoch: 2 ** 40 }
const fine = { errorCode: 0, errorMessage: null }
const refused = { errorCode: 77, errorMessage: 'Broker 3 is registered with epoch 5, not 4.' }

/** With the fields of every version, the ones that only old clients or only new ones send among them. */
const EXAMPLES: Examples = {
  createTopics: {
    request: {
      timeoutMs: 1,
      validateOnly: true,
      topics: [
        { name: 'orders', numPartitions: -1, replicationFactor: -1, assignments: [], configs: [{ name: 'retention.ms', value: null }] },
        { name: 'ä', numPartitions: -1, replicationFactor: -1, assignments: [{ partitionIndex: 0, brokerIds: [1, 2] }], configs: [] },
      ],
    },
    response: {
      throttleTimeMs: 0,
      topics: [
        {
          name: 'orders',
          topicId,
          ...fine,
          topicConfigErrorCode: 29,
          numPartitions: 1,
          replicationFactor: 2,
          configs: [{ name: 'retention.ms', value: '5', readOnly: false, configSource: 1, isSensitive: false }],
        },
      ],
    },
  },
  deleteTopics: {
    request: { topics: [{ name: null, topicId }], topicNames: ['orders'], timeoutMs: 0 },
    response: { throttleTimeMs: 0, responses: [{ name: null, topicId, ...refused }] },
  },
  createPartitions: {
    request: {
      topics: [
        { name: 'orders', count: 5, assignments: [{ brokerIds: [3] }] },
        { name: 'b', count: 1, assignments: null },
      ],
      timeoutMs: 1,
      validateOnly: false,
    },
    response: { throttleTimeMs: 0, results: [{ name: 'orders', ...fine }] },
  },
  incrementalAlterConfigs: {
    request: {
      resources: [{ resourceType: 2, resourceName: 'orders', configs: [{ name: 'a', configOperation: 1, value: null }] }],
      validateOnly: false,
    },
    response: { throttleTimeMs: 0, responses: [{ ...refused, resourceType: 2, resourceName: 'orders' }] },
  },
  alterConfigs: {
    request: { resources: [{ resourceType: 4, resourceName: '', configs: [{ name: 'a', value: 'b' }] }], validateOnly: true },
    response: { throttleTimeMs: 0, responses: [{ ...fine, resourceType: 4, resourceName: '' }] },
  },
  electLeaders: {
    request: { electionType: 1, topicPartitions: null, timeoutMs: 1 },
    response: {
      throttleTimeMs: 0,
      errorCode: 0,
      replicaElectionResults: [{ topic: 'orders', partitionResult: [{ partitionId: 0, ...refused }] }],
    },
  },
  updateFeatures: {
    request: {
      timeoutMs: 1,
      featureUpdates: [{ feature: 'f', maxVersionLevel: 7, allowDowngrade: true, upgradeType: 3 }],
      validateOnly: true,
    },
    response: { throttleTimeMs: 0, ...fine, results: [{ feature: 'f', ...fine }] },
  },
  describeQuorum: {
    request: { topics: [{ topicName: '__cluster_metadata', partitions: [{ partitionIndex: 0 }] }] },
    response: {
      ...fine,
      topics: [
        {
          topicName: '__cluster_metadata',
          partitions: [
            {
              partitionIndex: 0,
              ...fine,
              leaderId: 1,
              leaderEpoch: 2,
              highWatermark: 3,
              currentVoters: [
                { replicaId: 1, replicaDirectoryId: topicId, logEndOffset: 3, lastFetchTimestamp: -1, lastCaughtUpTimestamp: 9 },
              ],
              observers: [],
            },
          ],
        },
      ],
      nodes: [{ nodeId: 1, listeners: [{ name: 'INTERNAL', host: 'h', port: 65_535 }] }],
    },
  },
  alterPartition: {
    request: {
      ...incarnation,
      topics: [
        {
          topicId,
          partitions: [{ partition: 0, leaderEpoch: 1, partitionEpoch: 2, newIsr: [incarnation, { brokerId: 1, brokerEpoch: -1 }] }],
        },
      ],
    },
    response: { errorCode: 0, topics: [{ topicId, partitions: [{ partition: 0, errorCode: 95 }] }] },
  },
  heartbeat: {
    request: { ...incarnation, metadataOffset: 12, wantsFence: false, wantsShutdown: true },
    response: { errorCode: 0, isFenced: true, isCaughtUp: false, mayShutDown: true, leaseMs: 1500 },
  },
  ruinReplica: { request: { ...incarnation, topicId, partition: 4 }, response: refused },
  registerBroker: {
    request: {
      clusterId: 'cluster',
      brokerId: 3,
      incarnationId: 'process',
      directoryId: 'directory',
      previousBrokerEpoch: -1,
      rack: null,
      listeners: [{ name: 'PLAINTEXT', host: 'h', port: 9092, securityProtocol: 'PLAINTEXT' }],
      features: [{ name: 'metadata.version', minVersion: 7, maxVersion: 30 }],
      internalListener: { host: 'h', port: 10_092 },
      fenced: true,
      partitions: [{ topicId, partition: 0, verdict: 'torn', loose: true }],
    },
    response: { ...fine, brokerEpoch: 99 },
  },
  fenceBroker: { request: { ...incarnation, fenced: true }, response: fine },
  unregisterBroker: { request: 7, response: refused },
  allocateProducerIds: { request: incarnation, response: { ...fine, firstProducerId: 3000, count: 1000 } },
}

test.each(OPERATION_NAMES)('%s: request and answer arrive as they were sent', name => {
  const { request, response } = EXAMPLES[name]
  expect(decodeOperation(Buffer.concat(encodeOperation(name, request)))).toEqual({ name, request })
  const answer = { offset: 2 ** 45, response }
  expect(decodeAnswer(name, Buffer.concat(encodeAnswer(name, answer)))).toEqual(answer)
})

test('a registration without an internal listener is one', () => {
  const request = { ...EXAMPLES.registerBroker.request, internalListener: null }
  expect(decodeOperation(Buffer.concat(encodeOperation('registerBroker', request))).request).toEqual(request)
})

const codeOf = (work: () => unknown) => {
  try {
    work()
    return 'read'
  } catch (error) {
    return error instanceof KafkaError ? error.codeName : String(error)
  }
}

test('another version, an unknown operation, and nothing at all are told so', () => {
  expect(codeOf(() => decodeOperation(Buffer.of(2, 1)))).toBe('UNSUPPORTED_VERSION')
  expect(codeOf(() => decodeOperation(Buffer.of(1, 99)))).toBe('UNSUPPORTED_VERSION')
  expect(codeOf(() => decodeOperation(Buffer.alloc(0)))).toBe('UNSUPPORTED_VERSION')
  expect(codeOf(() => decodeAnswer('heartbeat', Buffer.of(2, 0)))).toBe('UNSUPPORTED_VERSION')
})

test.each(OPERATION_NAMES)('%s: cut off or damaged bytes are refused or read, and nothing else', name => {
  const random = new SeededRandom(1, name)
  const bytes = Buffer.concat(encodeOperation(name, EXAMPLES[name].request))
  for (let length = 0; length < bytes.length; length++)
    expect(['UNSUPPORTED_VERSION', 'INVALID_REQUEST', 'read']).toContain(codeOf(() => decodeOperation(bytes.subarray(0, length))))
  for (let i = 0; i < 300; i++) {
    const damaged = Buffer.from(bytes)
    for (let hits = 1 + random.integer(4); hits > 0; hits--) damaged[2 + random.integer(damaged.length - 2)] = random.integer(256)
    expect(['INVALID_REQUEST', 'read']).toContain(codeOf(() => decodeOperation(damaged)))
  }
})

test('what a peer sends that is not of our kind never reaches the controller', async () => {
  const asked: string[] = []
  const controller = new Proxy({} as ControllerOperations, { get: (_, name) => () => asked.push(String(name)) })
  await expect(answerOperation(controller, Buffer.of(1, 12, 3))).rejects.toMatchObject({ codeName: 'INVALID_REQUEST' })
  expect(asked).toEqual([])
})
