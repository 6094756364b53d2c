// A broker says that it lives, how far it has applied the metadata log, and what it wants: to serve, not to serve, or to stop.
// Facts: KIP-631, org.apache.kafka.controller.BrokerHeartbeatManager (calculateNextBrokerState), ReplicationControlManager
// (processBrokerHeartbeat, handleBrokerInControlledShutdown).
// Where we differ from Kafka: who shuts down goes on leading what nobody else in sync could lead, until it is told that it may stop.

import { NONE } from '../protocol/errors.ts'
import { type BrokerIncarnation, currentBroker, decideFenceBroker, relinquish } from './brokers.ts'
import type { ApiError, Decision, DecisionContext } from './decision.ts'
import type { MetadataImage } from './image.ts'
import type { MetadataRecord } from './records.ts'

export interface HeartbeatRequest extends BrokerIncarnation {
  /** Exclusive: what the broker has applied of the metadata log. */
  readonly metadataOffset: number
  readonly wantsFence: boolean
  /** Once said, it is said by every heartbeat of that process. */
  readonly wantsShutdown: boolean
}

export interface HeartbeatAnswer {
  /** BROKER_ID_NOT_REGISTERED | STALE_BROKER_EPOCH: this process must register again, or was replaced. */
  readonly errorCode: number
  readonly isFenced: boolean
  /** It has applied its own registration, and with it what that brought. */
  readonly isCaughtUp: boolean
  /** It leads nothing that another could lead, those who serve know so, and it is fenced. */
  readonly mayShutDown: boolean
  /** Counted from when the heartbeat was sent, it is not fenced for silence before that. */
  readonly leaseMs: number
}

export interface HeartbeatFacts {
  readonly leaseMs: number
  /** Where this broker's leaderships had been given away; undefined: they are now. */
  readonly shutdownOffset: number | undefined
  /** What every other broker that serves has applied. */
  readonly othersOffset: number
}

/** What a broker is told when it is not the registered process. */
export function heartbeatRefused({ errorCode }: ApiError): HeartbeatAnswer {
  return { errorCode, isFenced: true, isCaughtUp: false, mayShutDown: false, leaseMs: 0 }
}

export function decideHeartbeat(
  image: MetadataImage,
  request: HeartbeatRequest,
  context: DecisionContext,
  facts: HeartbeatFacts,
): Decision<HeartbeatAnswer> {
  const broker = currentBroker(image, request)
  if ('errorCode' in broker) return { records: [], response: heartbeatRefused(broker) }
  const { brokerId, brokerEpoch, metadataOffset, wantsFence, wantsShutdown } = request
  const isCaughtUp = metadataOffset > brokerEpoch
  const answer = (records: readonly MetadataRecord[], isFenced: boolean, mayShutDown = false): Decision<HeartbeatAnswer> => ({
    records,
    response: { errorCode: NONE, isFenced, isCaughtUp, mayShutDown, leaseMs: facts.leaseMs },
  })
  const fence = (fenced: boolean) => decideFenceBroker(image, { brokerId, brokerEpoch, fenced }, context).records

  if (broker.fenced) {
    if (wantsShutdown) return answer([], true, true)
    return wantsFence || !isCaughtUp ? answer([], true) : answer(fence(false), false)
  }
  if (wantsFence) return answer(fence(true), true, wantsShutdown)
  if (!wantsShutdown) return answer([], false)
  const { records, movesLeaders } = relinquish(image, brokerId, context)
  if (movesLeaders || (broker.shuttingDown && records.length > 0)) return answer(records, false)
  const areToldOf =
    facts.shutdownOffset === undefined ? !broker.shuttingDown : facts.shutdownOffset <= Math.min(metadataOffset, facts.othersOffset)
  return areToldOf ? answer(fence(true), true, true) : answer([], false)
}
