// What is asked of the replicas somebody wrote down by hand, for new topics and new partitions alike.
// Facts: org.apache.kafka.controller.ReplicationControlManager.validateManualPartitionAssignment.
import { duplicatesOf } from './decision.ts'
import type { MetadataImage } from './image.ts'
import { isAvailable } from './partitions.ts'

/** Of one request, in new topics and in growing ones: what is agreed on in one batch. */
export const MAX_NEW_PARTITIONS = 10_000

/** What is wrong with an assignment; undefined: nothing. */
export function checkReplicas(
  image: MetadataImage,
  assignment: readonly (readonly number[])[],
  o: { readonly firstPartition: number; readonly replicationFactor: number },
): string | undefined {
  const available = isAvailable(image)
  for (const [nth, replicas] of assignment.entries()) {
    const partition = o.firstPartition + nth
    if (replicas.length === 0) return 'The manual partition assignment includes an empty replica list.'
    const unknown = replicas.find(id => !image.brokers.has(id))
    if (unknown !== undefined) return `The manual partition assignment includes broker ${unknown}, but no such broker is registered.`
    const [twice] = duplicatesOf(replicas)
    if (twice !== undefined) return `The manual partition assignment includes the broker ${twice} more than once.`
    if (replicas.length !== o.replicationFactor) {
      return (
        `The manual partition assignment includes a partition with ${replicas.length} replica(s), but this is not consistent with previous ` +
        `partitions, which have ${o.replicationFactor} replica(s).`
      )
    }
    if (!replicas.some(available)) return `All brokers specified in the manual partition assignment for partition ${partition} are fenced.`
  }
  return undefined
}
