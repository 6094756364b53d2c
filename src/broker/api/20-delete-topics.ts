// DeleteTopics: by name, from v6 on also by id; metadata/topics.ts decides. The data is renamed away at once and removed after file.delete.delay.ms.
// KIP-516. TOPIC_DELETION_DISABLED is told as INVALID_REQUEST below v3, which do not know it.
import { DeleteTopics } from '../../protocol/api/20-delete-topics.ts'
import { INVALID_REQUEST, TOPIC_DELETION_DISABLED } from '../../protocol/errors.ts'
import { ZERO_UUID } from '../../util/uuid.ts'
import { handler } from '../handler.ts'

export const deleteTopics = handler(DeleteTopics, {
  async answer(broker, request, { version }) {
    const response = await broker.agreed(broker.controller.deleteTopics(request))
    if (version >= 3) return response
    const responses = response.responses.map(each =>
      each.errorCode === TOPIC_DELETION_DISABLED ? { ...each, errorCode: INVALID_REQUEST } : each,
    )
    return { ...response, responses }
  },
  failed: ({ topics, topicNames }, { errorCode, errorMessage }) => ({
    responses: [
      ...topics.map(({ name, topicId }) => ({ name, topicId, errorCode, errorMessage })),
      ...topicNames.map(name => ({ name, topicId: ZERO_UUID, errorCode, errorMessage })),
    ],
  }),
})
