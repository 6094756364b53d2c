// DescribeCluster (60): cluster id, controller and brokers. KIP-700, KIP-919, KIP-1073 (fenced brokers).
import { api, arr, bool, i8, i16, i32, str } from '../schema.ts'

export const DescribeCluster = api('DescribeCluster', 60, '0-2', {
  flex: 0,
  request: {
    includeClusterAuthorizedOperations: bool,
    endpointType: i8.in('1+', 1),
    includeFencedBrokers: bool.in('2+'),
  },
  response: {
    throttleTimeMs: i32.def(0),
    errorCode: i16.def(0),
    errorMessage: str.null(),
    endpointType: i8.in('1+', 1),
    clusterId: str,
    controllerId: i32.def(-1),
    brokers: arr({
      brokerId: i32,
      host: str,
      port: i32,
      rack: str.null(),
      isFenced: bool.in('2+'),
    }),
    clusterAuthorizedOperations: i32.def(-2147483648),
  },
})
