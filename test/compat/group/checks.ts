// The checks of consumer groups that every client is asked, built from what it can do. Members are processes of the client's own; what they say is
// judged by verdict.ts, so no check asks the client whether all went well.
import { type Check, eventually, expectEqual, expectTrue, type World } from '../client.ts'
import type { GroupClient, MemberOrders } from './client.ts'
import { Member } from './member.ts'
import { committedOffsets } from './probe.ts'
import { RecordStream } from './stream.ts'
import { judgeGroup } from './verdict.ts'

/** Generous: a rebalance waits for heartbeats of 3 s, and a dead member for its session of 6 s, on machines that do other things too. */
const PATIENCE_MS = 60_000
/** Between two records of a partition. */
const FLOW_MS = 20

export function groupChecks(client: GroupClient, world: World): Check[] {
  const check = (name: string, partitions: number, run: (scene: Scene) => Promise<void>): Check => ({
    name: `group: ${name}`,
    async run() {
      const scene = await Scene.open(client, world, partitions)
      try {
        await run(scene)
      } finally {
        await scene.close()
      }
    },
  })
  const checks = [
    check('three members join, one leaves, one dies, nothing skipped', 6, joinLeaveDie),
    check('what was committed is where the next member resumes', 3, resume),
  ]
  if (client.statics) checks.push(check('a static member restarts and the others do not notice', 4, scene => staticRestart(scene, client)))
  if (client.cooperative !== undefined)
    checks.push(check('cooperative: what stays is never revoked, nothing skipped or doubled', 6, scene => cooperative(scene, client)))
  if (client.tool !== undefined)
    checks.push(check('administration: list, describe, offsets, lag, delete', 3, scene => administration(scene, client)))
  return checks
}

/** One group on a topic of its own. */
class Scene {
  readonly group: string
  readonly topic: string
  readonly partitions: number
  readonly stream: RecordStream
  readonly members: Member[] = []
  readonly bootstrap: string
  readonly #client: GroupClient

  static async open(client: GroupClient, world: World, partitions: number): Promise<Scene> {
    const topic = world.topicName('group')
    await world.createTopic(topic, partitions)
    return new Scene(client, world.bootstrap, topic, partitions)
  }

  private constructor(client: GroupClient, bootstrap: string, topic: string, partitions: number) {
    this.#client = client
    this.bootstrap = bootstrap
    this.topic = topic
    this.group = `of-${topic}`
    this.partitions = partitions
    this.stream = new RecordStream(bootstrap, topic, partitions)
  }

  join(name: string, orders: Partial<MemberOrders> = {}): Member {
    const member = new Member(name, this.#client.launch({ group: this.group, topic: this.topic, ...orders }))
    this.members.push(member)
    return member
  }

  /** Waits until these share all partitions, each one owning at least one and nobody owning another's. */
  async shared(members: readonly Member[]): Promise<void> {
    await this.until(`${members.length} members share ${this.partitions} partitions`, () => {
      for (const member of members) if (member.ended) throw new Error(`it ended: ${member}`)
      const owned = members.flatMap(member => [...member.owned])
      return owned.length === this.partitions && new Set(owned).size === this.partitions && members.every(member => member.owned.size > 0)
    })
  }

  /** SIGTERM while records flow, where the client stands that. */
  async leave(member: Member): Promise<void> {
    const pause = this.#client.dropsAtItsEnd ?? false
    if (pause) {
      await this.stream.stop()
      await this.caughtUp()
    }
    await member.leave()
    if (pause) this.stream.flow(FLOW_MS)
  }

  /** Waits until all that was sent so far has been seen. */
  async caughtUp(): Promise<void> {
    const { ends } = this.stream
    await this.until('the group has seen everything', () => this.#judge(ends).seen >= this.#sum(ends))
  }

  /** @param o  doubled: how many records may be seen twice */
  expectPromises({ doubled }: { doubled: number }): void {
    const verdict = this.#judge(this.stream.ends)
    const { handsOutStale = false } = this.#client
    expectEqual(verdict.violations.filter(({ kind }) => kind === 'skipped' || !handsOutStale).slice(0, 3), [], 'broken promises')
    expectTrue(verdict.doubled <= doubled, `${verdict.doubled} records were seen twice`)
  }

  committed(): Promise<Map<number, number>> {
    return committedOffsets(this.bootstrap, this.group, this.topic, this.partitions)
  }

  async until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
    try {
      await eventually(what, async () => await holds(), PATIENCE_MS)
    } catch (error) {
      const broken = this.#judge(this.stream.ends).violations.map(({ sentence }) => sentence)
      throw new Error(`${(error as Error).message}; ${this.members.join('; ')}; ${broken.slice(0, 5).join('; ')}`, { cause: error })
    }
  }

  async close(): Promise<void> {
    for (const member of this.members) member.kill()
    await this.stream.close()
  }

  #judge(ends: ReadonlyMap<number, number>) {
    return judgeGroup(
      this.members.flatMap(member => member.events),
      ends,
    )
  }

  #sum(ends: ReadonlyMap<number, number>): number {
    return [...ends.values()].reduce((sum, end) => sum + end, 0)
  }
}

async function joinLeaveDie(scene: Scene): Promise<void> {
  const first = scene.join('first')
  await scene.shared([first])
  scene.stream.flow(FLOW_MS)
  const [second, third] = [scene.join('second'), scene.join('third')]
  await scene.shared([first, second, third])
  await scene.leave(second)
  await scene.shared([first, third])
  await third.die()
  await scene.shared([first])
  await scene.stream.stop()
  await scene.caughtUp()
  scene.expectPromises({ doubled: Number.POSITIVE_INFINITY })
  await first.leave()
}

async function resume(scene: Scene): Promise<void> {
  await scene.stream.send(40)
  const before = scene.join('before')
  await scene.caughtUp()
  await scene.until('all is committed', async () => [...(await scene.committed()).values()].filter(offset => offset === 40).length === 3)
  await before.leave()
  await scene.stream.send(10)
  const after = scene.join('after')
  await scene.caughtUp()
  scene.expectPromises({ doubled: 0 })
  const seen = after.events.filter(event => event.kind === 'record').length
  expectEqual(seen, 30, 'records of the member that came after')
  await after.leave()
}

async function staticRestart(scene: Scene, client: GroupClient): Promise<void> {
  // Long enough for a JVM on a busy machine to be back within it.
  const sessionMs = 30_000
  const a = scene.join('a', { instance: 'instance-a', sessionMs })
  await scene.shared([a])
  const b = scene.join('b', { instance: 'instance-b', sessionMs })
  await scene.shared([a, b])
  scene.stream.flow(FLOW_MS)
  const [ofA, ofB, noticed] = [[...a.owned].sort(), [...b.owned].sort(), moves(b)]
  await a.die()
  const again = scene.join('a again', { instance: 'instance-a', sessionMs })
  await scene.shared([again, b])
  expectEqual([...again.owned].sort(), ofA, 'partitions after the restart')
  await (client.staticsLeave ? again.die() : scene.leave(again))
  const third = scene.join('a for the third time', { instance: 'instance-a', sessionMs })
  await scene.shared([third, b])
  expectEqual([[...third.owned].sort(), [...b.owned].sort()], [ofA, ofB], 'partitions after the second restart')
  await scene.stream.stop()
  await scene.caughtUp()
  scene.expectPromises({ doubled: Number.POSITIVE_INFINITY })
  expectEqual(moves(b), noticed, 'rebalances the other member noticed')
}

/** A rebalance that moved none of its partitions is not one: franz-go's leader has one made whenever it comes back. */
const moves = (member: Member) =>
  member.events.filter(event => (event.kind === 'assigned' || event.kind === 'revoked') && event.partitions?.length !== 0).length

async function cooperative(scene: Scene, client: GroupClient): Promise<void> {
  const orders = { assignor: client.cooperative! }
  const first = scene.join('first', orders)
  await scene.shared([first])
  scene.stream.flow(FLOW_MS)
  const second = scene.join('second', orders)
  await scene.shared([first, second])
  const kept = [...first.owned]
  const third = scene.join('third', orders)
  await scene.shared([first, second, third])
  const lastKept = kept.filter(partition => first.owned.has(partition))
  const revoked = first.events.flatMap(event => (event.kind === 'revoked' ? (event.partitions ?? kept) : []))
  expectEqual(
    lastKept.filter(partition => revoked.includes(partition)),
    [],
    'partitions that stayed and were revoked on the way',
  )
  await scene.leave(second)
  await scene.shared([first, third])
  await scene.stream.stop()
  await scene.caughtUp()
  // Whoever commits on its own clock may begin a moved partition a little earlier.
  scene.expectPromises({ doubled: client.commitsWhatItGives ? 0 : Number.POSITIVE_INFINITY })
}

async function administration(scene: Scene, client: GroupClient): Promise<void> {
  const { group, topic } = scene
  const ask = (op: Parameters<NonNullable<GroupClient['tool']>>[0], offsets: Record<string, number> = {}) =>
    client.tool!(op, { group, topic, offsets })
  const told = (op: Parameters<typeof ask>[0], offsets: Record<string, number> = {}) =>
    ask(op, offsets).then(
      () => 'nothing: it succeeded',
      (error: Error) => error.message,
    )
  /** An operation the client lacks is not asked for. */
  const has = async (op: Parameters<typeof ask>[0]) => !(await told(op)).includes('has no operation')

  await scene.stream.send(20)
  const member = scene.join('member')
  await scene.until('all is committed', async () => [...(await scene.committed()).values()].filter(offset => offset === 20).length === 3)
  expectTrue(((await ask('groups')) as string[]).includes(group), 'the group is not listed')
  const { state, members } = (await ask('describe')) as { state: string; members: number }
  expectEqual([state, members], ['Stable', 1], 'described')
  expectEqual(await ask('committed'), { 0: 20, 1: 20, 2: 20 }, 'committed')
  const refused = await told('delete')
  expectTrue(/non.?empty|not empty|NotEmpty/i.test(refused), `the group with a member was to be deleted: it said ${refused}`)
  await member.leave()
  await scene.until('the group is empty', async () => ((await ask('describe')) as { state: string }).state === 'Empty')
  await scene.stream.send(5)
  if (await has('lag')) expectEqual(await ask('lag'), { 0: 5, 1: 5, 2: 5 }, 'lag')
  if ((await told('alter', { 0: 20, 1: 10, 2: 0 })) === 'nothing: it succeeded') {
    expectEqual([...(await scene.committed()).values()], [20, 10, 0], 'committed after the change')
    const again = scene.join('again')
    await scene.until('the records after the reset', () => records(again) === 5 + 15 + 25)
    await again.leave()
    await scene.until('the group is empty again', async () => ((await ask('describe')) as { state: string }).state === 'Empty')
  } else {
    expectTrue(
      (await told('alter')).includes('has no operation'),
      `offsets changed: it said ${await told('alter', { 0: 20, 1: 10, 2: 0 })}`,
    )
  }
  const deletedOffsets = await told('deleteOffsets')
  if (!deletedOffsets.includes('has no operation')) {
    expectEqual(deletedOffsets, 'nothing: it succeeded', 'offsets deleted')
    expectEqual((await scene.committed()).size, 0, 'offsets left')
  }
  expectEqual(await told('delete'), 'nothing: it succeeded', 'group deleted')
  expectTrue(!((await ask('groups')) as string[]).includes(group), 'the deleted group is still listed')
}

const records = (member: Member) => member.events.filter(({ kind }) => kind === 'record').length
