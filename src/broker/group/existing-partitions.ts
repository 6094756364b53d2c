// What a request says about partitions, apart by whether they exist, and the answers to both put together again.
import type { MetadataImage } from '../../metadata/image.ts'

interface NamedTopic<P> {
  readonly name: string
  readonly partitions: readonly P[]
}

export function allExist(image: MetadataImage, topics: readonly NamedTopic<{ readonly partitionIndex: number }>[]): boolean {
  for (const { name, partitions } of topics) {
    const there = image.topics.get(name)?.partitions
    // One that names no partition is left out of the answer.
    if (there === undefined || partitions.length === 0) return false
    for (const { partitionIndex } of partitions) if (there[partitionIndex] === undefined) return false
  }
  return topics.length > 0
}

/** A topic with both kinds stands in both lists; one that exists and names no partition stands in none, as in Kafka. */
export function splitByExistence<P extends { readonly partitionIndex: number }, T extends NamedTopic<P>>(
  image: MetadataImage,
  topics: readonly T[],
): { known: T[]; unknown: T[] } {
  const known: T[] = []
  const unknown: T[] = []
  for (const topic of topics) {
    const there = image.topics.get(topic.name)?.partitions
    const isMissing = ({ partitionIndex }: P) => there?.[partitionIndex] === undefined
    if (there === undefined || topic.partitions.some(isMissing)) unknown.push({ ...topic, partitions: topic.partitions.filter(isMissing) })
    const found = topic.partitions.filter(partition => !isMissing(partition))
    if (found.length > 0) known.push(found.length === topic.partitions.length ? topic : { ...topic, partitions: found })
  }
  return { known, unknown }
}

/** Each topic once. */
export function joinTopics<P, T extends NamedTopic<P>>(first: readonly T[], second: readonly T[]): readonly T[] {
  if (first.length === 0) return second
  const byName = new Map<string, T>()
  for (const topic of [...first, ...second]) {
    const other = byName.get(topic.name)
    byName.set(topic.name, other === undefined ? topic : { ...other, partitions: [...other.partitions, ...topic.partitions] })
  }
  return [...byName.values()]
}
