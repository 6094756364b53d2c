// DescribeConfigs: every listed key with its value and where the value comes from. KIP-133, KIP-226, KIP-569.
// configurationKeys null or empty = all keys, else only those. A broker's resource is asked of that broker; '' is the default of all brokers.
// A resource that stands in the request again is refused: a few bytes would buy 15 KB of answer each time. Kafka answers it each time.
// Types: TOPIC 2, BROKER 4. Loggers (8), client metrics (16) and groups (32) have no configs here.

import { type DescribedConfig, describeBrokerConfigs, describeClusterConfigs, describeTopicConfigs } from '../../config.ts'
import { brokerResource, topicResource } from '../../metadata/image.ts'
import { topicNameError } from '../../metadata/topic-names.ts'
import { DescribeConfigs } from '../../protocol/api/32-describe-configs.ts'
import { errorMessage, INVALID_REQUEST, INVALID_TOPIC_EXCEPTION, NONE, UNKNOWN_TOPIC_OR_PARTITION } from '../../protocol/errors.ts'
import type { RequestOf, ResponseOf } from '../../protocol/schema.ts'
import type { Broker } from '../broker.ts'
import { handler } from '../handler.ts'

type Request = RequestOf<typeof DescribeConfigs>
type Resource = Request['resources'][number]
type Result = ResponseOf<typeof DescribeConfigs>['results'][number]

const TOPIC = 2
const BROKER = 4

export const describeConfigs = handler(DescribeConfigs, {
  async answer(broker, request, { slices }) {
    const seen = new Set<string>()
    const results: Result[] = []
    for (const resource of request.resources) {
      const key = `${resource.resourceType}/${resource.resourceName}`
      const result = seen.has(key)
        ? refused(resource, INVALID_REQUEST, 'Each resource must appear at most once.')
        : describe(broker, request, resource)
      seen.add(key)
      results.push(result)
      if (slices.isOver(1 + 2 * result.configs.length)) await slices.next()
    }
    return { results }
  },
  failed: (request, { errorCode, errorMessage: message }) => ({
    results: request.resources.map(resource => refused(resource, errorCode, message)),
  }),
})

function describe(broker: Broker, request: Request, resource: Resource): Result {
  switch (resource.resourceType) {
    case TOPIC:
      return describeTopic(broker, request, resource)
    case BROKER:
      return describeBroker(broker, request, resource)
    default:
      return refused(
        resource,
        INVALID_REQUEST,
        `Resources of type ${resource.resourceType} have no configs here; ask for a topic (2) or a broker (4).`,
      )
  }
}

function describeTopic(broker: Broker, request: Request, resource: Resource): Result {
  const name = resource.resourceName
  const wrong = topicNameError(name)
  if (wrong !== undefined) return refused(resource, INVALID_TOPIC_EXCEPTION, wrong)
  if (!broker.image.topics.has(name)) return refused(resource, UNKNOWN_TOPIC_OR_PARTITION, errorMessage(UNKNOWN_TOPIC_OR_PARTITION))
  const layers = { ...brokerLayers(broker), topic: broker.image.configs.get(topicResource(name)) }
  return result(request, resource, describeTopicConfigs(broker.startConfig, layers, wantedKeys(resource)))
}

function describeBroker(broker: Broker, request: Request, resource: Resource): Result {
  const name = resource.resourceName
  const layers = brokerLayers(broker)
  if (name === '') return result(request, resource, describeClusterConfigs(layers, wantedKeys(resource)))
  if (!/^\d+$/.test(name)) return refused(resource, INVALID_REQUEST, `Broker id must be a number, but it is: ${name}`)
  if (Number(name) !== broker.nodeId)
    return refused(resource, INVALID_REQUEST, `Unexpected broker id, expected ${broker.nodeId} but received ${name}`)
  return result(request, resource, describeBrokerConfigs(broker.startConfig, layers, wantedKeys(resource)))
}

function brokerLayers({ image, nodeId }: Broker) {
  return { broker: image.configs.get(brokerResource(nodeId)), cluster: image.configs.get(brokerResource()) }
}

function wantedKeys({ configurationKeys }: Resource): readonly string[] | null {
  return configurationKeys === null || configurationKeys.length === 0 ? null : configurationKeys
}

function result(request: Request, { resourceType, resourceName }: Resource, configs: readonly DescribedConfig[]): Result {
  return {
    errorCode: NONE,
    errorMessage: '', // as Kafka has it, although null may stand here
    resourceType,
    resourceName,
    configs: configs.map(config => ({
      ...config,
      synonyms: request.includeSynonyms ? config.synonyms : [],
      documentation: request.includeDocumentation ? config.documentation : null,
    })),
  }
}

function refused({ resourceType, resourceName }: Resource, errorCode: number, message: string): Result {
  return { errorCode, errorMessage: message, resourceType, resourceName, configs: [] }
}
