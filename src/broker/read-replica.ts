// Which replica a consumer is sent to. KIP-392; org.apache.kafka.common.replica.RackAwareReplicaSelector, kafka.cluster.Partition.findPreferredReadReplica:
// one of its own rack that is in sync, alive and holds what it asks for, the furthest of them; the leader itself when it is of that rack, or nobody is.
import type { Broker } from './broker.ts'
import type { LocalReplica } from './local-replica.ts'

const RACK_AWARE = 'org.apache.kafka.common.replica.RackAwareReplicaSelector'

/** @returns -1: read here */
export function readReplicaFor(
  broker: Broker,
  { leader }: LocalReplica,
  { rackId, fetchOffset }: { rackId: string; fetchOffset: number },
): number {
  if (rackId === '' || leader === undefined || broker.config['replica.selector.class'] !== RACK_AWARE) return -1
  const { brokers } = broker.image
  if (brokers.get(broker.nodeId)?.rack === rackId) return -1
  let furthest = -1
  let furthestOffset = -1
  for (const [brokerId, { isLive, logStartOffset, fetchOffset: endOffset }] of leader.followers) {
    if (!isLive || !leader.isr.includes(brokerId) || brokers.get(brokerId)?.rack !== rackId) continue
    if (logStartOffset > fetchOffset || endOffset < fetchOffset || endOffset <= furthestOffset) continue
    furthest = brokerId
    furthestOffset = endOffset
  }
  return furthest
}
