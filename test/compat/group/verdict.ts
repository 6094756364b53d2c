// What a consumer group promises its application, judged from what its members said. Pure.
//   Nothing is skipped: the group sees every offset below the end.
//   Nothing is doubled without cause: a member that is given a partition begins at the last commit answered before, or later; so records come
//   twice only from there on.

/** What a member says; `at` in milliseconds, by the clock that all members share. */
export type Saying = { readonly at: number } & (
  | { readonly kind: 'assigned'; readonly partitions: readonly number[]; readonly whole?: boolean }
  | { readonly kind: 'revoked'; readonly partitions?: readonly number[] }
  | { readonly kind: 'record'; readonly partition: number; readonly offset: number }
  | { readonly kind: 'committed'; readonly partition: number; readonly offset: number }
)
export type Event = Saying & { readonly member: string }

export interface Violation {
  readonly kind: 'skipped' | 'misplaced'
  readonly sentence: string
}

export interface GroupVerdict {
  /** Empty when the promises held. */
  readonly violations: readonly Violation[]
  readonly seen: number
  /** Records that were seen more than once. */
  readonly doubled: number
}

/** @param ends  by partition, the exclusive end of what the group had to see; `starts` where it is not 0 */
export function judgeGroup(
  events: readonly Event[],
  ends: ReadonlyMap<number, number>,
  starts: ReadonlyMap<number, number> = new Map(),
): GroupVerdict {
  const violations: Violation[] = []
  const complain = (kind: Violation['kind'], sentence: string) => violations.push({ kind, sentence })
  const seen = new Map([...ends.keys()].map(partition => [partition, new Set<number>()]))
  const commits = new Map<number, { at: number; offset: number }[]>()
  /** By member and partition: since when it owns it, and the offset it read last. */
  const positions = new Map<string, { since: number; last: number | undefined }>()
  let doubled = 0
  // Stable: what one member says stays in its order.
  for (const event of [...events].sort((a, b) => a.at - b.at)) {
    if (event.kind === 'assigned') {
      for (const partition of event.partitions) {
        const key = `${event.member}/${partition}`
        positions.set(key, { since: event.at, last: undefined })
      }
    } else if (event.kind === 'committed') {
      const list = commits.get(event.partition) ?? []
      list.push({ at: event.at, offset: event.offset })
      commits.set(event.partition, list)
    } else if (event.kind === 'record') {
      const { partition, offset, member } = event
      const position = positions.get(`${member}/${partition}`)
      if (position === undefined) {
        complain('misplaced', `${member} reads partition ${partition}, which it was never given`)
        continue
      }
      if (position.last === undefined) {
        const floor = (commits.get(partition) ?? []).filter(({ at }) => at < position.since).reduce((max, c) => Math.max(max, c.offset), 0)
        if (offset < floor)
          complain('misplaced', `${member} begins partition ${partition} at ${offset}, though ${floor} was committed before`)
      } else if (offset !== position.last + 1) {
        complain('misplaced', `${member} reads offset ${offset} of partition ${partition} after ${position.last}`)
      }
      position.last = offset
      const set = seen.get(partition)
      if (set?.has(offset)) doubled++
      set?.add(offset)
    }
  }
  let count = 0
  for (const [partition, end] of ends) {
    const set = seen.get(partition)!
    count += set.size
    const missing: number[] = []
    for (let offset = starts.get(partition) ?? 0; offset < end; offset++) if (!set.has(offset)) missing.push(offset)
    if (missing.length > 0)
      complain('skipped', `${missing.length} records of partition ${partition} below ${end} were never seen, the first at ${missing[0]}`)
  }
  return { violations, seen: count, doubled }
}
