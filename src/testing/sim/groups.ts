// Consumer groups of a simulation: their members, one who commits without being a member, and the end, in which a member dies and the others must
// finish its share.

import { type Env, sleep } from '../../env/env.ts'
import type { SeededRandom } from '../../env/sim/random.ts'
import type { SimWorld } from '../../env/sim/world.ts'
import { Connection } from '../../net/connection.ts'
import { OffsetCommit } from '../../protocol/api/08-offset-commit.ts'
import { DeleteGroups } from '../../protocol/api/42-delete-groups.ts'
import { OffsetDelete } from '../../protocol/api/47-offset-delete.ts'
import { NONE, ProtocolError } from '../../protocol/errors.ts'
import { BROKER, PORT } from './broker-host.ts'
import { GroupMember } from './group-member.ts'
import { fetchOffsets, findCoordinator, GROUP_TIMEOUT_MS, nameOf, type Place } from './group-requests.ts'
import type { GroupPlan } from './plan.ts'
import { allPartitions, kafkaOf, type Stage } from './workloads.ts'

export const MEMBERS_HOST = 'members'
/** Has no members. */
const LONE_GROUP = 'lone'
const LOOK_MS = 100
const RETRY_MS = 10

export class Groups {
  readonly #world: SimWorld
  readonly #plans: readonly GroupPlan[]
  readonly #stage: Stage
  /** By group: the first member is to die. */
  readonly #bereaved = new Set<string>()
  /** Groups that have read everything. */
  readonly #done = new Set<string>()

  constructor(world: SimWorld, plans: readonly GroupPlan[], stage: Stage) {
    this.#world = world
    this.#plans = plans
    this.#stage = stage
  }

  /** Everybody who acts, by name. Members go on until `finish`. */
  start(): Map<string, Promise<void>> {
    const world = this.#world
    const env = world.env(MEMBERS_HOST)
    const acting = new Map<string, Promise<void>>()
    for (const { group, members } of this.#plans) {
      for (const [index, plan] of members.entries()) {
        const member = new GroupMember(
          env,
          {
            group,
            plan,
            history: this.#stage.history,
            partitions: () => allPartitions(this.#stage),
            restless: () => this.#stage.running(),
            running: () => !this.#done.has(group),
            dies: () => index === 0 && this.#bereaved.has(group),
          },
          world.stream(plan.name),
        )
        acting.set(plan.name, member.run())
      }
    }
    return acting
  }

  /** Commits, deletes and reads in a group without members. */
  async commitAlone(): Promise<void> {
    const env = this.#world.env(MEMBERS_HOST)
    const random = this.#world.stream(LONE_GROUP)
    while (this.#stage.running()) {
      try {
        await withConnection(env, LONE_GROUP, async connection => {
          // Who knows where it is asks at once, also one that has just started.
          if (random.chance(0.3)) await findCoordinator(env, connection, LONE_GROUP)
          while (this.#stage.running() && !connection.closed) {
            await this.#actAlone(connection, random)
            await sleep(env.clock, 40 * random.fraction())
          }
        })
      } catch (error) {
        rethrowFaults(error)
      }
      await sleep(env.clock, RETRY_MS * random.fraction())
    }
  }

  async #actAlone(connection: Connection, random: SeededRandom): Promise<void> {
    const places = allPartitions(this.#stage)
    const place = random.pick(places)
    const { history } = this.#stage
    const way = random.fraction()
    if (way < 0.4) {
      await fetchOffsets(connection, { group: LONE_GROUP, places, stable: random.chance(0.5), history })
      return
    }
    const offset = way < 0.8 ? random.integer(1_000_000) : -1
    const written = way < 0.95 ? [place] : places
    const since = history.events.length
    const note = (outcome: 'done' | 'unknown') => {
      for (const each of written)
        history.add({
          type: 'groupCommit',
          group: LONE_GROUP,
          since,
          member: LONE_GROUP,
          generation: -1,
          partition: nameOf(each),
          offset,
          outcome,
        })
    }
    try {
      const errorCode = await (way < 0.8
        ? commitOne(connection, place, offset)
        : way < 0.95
          ? deleteOne(connection, place)
          : deleteAll(connection))
      note(errorCode === NONE ? 'done' : 'unknown')
    } catch (error) {
      note('unknown')
      throw error
    }
  }

  /** Everything works again, and nothing is written any more: a member of each group dies, and what is left must be read and committed. */
  async finish(): Promise<void> {
    const env = this.#world.env(MEMBERS_HOST)
    const places = allPartitions(this.#stage)
    const kafka = kafkaOf(env, 'ends', this.#stage)
    const ends = await kafka.admin().listOffsets(places.map(place => ({ ...place, spec: 'latest' as const })))
    await kafka.close()
    for (const { group, members } of this.#plans) if (members.length > 1) this.#bereaved.add(group)
    while (this.#done.size < this.#plans.length) {
      try {
        await withConnection(env, 'watcher', async connection => {
          for (const { group } of this.#plans) {
            await findCoordinator(env, connection, group)
            const committed = await fetchOffsets(connection, { group, places, stable: false, history: this.#stage.history })
            // Before the first record nothing is committed.
            if (committed?.every((offset, i) => offset >= ends[i]!.offset || (offset === -1 && ends[i]!.offset === 0)))
              this.#done.add(group)
          }
        })
      } catch (error) {
        rethrowFaults(error)
      }
      await sleep(env.clock, LOOK_MS)
    }
  }
}

function rethrowFaults(error: unknown): void {
  if (error instanceof TypeError || error instanceof RangeError || error instanceof ProtocolError) throw error
  // The broker is down, or went down: it may be done or not.
}

async function withConnection(env: Env, clientId: string, use: (connection: Connection) => Promise<void>): Promise<void> {
  const connection = await Connection.open(env, { host: BROKER, port: PORT, clientId, timeoutMs: GROUP_TIMEOUT_MS })
  try {
    await use(connection)
  } finally {
    connection.close()
  }
}

async function commitOne(connection: Connection, { topic, partition }: Place, offset: number): Promise<number> {
  const partitions = [{ partitionIndex: partition, committedOffset: offset, committedLeaderEpoch: -1, committedMetadata: 'alone' }]
  const body = { groupId: LONE_GROUP, generationIdOrMemberEpoch: -1, memberId: '', topics: [{ name: topic, partitions }] }
  const answer = await connection.request(OffsetCommit, body, { version: 9, timeoutMs: GROUP_TIMEOUT_MS })
  return answer.topics[0]!.partitions[0]!.errorCode
}

async function deleteOne(connection: Connection, { topic, partition }: Place): Promise<number> {
  const body = { groupId: LONE_GROUP, topics: [{ name: topic, partitions: [{ partitionIndex: partition }] }] }
  const answer = await connection.request(OffsetDelete, body, { timeoutMs: GROUP_TIMEOUT_MS })
  return answer.errorCode === NONE ? answer.topics[0]!.partitions[0]!.errorCode : answer.errorCode
}

async function deleteAll(connection: Connection): Promise<number> {
  const answer = await connection.request(DeleteGroups, { groupsNames: [LONE_GROUP] }, { timeoutMs: GROUP_TIMEOUT_MS })
  return answer.results[0]!.errorCode
}
