// What every decide function has in common: it reads the image (with the leader's pending decisions) and answers with records and a response.
// It changes nothing; the controller applies the records.
import { type Config, type ConfigLayers, topicValue } from '../config.ts'
import type { Random } from '../env/env.ts'
import { errorMessage, NONE } from '../protocol/errors.ts'
import { brokerResource, type MetadataImage, topicResource } from './image.ts'
import type { MetadataRecord } from './records.ts'

export interface Decision<T> {
  /** Agreed on together or not at all. */
  readonly records: readonly MetadataRecord[]
  readonly response: T
}

export interface DecisionContext {
  /** What the controller's node was started with. */
  readonly config: Config
  /** Of the controller. */
  readonly nodeId: number
  readonly random: Random
}

/** As most responses have it. */
export interface ApiError {
  readonly errorCode: number
  readonly errorMessage: string | null
}

export const SUCCESS: ApiError = { errorCode: NONE, errorMessage: null }

export function apiError(errorCode: number, message = errorMessage(errorCode)): ApiError {
  return { errorCode, errorMessage: message }
}

/** The configs that hold on this broker, and for this topic there. */
export function configLayers(image: MetadataImage, brokerId: number, topic?: string): ConfigLayers {
  return {
    topic: topic === undefined ? undefined : image.configs.get(topicResource(topic)),
    broker: image.configs.get(brokerResource(brokerId)),
    cluster: image.configs.get(brokerResource()),
  }
}

/** min(min.insync.replicas, number of replicas) is what counts for a partition. */
export function minInsyncReplicas(image: MetadataImage, context: DecisionContext, topic: string): number {
  return topicValue(context.config, configLayers(image, context.nodeId, topic), 'min.insync.replicas')
}

export function uncleanElectionEnabled(image: MetadataImage, context: DecisionContext, topic: string): boolean {
  return topicValue(context.config, configLayers(image, context.nodeId, topic), 'unclean.leader.election.enable')
}

/** Elements that stand in the list more than once. */
export function duplicatesOf<T>(list: readonly T[]): Set<T> {
  const seen = new Set<T>()
  return new Set(list.filter(element => seen.size === seen.add(element).size))
}
