import { describe, expect, test } from 'vitest'
import { Metadata } from '../../../src/protocol/api/03-metadata.ts'
import { OffsetCommit } from '../../../src/protocol/api/08-offset-commit.ts'
import { OffsetFetch } from '../../../src/protocol/api/09-offset-fetch.ts'
import { FindCoordinator } from '../../../src/protocol/api/10-find-coordinator.ts'
import { JoinGroup } from '../../../src/protocol/api/11-join-group.ts'
import { Heartbeat } from '../../../src/protocol/api/12-heartbeat.ts'
import { LeaveGroup } from '../../../src/protocol/api/13-leave-group.ts'
import { SyncGroup } from '../../../src/protocol/api/14-sync-group.ts'
import { DescribeGroups } from '../../../src/protocol/api/15-describe-groups.ts'
import { ListGroups } from '../../../src/protocol/api/16-list-groups.ts'
import { DeleteTopics } from '../../../src/protocol/api/20-delete-topics.ts'
import { DeleteGroups } from '../../../src/protocol/api/42-delete-groups.ts'
import { OffsetDelete } from '../../../src/protocol/api/47-offset-delete.ts'
import {
  COORDINATOR_NOT_AVAILABLE,
  GROUP_ID_NOT_FOUND,
  GROUP_SUBSCRIBED_TO_TOPIC,
  ILLEGAL_GENERATION,
  INCONSISTENT_GROUP_PROTOCOL,
  INVALID_GROUP_ID,
  INVALID_REQUEST,
  INVALID_SESSION_TIMEOUT,
  NON_EMPTY_GROUP,
  NONE,
  NOT_COORDINATOR,
  OFFSET_METADATA_TOO_LARGE,
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
  UNKNOWN_MEMBER_ID,
  UNKNOWN_SERVER_ERROR,
  UNKNOWN_TOPIC_OR_PARTITION,
} from '../../../src/protocol/errors.ts'
import { ZERO_UUID } from '../../../src/util/uuid.ts'
import { createTopic, type RawClient, type Scene, withNode } from '../test-node.ts'
import { commit, committed, findCoordinator, groupsLoaded, heartbeat, join, pause, sync } from './group-client.ts'

/** A node with a coordinator and the topic `orders` of three partitions. */
function withGroups(body: (client: RawClient, scene: Scene) => Promise<void>, properties: Record<string, string> = {}): Promise<void> {
  return withNode(async scene => {
    const client = await scene.connect()
    await createTopic(client, 'orders', { partitions: 3 })
    await findCoordinator(scene, client)
    await body(client, scene)
  }, properties)
}

/** Ends the node, opens it again, and waits for its groups. */
async function afterRestart(scene: Scene, how: 'cleanly' | 'after a crash'): Promise<RawClient> {
  await scene.restart(how)
  const client = await scene.connect()
  await groupsLoaded(scene, client)
  return client
}

async function listed(client: RawClient): Promise<string[]> {
  const { groups } = await client.ask(ListGroups, 5, { statesFilter: [], typesFilter: [] })
  return groups.map(({ groupId, groupState, protocolType }) => `${groupId} ${groupState} ${protocolType}`.trim()).sort()
}

describe('the coordinator', () => {
  test('the first who asks for it has __consumer_offsets made, and is asked to come again', () =>
    withNode(async scene => {
      const client = await scene.connect()
      const first = await client.ask(FindCoordinator, 4, { key: '', keyType: 0, coordinatorKeys: ['a', 'b'] })
      expect(first.coordinators.map(({ errorCode, nodeId }) => [errorCode, nodeId])).toEqual([
        [COORDINATOR_NOT_AVAILABLE, -1],
        [COORDINATOR_NOT_AVAILABLE, -1],
      ])
      expect(await findCoordinator(scene, client, 'a', 4)).toBe(1)
      for (const version of [0, 1, 2, 3, 4, 5, 6]) expect(await findCoordinator(scene, client, 'a', version)).toBe(1)
      const { topics } = await client.ask(Metadata, 12, { topics: null })
      expect(topics.map(({ name, isInternal, partitions }) => [name, isInternal, partitions.length])).toEqual([
        ['__consumer_offsets', true, 50],
      ])
    }))

  test('transactions have none yet, which is final, and unknown kinds are an invalid request', () =>
    withNode(async scene => {
      const client = await scene.connect()
      const errorOf = async (version: number, keyType: number) => {
        const answer = await client.ask(FindCoordinator, version, { key: 'x', keyType, coordinatorKeys: ['x'] })
        return version >= 4 ? answer.coordinators[0]!.errorCode : answer.errorCode
      }
      expect(await errorOf(4, 1)).toBe(TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
      expect(await errorOf(2, 1)).toBe(TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
      expect(await errorOf(4, 2)).toBe(INVALID_REQUEST)
      expect(await errorOf(6, 2)).toBe(INVALID_REQUEST)
      expect(await errorOf(6, 9)).toBe(INVALID_REQUEST)
    }))

  test('without the topic nobody is the coordinator of anything', () =>
    withNode(async scene => {
      const client = await scene.connect()
      await createTopic(client, 'orders')
      expect(await commit(client, 'g', { 'orders:0': 1 })).toEqual([NOT_COORDINATOR])
      await expect(committed(client, 'g')).rejects.toThrow(`OffsetFetch answered ${NOT_COORDINATOR}`)
      const { members, ...rest } = await client.ask(LeaveGroup, 3, { groupId: 'g', members: [] })
      expect([rest.errorCode, members]).toEqual([NOT_COORDINATOR, []])
      expect(await listed(client)).toEqual([])
    }))
})

describe('committed offsets', () => {
  test('are told once they are answered, in every version', () =>
    withGroups(async client => {
      for (let version = 2; version <= 9; version++) {
        expect(await commit(client, `g${version}`, { 'orders:0': 40 + version, 'orders:2': 7 }, { version, metadata: 'note' })).toEqual([
          NONE,
          NONE,
        ])
      }
      for (let version = 1; version <= 9; version++) {
        expect(await committed(client, 'g5', ['orders:0', 'orders:1'], { version })).toEqual({ 'orders:0': 45, 'orders:1': -1 })
      }
      for (let version = 2; version <= 9; version++) {
        expect(await committed(client, 'g9', null, { version })).toEqual({ 'orders:0': 49, 'orders:2': 7 })
      }
      expect(await committed(client, 'g9', null, { requireStable: true })).toEqual({ 'orders:0': 49, 'orders:2': 7 })
    }))

  test('come with their leader epoch and metadata', () =>
    withGroups(async client => {
      await commit(client, 'g', { 'orders:1': 5 }, { metadata: 'where I was' })
      const { groups } = await client.ask(OffsetFetch, 8, {
        groups: [
          { groupId: 'g', topics: [{ name: 'orders', partitionIndexes: [1, 0] }] },
          { groupId: 'nobody', topics: null },
        ],
        requireStable: true,
      })
      expect(groups[0]!.topics[0]!.partitions).toEqual([
        { partitionIndex: 1, committedOffset: 5, committedLeaderEpoch: 3, metadata: 'where I was', errorCode: NONE },
        { partitionIndex: 0, committedOffset: -1, committedLeaderEpoch: -1, metadata: '', errorCode: NONE },
      ])
      expect(groups[1]).toMatchObject({ groupId: 'nobody', errorCode: NONE, topics: [] })
    }))

  test('of partitions that do not exist are refused alone, and so is metadata that is too long', () =>
    withGroups(async client => {
      expect((await commit(client, 'g', { 'orders:0': 1, 'orders:3': 1, 'none:0': 1, 'orders:-1': 1 })).sort()).toEqual([
        NONE,
        UNKNOWN_TOPIC_OR_PARTITION,
        UNKNOWN_TOPIC_OR_PARTITION,
        UNKNOWN_TOPIC_OR_PARTITION,
      ])
      expect(await commit(client, 'g', { 'orders:1': 1 }, { metadata: 'x'.repeat(4097) })).toEqual([OFFSET_METADATA_TOO_LARGE])
      expect(await commit(client, 'g', { 'orders:2': 1 }, { metadata: 'ü'.repeat(4096) })).toEqual([NONE])
      expect(await committed(client, 'g')).toEqual({ 'orders:0': 1, 'orders:2': 1 })
    }))

  test('need the right generation where there is one', () =>
    withGroups(async client => {
      const stale = { memberId: 'm', generationId: 4, leader: '', members: [] }
      expect(await commit(client, 'new', { 'orders:0': 1 }, { member: stale, version: 9 })).toEqual([GROUP_ID_NOT_FOUND])
      expect(await commit(client, 'new', { 'orders:0': 1 }, { member: stale, version: 8 })).toEqual([ILLEGAL_GENERATION])
      const member = await join(client, 'g')
      await sync(client, 'g', member)
      expect(await commit(client, 'g', { 'orders:0': 1 }, { member })).toEqual([NONE])
      expect(await commit(client, 'g', { 'orders:0': 2 })).toEqual([UNKNOWN_MEMBER_ID])
      expect(await commit(client, 'g', { 'orders:0': 2 }, { member: { ...member, generationId: 7 } })).toEqual([ILLEGAL_GENERATION])
      expect(await committed(client, 'g')).toEqual({ 'orders:0': 1 })
    }))

  test('of 20,000 partitions at once are too much for one record batch, and nothing of it is there', () =>
    withGroups(async client => {
      await createTopic(client, 'wide', { partitions: 2 })
      const many = {
        name: 'wide',
        partitions: Array.from({ length: 20_000 }, () => ({ partitionIndex: 1, committedOffset: 1, committedMetadata: '' })),
      }
      const { topics } = await client.ask(OffsetCommit, 8, { groupId: 'g', memberId: '', topics: [many] })
      expect(new Set(topics[0]!.partitions.map(({ errorCode }) => errorCode))).toEqual(new Set([UNKNOWN_SERVER_ERROR]))
      expect(await committed(client, 'g')).toEqual({})
      expect(await listed(client)).toEqual([])
    }))

  test.each(['', ' ', '.', 'ä/ö:"\n', 'x'.repeat(32_000), '日本語', '__consumer_offsets'])('belong to a group of any name: %j', name =>
    withGroups(async (client, scene) => {
      expect(await commit(client, name, { 'orders:0': 12 })).toEqual([NONE])
      expect(await committed(client, name)).toEqual({ 'orders:0': 12 })
      const again = await afterRestart(scene, 'after a crash')
      expect(await committed(again, name)).toEqual({ 'orders:0': 12 })
    }),
  )

  test('outlive a crash and a restart, and the last commit counts', () =>
    withGroups(async (client, scene) => {
      for (let offset = 0; offset < 50; offset++) await commit(client, `g${offset % 5}`, { 'orders:0': offset, 'orders:1': offset })
      for (const how of ['after a crash', 'cleanly'] as const) {
        const again = await afterRestart(scene, how)
        expect(await committed(again, 'g3', null, { requireStable: true })).toEqual({ 'orders:0': 48, 'orders:1': 48 })
        expect(await listed(again)).toEqual(['g0 Empty', 'g1 Empty', 'g2 Empty', 'g3 Empty', 'g4 Empty'])
      }
    }))

  test('go with their topic; one of the same name begins anew', () =>
    withGroups(async (client, scene) => {
      await commit(client, 'g', { 'orders:0': 9 })
      await client.ask(DeleteTopics, 6, { topics: [{ name: 'orders', topicId: ZERO_UUID }], timeoutMs: 5000 })
      await createTopic(client, 'orders')
      await pause(scene, 100)
      expect(await committed(client, 'g')).toEqual({})
    }))

  test('expire when their time is over and nobody is in the group, and the group goes too', () =>
    withGroups(
      async (client, scene) => {
        await commit(client, 'idle', { 'orders:0': 1 })
        const member = await join(client, 'busy')
        await sync(client, 'busy', member)
        await commit(client, 'busy', { 'orders:0': 1 }, { member })
        await commit(client, 'own', { 'orders:0': 1 }, { version: 4, retentionTimeMs: 5_000 })
        for (let second = 0; second < 100; second += 5) {
          await pause(scene, 5000)
          expect(await heartbeat(client, 'busy', member)).toBe(NONE)
          if (second === 45) {
            expect(await committed(client, 'own')).toEqual({})
            expect(await committed(client, 'idle')).toEqual({ 'orders:0': 1 })
          }
        }
        expect(await committed(client, 'idle')).toEqual({})
        expect(await committed(client, 'busy')).toEqual({ 'orders:0': 1 })
        expect(await listed(client)).toEqual(['busy Stable consumer'])
        expect(await listed(await afterRestart(scene, 'after a crash'))).toEqual(['busy Stable consumer'])
      },
      { 'offsets.retention.minutes': '1', 'offsets.retention.check.interval.ms': '10000' },
    ))

  test('are forgotten on request, but not of a topic the group subscribes to', () =>
    withGroups(async (client, scene) => {
      await createTopic(client, 'other')
      await commit(client, 'g', { 'orders:0': 1, 'orders:1': 2, 'other:0': 3 })
      const ask = (groupId: string, topic = 'orders') =>
        client.ask(OffsetDelete, 0, { groupId, topics: [{ name: topic, partitions: [{ partitionIndex: 0 }, { partitionIndex: 9 }] }] })
      expect(await ask('g')).toMatchObject({
        errorCode: NONE,
        topics: [
          {
            name: 'orders',
            partitions: [
              { partitionIndex: 9, errorCode: UNKNOWN_TOPIC_OR_PARTITION },
              { partitionIndex: 0, errorCode: NONE },
            ],
          },
        ],
      })
      expect(await committed(client, 'g')).toEqual({ 'orders:1': 2, 'other:0': 3 })
      expect((await ask('nobody')).errorCode).toBe(GROUP_ID_NOT_FOUND)
      const member = await join(client, 'g')
      await sync(client, 'g', member)
      expect((await ask('g')).topics.flatMap(({ partitions }) => partitions.map(({ errorCode }) => errorCode))).toEqual([
        UNKNOWN_TOPIC_OR_PARTITION,
        GROUP_SUBSCRIBED_TO_TOPIC,
      ])
      await ask('g', 'other')
      expect(await committed(await afterRestart(scene, 'after a crash'), 'g')).toEqual({ 'orders:1': 2 })
    }))
})

describe('groups', () => {
  test('two members share a generation, and the others hear of a third by their heartbeats', () =>
    withGroups(async (one, scene) => {
      const two = await scene.connect()
      const three = await scene.connect()
      const first = await join(one, 'g')
      expect(Buffer.from((await sync(one, 'g', first)).assignment).toString()).toBe(`for ${first.memberId}`)
      expect(await heartbeat(one, 'g', first)).toBe(NONE)

      const joining = join(two, 'g')
      await pause(scene, 50)
      expect(await heartbeat(one, 'g', first)).not.toBe(NONE)
      const again = await join(one, 'g', { memberId: first.memberId })
      const second = await joining
      expect([again.generationId, second.generationId, again.members.length, second.members.length]).toEqual([2, 2, 2, 0])
      const waiting = sync(two, 'g', second)
      await sync(one, 'g', again)
      expect(Buffer.from((await waiting).assignment).toString()).toBe(`for ${second.memberId}`)

      const { groups } = await three.ask(DescribeGroups, 6, { groups: ['g', 'nobody'], includeAuthorizedOperations: true })
      expect(groups[0]).toMatchObject({
        groupId: 'g',
        groupState: 'Stable',
        protocolType: 'consumer',
        protocolData: 'range',
        authorizedOperations: 3400,
      })
      expect(groups[0]!.members.map(({ clientId, clientHost }) => [clientId, clientHost[0]])).toEqual([
        ['test', '/'],
        ['test', '/'],
      ])
      expect(groups[1]).toMatchObject({ groupId: 'nobody', groupState: 'Dead', errorCode: GROUP_ID_NOT_FOUND })
      expect((await three.ask(DescribeGroups, 5, { groups: ['nobody'] })).groups[0]).toMatchObject({ groupState: 'Dead', errorCode: NONE })
    }))

  test('a stable group is there after a crash with its generation and assignments; members that do not come back are dropped', () =>
    withGroups(async (client, scene) => {
      const member = await join(client, 'g')
      await sync(client, 'g', member)
      const again = await afterRestart(scene, 'after a crash')
      expect(await heartbeat(again, 'g', member)).toBe(NONE)
      expect(Buffer.from((await sync(again, 'g', member)).assignment).toString()).toBe(`for ${member.memberId}`)
      await pause(scene, 11_000)
      expect(await heartbeat(again, 'g', member)).toBe(UNKNOWN_MEMBER_ID)
      expect(await listed(again)).toEqual(['g Empty consumer'])
    }))

  test('are deleted when they are empty, with all they committed', () =>
    withGroups(async (client, scene) => {
      const member = await join(client, 'busy')
      await sync(client, 'busy', member)
      await commit(client, 'idle', { 'orders:0': 1, 'orders:1': 2 })
      const { results } = await client.ask(DeleteGroups, 2, { groupsNames: ['idle', 'busy', 'nobody', 'idle'] })
      expect(results.map(({ groupId, errorCode }) => [groupId, errorCode])).toEqual([
        ['idle', NONE],
        ['busy', NON_EMPTY_GROUP],
        ['nobody', GROUP_ID_NOT_FOUND],
      ])
      expect(await committed(client, 'idle')).toEqual({})
      expect(await listed(client)).toEqual(['busy Stable consumer'])
      expect(await listed(await afterRestart(scene, 'after a crash'))).toEqual(['busy Stable consumer'])
    }))

  test('are listed by state and type, whatever the case', () =>
    withGroups(async client => {
      await commit(client, 'idle', { 'orders:0': 1 })
      await sync(client, 'busy', await join(client, 'busy'))
      const names = async (statesFilter: string[], typesFilter: string[]) => {
        const { groups } = await client.ask(ListGroups, 5, { statesFilter, typesFilter })
        return groups.map(({ groupId, groupType }) => `${groupId} ${groupType}`).sort()
      }
      expect(await names([], [])).toEqual(['busy classic', 'idle classic'])
      expect(await names(['STABLE', 'dead'], [])).toEqual(['busy classic'])
      expect(await names(['nonsense'], [])).toEqual([])
      expect(await names([], ['Classic', 'consumer'])).toEqual(['busy classic', 'idle classic'])
      expect(await names([], ['consumer'])).toEqual([])
      for (let version = 0; version <= 5; version++) {
        expect((await client.ask(ListGroups, version, { statesFilter: [], typesFilter: [] })).groups.length).toBe(2)
      }
    }))

  test('a group without a name takes commits, and no members', () =>
    withGroups(async client => {
      const noName = { groupId: '', memberId: '', generationId: 1, groupInstanceId: null }
      expect(
        (await client.ask(JoinGroup, 9, { ...noName, sessionTimeoutMs: 10_000, protocolType: 'consumer', protocols: [] })).errorCode,
      ).toBe(INVALID_GROUP_ID)
      expect((await client.ask(SyncGroup, 5, { ...noName, assignments: [] })).errorCode).toBe(INCONSISTENT_GROUP_PROTOCOL)
      expect((await client.ask(SyncGroup, 4, { ...noName, assignments: [] })).errorCode).toBe(INVALID_GROUP_ID)
      expect((await client.ask(Heartbeat, 4, noName)).errorCode).toBe(INVALID_GROUP_ID)
      expect((await client.ask(LeaveGroup, 2, noName)).errorCode).toBe(INVALID_GROUP_ID)
      expect((await client.ask(DeleteGroups, 2, { groupsNames: [''] })).results[0]!.errorCode).toBe(GROUP_ID_NOT_FOUND)
    }))

  test('requests of unknown members leave nothing behind', () =>
    withGroups(async client => {
      const stranger = { groupId: 'g', memberId: 'm', generationId: 1, groupInstanceId: null }
      expect((await client.ask(Heartbeat, 4, stranger)).errorCode).toBe(UNKNOWN_MEMBER_ID)
      expect((await client.ask(SyncGroup, 4, { ...stranger, assignments: [] })).errorCode).toBe(UNKNOWN_MEMBER_ID)
      expect((await client.ask(LeaveGroup, 1, stranger)).errorCode).toBe(UNKNOWN_MEMBER_ID)
      const left = await client.ask(LeaveGroup, 5, { groupId: 'g', members: [{ memberId: 'm' }] })
      expect([left.errorCode, left.members.map(({ errorCode }) => errorCode)]).toEqual([NONE, [UNKNOWN_MEMBER_ID]])
      const joining = { ...stranger, protocolType: 'consumer', protocols: [{ name: 'range', metadata: Buffer.alloc(0) }] }
      expect((await client.ask(JoinGroup, 9, { ...joining, sessionTimeoutMs: 10_000 })).errorCode).toBe(UNKNOWN_MEMBER_ID)
      expect((await client.ask(JoinGroup, 3, { ...joining, memberId: '', sessionTimeoutMs: 5 })).errorCode).toBe(INVALID_SESSION_TIMEOUT)
      expect(await listed(client)).toEqual([])
    }))

  test('every version of joining and leaving is served', () =>
    withGroups(async client => {
      for (let version = 0; version <= 9; version++) {
        const groupId = `v${version}`
        const body = {
          groupId,
          sessionTimeoutMs: 10_000,
          protocolType: 'consumer',
          protocols: [{ name: 'range', metadata: Buffer.alloc(0) }],
        }
        let answer = await client.ask(JoinGroup, version, { ...body, memberId: '' })
        if (version >= 4) answer = await client.ask(JoinGroup, version, { ...body, memberId: answer.memberId })
        expect([answer.errorCode, answer.generationId, answer.leader]).toEqual([NONE, 1, answer.memberId])
        const who = { groupId, memberId: answer.memberId, generationId: 1 }
        const names = { protocolType: 'consumer', protocolName: 'range' }
        const assignments = [{ memberId: answer.memberId, assignment: Buffer.from('all') }]
        const synced = await client.ask(SyncGroup, Math.min(version, 5), { ...who, ...names, assignments })
        expect(Buffer.from(synced.assignment).toString()).toBe('all')
        expect((await client.ask(Heartbeat, Math.min(version, 4), who)).errorCode).toBe(NONE)
        const left = await client.ask(LeaveGroup, Math.min(version, 5), { ...who, members: [{ memberId: answer.memberId }] })
        expect(left.errorCode).toBe(NONE)
        expect((await client.ask(Heartbeat, Math.min(version, 4), who)).errorCode).toBe(UNKNOWN_MEMBER_ID)
      }
    }))
})

describe('a node that closes', () => {
  test('tells members that wait, and answers the commits that are under way', () =>
    withGroups(async (client, scene) => {
      const one = await scene.connect()
      await sync(client, 'g', await join(client, 'g'))
      const parked = join(one, 'g')
      await pause(scene, 50)
      const committing = commit(client, 'simple', { 'orders:0': 77 })
      const told = expect(parked).rejects.toThrow(`JoinGroup answered ${NOT_COORDINATOR}`)
      await pause(scene, 0.01)
      await scene.restart('cleanly')
      await told
      const outcome = await committing.catch(() => [-1000])
      const again = await scene.connect()
      await groupsLoaded(scene, again)
      if (outcome[0] === NONE) expect(await committed(again, 'simple')).toEqual({ 'orders:0': 77 })
    }))
})
