// DescribeCluster: the brokers by the endpoint of the listener the client came on. KIP-700, KIP-919, KIP-1073. Endpoint type 1 asks for brokers;
// 2 asks for controllers, which a client listener does not show.
import { DescribeCluster } from '../../protocol/api/60-describe-cluster.ts'
import { MISMATCHED_ENDPOINT_TYPE, NONE, UNSUPPORTED_ENDPOINT_TYPE } from '../../protocol/errors.ts'
import { CLUSTER_OPERATIONS, NOT_ASKED } from '../authorized-operations.ts'
import { handler } from '../handler.ts'

const BROKERS = 1
const CONTROLLERS = 2

export const describeCluster = handler(DescribeCluster, {
  answer(broker, request, { connection: { listenerName } }) {
    if (request.endpointType === CONTROLLERS) {
      return refused(MISMATCHED_ENDPOINT_TYPE, 'This listener serves brokers; controllers are described elsewhere.')
    }
    if (request.endpointType !== BROKERS) {
      return refused(UNSUPPORTED_ENDPOINT_TYPE, `Endpoint type ${request.endpointType} is not known.`)
    }
    const brokers = broker
      .liveEndpoints(listenerName)
      .map(({ nodeId, host, port, rack }) => ({ brokerId: nodeId, host, port, rack, isFenced: false }))
    if (request.includeFencedBrokers) {
      for (const { brokerId, fenced, rack } of broker.image.brokers.values()) {
        const endpoint = fenced ? broker.endpointOf(brokerId, listenerName) : undefined
        if (endpoint !== undefined) brokers.push({ brokerId, host: endpoint.host, port: endpoint.port, rack, isFenced: true })
      }
    }
    return {
      errorCode: NONE,
      endpointType: BROKERS,
      clusterId: broker.clusterId,
      controllerId: broker.nodeId,
      brokers,
      clusterAuthorizedOperations: request.includeClusterAuthorizedOperations ? CLUSTER_OPERATIONS : NOT_ASKED,
    }
  },
  failed: (_request, { errorCode, errorMessage }) => refused(errorCode, errorMessage),
})

function refused(errorCode: number, errorMessage: string) {
  return { errorCode, errorMessage, clusterId: '', brokers: [] }
}
