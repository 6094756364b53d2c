// Where the replicas of new partitions go: leaders in turn over the brokers, followers in turn over the others, on as many racks as there are.
// Facts: kafka.admin.AdminUtils / org.apache.kafka.metadata.placement.StripedReplicaPlacer. We differ from Kafka: fenced brokers get replicas only
// when there are not enough others.
import type { Random } from '../env/env.ts'
import type { MetadataImage } from './image.ts'

export interface PlacementBroker {
  readonly brokerId: number
  readonly rack: string | null
  readonly fenced: boolean
}

export interface PlacementRequest {
  readonly brokers: readonly PlacementBroker[]
  readonly partitionCount: number
  readonly replicationFactor: number
  readonly random: Random
}

/** The brokers that new replicas may go to; who shuts down is as good as fenced. */
export function placementBrokers(image: MetadataImage): PlacementBroker[] {
  return [...image.brokers.values()].map(({ brokerId, rack, fenced, shuttingDown }) => ({ brokerId, rack, fenced: fenced || shuttingDown }))
}

/** @returns the replicas of each partition, the first unfenced; or why it cannot be done */
export function placeReplicas({ brokers, partitionCount, replicationFactor, random }: PlacementRequest): number[][] | string {
  const unfenced = brokers.filter(({ fenced }) => !fenced)
  if (unfenced.length === 0) return 'All brokers are currently fenced.'
  if (replicationFactor > brokers.length) {
    return (
      `Unable to replicate the partition ${replicationFactor} time(s): The target replication factor of ${replicationFactor} cannot be ` +
      `reached because only ${brokers.length} broker(s) are registered.`
    )
  }
  const leaders = stripe(unfenced, random)
  const others = replicationFactor > unfenced.length ? stripe(brokers, random).filter(({ fenced }) => fenced) : []
  const start = random.integer(leaders.length)
  const shift = random.integer(leaders.length)
  return Array.from({ length: partitionCount }, (_, partition) => {
    const first = (start + partition) % leaders.length
    // Once around the leaders, the followers take another step.
    const step = shift + Math.floor((start + partition) / leaders.length)
    const order = [leaders[first]!]
    for (let nth = 0; nth < leaders.length - 1; nth++)
      order.push(leaders[(first + 1 + ((step + nth) % (leaders.length - 1))) % leaders.length]!)
    return spread([...order, ...others], replicationFactor)
  })
}

/** Brokers of different racks one after another: a1 b1 c1 a2 b2 c2. Racks and brokers begin at a random one. */
function stripe(brokers: readonly PlacementBroker[], random: Random): PlacementBroker[] {
  const racks = new Map<string | null, PlacementBroker[]>()
  for (const broker of [...brokers].sort((a, b) => a.brokerId - b.brokerId)) {
    const rack = racks.get(broker.rack)
    if (rack === undefined) racks.set(broker.rack, [broker])
    else rack.push(broker)
  }
  const queues = rotate([...racks.values()], random).map(rack => rotate(rack, random))
  const longest = Math.max(...queues.map(queue => queue.length))
  return Array.from({ length: longest }, (_, row) => queues.flatMap(queue => queue.slice(row, row + 1))).flat()
}

function rotate<T>(list: readonly T[], random: Random): T[] {
  const by = random.integer(list.length)
  return [...list.slice(by), ...list.slice(0, by)]
}

/** The first `count` in this order that take every rack once before any rack a second time. The first stays first. */
function spread(order: readonly PlacementBroker[], count: number): number[] {
  const chosen: number[] = []
  const uses = new Map<string | null, number>()
  for (let round = 0; chosen.length < count; round++) {
    for (const { brokerId, rack } of order) {
      if (chosen.length === count || chosen.includes(brokerId) || (uses.get(rack) ?? 0) > round) continue
      chosen.push(brokerId)
      uses.set(rack, (uses.get(rack) ?? 0) + 1)
    }
  }
  return chosen
}
