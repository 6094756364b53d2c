// The public face of Ottla: start a node in this process, talk to any Kafka. Its two halves can be loaded alone (src/index/): a program that
// only uses the client never loads the broker.
export type * from './client/admin.ts'
export type { Election, ElectionType } from './client/elections.ts'
export type { Assignment, ConsumedRecord, Consumer, TopicPartition } from './client/consumer.ts'
export type { AdminSettings, Compression, ConsumerSettings, KafkaSettings, ProducerSettings } from './client/kafka.ts'
export type { DeliveredRecord, Producer, ProducerRecord } from './client/producer.ts'
export { ConfigError, parseProperties } from './config.ts'
export type { Env, Logger, LogLevel } from './env/env.ts'
export { EnvError } from './env/env.ts'
export { Kafka, type KafkaOptions } from './index/kafka.ts'
export { type RunningNode, type StartNodeOptions, startNode } from './index/start-node.ts'
export { KafkaError } from './protocol/errors.ts'
