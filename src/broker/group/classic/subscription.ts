// The topics that the members of a consumer group are subscribed to, as their metadata tells. Only the beginning is read, which is the same in every
// version of the consumer protocol. Facts: ClassicGroup.computeSubscribedTopics.
import { ProtocolError } from '../../../protocol/errors.ts'
import { arr, schema, str } from '../../../protocol/schema.ts'
import { type Group, log } from './roster.ts'

export const CONSUMER = 'consumer'

const Topics = schema('ConsumerProtocolSubscription topics', '0', { fields: { topics: arr(str) } })
const VERSION_BYTES = 2

/** @returns null: they are no consumers, or one's metadata cannot be read */
export function subscribedTopics(group: Group): ReadonlySet<string> | null {
  if (group.protocolType !== CONSUMER) return null
  const topics = new Set<string>()
  for (const { memberId, protocols } of group.members.values()) {
    const metadata = protocols.get(group.protocolName!)!
    try {
      for (const topic of Topics.at(0).decodePrefix(metadata, VERSION_BYTES, metadata.length).topics) topics.add(topic)
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      log(group, "could not read a member's subscription", { memberId, problem: error.message })
      return null
    }
  }
  return topics
}
