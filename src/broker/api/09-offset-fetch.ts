// OffsetFetch: the committed offsets of groups; of one up to v7, of several from v8 on. KIP-447 (requireStable), KIP-709.
// What nobody committed is offset -1 without an error, and so is all of a group that is not there. Topics null (v2+): everything that is committed.
// requireStable waits for commits under way; transactional ones will be UNSTABLE_OFFSET_COMMIT. Below v2 there is no error of a group: its partitions have it.
import { OffsetFetch } from '../../protocol/api/09-offset-fetch.ts'
import { NONE } from '../../protocol/errors.ts'
import type { RequestOf, ResponseOf } from '../../protocol/schema.ts'
import type { Broker } from '../broker.ts'
import type { CommittedOffset } from '../group/records.ts'
import type { Shard } from '../group/shard.ts'
import { handler } from '../handler.ts'
import type { Slices } from '../slices.ts'

type Request = RequestOf<typeof OffsetFetch>
type Response = ResponseOf<typeof OffsetFetch>
type Topics = NonNullable<Response['topics']>

interface GroupAnswer {
  readonly groupId: string
  readonly topics: Topics
  readonly errorCode: number
}

interface GroupQuestion {
  readonly groupId: string
  readonly topics: readonly { readonly name: string; readonly partitionIndexes: readonly number[] }[] | null
}

/** Partitions that are looked up in one go. */
const PART = 256
const FIRST_VERSION_OF_GROUPS = 8
const FIRST_VERSION_OF_GROUP_ERRORS = 2

export const offsetFetch = handler(OffsetFetch, {
  async answer(broker, request, { version, slices }) {
    const answers: GroupAnswer[] = []
    for (const question of questionsOf(request, version)) answers.push(await answerOne(broker, question, request.requireStable, slices))
    return compose(request, answers, version)
  },
  failed(request, { errorCode }, { version }) {
    const answers = questionsOf(request, version).map(({ groupId }) => ({ groupId, errorCode, topics: [] }))
    return compose(request, answers, version)
  },
})

function questionsOf(request: Request, version: number): readonly GroupQuestion[] {
  return version >= FIRST_VERSION_OF_GROUPS ? request.groups : [request]
}

async function answerOne(broker: Broker, question: GroupQuestion, requireStable: boolean, slices: Slices): Promise<GroupAnswer> {
  const { groupId } = question
  const refused = (errorCode: number): GroupAnswer => ({ groupId, topics: [], errorCode })
  if (requireStable) {
    const errorCode = await broker.groups.readStable(groupId, { read: () => NONE, refused: code => code })
    if (errorCode !== NONE) return refused(errorCode)
  }
  // Each part asks anew whether the group is still here: what is not known any more must not look as if nobody had committed it.
  const read = <T>(part: (shard: Shard) => T) => broker.groups.read<T | number>(groupId, { read: part, refused: code => code })
  const all = read(shard => (question.topics === null ? allOf(shard, groupId) : []))
  if (typeof all === 'number') return refused(all)
  const topics = [...all]
  for (const { name, partitionIndexes } of question.topics ?? []) {
    const partitions: ReturnType<typeof told>[] = []
    for (let i = 0; i < partitionIndexes.length; i += PART) {
      const indexes = partitionIndexes.slice(i, i + PART)
      if (slices.isOver(indexes.length)) await slices.next()
      const part = read(shard => indexes.map(index => told(index, shard.committed(groupId, name, index))))
      if (typeof part === 'number') return refused(part)
      partitions.push(...part)
    }
    topics.push({ name, partitions })
  }
  return { groupId, topics, errorCode: NONE }
}

function allOf(shard: Shard, groupId: string): Topics {
  return shard.allCommitted(groupId).map(({ topic, partitions }) => ({
    name: topic,
    partitions: partitions.map(({ partition, value }) => told(partition, value)),
  }))
}

function told(partitionIndex: number, value: CommittedOffset | undefined, errorCode = NONE) {
  return {
    partitionIndex,
    committedOffset: value?.offset ?? -1,
    committedLeaderEpoch: value?.leaderEpoch ?? -1,
    metadata: value?.metadata ?? '',
    errorCode,
  }
}

function compose(request: Request, groups: GroupAnswer[], version: number): Response {
  if (version >= FIRST_VERSION_OF_GROUPS) return { groups }
  const { topics, errorCode } = groups[0]!
  if (errorCode === NONE || version >= FIRST_VERSION_OF_GROUP_ERRORS) return { topics, errorCode }
  return {
    topics: (request.topics ?? []).map(({ name, partitionIndexes }) => ({
      name,
      partitions: partitionIndexes.map(index => told(index, undefined, errorCode)),
    })),
  }
}
