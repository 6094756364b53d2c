// CreateTopics: each topic succeeds or fails alone; metadata/topics.ts decides. KIP-4, KIP-464, KIP-525, KIP-516.
// We differ from Kafka: the answer waits (within the request's timeout) until the new leaders serve, so whoever creates and at once produces meets
// no error. When they do not in time, the topic is made all the same and the answer says so.

import { MAX_NEW_PARTITIONS } from '../../metadata/assignments.ts'
import { CreateTopics } from '../../protocol/api/19-create-topics.ts'
import { POLICY_VIOLATION } from '../../protocol/errors.ts'
import type { RequestOf, ResponseOf } from '../../protocol/schema.ts'
import { handler } from '../handler.ts'
import type { Slices } from '../slices.ts'

type Refused = ResponseOf<typeof CreateTopics>['topics'][number]

export const createTopics = handler(CreateTopics, {
  async answer(broker, request, { slices }) {
    if (request.topics.length > MAX_NEW_PARTITIONS) return { topics: await refuseAll(request.topics, slices) }
    const response = await broker.agreed(broker.controller.createTopics(request))
    const created = response.topics.map(({ topicId }) => topicId).filter(topicId => topicId !== undefined)
    await broker.replicas.settledWithin(created, request.timeoutMs)
    return response
  },
  failed: (request, { errorCode, errorMessage }) => ({ topics: request.topics.map(({ name }) => ({ name, errorCode, errorMessage })) }),
})

/** Each is told once, as the controller would: it takes no request of this size, and would take long to say so. */
async function refuseAll(topics: RequestOf<typeof CreateTopics>['topics'], slices: Slices): Promise<Refused[]> {
  const errorMessage = `Excessively large number of partitions per request: ${topics.length} topics, at most ${MAX_NEW_PARTITIONS} partitions.`
  const seen = new Set<string>()
  const refused: Refused[] = []
  for (const { name } of topics) {
    if (slices.isOver()) await slices.next()
    if (seen.has(name)) continue
    seen.add(name)
    refused.push({ name, errorCode: POLICY_VIOLATION, errorMessage })
  }
  return refused
}
