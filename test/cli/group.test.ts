// Groups on the command line, against a broker started by it. Needs `npm run build`, which `npm test` does first.
// OTTLA_TEST_BOOTSTRAP=host:port runs the same against any other single broker with node id 1, such as Apache Kafka.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Broker, type Ended, ottla, Running, startBroker } from './processes.ts'

let broker: Broker
beforeAll(async () => {
  const bootstrap = process.env['OTTLA_TEST_BOOTSTRAP']
  if (bootstrap === undefined) broker = await startBroker(['--port', '0', '--memory'])
  else broker = { bootstrap, pid: 0, log: () => '', stop: async () => 0, kill: async () => {} }
})
afterAll(async () => void (await broker?.stop()))

let names = 0
const stamp = Date.now().toString(36)
const newName = (what: string): string => `${what}-${stamp}-${names++}`
const at = (...args: string[]): string[] => [...args, '-b', broker.bootstrap]

async function done(args: string[], stdin?: string): Promise<string> {
  const { code, out, err } = await ottla(at(...args), stdin === undefined ? {} : { stdin })
  expect(err).toBe('')
  expect(code).toBe(0)
  return out
}

function refused({ code, out, err }: Ended): string {
  expect(code).toBe(1)
  expect(out).toBe('')
  return err
}

const jsonLines = (out: string) =>
  out
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line))

/** A topic with ten records in each partition. */
async function filled(partitions: number): Promise<string> {
  const topic = newName('topic')
  await done(['topic', 'create', topic, '-p', String(partitions)])
  const lines = Array.from({ length: 10 * partitions }, (_, i) =>
    JSON.stringify({ value: `${i}`, partition: i % partitions, timestamp: 1_700_000_000_000 + i * 1000 }),
  )
  await done(['produce', topic, '--json'], lines.join('\n'))
  return topic
}

describe('consume -g', () => {
  test('goes on where the group was, and --no-commit leaves that alone', async () => {
    const [topic, group] = [await filled(1), newName('group')]
    const read = (...args: string[]) => done(['consume', topic, '-g', group, '-e', ...args])
    expect(await read('--from-beginning', '--no-commit')).toBe('0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n')
    expect(await read('--from-beginning', '-n', '3')).toBe('0\n1\n2\n')
    expect(await read('-n', '2')).toBe('3\n4\n')
    expect(await read('--no-commit')).toBe('5\n6\n7\n8\n9\n')
    expect(await read()).toBe('5\n6\n7\n8\n9\n')
    expect(await read()).toBe('')
    expect(await done(['consume', topic, '-g', newName('group'), '-e'])).toBe('')
  })

  test('shares the partitions, and Ctrl-C commits and leaves at once', async () => {
    const [topic, group] = [await filled(2), newName('group')]
    const members = [0, 1].map(() => new Running(at('consume', topic, '-g', group, '--from-beginning')))
    await shared(group, 2)
    const [described] = jsonLines(await done(['group', 'describe', group, '--json']))
    expect(described.members.map((member: { partitions: unknown[] }) => member.partitions.length)).toEqual([1, 1])
    const read = () => members.flatMap(({ out }) => out.split('\n').filter(line => line !== ''))
    for (const deadline = Date.now() + 15_000; read().length < 20 && Date.now() < deadline; )
      await new Promise(resolve => setTimeout(resolve, 20))
    for (const member of members) {
      member.child.kill('SIGINT')
      expect(await member.exit).toBe(0)
      expect(member.err).toBe('')
    }
    const after = jsonLines(await done(['group', 'describe', group, '--json']))[0]
    expect(after).toMatchObject({ state: 'Empty', lag: 0, members: [] })
  })

  test('says what does not go together', async () => {
    const usage = async (...args: string[]) => {
      const { code, err } = await ottla(at('consume', 't', ...args))
      expect(code).toBe(2)
      return err
    }
    expect(await usage('-g', 'g', '-o', '5')).toMatch(/ottla group reset-offsets g --topic t/)
    expect(await usage('-g', 'g', '-p', '0')).toMatch(/-p and -g/)
    expect(await usage('--no-commit')).toMatch(/-g GROUP/)
  })
})

describe('group', () => {
  test('list and describe show groups, their members and how far behind they are', async () => {
    const [topic, group] = [await filled(2), newName('group')]
    await done(['consume', topic, '-g', group, '--from-beginning', '-n', '20'])
    await done(['produce', topic, '--json'], '{"value":"new","partition":1}\n')
    expect(await done(['group', 'list'])).toMatch(new RegExp(`^${group} +Empty +[Cc]lassic +consumer$`, 'm'))
    expect(await done(['group', 'list', '--state', 'stable'])).not.toContain(group)
    const described = await done(['group', 'describe', group])
    expect(described).toMatch(new RegExp(`^${group}  Empty, 0 members, coordinated by broker 1, lag 1$`, 'm'))
    expect(described).toMatch(new RegExp(`^${topic} +0 +10 +10 +0$`, 'm'))
    expect(described).toMatch(new RegExp(`^${topic} +1 +10 +11 +1$`, 'm'))
    expect(described).toContain('Nobody reads in this group now.')

    const member = new Running(at('consume', topic, '-g', group))
    await shared(group, 1)
    expect(await done(['group', 'describe', group])).toMatch(new RegExp(`^${topic} +1 +1[01] +11 +[01] +ottla-cli-`, 'm'))
    expect(refused(await ottla(at('group', 'reset-offsets', group, '--all-topics', '--to-earliest', '--execute')))).toMatch(
      /has 1 member[\s\S]*Stop them first/,
    )
    expect(refused(await ottla(at('group', 'delete', group)))).toMatch(/NON_EMPTY_GROUP[\s\S]*ottla group describe/)
    expect(refused(await ottla(at('group', 'delete-offsets', group, '-t', topic)))).toMatch(/GROUP_SUBSCRIBED_TO_TOPIC/)
    member.child.kill('SIGINT')
    expect(await member.exit).toBe(0)
  })

  test('reset-offsets shows what would change, and does it when told to', async () => {
    const [topic, group] = [await filled(2), newName('group')]
    await done(['consume', topic, '-g', group, '--from-beginning', '-n', '20'])
    const reset = async (...args: string[]) =>
      jsonLines(await done(['group', 'reset-offsets', group, '--json', ...args])).map(({ partition, fromOffset, toOffset }) => [
        partition,
        fromOffset,
        toOffset,
      ])
    const both = ['--topic', topic]
    expect(await reset(...both, '--to-earliest')).toEqual([[0, 10, 0], [1, 10, 0]]) // biome-ignore format: rows
    expect(await reset('--topic', `${topic}:1`, '--to-offset', '4')).toEqual([[1, 10, 4]])
    expect(await reset('--all-topics', '--shift-by', '-3')).toEqual([[0, 10, 7], [1, 10, 7]]) // biome-ignore format: rows
    expect(await reset(...both, '--shift-by', '50')).toEqual([[0, 10, 10], [1, 10, 10]]) // biome-ignore format: rows
    expect(await reset(...both, '--to-datetime', '@1700000004500')).toEqual([[0, 10, 3], [1, 10, 2]]) // biome-ignore format: rows
    expect(await reset(...both, '--to-datetime', '2030-01-01T00:00:00Z')).toEqual([[0, 10, 10], [1, 10, 10]]) // biome-ignore format: rows
    const plan = await done(['group', 'reset-offsets', group, ...both, '--shift-by', '-300'])
    expect(plan).toMatch(new RegExp(`^${topic} +0 +10 +0 +-10 +as far as the log goes$`, 'm'))
    expect(plan).toMatch(/Nothing was changed\. To do it, add --execute\./)
    expect(await done(['consume', topic, '-g', group, '-e'])).toBe('')
    await reset('--topic', `${topic}:1`, '--to-offset', '8', '--execute')
    expect(await done(['consume', topic, '-g', group, '-e'])).toBe('17\n19\n')
  })

  test('reset-offsets makes a group, and says what it cannot do', async () => {
    const [topic, group] = [await filled(1), newName('group')]
    const reset = (...args: string[]) => ottla(at('group', 'reset-offsets', group, ...args))
    expect((await reset('-t', topic)).code).toBe(2)
    expect((await reset('-t', topic, '--to-earliest', '--to-latest')).err).toMatch(/Give one of --to-earliest/)
    expect((await reset('--to-earliest')).err).toMatch(/--all-topics/)
    expect((await reset('-t', topic, '--to-datetime', 'yesterday')).err).toMatch(/--to-datetime is 'yesterday'/)
    expect(refused(await reset('--all-topics', '--to-earliest'))).toMatch(/has committed nothing/)
    expect(refused(await reset('-t', topic, '--shift-by', '1'))).toMatch(/could be shifted/)
    expect(refused(await reset('-t', `${topic}:7`, '--to-earliest'))).toMatch(/no partition 7/)
    expect(refused(await reset('-t', 'missing', '--to-earliest'))).toMatch(/UNKNOWN_TOPIC_OR_PARTITION/)
    expect((await reset('-t', topic, '--to-offset', '5')).out).toMatch(/There is no group .* yet: this makes it/)
    expect((await reset('-t', topic, '--to-offset', '5', '--execute')).code).toBe(0)
    expect(await done(['consume', topic, '-g', group, '-e'])).toBe('5\n6\n7\n8\n9\n')
  })

  test('delete and delete-offsets forget', async () => {
    const [topic, group] = [await filled(2), newName('group')]
    await done(['consume', topic, '-g', group, '--from-beginning', '-n', '20'])
    expect(await done(['group', 'delete-offsets', group, '--topic', `${topic}:1`])).toBe(`Deleted the offset 10 of ${topic}-1.\n`)
    expect(refused(await ottla(at('group', 'delete-offsets', group, '--topic', `${topic}:1`)))).toMatch(/has committed nothing of .*-1/)
    expect(jsonLines(await done(['group', 'describe', group, '--json']))[0].partitions).toHaveLength(1)
    await done(['group', 'delete', group])
    expect(refused(await ottla(at('group', 'describe', group)))).toMatch(/GROUP_ID_NOT_FOUND[\s\S]*ottla group list/)
    expect(refused(await ottla(at('group', 'delete', group)))).toMatch(/GROUP_ID_NOT_FOUND/)
    await done(['group', 'delete', group, '--if-exists'])
  })
})

test('cluster describe shows brokers and what they lead', async () => {
  await filled(3)
  const [cluster] = jsonLines(await done(['cluster', 'describe', '--json']))
  expect(cluster.brokers).toMatchObject([{ id: 1 }])
  expect(cluster.brokers[0].leads).toBeGreaterThanOrEqual(3)
  expect(cluster).toMatchObject({ controller: 1, leaderless: [], underReplicated: [] })
  expect(await done(['cluster', 'describe'])).toMatch(/^BROKER +ADDRESS +RACK +LEADS +REPLICAS +CONTROLLER$/m)
})

/** Waits until the group is stable with so many members. */
async function shared(group: string, memberCount: number): Promise<void> {
  for (const deadline = Date.now() + 15_000; ; ) {
    const { out } = await ottla(at('group', 'describe', group, '--json'))
    const described = jsonLines(out)[0]
    if (described?.state === 'Stable' && described.members.length === memberCount) return
    if (Date.now() > deadline) throw new Error(`${group} has not ${memberCount} members: ${out}`)
  }
}
