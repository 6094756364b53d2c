// ListPartitionReassignments: the partitions whose replicas are being moved. KIP-455. Topics null = all. Partitions at rest are not mentioned.

import type { PartitionImage, TopicImage } from '../../metadata/image.ts'
import { ListPartitionReassignments } from '../../protocol/api/46-list-partition-reassignments.ts'
import { NONE } from '../../protocol/errors.ts'
import { handler } from '../handler.ts'

export const listPartitionReassignments = handler(ListPartitionReassignments, {
  answer(broker, request) {
    const { topics } = broker.image
    const wanted: Iterable<readonly [TopicImage | undefined, readonly (PartitionImage | undefined)[]]> =
      request.topics === null
        ? [...topics.values()].map(topic => [topic, topic.partitions] as const)
        : request.topics.map(({ name, partitionIndexes }) => {
            const topic = topics.get(name)
            return [topic, partitionIndexes.map(index => topic?.partitions[index])] as const
          })
    const answers = []
    for (const [topic, partitions] of wanted) {
      const moving = partitions.filter(state => state !== undefined).filter(isMoving)
      if (topic !== undefined && moving.length > 0) answers.push({ name: topic.name, partitions: moving.map(describe) })
    }
    return { errorCode: NONE, errorMessage: null, topics: answers }
  },
  failed: (_request, { errorCode, errorMessage }) => ({ errorCode, errorMessage, topics: [] }),
})

function isMoving({ addingReplicas, removingReplicas }: PartitionImage): boolean {
  return addingReplicas.length > 0 || removingReplicas.length > 0
}

function describe({ partition, replicas, addingReplicas, removingReplicas }: PartitionImage) {
  return { partitionIndex: partition, replicas, addingReplicas, removingReplicas }
}
