// The public face of Ottla: start a node in this process, talk to any Kafka. Its two halves can be loaded alone (src/index/): a program that
// only uses the client never loads the broker.
export type * from './client/admin.ts'
export type {
  BrokerDescription,
  LogDescription,
  LogDirDescription,
  QuorumDescription,
  QuorumReplica,
} from './client/admin-cluster.ts'
export type { GroupDescription, GroupFilter, GroupListing, GroupMemberDescription, GroupState } from './client/admin-groups.ts'
export type { Assignment, ConsumedRecord, Consumer, ConsumerGroupMetadata, TopicPartition } from './client/consumer.ts'
export type { DeletedRecords, RecordsToDelete } from './client/delete-records.ts'
export type { Election, ElectionType } from './client/elections.ts'
export type { AssignorName } from './client/group/assignors.ts'
export type { CommittedOffset, OffsetToCommit } from './client/group/offsets.ts'
export type { RebalanceListener } from './client/group/session.ts'
export type { AdminSettings, Compression, ConsumerSettings, GroupSettings, KafkaSettings, ProducerSettings } from './client/kafka.ts'
export type { DeliveredRecord, Producer, ProducerRecord } from './client/producer.ts'
export { ConfigError, parseProperties } from './config.ts'
export type { Env, Logger, LogLevel } from './env/env.ts'
export { EnvError } from './env/env.ts'
export { Kafka, type KafkaOptions } from './index/kafka.ts'
export { type RunningNode, type StartNodeOptions, startNode } from './index/start-node.ts'
export { KafkaError } from './protocol/errors.ts'
