// Kafka's error codes: number, name, whether a client may try again, and what went wrong. Names, numbers and retriability are Kafka's (4.4,
// org.apache.kafka.common.protocol.Errors); the words are ours.

export const UNKNOWN_SERVER_ERROR = -1
export const NONE = 0
export const OFFSET_OUT_OF_RANGE = 1
export const CORRUPT_MESSAGE = 2
export const UNKNOWN_TOPIC_OR_PARTITION = 3
export const INVALID_FETCH_SIZE = 4
export const LEADER_NOT_AVAILABLE = 5
export const NOT_LEADER_OR_FOLLOWER = 6
export const REQUEST_TIMED_OUT = 7
export const BROKER_NOT_AVAILABLE = 8
export const REPLICA_NOT_AVAILABLE = 9
export const MESSAGE_TOO_LARGE = 10
export const STALE_CONTROLLER_EPOCH = 11
export const OFFSET_METADATA_TOO_LARGE = 12
export const NETWORK_EXCEPTION = 13
export const COORDINATOR_LOAD_IN_PROGRESS = 14
export const COORDINATOR_NOT_AVAILABLE = 15
export const NOT_COORDINATOR = 16
export const INVALID_TOPIC_EXCEPTION = 17
export const RECORD_LIST_TOO_LARGE = 18
export const NOT_ENOUGH_REPLICAS = 19
export const NOT_ENOUGH_REPLICAS_AFTER_APPEND = 20
export const INVALID_REQUIRED_ACKS = 21
export const ILLEGAL_GENERATION = 22
export const INCONSISTENT_GROUP_PROTOCOL = 23
export const INVALID_GROUP_ID = 24
export const UNKNOWN_MEMBER_ID = 25
export const INVALID_SESSION_TIMEOUT = 26
export const REBALANCE_IN_PROGRESS = 27
export const INVALID_COMMIT_OFFSET_SIZE = 28
export const TOPIC_AUTHORIZATION_FAILED = 29
export const GROUP_AUTHORIZATION_FAILED = 30
export const CLUSTER_AUTHORIZATION_FAILED = 31
export const INVALID_TIMESTAMP = 32
export const UNSUPPORTED_SASL_MECHANISM = 33
export const ILLEGAL_SASL_STATE = 34
export const UNSUPPORTED_VERSION = 35
export const TOPIC_ALREADY_EXISTS = 36
export const INVALID_PARTITIONS = 37
export const INVALID_REPLICATION_FACTOR = 38
export const INVALID_REPLICA_ASSIGNMENT = 39
export const INVALID_CONFIG = 40
export const NOT_CONTROLLER = 41
export const INVALID_REQUEST = 42
export const UNSUPPORTED_FOR_MESSAGE_FORMAT = 43
export const POLICY_VIOLATION = 44
export const OUT_OF_ORDER_SEQUENCE_NUMBER = 45
export const DUPLICATE_SEQUENCE_NUMBER = 46
export const INVALID_PRODUCER_EPOCH = 47
export const INVALID_TXN_STATE = 48
export const INVALID_PRODUCER_ID_MAPPING = 49
export const INVALID_TRANSACTION_TIMEOUT = 50
export const CONCURRENT_TRANSACTIONS = 51
export const TRANSACTION_COORDINATOR_FENCED = 52
export const TRANSACTIONAL_ID_AUTHORIZATION_FAILED = 53
export const SECURITY_DISABLED = 54
export const OPERATION_NOT_ATTEMPTED = 55
export const KAFKA_STORAGE_ERROR = 56
export const LOG_DIR_NOT_FOUND = 57
export const SASL_AUTHENTICATION_FAILED = 58
export const UNKNOWN_PRODUCER_ID = 59
export const REASSIGNMENT_IN_PROGRESS = 60
export const DELEGATION_TOKEN_AUTH_DISABLED = 61
export const DELEGATION_TOKEN_NOT_FOUND = 62
export const DELEGATION_TOKEN_OWNER_MISMATCH = 63
export const DELEGATION_TOKEN_REQUEST_NOT_ALLOWED = 64
export const DELEGATION_TOKEN_AUTHORIZATION_FAILED = 65
export const DELEGATION_TOKEN_EXPIRED = 66
export const INVALID_PRINCIPAL_TYPE = 67
export const NON_EMPTY_GROUP = 68
export const GROUP_ID_NOT_FOUND = 69
export const FETCH_SESSION_ID_NOT_FOUND = 70
export const INVALID_FETCH_SESSION_EPOCH = 71
export const LISTENER_NOT_FOUND = 72
export const TOPIC_DELETION_DISABLED = 73
export const FENCED_LEADER_EPOCH = 74
export const UNKNOWN_LEADER_EPOCH = 75
export const UNSUPPORTED_COMPRESSION_TYPE = 76
export const STALE_BROKER_EPOCH = 77
export const OFFSET_NOT_AVAILABLE = 78
export const MEMBER_ID_REQUIRED = 79
export const PREFERRED_LEADER_NOT_AVAILABLE = 80
export const GROUP_MAX_SIZE_REACHED = 81
export const FENCED_INSTANCE_ID = 82
export const ELIGIBLE_LEADERS_NOT_AVAILABLE = 83
export const ELECTION_NOT_NEEDED = 84
export const NO_REASSIGNMENT_IN_PROGRESS = 85
export const GROUP_SUBSCRIBED_TO_TOPIC = 86
export const INVALID_RECORD = 87
export const UNSTABLE_OFFSET_COMMIT = 88
export const THROTTLING_QUOTA_EXCEEDED = 89
export const PRODUCER_FENCED = 90
export const RESOURCE_NOT_FOUND = 91
export const DUPLICATE_RESOURCE = 92
export const UNACCEPTABLE_CREDENTIAL = 93
export const INCONSISTENT_VOTER_SET = 94
export const INVALID_UPDATE_VERSION = 95
export const FEATURE_UPDATE_FAILED = 96
export const PRINCIPAL_DESERIALIZATION_FAILURE = 97
export const SNAPSHOT_NOT_FOUND = 98
export const POSITION_OUT_OF_RANGE = 99
export const UNKNOWN_TOPIC_ID = 100
export const DUPLICATE_BROKER_REGISTRATION = 101
export const BROKER_ID_NOT_REGISTERED = 102
export const INCONSISTENT_TOPIC_ID = 103
export const INCONSISTENT_CLUSTER_ID = 104
export const TRANSACTIONAL_ID_NOT_FOUND = 105
export const FETCH_SESSION_TOPIC_ID_ERROR = 106
export const INELIGIBLE_REPLICA = 107
export const NEW_LEADER_ELECTED = 108
export const OFFSET_MOVED_TO_TIERED_STORAGE = 109
export const FENCED_MEMBER_EPOCH = 110
export const UNRELEASED_INSTANCE_ID = 111
export const UNSUPPORTED_ASSIGNOR = 112
export const STALE_MEMBER_EPOCH = 113
export const MISMATCHED_ENDPOINT_TYPE = 114
export const UNSUPPORTED_ENDPOINT_TYPE = 115
export const UNKNOWN_CONTROLLER_ID = 116
export const UNKNOWN_SUBSCRIPTION_ID = 117
export const TELEMETRY_TOO_LARGE = 118
export const INVALID_REGISTRATION = 119
export const TRANSACTION_ABORTABLE = 120
export const INVALID_RECORD_STATE = 121
export const SHARE_SESSION_NOT_FOUND = 122
export const INVALID_SHARE_SESSION_EPOCH = 123
export const FENCED_STATE_EPOCH = 124
export const INVALID_VOTER_KEY = 125
export const DUPLICATE_VOTER = 126
export const VOTER_NOT_FOUND = 127
export const INVALID_REGULAR_EXPRESSION = 128
export const REBOOTSTRAP_REQUIRED = 129
export const STREAMS_INVALID_TOPOLOGY = 130
export const STREAMS_INVALID_TOPOLOGY_EPOCH = 131
export const STREAMS_TOPOLOGY_FENCED = 132
export const SHARE_SESSION_LIMIT_REACHED = 133
export const GROUP_DELETION_FAILED = 134
export const STREAMS_TOPOLOGY_DESCRIPTION_UPDATE_FAILED = 135
export const CONTROLLER_ID_NOT_REGISTERED = 136

/** Per code: name, may a client try again, what went wrong. */
const TABLE: readonly (readonly [code: number, name: string, retriable: boolean, message: string])[] = [
  [UNKNOWN_SERVER_ERROR, 'UNKNOWN_SERVER_ERROR', false, 'The broker failed in a way it did not expect.'],
  [NONE, 'NONE', false, 'No error.'],
  [OFFSET_OUT_OF_RANGE, 'OFFSET_OUT_OF_RANGE', false, 'The offset lies outside the log of this partition.'],
  [
    CORRUPT_MESSAGE,
    'CORRUPT_MESSAGE',
    true,
    'The record batch is damaged: checksum, size or framing is wrong, or a compacted topic got a null key.',
  ],
  [UNKNOWN_TOPIC_OR_PARTITION, 'UNKNOWN_TOPIC_OR_PARTITION', true, 'This broker does not know the topic or partition.'],
  [INVALID_FETCH_SIZE, 'INVALID_FETCH_SIZE', false, 'The fetch size is not valid.'],
  [LEADER_NOT_AVAILABLE, 'LEADER_NOT_AVAILABLE', true, 'The partition has no leader at the moment.'],
  [NOT_LEADER_OR_FOLLOWER, 'NOT_LEADER_OR_FOLLOWER', true, 'This broker does not lead the partition, or holds no replica of it.'],
  [REQUEST_TIMED_OUT, 'REQUEST_TIMED_OUT', true, 'The request was not finished within its time limit.'],
  [BROKER_NOT_AVAILABLE, 'BROKER_NOT_AVAILABLE', false, 'The broker is not available.'],
  [REPLICA_NOT_AVAILABLE, 'REPLICA_NOT_AVAILABLE', true, 'The replica is not available on this broker.'],
  [MESSAGE_TOO_LARGE, 'MESSAGE_TOO_LARGE', false, 'The record batch is larger than max.message.bytes allows.'],
  [STALE_CONTROLLER_EPOCH, 'STALE_CONTROLLER_EPOCH', false, 'The request comes from a controller that is no longer the active one.'],
  [OFFSET_METADATA_TOO_LARGE, 'OFFSET_METADATA_TOO_LARGE', false, 'The metadata string of the committed offset is longer than allowed.'],
  [NETWORK_EXCEPTION, 'NETWORK_EXCEPTION', true, 'The connection closed before the answer came.'],
  [COORDINATOR_LOAD_IN_PROGRESS, 'COORDINATOR_LOAD_IN_PROGRESS', true, 'The coordinator is still loading its state.'],
  [COORDINATOR_NOT_AVAILABLE, 'COORDINATOR_NOT_AVAILABLE', true, 'There is no coordinator available at the moment.'],
  [NOT_COORDINATOR, 'NOT_COORDINATOR', true, 'This broker is not the coordinator asked for.'],
  [
    INVALID_TOPIC_EXCEPTION,
    'INVALID_TOPIC_EXCEPTION',
    false,
    'The topic name is not valid, or the operation is not allowed on this topic.',
  ],
  [RECORD_LIST_TOO_LARGE, 'RECORD_LIST_TOO_LARGE', false, 'The record batch is larger than a log segment.'],
  [NOT_ENOUGH_REPLICAS, 'NOT_ENOUGH_REPLICAS', true, 'Fewer replicas are in sync than min.insync.replicas demands; nothing was written.'],
  [
    NOT_ENOUGH_REPLICAS_AFTER_APPEND,
    'NOT_ENOUGH_REPLICAS_AFTER_APPEND',
    true,
    'The records were written, but fewer replicas are in sync than min.insync.replicas demands.',
  ],
  [INVALID_REQUIRED_ACKS, 'INVALID_REQUIRED_ACKS', false, 'acks must be -1, 0 or 1.'],
  [ILLEGAL_GENERATION, 'ILLEGAL_GENERATION', false, 'The generation is not the current one of the group.'],
  [INCONSISTENT_GROUP_PROTOCOL, 'INCONSISTENT_GROUP_PROTOCOL', false, 'The member shares no protocol with the group, or named none.'],
  [INVALID_GROUP_ID, 'INVALID_GROUP_ID', false, 'The group id is not valid.'],
  [UNKNOWN_MEMBER_ID, 'UNKNOWN_MEMBER_ID', false, 'The group has no member with this id.'],
  [INVALID_SESSION_TIMEOUT, 'INVALID_SESSION_TIMEOUT', false, 'The session timeout lies outside the bounds set by the broker.'],
  [REBALANCE_IN_PROGRESS, 'REBALANCE_IN_PROGRESS', false, 'The group is rebalancing; the member has to join again.'],
  [INVALID_COMMIT_OFFSET_SIZE, 'INVALID_COMMIT_OFFSET_SIZE', false, 'The offset commit is too large to be stored.'],
  [TOPIC_AUTHORIZATION_FAILED, 'TOPIC_AUTHORIZATION_FAILED', false, 'Not authorized for this topic.'],
  [GROUP_AUTHORIZATION_FAILED, 'GROUP_AUTHORIZATION_FAILED', false, 'Not authorized for this group.'],
  [CLUSTER_AUTHORIZATION_FAILED, 'CLUSTER_AUTHORIZATION_FAILED', false, 'Not authorized for this operation on the cluster.'],
  [INVALID_TIMESTAMP, 'INVALID_TIMESTAMP', false, 'The timestamp of a record lies outside the range the topic accepts.'],
  [UNSUPPORTED_SASL_MECHANISM, 'UNSUPPORTED_SASL_MECHANISM', false, 'The SASL mechanism is not enabled on this broker.'],
  [ILLEGAL_SASL_STATE, 'ILLEGAL_SASL_STATE', false, 'The request does not fit the state of the SASL exchange.'],
  [UNSUPPORTED_VERSION, 'UNSUPPORTED_VERSION', false, 'This version of the API is not supported.'],
  [TOPIC_ALREADY_EXISTS, 'TOPIC_ALREADY_EXISTS', false, 'A topic with this name exists already.'],
  [INVALID_PARTITIONS, 'INVALID_PARTITIONS', false, 'The number of partitions is not valid.'],
  [INVALID_REPLICATION_FACTOR, 'INVALID_REPLICATION_FACTOR', false, 'The replication factor is below 1 or above the number of brokers.'],
  [INVALID_REPLICA_ASSIGNMENT, 'INVALID_REPLICA_ASSIGNMENT', false, 'The assignment of replicas is not valid.'],
  [INVALID_CONFIG, 'INVALID_CONFIG', false, 'The configuration is not valid.'],
  [NOT_CONTROLLER, 'NOT_CONTROLLER', true, 'This node is not the active controller.'],
  [INVALID_REQUEST, 'INVALID_REQUEST', false, 'The request is malformed or contradicts itself.'],
  [UNSUPPORTED_FOR_MESSAGE_FORMAT, 'UNSUPPORTED_FOR_MESSAGE_FORMAT', false, 'The message format does not support the request.'],
  [POLICY_VIOLATION, 'POLICY_VIOLATION', false, 'The request breaks a policy set by the operator.'],
  [
    OUT_OF_ORDER_SEQUENCE_NUMBER,
    'OUT_OF_ORDER_SEQUENCE_NUMBER',
    false,
    'The sequence number does not follow the last one of this producer.',
  ],
  [DUPLICATE_SEQUENCE_NUMBER, 'DUPLICATE_SEQUENCE_NUMBER', false, 'The sequence number was seen before.'],
  [INVALID_PRODUCER_EPOCH, 'INVALID_PRODUCER_EPOCH', false, 'The producer epoch is older than the current one.'],
  [INVALID_TXN_STATE, 'INVALID_TXN_STATE', false, 'The operation does not fit the state of the transaction.'],
  [INVALID_PRODUCER_ID_MAPPING, 'INVALID_PRODUCER_ID_MAPPING', false, 'The producer id does not belong to this transactional id.'],
  [INVALID_TRANSACTION_TIMEOUT, 'INVALID_TRANSACTION_TIMEOUT', false, 'The transaction timeout is larger than transaction.max.timeout.ms.'],
  [CONCURRENT_TRANSACTIONS, 'CONCURRENT_TRANSACTIONS', true, 'Another operation on the same transaction is still running.'],
  [
    TRANSACTION_COORDINATOR_FENCED,
    'TRANSACTION_COORDINATOR_FENCED',
    false,
    'The marker comes from a transaction coordinator that was replaced.',
  ],
  [TRANSACTIONAL_ID_AUTHORIZATION_FAILED, 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED', false, 'Not authorized for this transactional id.'],
  [SECURITY_DISABLED, 'SECURITY_DISABLED', false, 'Authorization is not enabled on this cluster.'],
  [OPERATION_NOT_ATTEMPTED, 'OPERATION_NOT_ATTEMPTED', false, 'Not tried, because another part of the same request failed.'],
  [KAFKA_STORAGE_ERROR, 'KAFKA_STORAGE_ERROR', true, "The log could not be read or written on the broker's disk."],
  [LOG_DIR_NOT_FOUND, 'LOG_DIR_NOT_FOUND', false, 'The broker has no such log directory.'],
  [SASL_AUTHENTICATION_FAILED, 'SASL_AUTHENTICATION_FAILED', false, 'Authentication failed.'],
  [UNKNOWN_PRODUCER_ID, 'UNKNOWN_PRODUCER_ID', false, 'The broker holds no state for this producer id.'],
  [REASSIGNMENT_IN_PROGRESS, 'REASSIGNMENT_IN_PROGRESS', false, 'The partition is being reassigned.'],
  [DELEGATION_TOKEN_AUTH_DISABLED, 'DELEGATION_TOKEN_AUTH_DISABLED', false, 'Delegation tokens are not enabled.'],
  [DELEGATION_TOKEN_NOT_FOUND, 'DELEGATION_TOKEN_NOT_FOUND', false, 'There is no such delegation token.'],
  [DELEGATION_TOKEN_OWNER_MISMATCH, 'DELEGATION_TOKEN_OWNER_MISMATCH', false, 'The principal neither owns the token nor may renew it.'],
  [
    DELEGATION_TOKEN_REQUEST_NOT_ALLOWED,
    'DELEGATION_TOKEN_REQUEST_NOT_ALLOWED',
    false,
    'Delegation tokens cannot be requested over a connection authenticated like this one.',
  ],
  [DELEGATION_TOKEN_AUTHORIZATION_FAILED, 'DELEGATION_TOKEN_AUTHORIZATION_FAILED', false, 'Not authorized for this delegation token.'],
  [DELEGATION_TOKEN_EXPIRED, 'DELEGATION_TOKEN_EXPIRED', false, 'The delegation token has expired.'],
  [INVALID_PRINCIPAL_TYPE, 'INVALID_PRINCIPAL_TYPE', false, 'The type of the principal is not supported.'],
  [NON_EMPTY_GROUP, 'NON_EMPTY_GROUP', false, 'The group still has members.'],
  [GROUP_ID_NOT_FOUND, 'GROUP_ID_NOT_FOUND', false, 'There is no group with this id.'],
  [FETCH_SESSION_ID_NOT_FOUND, 'FETCH_SESSION_ID_NOT_FOUND', true, 'The broker has no fetch session with this id.'],
  [INVALID_FETCH_SESSION_EPOCH, 'INVALID_FETCH_SESSION_EPOCH', true, 'The epoch of the fetch session is not the expected one.'],
  [LISTENER_NOT_FOUND, 'LISTENER_NOT_FOUND', true, 'The leader has no listener of the name this request came in on.'],
  [TOPIC_DELETION_DISABLED, 'TOPIC_DELETION_DISABLED', false, 'Deleting topics is switched off (delete.topic.enable).'],
  [FENCED_LEADER_EPOCH, 'FENCED_LEADER_EPOCH', true, "The leader epoch in the request is older than the broker's."],
  [UNKNOWN_LEADER_EPOCH, 'UNKNOWN_LEADER_EPOCH', true, "The leader epoch in the request is newer than the broker's."],
  [
    UNSUPPORTED_COMPRESSION_TYPE,
    'UNSUPPORTED_COMPRESSION_TYPE',
    false,
    'This version of the request does not support the compression codec.',
  ],
  [STALE_BROKER_EPOCH, 'STALE_BROKER_EPOCH', false, 'The broker epoch is not the current one.'],
  [OFFSET_NOT_AVAILABLE, 'OFFSET_NOT_AVAILABLE', true, 'The new leader cannot name the offset yet: its high watermark has not caught up.'],
  [MEMBER_ID_REQUIRED, 'MEMBER_ID_REQUIRED', false, 'The member has to join again with the member id it was given.'],
  [PREFERRED_LEADER_NOT_AVAILABLE, 'PREFERRED_LEADER_NOT_AVAILABLE', true, 'The preferred leader is not available.'],
  [GROUP_MAX_SIZE_REACHED, 'GROUP_MAX_SIZE_REACHED', false, 'The group has as many members as it may have.'],
  [FENCED_INSTANCE_ID, 'FENCED_INSTANCE_ID', false, 'Another member took over this group instance id.'],
  [ELIGIBLE_LEADERS_NOT_AVAILABLE, 'ELIGIBLE_LEADERS_NOT_AVAILABLE', true, 'No replica that may lead the partition is available.'],
  [ELECTION_NOT_NEEDED, 'ELECTION_NOT_NEEDED', true, 'The partition has the wanted leader already.'],
  [NO_REASSIGNMENT_IN_PROGRESS, 'NO_REASSIGNMENT_IN_PROGRESS', false, 'The partition is not being reassigned.'],
  [GROUP_SUBSCRIBED_TO_TOPIC, 'GROUP_SUBSCRIBED_TO_TOPIC', false, 'The group is subscribed to the topic, so its offsets stay.'],
  [INVALID_RECORD, 'INVALID_RECORD', false, 'The broker refused a record as not valid.'],
  [UNSTABLE_OFFSET_COMMIT, 'UNSTABLE_OFFSET_COMMIT', true, 'Offsets of an open transaction are pending for this partition.'],
  [THROTTLING_QUOTA_EXCEEDED, 'THROTTLING_QUOTA_EXCEEDED', true, 'A quota is used up; try again later.'],
  [PRODUCER_FENCED, 'PRODUCER_FENCED', false, 'A newer producer took over this transactional id.'],
  [RESOURCE_NOT_FOUND, 'RESOURCE_NOT_FOUND', false, 'The resource does not exist.'],
  [DUPLICATE_RESOURCE, 'DUPLICATE_RESOURCE', false, 'The request names the same resource twice.'],
  [UNACCEPTABLE_CREDENTIAL, 'UNACCEPTABLE_CREDENTIAL', false, 'The credential does not meet the requirements.'],
  [INCONSISTENT_VOTER_SET, 'INCONSISTENT_VOTER_SET', false, 'Sender or receiver is not one of the expected voters.'],
  [INVALID_UPDATE_VERSION, 'INVALID_UPDATE_VERSION', false, 'The version given with the update is not the current one.'],
  [FEATURE_UPDATE_FAILED, 'FEATURE_UPDATE_FAILED', false, 'The finalized features could not be updated.'],
  [
    PRINCIPAL_DESERIALIZATION_FAILURE,
    'PRINCIPAL_DESERIALIZATION_FAILURE',
    false,
    'The principal of the forwarded request could not be read.',
  ],
  [SNAPSHOT_NOT_FOUND, 'SNAPSHOT_NOT_FOUND', false, 'There is no such snapshot.'],
  [POSITION_OUT_OF_RANGE, 'POSITION_OUT_OF_RANGE', false, 'The position lies outside the snapshot.'],
  [UNKNOWN_TOPIC_ID, 'UNKNOWN_TOPIC_ID', true, 'This broker does not know the topic id.'],
  [DUPLICATE_BROKER_REGISTRATION, 'DUPLICATE_BROKER_REGISTRATION', false, 'A live broker is registered with this id.'],
  [BROKER_ID_NOT_REGISTERED, 'BROKER_ID_NOT_REGISTERED', false, 'No broker is registered with this id.'],
  [INCONSISTENT_TOPIC_ID, 'INCONSISTENT_TOPIC_ID', true, 'The topic id in the request is not that of the log.'],
  [INCONSISTENT_CLUSTER_ID, 'INCONSISTENT_CLUSTER_ID', false, 'The request belongs to another cluster.'],
  [TRANSACTIONAL_ID_NOT_FOUND, 'TRANSACTIONAL_ID_NOT_FOUND', false, 'There is no such transactional id.'],
  [FETCH_SESSION_TOPIC_ID_ERROR, 'FETCH_SESSION_TOPIC_ID_ERROR', true, 'The fetch session mixes topic names and topic ids.'],
  [INELIGIBLE_REPLICA, 'INELIGIBLE_REPLICA', false, 'A replica that was to join the in-sync set may not.'],
  [NEW_LEADER_ELECTED, 'NEW_LEADER_ELECTED', false, 'The change was made, and with it the leader changed.'],
  [OFFSET_MOVED_TO_TIERED_STORAGE, 'OFFSET_MOVED_TO_TIERED_STORAGE', false, 'The offset is found in tiered storage only.'],
  [FENCED_MEMBER_EPOCH, 'FENCED_MEMBER_EPOCH', false, 'The member epoch is no longer valid: give up all partitions and join again.'],
  [UNRELEASED_INSTANCE_ID, 'UNRELEASED_INSTANCE_ID', false, 'Another member still uses this instance id.'],
  [UNSUPPORTED_ASSIGNOR, 'UNSUPPORTED_ASSIGNOR', false, 'The group does not support the assignor.'],
  [STALE_MEMBER_EPOCH, 'STALE_MEMBER_EPOCH', false, 'The member epoch is old; try again after the next heartbeat.'],
  [
    MISMATCHED_ENDPOINT_TYPE,
    'MISMATCHED_ENDPOINT_TYPE',
    false,
    'The request was sent to a broker where a controller was meant, or the reverse.',
  ],
  [UNSUPPORTED_ENDPOINT_TYPE, 'UNSUPPORTED_ENDPOINT_TYPE', false, 'This type of endpoint is not supported.'],
  [UNKNOWN_CONTROLLER_ID, 'UNKNOWN_CONTROLLER_ID', false, 'The controller id is not known.'],
  [UNKNOWN_SUBSCRIPTION_ID, 'UNKNOWN_SUBSCRIPTION_ID', false, 'The telemetry subscription is not valid or out of date.'],
  [TELEMETRY_TOO_LARGE, 'TELEMETRY_TOO_LARGE', false, 'The telemetry data is larger than the broker accepts.'],
  [INVALID_REGISTRATION, 'INVALID_REGISTRATION', false, 'The controller refused the registration as not valid.'],
  [TRANSACTION_ABORTABLE, 'TRANSACTION_ABORTABLE', false, 'The transaction failed; abort it, then go on with the same transactional id.'],
  [INVALID_RECORD_STATE, 'INVALID_RECORD_STATE', false, 'The record is not in a state in which it can be acknowledged.'],
  [SHARE_SESSION_NOT_FOUND, 'SHARE_SESSION_NOT_FOUND', true, 'The broker has no such share session.'],
  [INVALID_SHARE_SESSION_EPOCH, 'INVALID_SHARE_SESSION_EPOCH', true, 'The epoch of the share session is not the expected one.'],
  [FENCED_STATE_EPOCH, 'FENCED_STATE_EPOCH', false, 'The state epoch does not match.'],
  [INVALID_VOTER_KEY, 'INVALID_VOTER_KEY', false, 'The voter key is not that of the replica that received the request.'],
  [DUPLICATE_VOTER, 'DUPLICATE_VOTER', false, 'The node is a voter already.'],
  [VOTER_NOT_FOUND, 'VOTER_NOT_FOUND', false, 'The node is not a voter.'],
  [INVALID_REGULAR_EXPRESSION, 'INVALID_REGULAR_EXPRESSION', false, 'The regular expression is not valid.'],
  [
    REBOOTSTRAP_REQUIRED,
    'REBOOTSTRAP_REQUIRED',
    false,
    "The client's metadata is too old; it has to start again from its bootstrap servers.",
  ],
  [STREAMS_INVALID_TOPOLOGY, 'STREAMS_INVALID_TOPOLOGY', false, 'The topology is not valid.'],
  [STREAMS_INVALID_TOPOLOGY_EPOCH, 'STREAMS_INVALID_TOPOLOGY_EPOCH', false, 'The topology epoch is not valid.'],
  [STREAMS_TOPOLOGY_FENCED, 'STREAMS_TOPOLOGY_FENCED', false, 'The topology epoch is out of date.'],
  [SHARE_SESSION_LIMIT_REACHED, 'SHARE_SESSION_LIMIT_REACHED', true, 'The broker has as many share sessions as it may have.'],
  [GROUP_DELETION_FAILED, 'GROUP_DELETION_FAILED', false, 'The group could not be deleted; the result of the group says why.'],
  [
    STREAMS_TOPOLOGY_DESCRIPTION_UPDATE_FAILED,
    'STREAMS_TOPOLOGY_DESCRIPTION_UPDATE_FAILED',
    false,
    'The topology description could not be updated; the error message says why.',
  ],
  [CONTROLLER_ID_NOT_REGISTERED, 'CONTROLLER_ID_NOT_REGISTERED', false, 'No controller is registered with this id.'],
]

/** Every code there is, in ascending order. */
export const ERROR_CODES: readonly number[] = TABLE.map(([code]) => code)

const BY_CODE = new Map(TABLE.map(row => [row[0], row]))

/** Kafka's name of the code; a code newer than this table is named by its number. */
export function errorName(code: number): string {
  return BY_CODE.get(code)?.[1] ?? `UNKNOWN_ERROR_CODE_${code}`
}

export function errorMessage(code: number): string {
  return BY_CODE.get(code)?.[3] ?? `The peer answered with error code ${code}, which is not known here.`
}

/** Whether the same request may succeed later without being changed. */
export function isRetriable(code: number): boolean {
  return BY_CODE.get(code)?.[2] ?? false
}

/** An expected failure with Kafka's code: as data in an answer, or thrown where the caller has to choose. */
export class KafkaError extends Error {
  override readonly name = 'KafkaError'
  readonly code: number
  /** Kafka's name of the code. */
  readonly codeName: string

  constructor(code: number, message: string = errorMessage(code), options?: ErrorOptions) {
    super(message, options)
    this.code = code
    this.codeName = errorName(code)
  }

  get retriable(): boolean {
    return isRetriable(this.code)
  }
}

/** The peer's fault: bytes that are not what Kafka's protocol says. The connection they came from is closed. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError'
  /** Nothing is known to be damaged: there is more of it than is taken. */
  readonly isOverLimit: boolean
  constructor(message: string, options: { readonly cause?: unknown; readonly isOverLimit?: boolean } = {}) {
    super(message, options)
    this.isOverLimit = options.isOverLimit === true
  }
}
