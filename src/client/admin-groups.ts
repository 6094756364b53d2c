// What the admin client asks about groups, and of them.
// Facts: each broker lists the groups it coordinates; everything else is asked of the coordinator. Offsets can be changed from outside while a group has
// no members. A group that does not exist is described as Dead without an error up to version 5 of DescribeGroups, with GROUP_ID_NOT_FOUND from 6 on.
import { DescribeGroups } from '../protocol/api/15-describe-groups.ts'
import { ListGroups } from '../protocol/api/16-list-groups.ts'
import { DeleteGroups } from '../protocol/api/42-delete-groups.ts'
import { OffsetDelete } from '../protocol/api/47-offset-delete.ts'
import * as errors from '../protocol/errors.ts'
import type { ResponseOut } from '../protocol/schema.ts'
import type { Cluster } from './cluster.ts'
import type { TopicPartition } from './group/assignment.ts'
import { byTopic, decodeAssignment } from './group/blobs.ts'
import { GroupCoordinator } from './group/coordinator.ts'
import { type CommittedOffset, commitOffsets, fetchCommitted, type OffsetToCommit, OUTSIDER } from './group/offsets.ts'
import { type Deadline, refusal, retrying } from './operation.ts'

/** Empty: it has offsets but no members. Dead: it does not exist. Assigning and Reconciling are of the newer protocol (KIP-848). */
export type GroupState =
  | 'Empty'
  | 'PreparingRebalance'
  | 'CompletingRebalance'
  | 'Stable'
  | 'Dead'
  | 'Assigning'
  | 'Reconciling'
  | 'NotReady'
  | 'Unknown'

export interface GroupListing {
  readonly groupId: string
  /** 'consumer' for consumers, '' for a group that only holds offsets. */
  readonly protocolType: string
  /** Unknown from brokers older than 2.6. */
  readonly state: GroupState
  /** 'classic', 'consumer' (KIP-848), 'share' …; '' from brokers older than 3.8. */
  readonly type: string
}

export interface GroupMemberDescription {
  readonly memberId: string
  /** null: not static. */
  readonly groupInstanceId: string | null
  readonly clientId: string
  /** As the coordinator sees it: '/10.0.0.7'. */
  readonly host: string
  /** Empty while the group rebalances, and for members that are no consumers. */
  readonly assignment: readonly TopicPartition[]
}

export interface GroupDescription {
  readonly groupId: string
  readonly state: GroupState
  readonly protocolType: string
  /** The assignor; '' while there is none. */
  readonly protocol: string
  readonly coordinatorId: number
  readonly members: readonly GroupMemberDescription[]
}

export interface GroupFilter {
  /** Only groups in one of these states (brokers from 2.6 on). */
  readonly states?: readonly GroupState[] | undefined
  /** Only groups of one of these types (brokers from 3.8 on). */
  readonly types?: readonly string[] | undefined
}

const FIRST_VERSION_WITH_STATES = 4
const FIRST_VERSION_WITH_TYPES = 5
const CONSUMER = 'consumer'

/** @param nodeIds  all brokers */
export async function listGroups(
  cluster: Cluster,
  nodeIds: readonly number[],
  filter: GroupFilter,
  deadline: Deadline,
): Promise<GroupListing[]> {
  const { states = [], types = [] } = filter
  const listed = await Promise.all(
    nodeIds.map(nodeId =>
      retrying(cluster, deadline, async () => {
        const connection = await cluster.connection(nodeId)
        const version = connection.versionOf(ListGroups) ?? 0
        if ((states.length > 0 && version < FIRST_VERSION_WITH_STATES) || (types.length > 0 && version < FIRST_VERSION_WITH_TYPES)) {
          throw new errors.KafkaError(
            errors.UNSUPPORTED_VERSION,
            `${connection.host}:${connection.port} is too old to list groups by state or type`,
          )
        }
        const request = { statesFilter: states, typesFilter: types }
        const answer = await connection.request(ListGroups, request, { timeoutMs: cluster.options.requestTimeoutMs })
        if (answer.errorCode !== errors.NONE) throw refusal(answer.errorCode, `the groups of broker ${nodeId}`, null)
        return answer.groups.map(({ groupId, protocolType, groupState, groupType }) => ({
          groupId,
          protocolType,
          state: stateOf(groupState),
          type: groupType,
        }))
      }),
    ),
  )
  // While a coordinator moves, two brokers may tell of one group.
  const groups = new Map(listed.flat().map(group => [group.groupId, group]))
  return [...groups.values()].sort((a, b) => (a.groupId < b.groupId ? -1 : 1))
}

/** @throws KafkaError GROUP_ID_NOT_FOUND, GROUP_AUTHORIZATION_FAILED … */
export function describeGroup(cluster: Cluster, groupId: string, deadline: Deadline): Promise<GroupDescription> {
  const coordinator = new GroupCoordinator(cluster, groupId)
  return coordinator.retrying(deadline, async () => {
    const answer = await coordinator.request(DescribeGroups, { groups: [groupId], includeAuthorizedOperations: false })
    const described = answer.groups[0]
    if (described === undefined) throw new errors.KafkaError(errors.UNKNOWN_SERVER_ERROR, `group '${groupId}' was not described`)
    const { errorCode, errorMessage, groupState, protocolType, protocolData, members } = described
    if (errorCode !== errors.NONE) throw refusal(errorCode, `group '${groupId}'`, errorMessage)
    if (groupState === 'Dead') throw refusal(errors.GROUP_ID_NOT_FOUND, `group '${groupId}'`, null)
    return {
      groupId,
      state: stateOf(groupState),
      protocolType,
      protocol: protocolData,
      coordinatorId: await coordinator.nodeId(),
      members: members.map(member => describeMember(protocolType, member)),
    }
  })
}

function describeMember(
  protocolType: string,
  {
    memberId,
    groupInstanceId,
    clientId,
    clientHost,
    memberAssignment,
  }: ResponseOut<typeof DescribeGroups>['groups'][number]['members'][number],
): GroupMemberDescription {
  return { memberId, groupInstanceId, clientId, host: clientHost, assignment: readAssignment(protocolType, memberAssignment) }
}

/** What other kinds of groups, and odd clients, wrote is none of ours. */
function readAssignment(protocolType: string, bytes: Buffer): TopicPartition[] {
  if (protocolType !== CONSUMER) return []
  try {
    return decodeAssignment(bytes)
  } catch (error) {
    if (error instanceof errors.ProtocolError) return []
    throw error
  }
}

const STATES = new Set<string>([
  'Empty',
  'PreparingRebalance',
  'CompletingRebalance',
  'Stable',
  'Dead',
  'Assigning',
  'Reconciling',
  'NotReady',
] satisfies GroupState[])

function stateOf(text: string): GroupState {
  return STATES.has(text) ? (text as GroupState) : 'Unknown'
}

/** @param partitions  null: all that the group has committed */
export async function listGroupOffsets(
  cluster: Cluster,
  groupId: string,
  partitions: readonly TopicPartition[] | null,
  deadline: Deadline,
): Promise<CommittedOffset[]> {
  const coordinator = new GroupCoordinator(cluster, groupId)
  const found = await coordinator.retrying(deadline, () => fetchCommitted(coordinator, partitions, { requireStable: false }))
  return found.sort((a, b) => (a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1))
}

/** @throws KafkaError UNKNOWN_MEMBER_ID (the group has members), UNKNOWN_TOPIC_OR_PARTITION … for the first that was refused */
export async function alterGroupOffsets(
  cluster: Cluster,
  groupId: string,
  offsets: readonly OffsetToCommit[],
  deadline: Deadline,
): Promise<void> {
  if (offsets.length === 0) return
  const coordinator = new GroupCoordinator(cluster, groupId)
  const refused = await coordinator.retrying(deadline, async () => {
    const error = (await commitOffsets(coordinator, OUTSIDER, offsets))[0]?.error
    // Whoever names a topic that is not there does not wait for it to appear.
    if (error?.retriable && error.code !== errors.UNKNOWN_TOPIC_OR_PARTITION) throw error
    return error
  })
  if (refused !== undefined) throw refused
}

/** @throws KafkaError GROUP_SUBSCRIBED_TO_TOPIC, GROUP_ID_NOT_FOUND, UNKNOWN_TOPIC_OR_PARTITION … for the first that was refused */
export async function deleteGroupOffsets(
  cluster: Cluster,
  groupId: string,
  partitions: readonly TopicPartition[],
  deadline: Deadline,
): Promise<void> {
  const coordinator = new GroupCoordinator(cluster, groupId)
  const topics = byTopic(partitions).map(entry => ({
    name: entry.topic,
    partitions: entry.partitions.map(partitionIndex => ({ partitionIndex })),
  }))
  const refused = await coordinator.retrying(deadline, async () => {
    const answer = await coordinator.request(OffsetDelete, { groupId, topics })
    if (answer.errorCode !== errors.NONE) throw refusal(answer.errorCode, `group '${groupId}'`, null)
    for (const { name, partitions: answered } of answer.topics) {
      const bad = answered.find(({ errorCode }) => errorCode !== errors.NONE)
      if (bad !== undefined) return refusal(bad.errorCode, `offset of ${name}-${bad.partitionIndex} in group '${groupId}'`, null)
    }
    return undefined
  })
  if (refused !== undefined) throw refused
}

/** @throws KafkaError NON_EMPTY_GROUP, GROUP_ID_NOT_FOUND … */
export function deleteGroup(cluster: Cluster, groupId: string, deadline: Deadline): Promise<void> {
  const coordinator = new GroupCoordinator(cluster, groupId)
  return coordinator.retrying(deadline, async () => {
    const answer = await coordinator.request(DeleteGroups, { groupsNames: [groupId] })
    const result = answer.results[0]
    if (result !== undefined && result.errorCode !== errors.NONE) throw refusal(result.errorCode, `group '${groupId}'`, result.errorMessage)
  })
}
