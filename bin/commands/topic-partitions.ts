// `--topic orders` or `--topic orders:0,2`: topics, all of them or some of their partitions.
import { UsageError, whole } from './failure.ts'

export interface ChosenPartitions {
  readonly topic: string
  /** undefined: all. */
  readonly partitions: readonly number[] | undefined
}

/** @throws UsageError */
export function parseTopicPartitions(texts: readonly string[]): ChosenPartitions[] {
  const seen = new Set<string>()
  return texts.map(text => {
    // No topic's name holds a colon.
    const [topic = '', list, ...rest] = text.split(':')
    if (topic === '' || rest.length > 0) throw new UsageError(`--topic is '${text}': expected NAME, or NAME:0,1 for some of its partitions`)
    if (seen.has(topic)) throw new UsageError(`--topic names ${topic} twice: give its partitions together, ${topic}:0,1`)
    seen.add(topic)
    return { topic, partitions: list?.split(',').map(number => whole(`a partition in --topic ${text}`, number, 0)) }
  })
}
