// Judges what a history says of consumer groups: commits are a register per partition, generations only rise, and a partition has one holder in
// each. Times are places in the history: an operation lies somewhere between `since` (its request was sent) and its own place (it was answered).

import type { GroupAssigned, GroupCommit, GroupEvent, GroupPlanned, GroupSaw, HistoryEvent } from './history.ts'

export type GroupAnomalyKind =
  /** A fetched offset is not that of the last commit. */
  | 'stale commit'
  /** A member of an old generation committed. */
  | 'fenced commit'
  | 'generation went back'
  /** Two members of one generation have a partition. */
  | 'held twice'
  /** A member got another share than its leader gave it. */
  | 'wrong assignment'
  /** Records lie below a commit that no member was given. */
  | 'skipped by the group'

export interface GroupAnomaly {
  readonly kind: GroupAnomalyKind
  readonly what: string
}

type Placed<T> = T & { readonly at: number }

/** @returns everything that is wrong; nothing when all promises were kept */
export function checkGroups(events: readonly HistoryEvent[]): GroupAnomaly[] {
  const byGroup = new Map<string, Placed<GroupEvent>[]>()
  for (const [at, event] of events.entries()) {
    if (!isOfGroup(event)) continue
    let list = byGroup.get(event.group)
    if (list === undefined) byGroup.set(event.group, (list = []))
    list.push({ ...event, at })
  }
  return [...byGroup].flatMap(([group, list]) => [
    ...generationFaults(group, list),
    ...assignmentFaults(group, list),
    ...fencingFaults(group, list),
    ...commitFaults(group, list),
    ...skips(group, list),
  ])
}

function isOfGroup(event: HistoryEvent): event is GroupEvent {
  return 'group' in event
}

function ofType<T extends GroupEvent['type']>(events: readonly Placed<GroupEvent>[], type: T) {
  return events.filter((event): event is Placed<Extract<GroupEvent, { type: T }>> => event.type === type)
}

/** What a member was assigned is on disk: no later join can find an earlier generation, nor form the same one anew. */
function generationFaults(group: string, events: readonly Placed<GroupEvent>[]): GroupAnomaly[] {
  const assigned = ofType(events, 'groupAssigned')
  return ofType(events, 'groupJoined').flatMap(({ since, generation, isFormed, member }) => {
    const known = Math.max(-1, ...assigned.filter(({ at }) => at < since).map(event => event.generation))
    if (generation > known || (generation === known && !isFormed)) return []
    return [fault('generation went back', `${member} joined ${group} in generation ${generation}, which had been in ${known}`)]
  })
}

function assignmentFaults(group: string, events: readonly Placed<GroupEvent>[]): GroupAnomaly[] {
  const faults: GroupAnomaly[] = []
  const holders = new Map<string, string>()
  const plans = ofType(events, 'groupPlanned')
  for (const event of ofType(events, 'groupAssigned')) {
    for (const partition of event.partitions) {
      const place = `${event.generation} ${partition}`
      const holder = holders.get(place) ?? event.member
      if (holder !== event.member)
        faults.push(fault('held twice', `${partition} by ${holder} and ${event.member} in generation ${event.generation} of ${group}`))
      holders.set(place, holder)
    }
    if (!plans.some(plan => isPlanned(plan, event)))
      faults.push(
        fault('wrong assignment', `${event.member} got ${event.partitions.join(', ')} in generation ${event.generation} of ${group}`),
      )
  }
  return faults
}

function isPlanned(plan: GroupPlanned, { generation, member, partitions }: GroupAssigned): boolean {
  return plan.generation === generation && (plan.shares.get(member) ?? []).join() === partitions.join()
}

function fencingFaults(group: string, events: readonly Placed<GroupEvent>[]): GroupAnomaly[] {
  const assigned = ofType(events, 'groupAssigned')
  return ofType(events, 'groupCommit').flatMap(({ outcome, since, generation, member, partition, offset }) => {
    if (outcome !== 'done' || generation < 0) return []
    const later = assigned.find(event => event.generation > generation && event.at < since)
    if (later === undefined) return []
    return [
      fault(
        'fenced commit',
        `${member} of generation ${generation} committed ${offset} for ${partition} of ${group}, in ${later.generation}`,
      ),
    ]
  })
}

/** The value read must be one that was written before the answer, and that no write wholly between the two replaced. */
function commitFaults(group: string, events: readonly Placed<GroupEvent>[]): GroupAnomaly[] {
  const writes = ofType(events, 'groupCommit').filter(({ outcome }) => outcome !== 'refused')
  const writesTo = new Map<string, Placed<GroupCommit>[]>()
  for (const write of writes) {
    const list = writesTo.get(write.partition)
    if (list === undefined) writesTo.set(write.partition, [write])
    else list.push(write)
  }
  return ofType(events, 'groupSaw').flatMap(seen => {
    const candidates = writesTo.get(seen.partition) ?? []
    if (isLastWritten(seen, candidates)) return []
    const done = candidates.filter(({ outcome, at }) => outcome === 'done' && at < seen.since)
    return [
      fault(
        'stale commit',
        `${seen.partition} of ${group}: ${seen.offset} was fetched, ${done.at(-1)?.offset ?? 'nothing'} was committed last`,
      ),
    ]
  })
}

const NOT_COMMITTED = -1

function isLastWritten(seen: Placed<GroupSaw>, writes: readonly Placed<GroupCommit>[]): boolean {
  const isReplaced = (endedAt: number) =>
    writes.some(({ since, at, outcome, offset }) => outcome === 'done' && since > endedAt && at < seen.since && offset !== seen.offset)
  if (seen.offset === NOT_COMMITTED && !isReplaced(-1)) return true
  return writes.some(
    ({ since, at, outcome, offset }) =>
      offset === seen.offset && since <= seen.at && !isReplaced(outcome === 'done' ? at : Number.POSITIVE_INFINITY),
  )
}

/** From the first record a group was given on, to what it committed last. */
function skips(group: string, events: readonly Placed<GroupEvent>[]): GroupAnomaly[] {
  const given = new Map<string, { from: number; to: number }[]>()
  for (const { partition, from, to } of ofType(events, 'groupGiven')) {
    const ranges = given.get(partition)
    if (ranges === undefined) given.set(partition, [{ from, to }])
    else ranges.push({ from, to })
  }
  return [...given].flatMap(([partition, ranges]) => {
    ranges.sort((a, b) => a.from - b.from)
    const committed = Math.max(
      0,
      ...ofType(events, 'groupCommit').flatMap(commit =>
        commit.partition === partition && commit.outcome === 'done' ? commit.offset : [],
      ),
    )
    let to = ranges[0]!.to
    for (const range of ranges) {
      if (range.from > to && to < committed) return [fault('skipped by the group', `${to}…${range.from - 1} of ${partition} in ${group}`)]
      to = Math.max(to, range.to)
    }
    return to >= committed ? [] : [fault('skipped by the group', `${to}…${committed - 1} of ${partition} in ${group}`)]
  })
}

function fault(kind: GroupAnomalyKind, what: string): GroupAnomaly {
  return { kind, what }
}
