// FindCoordinator: names the broker that keeps a group's state, or a transaction's (type 1) or a share group's (type 2). KIP-699.
// A group's is the leader of its partition of __consumer_offsets; the first who asks has the topic made, and is told COORDINATOR_NOT_AVAILABLE, as
// Kafka tells while it has none. Share groups have no coordinators here and are told the same, which clients retry. Transactions have none either:
// who asks for one has begun initTransactions, and is told TRANSACTIONAL_ID_AUTHORIZATION_FAILED, as by InitProducerId, because clients report that
// at once; anything else they ask again until their time is over.
import { FindCoordinator } from '../../protocol/api/10-find-coordinator.ts'
import {
  COORDINATOR_NOT_AVAILABLE,
  errorMessage,
  INVALID_REQUEST,
  NONE,
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
} from '../../protocol/errors.ts'
import type { RequestOf, ResponseOf } from '../../protocol/schema.ts'
import type { Broker } from '../broker.ts'
import { OFFSETS_TOPIC } from '../group/records.ts'
import { handler, type RequestContext } from '../handler.ts'
import { viewOf } from '../partition-view.ts'

type Request = RequestOf<typeof FindCoordinator>
type Found = NonNullable<ResponseOf<typeof FindCoordinator>['coordinators']>[number]

const GROUP = 0
const TRANSACTION = 1
const SHARE = 2
const NO_TRANSACTIONS = 'Transactions are not supported by this broker.'
const FIRST_VERSION_OF_KEYS = 4
const FIRST_VERSION_OF_SHARE = 6
/** group:topic id:partition */
const SHARE_KEY = /^.+:[A-Za-z0-9_-]{22}:\d+$/s

export const findCoordinator = handler(FindCoordinator, {
  answer: (broker, request, context) => compose(request, context, key => find(broker, key, request.keyType, context)),
  failed: (request, { errorCode }, context) => compose(request, context, key => nowhere(key, errorCode)),
})

function find(broker: Broker, key: string, keyType: number, { version, connection }: RequestContext): Found {
  const topic = broker.image.topics.get(OFFSETS_TOPIC)
  const isShare = keyType === SHARE && version >= FIRST_VERSION_OF_SHARE && SHARE_KEY.test(key)
  if (keyType !== GROUP && keyType !== TRANSACTION && !isShare) return nowhere(key, INVALID_REQUEST)
  if (keyType === TRANSACTION) return nowhere(key, TRANSACTIONAL_ID_AUTHORIZATION_FAILED, NO_TRANSACTIONS)
  if (keyType === SHARE) return nowhere(key, COORDINATOR_NOT_AVAILABLE)
  if (topic === undefined) {
    if (!broker.closing) broker.topicCreation.begin(OFFSETS_TOPIC)
    return nowhere(key, COORDINATOR_NOT_AVAILABLE)
  }
  const { leaderId, errorCode } = viewOf(broker, topic, topic.partitions[broker.groups.partitionOf(key)!]!, connection.listenerName)
  const endpoint = errorCode === NONE ? broker.endpointOf(leaderId, connection.listenerName) : undefined
  if (endpoint === undefined) return nowhere(key, COORDINATOR_NOT_AVAILABLE)
  const { nodeId, host, port } = endpoint
  return { key, nodeId, host, port, errorCode: NONE, errorMessage: '' }
}

function nowhere(key: string, errorCode: number, message = errorMessage(errorCode)): Found {
  return { key, nodeId: -1, host: '', port: -1, errorCode, errorMessage: message }
}

function compose(request: Request, { version }: RequestContext, findOne: (key: string) => Found): ResponseOf<typeof FindCoordinator> {
  if (version >= FIRST_VERSION_OF_KEYS)
    return { errorCode: NONE, nodeId: -1, host: '', port: -1, coordinators: request.coordinatorKeys.map(findOne) }
  const { key: _, ...found } = findOne(request.key)
  return { ...found, errorMessage: found.errorCode === NONE ? 'NONE' : found.errorMessage, coordinators: [] }
}
