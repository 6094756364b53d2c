// CreateTopics: each topic succeeds or fails alone; metadata/topics.ts decides. KIP-4, KIP-464, KIP-525, KIP-516.
// We differ from Kafka: the answer waits (within the request's timeout) until the new leaders serve, so whoever creates and at once produces meets
// no error. When they do not in time, the topic is made all the same and the answer says so.
import { CreateTopics } from '../../protocol/api/19-create-topics.ts'
import { handler } from '../handler.ts'

export const createTopics = handler(CreateTopics, {
  async answer(broker, request) {
    const response = await broker.agreed(broker.controller.createTopics(request))
    const created = response.topics.map(({ topicId }) => topicId).filter(topicId => topicId !== undefined)
    await broker.replicas.settledWithin(created, request.timeoutMs)
    return response
  },
  failed: (request, { errorCode, errorMessage }) => ({ topics: request.topics.map(({ name }) => ({ name, errorCode, errorMessage })) }),
})
