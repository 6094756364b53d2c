// What a handler can reach. Node provides it; handlers hold nothing of their own.
import type { Config } from '../config.ts'
import type { Env } from '../env/env.ts'
import type { Answer, ControllerOperations } from '../metadata/controller.ts'
import type { MetadataImage } from '../metadata/image.ts'
import type { AnswerRoom } from './answer-room.ts'
import type { DiskRoom } from './disk-room.ts'
import type { FetchSessions } from './fetch-sessions.ts'
import type { GroupCoordinator } from './group/coordinator.ts'
import type { ProducerIds } from './producer-ids.ts'
import type { ReadMemory } from './read-memory.ts'
import type { Replicas } from './replicas.ts'
import type { TopicCreation } from './topic-creation.ts'

/** A broker as clients of one listener reach it. */
export interface BrokerEndpoint {
  readonly nodeId: number
  readonly host: string
  readonly port: number
  readonly rack: string | null
}

export interface Broker {
  readonly env: Env
  readonly nodeId: number
  readonly clusterId: string
  /** With the dynamic values agreed on so far. */
  readonly config: Config
  /** As it was given at start. */
  readonly startConfig: Config
  /** What is agreed and applied here. Read it, do not keep it: it moves. */
  readonly image: MetadataImage
  readonly replicas: Replicas
  readonly controller: ControllerOperations
  readonly producerIds: ProducerIds
  readonly fetchSessions: FetchSessions
  readonly groups: GroupCoordinator
  readonly answerRoom: AnswerRoom
  readonly readMemory: ReadMemory
  readonly diskRoom: DiskRoom
  /** The data directory, as it was given. */
  readonly directory: string
  readonly topicCreation: TopicCreation
  /** The node is closing: nothing parks any more. */
  readonly closing: boolean
  /** The controller's response, once this broker has applied what was decided. */
  agreed<T>(answer: Promise<Answer<T>>): Promise<T>
  /** Also of a fenced broker; undefined when it is not registered or has no such listener. */
  endpointOf(brokerId: number, listenerName: string): BrokerEndpoint | undefined
  /** Of those brokers, as far as they have one. */
  endpointsOf(brokerIds: Iterable<number>, listenerName: string): readonly BrokerEndpoint[]
  /** Of all brokers that are registered and not fenced. */
  liveEndpoints(listenerName: string): readonly BrokerEndpoint[]
}
