// The public face of the test kit, `ottla/testing`.
export {
  Cluster,
  type ClusterNode,
  type NodeState,
  type OneWay,
  type Place,
  type StartClusterOptions,
  startCluster,
  type WaitOptions,
} from '../testing/cluster.ts'
