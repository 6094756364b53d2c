// What members are told when the group's record could not be stored. Facts: GroupMetadataManager.appendGroupMetadataErrorToResponseError.
import {
  COORDINATOR_NOT_AVAILABLE,
  INVALID_FETCH_SIZE,
  KAFKA_STORAGE_ERROR,
  MESSAGE_TOO_LARGE,
  NOT_COORDINATOR,
  NOT_ENOUGH_REPLICAS,
  NOT_LEADER_OR_FOLLOWER,
  RECORD_LIST_TOO_LARGE,
  REQUEST_TIMED_OUT,
  UNKNOWN_SERVER_ERROR,
  UNKNOWN_TOPIC_OR_PARTITION,
} from '../../../protocol/errors.ts'

const TOLD = new Map([
  [UNKNOWN_TOPIC_OR_PARTITION, COORDINATOR_NOT_AVAILABLE],
  [NOT_ENOUGH_REPLICAS, COORDINATOR_NOT_AVAILABLE],
  [REQUEST_TIMED_OUT, COORDINATOR_NOT_AVAILABLE],
  [NOT_LEADER_OR_FOLLOWER, NOT_COORDINATOR],
  [KAFKA_STORAGE_ERROR, NOT_COORDINATOR],
  [MESSAGE_TOO_LARGE, UNKNOWN_SERVER_ERROR],
  [RECORD_LIST_TOO_LARGE, UNKNOWN_SERVER_ERROR],
  [INVALID_FETCH_SIZE, UNKNOWN_SERVER_ERROR],
])

/** An append's error, as an answer of the coordinator. */
export function appendErrorToMember(errorCode: number): number {
  return TOLD.get(errorCode) ?? errorCode
}
