// `ottla group reset-offsets`: where a group will go on reading.
import type { Admin } from '../../src/index.ts'
import { type ClientOptions, withAdmin } from './connection.ts'
import { UsageError, whole } from './failure.ts'
import { counted, rangesOf } from './group.ts'
import { print, printJson, table } from './output.ts'
import { parsePosition } from './position.ts'
import { type ChosenPartitions, parseTopicPartitions } from './topic-partitions.ts'

export interface ResetOptions extends ClientOptions {
  readonly topic: readonly string[]
  readonly allTopics?: true
  readonly toEarliest?: true
  readonly toLatest?: true
  readonly toOffset?: string
  readonly toDatetime?: string
  readonly shiftBy?: string
  readonly execute?: true
}

type Target =
  | { readonly type: 'earliest' | 'latest' }
  | { readonly type: 'offset'; readonly offset: number }
  | { readonly type: 'time'; readonly timestamp: number }
  | { readonly type: 'shift'; readonly by: number }

interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

interface Move extends TopicPartition {
  /** null: nothing is committed. */
  readonly from: number | null
  readonly to: number
  /** What was asked for lies outside the log. */
  readonly clamped: boolean
}

export async function reset(groupId: string, options: ResetOptions): Promise<void> {
  const target = targetOf(options)
  const wanted = parseTopicPartitions(options.topic)
  if ((wanted.length === 0) !== (options.allTopics === true)) {
    throw new UsageError(
      'offsets of which topics? Give --topic NAME (or NAME:0,1) as often as needed, or --all-topics for all that the group has committed',
    )
  }
  await withAdmin(options, async admin => {
    const memberCount = await membersOf(admin, groupId)
    if (options.execute && memberCount !== undefined && memberCount > 0) {
      throw new Error(
        `${groupId} has ${counted(memberCount, 'member')}, and offsets can be moved only while it has none.\nStop them first; who they are: ottla group describe ${groupId}`,
      )
    }
    const committed = new Map(
      (await admin.listGroupOffsets(groupId)).map(({ topic, partition, offset }) => [
        `${topic}-${partition}`,
        { topic, partition, offset },
      ]),
    )
    const partitions = options.allTopics ? [...committed.values()] : await choose(admin, wanted)
    if (partitions.length === 0)
      throw new Error(`${groupId} has committed nothing. Name the topics: --topic NAME. The groups there are: ottla group list`)
    const moves = await plan(admin, groupId, target, partitions, committed)
    if (options.execute)
      await admin.alterGroupOffsets(
        groupId,
        moves.map(({ topic, partition, to }) => ({ topic, partition, offset: to })),
      )
    await show(groupId, moves, { memberCount, executed: options.execute === true, json: options.json === true })
  })
}

function targetOf(options: ResetOptions): Target {
  const given: Target[] = []
  if (options.toEarliest) given.push({ type: 'earliest' })
  if (options.toLatest) given.push({ type: 'latest' })
  if (options.toOffset !== undefined) given.push({ type: 'offset', offset: whole('--to-offset', options.toOffset, 0) })
  if (options.toDatetime !== undefined) given.push({ type: 'time', timestamp: timeOf(options.toDatetime) })
  if (options.shiftBy !== undefined) given.push({ type: 'shift', by: whole('--shift-by', options.shiftBy, -Number.MAX_SAFE_INTEGER) })
  if (given.length === 1) return given[0]!
  throw new UsageError('where to? Give one of --to-earliest, --to-latest, --to-offset N, --to-datetime TIME, --shift-by N')
}

function timeOf(text: string): number {
  const usage = `--to-datetime is '${text}': expected 2026-01-31T12:00:00Z or @1700000000000`
  if (!/^@?\d{4}-|^@\d+$/.test(text)) throw new UsageError(usage)
  const position = parsePosition(text)
  if (position.type !== 'time') throw new UsageError(usage)
  return position.timestamp
}

/** undefined: there is no such group yet. */
async function membersOf(admin: Admin, groupId: string): Promise<number | undefined> {
  try {
    const [group] = await admin.describeGroups([groupId])
    return group!.members.length
  } catch (error) {
    if ((error as { codeName?: string }).codeName === 'GROUP_ID_NOT_FOUND') return undefined
    throw error
  }
}

async function choose(admin: Admin, wanted: readonly ChosenPartitions[]): Promise<TopicPartition[]> {
  const described = await admin.describeTopics(wanted.map(({ topic }) => topic))
  return described.flatMap(({ name, partitions }, i) => {
    const chosen = wanted[i]!.partitions ?? partitions.map(({ partition }) => partition)
    const missing = chosen.find(partition => partition >= partitions.length)
    if (missing !== undefined) throw new Error(`${name} has no partition ${missing}: it has ${partitions.length}, counted from 0`)
    return chosen.map(partition => ({ topic: name, partition }))
  })
}

async function plan(
  admin: Admin,
  groupId: string,
  target: Target,
  partitions: readonly TopicPartition[],
  committed: ReadonlyMap<string, { readonly offset: number }>,
): Promise<Move[]> {
  const ranges = await rangesOf(admin, partitions)
  const found =
    target.type === 'time' ? await admin.listOffsets(partitions.map(({ topic, partition }) => ({ topic, partition, spec: target }))) : []
  return partitions.map(({ topic, partition }, i) => {
    const key = `${topic}-${partition}`
    const range = ranges.get(key)
    if (range === undefined)
      throw new Error(`${key} is not there, or has no leader at the moment. Leave it out, or see: ottla topic describe ${topic}`)
    const from = committed.get(key)?.offset ?? null
    if (target.type === 'shift' && from === null) {
      throw new Error(`${groupId} has committed nothing of ${key} that could be shifted. Take --to-earliest, --to-latest or --to-offset.`)
    }
    const asked = askedOffset(target, from ?? 0, range, found[i]?.offset ?? -1)
    const to = Math.min(Math.max(asked, range.start), range.end)
    return { topic, partition, from, to, clamped: to !== asked }
  })
}

function askedOffset(target: Target, from: number, { start, end }: { start: number; end: number }, found: number): number {
  switch (target.type) {
    case 'earliest':
      return start
    case 'latest':
      return end
    case 'offset':
      return target.offset
    case 'shift':
      return from + target.by
    // No record is that young: the next one will be.
    case 'time':
      return found < 0 ? end : found
  }
}

async function show(
  groupId: string,
  moves: readonly Move[],
  o: { readonly memberCount: number | undefined; readonly executed: boolean; readonly json: boolean },
): Promise<void> {
  if (o.json) {
    for (const { topic, partition, from, to, clamped } of moves) {
      await printJson({ groupId, topic, partition, fromOffset: from, toOffset: to, clamped, executed: o.executed })
    }
    return
  }
  const rows = moves.map(({ topic, partition, from, to, clamped }) => [
    topic,
    String(partition),
    from === null ? '' : String(from),
    String(to),
    from === null ? '' : to > from ? `+${to - from}` : String(to - from),
    clamped ? 'as far as the log goes' : '',
  ])
  const hasNotes = moves.some(({ clamped }) => clamped)
  const head = ['TOPIC', 'PARTITION', 'FROM', 'TO', 'BY', ...(hasNotes ? ['NOTE'] : [])]
  await print(table(head, rows))
  if (o.executed) {
    await print(`\n${groupId} goes on from there.\n`)
    return
  }
  if (o.memberCount === undefined) await print(`\nThere is no group ${groupId} yet: this makes it.`)
  if (o.memberCount !== undefined && o.memberCount > 0)
    await print(`\n${groupId} has ${counted(o.memberCount, 'member')}: they must stop first.`)
  await print('\nNothing was changed. To do it, add --execute.\n')
}
