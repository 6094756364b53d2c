// CreatePartitions: a topic grows; it never shrinks. KIP-195. metadata/growth.ts decides. Like CreateTopics the answer waits for the new leaders.
import { CreatePartitions } from '../../protocol/api/37-create-partitions.ts'
import { NONE } from '../../protocol/errors.ts'
import { handler } from '../handler.ts'

export const createPartitions = handler(CreatePartitions, {
  async answer(broker, request) {
    const response = await broker.agreed(broker.controller.createPartitions(request))
    const grown = response.results.filter(({ errorCode }) => errorCode === NONE).map(({ name }) => broker.image.topics.get(name)?.topicId)
    if (!request.validateOnly) {
      await broker.replicas.settledWithin(
        grown.filter(topicId => topicId !== undefined),
        request.timeoutMs,
      )
    }
    return response
  },
  failed: (request, { errorCode, errorMessage }) => ({ results: request.topics.map(({ name }) => ({ name, errorCode, errorMessage })) }),
})
