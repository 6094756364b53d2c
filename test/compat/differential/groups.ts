// The group coordinator: FindCoordinator, classic membership, committed offsets, describing, listing and deleting groups. Each version has groups of its own.
import { OffsetCommit } from '../../../src/protocol/api/08-offset-commit.ts'
import { OffsetFetch } from '../../../src/protocol/api/09-offset-fetch.ts'
import { FindCoordinator } from '../../../src/protocol/api/10-find-coordinator.ts'
import { JoinGroup } from '../../../src/protocol/api/11-join-group.ts'
import { Heartbeat } from '../../../src/protocol/api/12-heartbeat.ts'
import { LeaveGroup } from '../../../src/protocol/api/13-leave-group.ts'
import { SyncGroup } from '../../../src/protocol/api/14-sync-group.ts'
import { DescribeGroups } from '../../../src/protocol/api/15-describe-groups.ts'
import { ListGroups } from '../../../src/protocol/api/16-list-groups.ts'
import { DeleteGroups } from '../../../src/protocol/api/42-delete-groups.ts'
import { OffsetDelete } from '../../../src/protocol/api/47-offset-delete.ts'
import type { RequestIn } from '../../../src/protocol/schema.ts'
import { ConsumerProtocolSubscription } from '../../../src/protocol/stored/consumer-protocol.ts'
import { encodeVersioned } from '../../../src/protocol/stored/versioned.ts'
import type { Peer } from './peer.ts'
import { type Scenario, scenario } from './scenario.ts'

async function coordinator(peer: Peer): Promise<void> {
  await peer.eventually('there is a coordinator', async () => {
    const answer = await peer.quietly(FindCoordinator, 4, { keyType: 0, coordinatorKeys: ['any'] })
    return answer!.coordinators[0]!.errorCode === 0
  })
  await peer.eventually('the coordinator is loaded', async () => {
    const answer = await peer.quietly(ListGroups, 4, { statesFilter: [] })
    return answer!.errorCode === 0
  })
  // Kafka's partitions become ready one by one.
  for (let i = 0; i < 60; i++) {
    await peer.eventually('every group has one', async () => {
      const answer = await peer.quietly(OffsetFetch, 8, { groups: [{ groupId: `probe-${i}`, topics: [] }] })
      return answer!.groups[0]!.errorCode === 0
    })
  }
}

const findCoordinator = scenario('find coordinator', async peer => {
  await coordinator(peer)
  for (const version of peer.versions(FindCoordinator)) {
    for (const keyType of [0, 2, 3, -1]) {
      if (version === 0 && keyType !== 0) continue
      await peer.ask(`type ${keyType}`, FindCoordinator, version, { key: 'g', keyType, coordinatorKeys: ['g', 'h', 'g'] })
    }
    await peer.ask('no name', FindCoordinator, version, { key: '', keyType: 0, coordinatorKeys: [''] })
    await peer.ask('no keys', FindCoordinator, version, { key: 'x', keyType: 0, coordinatorKeys: [] })
  }
})

type CommitTopics = RequestIn<typeof OffsetCommit>['topics']

function offsets(name: string, ...places: (readonly [partition: number, offset: number, metadata?: string | null])[]): CommitTopics {
  return [
    {
      name,
      partitions: places.map(([partitionIndex, committedOffset, committedMetadata = '']) => ({
        partitionIndex,
        committedOffset,
        committedLeaderEpoch: 4,
        committedMetadata,
      })),
    },
  ]
}

const commits = scenario('commits', async peer => {
  await coordinator(peer)
  await peer.topic('committed', { partitions: 3 })
  for (const version of peer.versions(OffsetCommit)) {
    const ask = (step: string, body: Partial<RequestIn<typeof OffsetCommit>> & { topics: CommitTopics }) =>
      peer.ask(`commit: ${step}`, OffsetCommit, version, {
        groupId: `simple-${version}`,
        generationIdOrMemberEpoch: -1,
        memberId: '',
        ...body,
      })
    await ask('simple', { topics: offsets('committed', [0, 10], [2, 12, 'note']) })
    await ask('null metadata', { topics: offsets('committed', [1, 11, null]) })
    await ask('nothing', { topics: [] })
    await ask('a topic without partitions', { topics: offsets('committed') })
    await ask('unknown partitions', { topics: [...offsets('committed', [0, 20], [3, 1], [-1, 1]), ...offsets('nowhere', [0, 1])] })
    await ask('only unknown ones', { topics: offsets('nowhere', [0, 1]) })
    await ask('long metadata', { topics: offsets('committed', [0, 30, 'x'.repeat(4097)], [1, 31, 'ü'.repeat(4096)]) })
    await ask('a negative offset', { topics: offsets('committed', [2, -5]) })
    await ask('twice', { topics: offsets('committed', [2, 7], [2, 8]) })
    await ask('no group', { groupId: '', topics: offsets('committed', [0, version]) })
    await ask('a group that is not there, with a generation', {
      groupId: `none-${version}`,
      generationIdOrMemberEpoch: 3,
      memberId: 'm',
      topics: offsets('committed', [0, 1]),
    })
    await ask('a group that is not there, with a member', {
      groupId: `none2-${version}`,
      memberId: 'm',
      topics: offsets('committed', [0, 1]),
    })
    await ask('an empty group, with a generation', { generationIdOrMemberEpoch: 0, memberId: 'm', topics: offsets('committed', [0, 1]) })
    await ask('an empty group, with an instance', { groupInstanceId: 'i', topics: offsets('committed', [0, 33]) })
    await ask('a retention', { groupId: `kept-${version}`, retentionTimeMs: 1_000_000, topics: offsets('committed', [0, 1]) })
    await ask('20,000 partitions', {
      groupId: `many-${version}`,
      topics: offsets('committed', ...Array.from({ length: 20_000 }, () => [1, 1, ''] as const)),
    })
  }
  for (const version of peer.versions(OffsetFetch)) {
    const groups = ['simple-5', 'simple-9', '', 'nobody', 'many-5', 'kept-3']
    const topics = [
      { name: 'committed', partitionIndexes: [0, 1, 2, 7] },
      { name: 'nowhere', partitionIndexes: [0] },
    ]
    for (const groupId of groups) {
      for (const requireStable of version >= 7 ? [false, true] : [false]) {
        await peer.ask(`fetch: ${groupId}, stable ${requireStable}`, OffsetFetch, version, {
          groupId,
          topics,
          groups: [{ groupId, topics }],
          requireStable,
        })
      }
      if (version >= 2)
        await peer.ask(`fetch: all of ${groupId}`, OffsetFetch, version, { groupId, topics: null, groups: [{ groupId, topics: null }] })
      await peer.ask(`fetch: nothing of ${groupId}`, OffsetFetch, version, { groupId, topics: [], groups: [{ groupId, topics: [] }] })
    }
    if (version >= 8) {
      await peer.ask('fetch: several', OffsetFetch, version, {
        groups: [...groups.map(groupId => ({ groupId, topics })), { groupId: 'simple-5', topics: null }],
      })
      await peer.ask('fetch: no groups', OffsetFetch, version, { groups: [] })
    }
    if (version >= 9) {
      await peer.ask('fetch: with a member', OffsetFetch, version, {
        groups: [{ groupId: 'simple-9', memberId: 'm', memberEpoch: 5, topics: null }],
      })
    }
  }
})

const subscription = encodeVersioned(ConsumerProtocolSubscription, 0, { topics: ['joined'], userData: null })

function joining(groupId: string, o: Partial<RequestIn<typeof JoinGroup>> = {}): RequestIn<typeof JoinGroup> {
  return {
    groupId,
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 20_000,
    memberId: '',
    groupInstanceId: null,
    protocolType: 'consumer',
    protocols: [
      { name: 'range', metadata: subscription },
      { name: 'sticky', metadata: Buffer.from('not a subscription') },
    ],
    reason: 'why not',
    ...o,
  }
}

/** Ids of members are random: in a record they are told by their turn. */
class Members {
  readonly #names = new Map<string, string>()

  name<T>(answer: T): T {
    return this.#named(answer) as T
  }

  #named(value: unknown): unknown {
    if (typeof value === 'string') {
      if (/-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/.test(value) && !this.#names.has(value)) {
        this.#names.set(value, `${value.slice(0, -37)}-#${this.#names.size + 1}`)
      }
      return this.#names.get(value) ?? value
    }
    if (Buffer.isBuffer(value)) return value.toString('latin1')
    if (Array.isArray(value)) return value.map(element => this.#named(element))
    if (typeof value === 'object' && value !== null)
      return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, this.#named(field)]))
    return value
  }
}

const membership = scenario('membership', async peer => {
  await coordinator(peer)
  await peer.topic('joined')
  await peer.topic('other')
  for (const version of peer.versions(JoinGroup)) {
    const members = new Members()
    const record = (step: string, answer: unknown) => peer.record(`${step} v${version}`, members.name(answer))
    const join = async (step: string, body: RequestIn<typeof JoinGroup>, by = peer) => {
      const answer = await by.quietly(JoinGroup, version, body)
      record(step, answer)
      return answer!
    }
    const at = (newest: number) => Math.min(version, newest)
    const groupId = `joined-${version}`
    await join('no group', joining(''))
    await join('a short session', joining(groupId, { sessionTimeoutMs: 5999 }))
    await join('a long session', joining(groupId, { sessionTimeoutMs: 1_800_001 }))
    await join('an unknown member', joining(groupId, { memberId: 'stranger' }))
    await join('no protocols', joining(`${groupId}-bare`, { protocols: [] }))
    await join('no protocol type', joining(`${groupId}-bare`, { protocolType: '' }))
    let member = await join('first', joining(groupId))
    if (version >= 4) member = await join('first, with its id', joining(groupId, { memberId: member.memberId }))
    const who = { groupId, memberId: member.memberId, generationId: member.generationId, groupInstanceId: null }
    await join('another protocol type', joining(groupId, { memberId: member.memberId, protocolType: 'connect' }))
    await join('another protocol', joining(groupId, { memberId: member.memberId, protocols: [{ name: 'other', metadata: subscription }] }))
    const beat = async (step: string, o = {}) => record(step, await peer.quietly(Heartbeat, at(4), { ...who, ...o }))
    const commit = async (step: string, o = {}) => {
      const body = { groupId, memberId: who.memberId, generationIdOrMemberEpoch: who.generationId, topics: offsets('joined', [0, 5]), ...o }
      record(step, await peer.quietly(OffsetCommit, Math.max(2, at(9)), body))
    }
    await beat('heartbeat before the sync')
    await commit('commit before the sync')
    const sync = async (step: string, o: Partial<RequestIn<typeof SyncGroup>> = {}) => {
      const assignments = [{ memberId: who.memberId, assignment: Buffer.from('all of it') }]
      const body = { ...who, protocolType: 'consumer', protocolName: 'range', assignments, ...o }
      record(step, await peer.quietly(SyncGroup, at(5), body))
    }
    await sync('sync of a stranger', { memberId: 'stranger' })
    await sync('sync of another generation', { generationId: 9 })
    if (version >= 5) {
      await sync('sync with another protocol', { protocolName: 'other' })
      await sync('sync without a protocol', { protocolName: null })
    }
    await sync('sync in no group', { groupId: '' })
    await sync('sync in another group', { groupId: 'nobody' })
    await sync('sync')
    await sync('sync again', { assignments: [] })
    await beat('heartbeat')
    await beat('heartbeat of a stranger', { memberId: 'stranger' })
    await beat('heartbeat of another generation', { generationId: 9 })
    await beat('heartbeat in no group', { groupId: '' })
    await beat('heartbeat in another group', { groupId: 'nobody' })
    await commit('commit')
    await commit('commit of another generation', { generationIdOrMemberEpoch: 9 })
    await commit('commit of a stranger', { memberId: 'stranger' })
    await commit('commit without a member', { memberId: '', generationIdOrMemberEpoch: -1 })
    for (const describing of peer.versions(DescribeGroups)) {
      const body = { groups: [groupId, 'nobody', '', groupId], includeAuthorizedOperations: describing % 2 === 1 }
      record(`describe v${describing}`, await peer.quietly(DescribeGroups, describing, body))
    }
    const forget = async (step: string, o: Partial<RequestIn<typeof OffsetDelete>> = {}) => {
      const topics = ['joined', 'other', 'nowhere'].map(name => ({ name, partitions: [{ partitionIndex: 0 }, { partitionIndex: 4 }] }))
      record(step, await peer.quietly(OffsetDelete, 0, { groupId, topics, ...o }))
    }
    await forget('forget offsets of a live group')
    await forget('forget offsets of nobody', { groupId: 'nobody' })
    await forget('forget offsets of no group', { groupId: '' })
    await forget('forget nothing', { topics: [] })
    const remove = async (step: string, groupsNames: string[]) => record(step, await peer.quietly(DeleteGroups, at(2), { groupsNames }))
    await remove('delete a live group', [groupId, 'nobody', '', groupId])

    const rejoined = await join('the leader joins again', joining(groupId, { memberId: who.memberId }))
    who.generationId = rejoined.generationId
    await sync('sync of the second generation')
    const leave = async (step: string, o: Partial<RequestIn<typeof LeaveGroup>> = {}) => {
      const members = [{ memberId: o.memberId ?? who.memberId, groupInstanceId: null, reason: 'enough' }]
      record(step, await peer.quietly(LeaveGroup, at(5), { groupId, memberId: who.memberId, members, ...o }))
    }
    await leave('leave of a stranger', { memberId: 'stranger' })
    await leave('leave of no group', { groupId: '' })
    await leave('leave of another group', { groupId: 'nobody' })
    if (version >= 3) await leave('leave of nobody', { members: [] })
    await leave('leave')
    await beat('heartbeat after leaving')
    await commit('commit after leaving')
    await join('join after leaving', joining(groupId, { memberId: who.memberId }))
    await commit('commit into the empty group', { memberId: '', generationIdOrMemberEpoch: -1 })
    for (const describing of peer.versions(DescribeGroups)) {
      record(`describe the empty group v${describing}`, await peer.quietly(DescribeGroups, describing, { groups: [groupId] }))
    }
    for (const listing of peer.versions(ListGroups)) {
      for (const [statesFilter, typesFilter] of [
        [[], []],
        [['empty'], []],
        [[], ['CLASSIC']],
        [
          ['Stable', 'nonsense'],
          ['consumer', 'nonsense'],
        ],
      ] as const) {
        const answer = await peer.quietly(ListGroups, listing, { statesFilter, typesFilter })
        record(`list ${statesFilter} ${typesFilter} v${listing}`, {
          ...answer,
          groups: answer!.groups.filter(group => group.groupId === groupId),
        })
      }
    }
    await forget('forget offsets of the empty group')
    await remove('delete the empty group', [groupId])
    await beat('heartbeat in the deleted group')
    record('offsets of the deleted group', await peer.quietly(OffsetFetch, 5, { groupId, topics: null }))
  }
})

const statics = scenario('static members', async peer => {
  await coordinator(peer)
  await peer.topic('static')
  for (const version of peer.versions(JoinGroup).filter(each => each >= 5)) {
    const members = new Members()
    const record = (step: string, answer: unknown) => peer.record(`${step} v${version}`, members.name(answer))
    const groupId = `static-${version}`
    const join = async (step: string, o: Partial<RequestIn<typeof JoinGroup>>) => {
      const answer = await peer.quietly(JoinGroup, version, joining(groupId, { groupInstanceId: 'one', ...o }))
      record(step, answer)
      return answer!
    }
    const first = await join('joins', {})
    const who = { groupId, memberId: first.memberId, generationId: first.generationId, groupInstanceId: 'one' }
    const sync = async (step: string, o = {}) => {
      const assignments = [{ memberId: who.memberId, assignment: Buffer.from('mine') }]
      const body = { ...who, protocolType: 'consumer', protocolName: 'range', assignments, ...o }
      record(step, await peer.quietly(SyncGroup, Math.min(version, 5), body))
    }
    const beat = async (step: string, o = {}) => record(step, await peer.quietly(Heartbeat, 4, { ...who, ...o }))
    await sync('syncs')
    const again = await join('comes back without an id', {})
    await beat('heartbeat with the old id')
    await sync('sync with the old id')
    who.memberId = again.memberId
    await beat('heartbeat with the new id')
    await sync('syncs again')
    await beat('heartbeat as another instance', { groupInstanceId: 'two' })
    await beat('heartbeat as nobody', { groupInstanceId: null })
    await join('another instance with its id', { groupInstanceId: 'two', memberId: who.memberId })
    record('described', await peer.quietly(DescribeGroups, 5, { groups: [groupId] }))
    const leave = async (step: string, members: NonNullable<RequestIn<typeof LeaveGroup>['members']>) =>
      record(step, await peer.quietly(LeaveGroup, 5, { groupId, members }))
    await leave('a wrong id is removed', [{ memberId: 'stranger', groupInstanceId: 'one' }])
    await leave('an unknown instance is removed', [{ memberId: '', groupInstanceId: 'three' }])
    await leave('removed by an admin', [{ memberId: '', groupInstanceId: 'one' }])
    await beat('heartbeat after that')
    await peer.quietly(DeleteGroups, 2, { groupsNames: [groupId] })
  }
})

export const GROUPS: readonly Scenario[] = [findCoordinator, commits, membership, statics]
