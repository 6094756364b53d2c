// OffsetForLeaderEpoch: where an epoch ended, so that a client can tell whether what it read is still there. KIP-101, KIP-279, KIP-320.
// An epoch we never saw, between two we know, is answered with the floor epoch and the start of the next; above the latest: -1, -1.
import { OffsetForLeaderEpoch } from '../../protocol/api/23-offset-for-leader-epoch.ts'
import { FENCED_LEADER_EPOCH, NONE, UNKNOWN_LEADER_EPOCH, UNKNOWN_TOPIC_OR_PARTITION } from '../../protocol/errors.ts'
import type { RequestOf } from '../../protocol/schema.ts'
import type { Broker } from '../broker.ts'
import { CloseConnection, handler } from '../handler.ts'

type Question = RequestOf<typeof OffsetForLeaderEpoch>['topics'][number]['partitions'][number]

export const offsetForLeaderEpoch = handler(OffsetForLeaderEpoch, {
  async answer(broker, { replicaId, topics }, { slices }) {
    if (replicaId >= 0) return new CloseConnection('a replica asks for epochs on a client listener')
    const answers = []
    for (const { topic, partitions } of topics) {
      if (slices.isOver()) await slices.next()
      const ends = await slices.map(partitions, question => ({ partition: question.partition, ...endOf(broker, topic, question) }))
      answers.push({ topic, partitions: ends })
    }
    return { topics: answers }
  },
  failed: ({ topics }, { errorCode }) => ({
    topics: topics.map(({ topic, partitions }) => ({ topic, partitions: partitions.map(({ partition }) => ({ partition, errorCode })) })),
  }),
})

function endOf(broker: Broker, name: string, question: Question): { errorCode: number; leaderEpoch: number; endOffset: number } {
  const topic = broker.image.topics.get(name)
  const replica = topic === undefined ? UNKNOWN_TOPIC_OR_PARTITION : broker.replicas.leaderOf(topic, question.partition)
  if (typeof replica === 'number') return refused(replica)
  const { leaderEpoch } = replica.leader!
  if (question.currentLeaderEpoch !== -1 && question.currentLeaderEpoch !== leaderEpoch) {
    return refused(question.currentLeaderEpoch < leaderEpoch ? FENCED_LEADER_EPOCH : UNKNOWN_LEADER_EPOCH)
  }
  const { epoch, endOffset } = replica.log.epochs.endOffsetFor(question.leaderEpoch)
  return { errorCode: NONE, leaderEpoch: epoch, endOffset }
}

function refused(errorCode: number): { errorCode: number; leaderEpoch: number; endOffset: number } {
  return { errorCode, leaderEpoch: -1, endOffset: -1 }
}
