// The bit fields `authorizedOperations`: 1 << operation code of every operation the client may carry out. Without an authorizer that is every
// operation the resource knows (org.apache.kafka.metadata.authorizer / AclEntry.supportedOperations).
const READ = 3
const WRITE = 4
const CREATE = 5
const DELETE = 6
const ALTER = 7
const DESCRIBE = 8
const CLUSTER_ACTION = 9
const DESCRIBE_CONFIGS = 10
const ALTER_CONFIGS = 11
const IDEMPOTENT_WRITE = 12

const bitField = (operations: readonly number[]): number => operations.reduce((bits, operation) => bits | (1 << operation), 0)

export const TOPIC_OPERATIONS = bitField([READ, WRITE, CREATE, DELETE, ALTER, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS])
export const CLUSTER_OPERATIONS = bitField([CREATE, ALTER, DESCRIBE, CLUSTER_ACTION, DESCRIBE_CONFIGS, ALTER_CONFIGS, IDEMPOTENT_WRITE])

export const GROUP_OPERATIONS = bitField([READ, DELETE, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS])

/** Nobody asked. */
export const NOT_ASKED = -2147483648
