// InitProducerId: a fresh identity for an idempotent producer. KIP-98, KIP-360. Ids come from blocks that the metadata log gave to this broker
// before the first of them is handed out. A producer that names the id it had still gets a new one, epoch 0, as in Kafka.
// Transactions do not exist yet: a transactional id is answered TRANSACTIONAL_ID_AUTHORIZATION_FAILED. Of all codes it is the one that the Java client
// and librdkafka both report at once; others librdkafka retries until init_transactions times out.
import { InitProducerId } from '../../protocol/api/22-init-producer-id.ts'
import { INVALID_REQUEST, NONE, TRANSACTIONAL_ID_AUTHORIZATION_FAILED } from '../../protocol/errors.ts'
import { handler } from '../handler.ts'

const refused = (errorCode: number) => ({ errorCode, producerId: -1, producerEpoch: -1 })

export const initProducerId = handler(InitProducerId, {
  async answer(broker, { transactionalId, producerId, producerEpoch }) {
    if (transactionalId === '') return refused(INVALID_REQUEST)
    if (transactionalId !== null) return refused(TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
    if ((producerId === -1) !== (producerEpoch === -1)) return refused(INVALID_REQUEST)
    return { errorCode: NONE, producerId: await broker.producerIds.next(), producerEpoch: 0 }
  },
  failed: (_request, { errorCode }) => refused(errorCode),
})
