// ElectLeaders: preferred replicas lead again (0), or an unclean leader is elected (1). KIP-183, KIP-460. metadata/elections.ts decides. Like
// CreateTopics the answer waits for the leaders of this broker, within the request's timeout.
import { ElectLeaders } from '../../protocol/api/43-elect-leaders.ts'
import { NONE } from '../../protocol/errors.ts'
import { handler } from '../handler.ts'

export const electLeaders = handler(ElectLeaders, {
  async answer(broker, request) {
    const response = await broker.agreed(broker.controller.electLeaders(request))
    const elected = response.replicaElectionResults
      .filter(({ partitionResult }) => partitionResult.some(({ errorCode }) => (errorCode ?? NONE) === NONE))
      .map(({ topic }) => broker.image.topics.get(topic)?.topicId)
      .filter(topicId => topicId !== undefined)
    await broker.replicas.settledWithin(elected, request.timeoutMs)
    return response
  },
  failed: ({ topicPartitions }, { errorCode, errorMessage }) => ({
    errorCode,
    replicaElectionResults: (topicPartitions ?? []).map(({ topic, partitions }) => ({
      topic,
      partitionResult: partitions.map(partitionId => ({ partitionId, errorCode, errorMessage })),
    })),
  }),
})
