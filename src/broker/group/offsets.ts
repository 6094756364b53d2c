// The committed offsets of the groups of one shard. Each partition has the value that is on disk wherever it counts (what OffsetFetch tells), and
// perhaps newer ones that are appended and not there yet (what decisions must see). A core: no I/O, no clock.
// Facts: OffsetMetadataManager. Kafka keeps snapshots of all its maps for this; here a partition keeps both values while they differ.
import type { CommittedOffset } from './records.ts'

interface Entry {
  /** Below the high watermark; undefined: none, or deleted. */
  durable: CommittedOffset | undefined
  /** The last one appended. */
  latest: CommittedOffset | undefined
  /** Writes appended and not durable yet. */
  pendingCount: number
}

type Topics = Map<string, Map<number, Entry>>

export interface TopicOffsets {
  readonly topic: string
  readonly partitions: readonly { readonly partition: number; readonly value: CommittedOffset }[]
}

export class OffsetStore {
  readonly #groups = new Map<string, Topics>()

  /** Appended: decisions see it from now on. Each `appended` is followed by one `durable` with the same arguments, in the same order. */
  appended(groupId: string, topic: string, partition: number, value: CommittedOffset | null): void {
    const entry = this.#entry(groupId, topic, partition)
    entry.latest = value ?? undefined
    entry.pendingCount++
  }

  /** Below the high watermark: everybody may see it. */
  durable(groupId: string, topic: string, partition: number, value: CommittedOffset | null): void {
    const entry = this.#groups.get(groupId)?.get(topic)?.get(partition)
    if (entry === undefined) return
    entry.durable = value ?? undefined
    entry.pendingCount--
    if (entry.pendingCount === 0 && entry.latest === undefined) this.#remove(groupId, topic, partition)
  }

  /** Read from the log: both at once. */
  replay(groupId: string, topic: string, partition: number, value: CommittedOffset | null): void {
    if (value === null) {
      this.#remove(groupId, topic, partition)
      return
    }
    const entry = this.#entry(groupId, topic, partition)
    entry.durable = entry.latest = value
  }

  /** What a client may be told. */
  get(groupId: string, topic: string, partition: number): CommittedOffset | undefined {
    return this.#groups.get(groupId)?.get(topic)?.get(partition)?.durable
  }

  /** The same for all of a group. */
  all(groupId: string): TopicOffsets[] {
    return this.#list(groupId, entry => entry.durable)
  }

  /** Whether there is, or will be once what is appended is durable, anything to delete. */
  has(groupId: string, topic: string, partition: number): boolean {
    return this.#groups.get(groupId)?.get(topic)?.get(partition)?.latest !== undefined
  }

  hasGroup(groupId: string): boolean {
    return this.#groups.has(groupId)
  }

  /** As decisions must see it. */
  latestOf(groupId: string): TopicOffsets[] {
    return this.#list(groupId, entry => entry.latest)
  }

  groupIds(): Iterable<string> {
    return this.#groups.keys()
  }

  #list(groupId: string, pick: (entry: Entry) => CommittedOffset | undefined): TopicOffsets[] {
    const found: TopicOffsets[] = []
    for (const [topic, entries] of this.#groups.get(groupId) ?? []) {
      const partitions: { partition: number; value: CommittedOffset }[] = []
      for (const [partition, entry] of entries) {
        const value = pick(entry)
        if (value !== undefined) partitions.push({ partition, value })
      }
      if (partitions.length > 0) found.push({ topic, partitions })
    }
    return found
  }

  #entry(groupId: string, topic: string, partition: number): Entry {
    let topics = this.#groups.get(groupId)
    if (topics === undefined) this.#groups.set(groupId, (topics = new Map()))
    let entries = topics.get(topic)
    if (entries === undefined) topics.set(topic, (entries = new Map()))
    let entry = entries.get(partition)
    if (entry === undefined) entries.set(partition, (entry = { durable: undefined, latest: undefined, pendingCount: 0 }))
    return entry
  }

  #remove(groupId: string, topic: string, partition: number): void {
    const topics = this.#groups.get(groupId)
    const entries = topics?.get(topic)
    if (topics === undefined || entries === undefined) return
    entries.delete(partition)
    if (entries.size === 0) topics.delete(topic)
    if (topics.size === 0) this.#groups.delete(groupId)
  }
}
