// Producer ids are handed out by brokers from blocks that the metadata log has given them, so that no id is used twice whatever crashes
// (DESIGN rule 7; KIP-730). A block is agreed on before its first id leaves the broker; what a crashed broker had left is never used.

import { UNKNOWN_SERVER_ERROR } from '../protocol/errors.ts'
import { type BrokerIncarnation, currentBroker } from './brokers.ts'
import type { ApiError, Decision } from './decision.ts'
import { apiError, SUCCESS } from './decision.ts'
import type { MetadataImage } from './image.ts'

export const PRODUCER_ID_BLOCK_SIZE = 1000

export interface ProducerIdBlock {
  readonly firstProducerId: number
  readonly count: number
}

/** @returns BROKER_ID_NOT_REGISTERED | STALE_BROKER_EPOCH with an empty block */
export function decideAllocateProducerIds(image: MetadataImage, incarnation: BrokerIncarnation): Decision<ApiError & ProducerIdBlock> {
  const broker = currentBroker(image, incarnation)
  if ('errorCode' in broker) return { records: [], response: { ...broker, firstProducerId: -1, count: 0 } }
  const firstProducerId = image.nextProducerId
  const nextProducerId = firstProducerId + PRODUCER_ID_BLOCK_SIZE
  if (!Number.isSafeInteger(nextProducerId))
    return {
      records: [],
      response: { ...apiError(UNKNOWN_SERVER_ERROR, 'All producer ids have been used.'), firstProducerId: -1, count: 0 },
    }
  const { brokerId, brokerEpoch } = incarnation
  return {
    records: [{ type: 'producerIdsAllocated', brokerId, brokerEpoch, nextProducerId }],
    response: { ...SUCCESS, firstProducerId, count: PRODUCER_ID_BLOCK_SIZE },
  }
}
