// `ottla group …`
import type { Admin, GroupDescription, GroupState } from '../../src/index.ts'
import { type ClientOptions, withAdmin } from './connection.ts'
import { UsageError } from './failure.ts'
import { print, printJson, table } from './output.ts'
import { parseTopicPartitions } from './topic-partitions.ts'

const STATES: readonly GroupState[] = [
  'Empty',
  'PreparingRebalance',
  'CompletingRebalance',
  'Stable',
  'Dead',
  'Assigning',
  'Reconciling',
  'NotReady',
]

export async function list(
  options: ClientOptions & { readonly state: readonly string[]; readonly type: readonly string[] },
): Promise<void> {
  const states = options.state.length === 0 ? undefined : options.state.map(stateNamed)
  const types = options.type.length === 0 ? undefined : options.type
  await withAdmin(options, async admin => {
    const groups = await admin.listGroups({ states, types })
    if (options.json) for (const group of groups) await printJson(group)
    else if (groups.length > 0) {
      const rows = groups.map(({ groupId, state, type, protocolType }) => [groupId, state, type, protocolType])
      await print(table(['GROUP', 'STATE', 'TYPE', 'OF'], rows))
    } else if (states === undefined && types === undefined) {
      await print('There are no groups. Consumers make one: ottla consume TOPIC -g GROUP\n')
    } else await print('There is no such group. All there are: ottla group list\n')
  })
}

function stateNamed(text: string): GroupState {
  const found = STATES.find(state => state.toLowerCase() === text.toLowerCase())
  if (found === undefined) throw new UsageError(`--state is '${text}': expected one of ${STATES.join(', ')}`)
  return found
}

export interface Progress {
  readonly topic: string
  readonly partition: number
  /** null: nothing is committed. */
  readonly committedOffset: number | null
  /** null, like the start: the partition has no leader, or is not there. */
  readonly endOffset: number | null
  readonly startOffset: number | null
  readonly lag: number | null
  readonly metadata: string
  /** null: nobody reads it. */
  readonly memberId: string | null
}

export async function describe(groupId: string, options: ClientOptions): Promise<void> {
  await withAdmin(options, async admin => {
    const [group] = await admin.describeGroups([groupId])
    const partitions = await progressOf(admin, group!)
    const known = partitions.flatMap(({ lag }) => (lag === null ? [] : [lag]))
    const lag = known.length === 0 ? null : known.reduce((sum, one) => sum + one, 0)
    const { state, protocolType, protocol, coordinatorId } = group!
    const members = group!.members.map(({ assignment, ...member }) => ({ ...member, partitions: assignment }))
    if (options.json) {
      await printJson({ groupId, state, protocolType, protocol, coordinator: coordinatorId, lag, members, partitions })
      return
    }
    const facts = [
      state,
      counted(members.length, 'member'),
      protocol,
      `coordinated by broker ${coordinatorId}`,
      lag === null ? '' : `lag ${lag}`,
    ]
    await print(`${groupId}  ${facts.filter(fact => fact !== '').join(', ')}\n`)
    if (partitions.length > 0) {
      const rows = partitions.map(({ topic, partition, committedOffset, endOffset, lag: own, memberId }) => [
        topic,
        String(partition),
        shown(committedOffset),
        shown(endOffset),
        shown(own),
        memberId ?? '',
      ])
      await print(`\n${table(['TOPIC', 'PARTITION', 'COMMITTED', 'END', 'LAG', 'MEMBER'], rows)}`)
    }
    if (members.length > 0) {
      const rows = members.map(({ memberId, groupInstanceId, clientId, host, partitions: own }) => [
        memberId,
        groupInstanceId ?? '',
        clientId,
        host.replace(/^\//, ''),
        String(own.length),
      ])
      await print(`\n${table(['MEMBER', 'INSTANCE', 'CLIENT', 'HOST', 'PARTITIONS'], rows)}`)
    } else await print('\nNobody reads in this group now.\n')
  })
}

function shown(value: number | null): string {
  return value === null ? '' : String(value)
}

/** All partitions that are committed or assigned. */
async function progressOf(admin: Admin, group: GroupDescription): Promise<Progress[]> {
  const keyOf = ({ topic, partition }: { readonly topic: string; readonly partition: number }): string => `${topic}-${partition}`
  const committed = new Map((await admin.listGroupOffsets(group.groupId)).map(offset => [keyOf(offset), offset]))
  const owners = new Map(group.members.flatMap(({ memberId, assignment }) => assignment.map(target => [keyOf(target), memberId])))
  const assigned = group.members.flatMap(({ assignment }) => assignment)
  const targets = [...new Map([...committed.values(), ...assigned].map(target => [keyOf(target), target])).values()].sort((a, b) =>
    a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1,
  )
  const ranges = await rangesOf(admin, targets)
  return targets.map(({ topic, partition }) => {
    const key = keyOf({ topic, partition })
    const { start = null, end = null } = ranges.get(key) ?? {}
    const offset = committed.get(key)
    return {
      topic,
      partition,
      committedOffset: offset?.offset ?? null,
      startOffset: start,
      endOffset: end,
      lag: end === null || offset === undefined ? null : Math.max(0, end - offset.offset),
      metadata: offset?.metadata ?? '',
      memberId: owners.get(key) ?? null,
    }
  })
}

/** First offset and end of each partition that has a leader; others are left out. */
export async function rangesOf(
  admin: Admin,
  targets: readonly { readonly topic: string; readonly partition: number }[],
): Promise<Map<string, { start: number; end: number }>> {
  const existing = new Set((await admin.listTopics({ includeInternal: true })).map(({ name }) => name))
  const names = [...new Set(targets.map(({ topic }) => topic))].filter(topic => existing.has(topic))
  const led = new Set(
    (await admin.describeTopics(names)).flatMap(({ name, partitions }) =>
      partitions.filter(({ leaderId }) => leaderId >= 0).map(({ partition }) => `${name}-${partition}`),
    ),
  )
  const asked = targets.filter(({ topic, partition }) => led.has(`${topic}-${partition}`))
  const ask = (spec: 'earliest' | 'latest') => admin.listOffsets(asked.map(({ topic, partition }) => ({ topic, partition, spec })))
  const [starts, ends] = await Promise.all([ask('earliest'), ask('latest')])
  return new Map(asked.map(({ topic, partition }, i) => [`${topic}-${partition}`, { start: starts[i]!.offset, end: ends[i]!.offset }]))
}

export async function remove(groupIds: readonly string[], options: ClientOptions & { readonly ifExists?: true }): Promise<void> {
  await withAdmin(options, async admin => {
    // One by one: the first that is refused leaves the ones before it deleted, and says its name.
    for (const groupId of groupIds) {
      let deleted = true
      try {
        await admin.deleteGroups([groupId])
      } catch (error) {
        if (options.ifExists !== true || (error as { codeName?: string }).codeName !== 'GROUP_ID_NOT_FOUND') throw error
        deleted = false
      }
      if (options.json) await printJson({ groupId, deleted })
      else await print(deleted ? `Deleted ${groupId} and its offsets.\n` : `${groupId} is not there.\n`)
    }
  })
}

export async function deleteOffsets(groupId: string, options: ClientOptions & { readonly topic: readonly string[] }): Promise<void> {
  const wanted = parseTopicPartitions(options.topic)
  if (wanted.length === 0)
    throw new UsageError('whose offsets? Give --topic NAME or --topic NAME:0,1; to delete the whole group: ottla group delete')
  await withAdmin(options, async admin => {
    await admin.describeGroups([groupId])
    const committed = await admin.listGroupOffsets(groupId)
    const chosen = wanted.flatMap(({ topic, partitions }) => {
      const found = committed.filter(
        offset => offset.topic === topic && (partitions === undefined || partitions.includes(offset.partition)),
      )
      const missing = partitions?.find(partition => !found.some(offset => offset.partition === partition))
      if (found.length === 0 || missing !== undefined) {
        const what = missing === undefined ? topic : `${topic}-${missing}`
        throw new Error(`${groupId} has committed nothing of ${what}. What it has: ottla group describe ${groupId}`)
      }
      return found
    })
    await admin.deleteGroupOffsets(groupId, chosen)
    for (const { topic, partition, offset } of chosen) {
      if (options.json) await printJson({ groupId, topic, partition, deletedOffset: offset })
      else await print(`Deleted the offset ${offset} of ${topic}-${partition}.\n`)
    }
  })
}

export function counted(count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? '' : 's'}`
}
