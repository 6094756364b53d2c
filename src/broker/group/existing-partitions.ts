// What a request says about partitions, apart by whether they exist. A topic with both kinds stands in both lists.
import type { MetadataImage } from '../../metadata/image.ts'

interface NamedTopic<P> {
  readonly name: string
  readonly partitions: readonly P[]
}

export function splitByExistence<P extends { readonly partitionIndex: number }, T extends NamedTopic<P>>(
  image: MetadataImage,
  topics: readonly T[],
): { known: T[]; unknown: T[] } {
  const known: T[] = []
  const unknown: T[] = []
  for (const topic of topics) {
    const there = image.topics.get(topic.name)?.partitions
    const missing = topic.partitions.filter(({ partitionIndex }) => there?.[partitionIndex] === undefined)
    if (missing.length === 0 && there !== undefined) known.push(topic)
    else if (missing.length === topic.partitions.length) unknown.push(topic)
    else {
      known.push({ ...topic, partitions: topic.partitions.filter(({ partitionIndex }) => there?.[partitionIndex] !== undefined) })
      unknown.push({ ...topic, partitions: missing })
    }
  }
  return { known, unknown }
}
