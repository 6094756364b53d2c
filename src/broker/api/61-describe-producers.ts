// DescribeProducers: the producers a partition remembers, and since when each has a transaction open. KIP-664.
// A producer's last timestamp is that of its last batch's records; it is forgotten producer.id.expiration.ms after that (log/producer-state.ts).
import type { Producer } from '../../log/producer-state.ts'
import { topicNameError } from '../../metadata/topic-names.ts'
import { DescribeProducers } from '../../protocol/api/61-describe-producers.ts'
import { errorMessage, INVALID_TOPIC_EXCEPTION, NONE, UNKNOWN_TOPIC_OR_PARTITION } from '../../protocol/errors.ts'
import type { Broker } from '../broker.ts'
import { handler } from '../handler.ts'

export const describeProducers = handler(DescribeProducers, {
  async answer(broker, { topics }, { slices }) {
    const answers = []
    for (const { name, partitionIndexes } of topics) {
      const partitions = []
      for (const partitionIndex of partitionIndexes) {
        const found = producersOf(broker, name, partitionIndex)
        partitions.push({ partitionIndex, ...found })
        if (slices.isOver(1 + found.activeProducers.length)) await slices.next()
      }
      answers.push({ name, partitions })
    }
    return { topics: answers }
  },
  failed: ({ topics }, error) => ({
    topics: topics.map(({ name, partitionIndexes }) => ({
      name,
      partitions: partitionIndexes.map(partitionIndex => ({ partitionIndex, ...error, activeProducers: [] })),
    })),
  }),
})

function producersOf(broker: Broker, name: string, partition: number) {
  const topic = broker.image.topics.get(name)
  const replica = topic === undefined ? unknownTopic(name) : broker.replicas.leaderOf(topic, partition)
  if (typeof replica === 'number') return { errorCode: replica, errorMessage: errorMessage(replica), activeProducers: [] }
  return { errorCode: NONE, errorMessage: null, activeProducers: [...replica.log.producers.producers.values()].map(shown) }
}

function unknownTopic(name: string): number {
  return topicNameError(name) === undefined ? UNKNOWN_TOPIC_OR_PARTITION : INVALID_TOPIC_EXCEPTION
}

function shown({ producerId, epoch, coordinatorEpoch, lastTimestamp, transactionFirstOffset, batches }: Producer) {
  return {
    producerId,
    producerEpoch: epoch,
    lastSequence: batches.at(-1)?.lastSequence ?? -1,
    lastTimestamp,
    coordinatorEpoch,
    currentTxnStartOffset: transactionFirstOffset,
  }
}
