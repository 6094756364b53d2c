// ElectLeaders for the admin client. Facts: KIP-183, KIP-460. Brokers of version 0 elect preferred leaders only.
import type { Connection } from '../net/connection.ts'
import { ElectLeaders } from '../protocol/api/43-elect-leaders.ts'
import { ELECTION_NOT_NEEDED, KafkaError, NONE, UNSUPPORTED_VERSION } from '../protocol/errors.ts'
import { ANSWER_MARGIN_MS, refusal } from './operation.ts'

/** preferred: the first replica of each partition leads again. unclean: whatever replica is there leads, and what it lacks is lost. */
export type ElectionType = 'preferred' | 'unclean'

export interface Election {
  readonly topic: string
  readonly partition: number
  /** false: it had the wanted leader already. */
  readonly elected: boolean
  /** Why nobody was elected; undefined when there is a leader now. */
  readonly error: KafkaError | undefined
}

const FIRST_VERSION_WITH_TYPE = 1

/** @param partitions  null: all */
export async function askForElection(
  connection: Connection,
  o: {
    readonly type: ElectionType
    readonly partitions: readonly { readonly topic: string; readonly partition: number }[] | null
    readonly timeoutMs: number
  },
): Promise<Election[]> {
  if (o.type === 'unclean' && (connection.versionOf(ElectLeaders) ?? 0) < FIRST_VERSION_WITH_TYPE)
    throw new KafkaError(UNSUPPORTED_VERSION, 'the broker knows no unclean elections by request')
  const request = {
    electionType: o.type === 'unclean' ? 1 : 0,
    topicPartitions: o.partitions && byTopic(o.partitions),
    timeoutMs: o.timeoutMs,
  }
  const answer = await connection.request(ElectLeaders, request, { timeoutMs: o.timeoutMs + ANSWER_MARGIN_MS })
  if (answer.errorCode !== NONE && answer.replicaElectionResults.length === 0) throw refusal(answer.errorCode, 'the election', null)
  return answer.replicaElectionResults.flatMap(({ topic, partitionResult }) =>
    partitionResult.map(({ partitionId, errorCode, errorMessage }) => ({
      topic,
      partition: partitionId,
      elected: errorCode === NONE,
      error:
        errorCode === NONE || errorCode === ELECTION_NOT_NEEDED ? undefined : refusal(errorCode, `${topic}-${partitionId}`, errorMessage),
    })),
  )
}

function byTopic(partitions: readonly { readonly topic: string; readonly partition: number }[]) {
  const topics = new Map<string, number[]>()
  for (const { topic, partition } of partitions) topics.set(topic, [...(topics.get(topic) ?? []), partition])
  return [...topics].map(([topic, numbers]) => ({ topic, partitions: numbers }))
}
