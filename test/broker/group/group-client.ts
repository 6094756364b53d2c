// Requests of group members and admin clients, as raw frames to a real node.
import { OffsetCommit } from '../../../src/protocol/api/08-offset-commit.ts'
import { OffsetFetch } from '../../../src/protocol/api/09-offset-fetch.ts'
import { FindCoordinator } from '../../../src/protocol/api/10-find-coordinator.ts'
import { JoinGroup } from '../../../src/protocol/api/11-join-group.ts'
import { Heartbeat } from '../../../src/protocol/api/12-heartbeat.ts'
import { SyncGroup } from '../../../src/protocol/api/14-sync-group.ts'
import { ListGroups } from '../../../src/protocol/api/16-list-groups.ts'
import { COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, MEMBER_ID_REQUIRED, NONE } from '../../../src/protocol/errors.ts'
import type { RequestIn } from '../../../src/protocol/schema.ts'
import { ConsumerProtocolSubscription } from '../../../src/protocol/stored/consumer-protocol.ts'
import { encodeVersioned } from '../../../src/protocol/stored/versioned.ts'
import type { RawClient, Scene } from '../test-node.ts'

/** Asks until there is a coordinator. */
export async function findCoordinator(scene: Scene, client: RawClient, key = 'group', version = 4): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const answer = await client.ask(FindCoordinator, version, { key, keyType: 0, coordinatorKeys: [key] })
    const found = version >= 4 ? answer.coordinators[0]! : answer
    if (found.errorCode === NONE) return found.nodeId
    if (found.errorCode !== COORDINATOR_NOT_AVAILABLE) throw new Error(`FindCoordinator answered ${found.errorCode}`)
    await pause(scene, 20)
  }
  throw new Error('there is no coordinator')
}

/** After a restart: waits until the groups are read from the log. */
export async function groupsLoaded(scene: Scene, client: RawClient): Promise<void> {
  for (let attempt = 0; attempt < 1000; attempt++) {
    const { errorCode } = await client.ask(ListGroups, 5, { statesFilter: [], typesFilter: [] })
    if (errorCode === NONE) return
    if (errorCode !== COORDINATOR_LOAD_IN_PROGRESS) throw new Error(`ListGroups answered ${errorCode}`)
    await pause(scene, 10)
  }
  throw new Error('the groups are not loaded')
}

export function pause(scene: Scene, delayMs: number): Promise<void> {
  return new Promise(resolve => scene.world.env('client').clock.setTimer(delayMs, resolve))
}

export function subscription(...topics: string[]): Buffer {
  return encodeVersioned(ConsumerProtocolSubscription, 0, { topics, userData: null })
}

export interface Membership {
  readonly memberId: string
  readonly generationId: number
  readonly leader: string
  readonly members: readonly { readonly memberId: string }[]
}

export async function join(
  client: RawClient,
  groupId: string,
  o: Partial<RequestIn<typeof JoinGroup>> & { topics?: string[] } = {},
): Promise<Membership> {
  const body = {
    groupId,
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 20_000,
    memberId: '',
    groupInstanceId: null,
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: subscription(...(o.topics ?? ['orders'])) }],
    reason: null,
    ...o,
  }
  let answer = await client.ask(JoinGroup, 9, body)
  if (answer.errorCode === MEMBER_ID_REQUIRED) answer = await client.ask(JoinGroup, 9, { ...body, memberId: answer.memberId })
  if (answer.errorCode !== NONE) throw new Error(`JoinGroup answered ${answer.errorCode}`)
  return answer
}

export function sync(client: RawClient, groupId: string, { memberId, generationId, members }: Membership) {
  return client.ask(SyncGroup, 5, {
    groupId,
    generationId,
    memberId,
    groupInstanceId: null,
    protocolType: 'consumer',
    protocolName: 'range',
    assignments: members.map(member => ({ memberId: member.memberId, assignment: Buffer.from(`for ${member.memberId}`) })),
  })
}

export async function heartbeat(client: RawClient, groupId: string, { memberId, generationId }: Membership): Promise<number> {
  return (await client.ask(Heartbeat, 4, { groupId, memberId, generationId, groupInstanceId: null })).errorCode
}

/** @returns the error codes of the partitions, in the order asked */
export async function commit(
  client: RawClient,
  groupId: string,
  offsets: Readonly<Record<string, number>>,
  o: { member?: Membership; version?: number; metadata?: string | null; retentionTimeMs?: number } = {},
): Promise<number[]> {
  const { topics } = await client.ask(OffsetCommit, o.version ?? 9, {
    groupId,
    generationIdOrMemberEpoch: o.member?.generationId ?? -1,
    memberId: o.member?.memberId ?? '',
    groupInstanceId: null,
    retentionTimeMs: o.retentionTimeMs ?? -1,
    topics: Object.entries(offsets).map(([place, committedOffset]) => ({
      name: place.split(':')[0]!,
      partitions: [
        { partitionIndex: Number(place.split(':')[1]), committedOffset, committedLeaderEpoch: 3, committedMetadata: o.metadata ?? null },
      ],
    })),
  })
  return topics.flatMap(({ partitions }) => partitions.map(({ errorCode }) => errorCode))
}

/** @returns what is committed, as `topic:partition` → offset; everything when no places are named. A group's error is thrown. */
export async function committed(
  client: RawClient,
  groupId: string,
  places: readonly string[] | null = null,
  o: { version?: number; requireStable?: boolean } = {},
): Promise<Record<string, number>> {
  const topics = places?.map(place => ({ name: place.split(':')[0]!, partitionIndexes: [Number(place.split(':')[1])] })) ?? null
  const version = o.version ?? 9
  const answer = await client.ask(OffsetFetch, version, {
    groupId,
    topics,
    groups: [{ groupId, memberId: null, memberEpoch: -1, topics }],
    requireStable: o.requireStable ?? false,
  })
  const group = version >= 8 ? answer.groups[0]! : answer
  if (group.errorCode !== NONE) throw new Error(`OffsetFetch answered ${group.errorCode}`)
  return Object.fromEntries(
    group.topics.flatMap(({ name, partitions }) =>
      partitions.map(({ partitionIndex, committedOffset }) => [`${name}:${partitionIndex}`, committedOffset]),
    ),
  )
}
