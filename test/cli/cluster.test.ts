// The commands that look at a cluster, against one node started by the command line. Needs `npm run build`, which `npm test` does first.
// OTTLA_TEST_BOOTSTRAP=host:port runs the same against any other cluster, such as three nodes of Apache Kafka.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Broker, ottla, Running, startBroker } from './processes.ts'

let broker: Broker
beforeAll(async () => {
  const bootstrap = process.env['OTTLA_TEST_BOOTSTRAP']
  if (bootstrap === undefined) broker = await startBroker(['--port', '0', '--memory'])
  else broker = { bootstrap, pid: 0, log: () => '', stop: async () => 0, kill: async () => {} }
})
afterAll(async () => void (await broker?.stop()))

let topics = 0
const stamp = Date.now().toString(36)
const newTopic = (): string => `topic-${stamp}-${topics++}`
const at = (...args: string[]): string[] => [...args, '-b', broker.bootstrap]

async function done(...args: string[]): Promise<string> {
  const { code, out, err } = await ottla(at(...args))
  expect(err).toBe('')
  expect(code).toBe(0)
  return out
}

const jsonLines = (out: string) =>
  out
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line))

describe('status', () => {
  test('shows nodes with their load, the quorum and the topics', async () => {
    const topic = newTopic()
    await done('topic', 'create', topic, '-p', '3')
    const [status] = jsonLines(await done('cluster', 'status', '--json'))
    expect(status.clusterId).toMatch(/^[\w-]{22}$/)
    expect(status.quorum.leaderId).toBeGreaterThanOrEqual(1)
    expect(status.quorum.voters).toContain(status.quorum.leaderId)
    expect(status.nodes.find(({ id }: { id: number }) => id === status.quorum.leaderId)).toMatchObject({
      role: 'leader',
      state: 'up',
      metadataLag: 0,
    })
    for (const node of status.nodes) {
      expect(node.sizeBytes).toBeGreaterThanOrEqual(0)
      expect(node.usableBytes).toBeGreaterThan(0)
    }
    const found = status.topics.find(({ name }: { name: string }) => name === topic)
    expect(found.partitions).toHaveLength(3)
    expect(found.partitions[0].isr).toContain(found.partitions[0].leader)
    expect([status.leaderless, status.underReplicated, status.belowMinInsync]).toEqual([[], [], []])
    const text = await done('cluster', 'status')
    expect(text).toMatch(/^Quorum: led by node \d+, epoch \d+, high watermark \d+, voters/m)
    expect(text).toMatch(new RegExp(`^${topic} +3 `, 'm'))
    expect(text).toContain('All replicas are in sync.')
  })

  test('says that nobody answers, and what to do', async () => {
    const { code, err } = await ottla(['cluster', 'status', '-b', '127.0.0.1:1'])
    expect(err).toMatch(/no broker answers at 127\.0\.0\.1:1: nothing listens there\.\nStart a broker with/)
    expect(code).toBe(3)
  })
})

test('quorum describe shows who leads, who votes, and how far each is', async () => {
  const [quorum] = jsonLines(await done('quorum', 'describe', '--json'))
  expect(quorum.highWatermark).toBeGreaterThan(0)
  const leader = quorum.members.find(({ role }: { role: string }) => role === 'leader')
  expect(leader).toMatchObject({ node: quorum.leader, lag: 0, lastFetchMs: 0 })
  const text = await done('quorum', 'describe')
  expect(text).toMatch(/^Node \d+ leads, epoch \d+, high watermark \d+, \d+ voters?, \d+ observers?\n\nNODE +ROLE/)
})

describe('watch', () => {
  test('tells, a line an event, what happens, and ends in order', async () => {
    const running = new Running(at('cluster', 'watch', '--interval-ms', '100'))
    await running.prints('Quorum: led by')
    const topic = newTopic()
    await done('topic', 'create', topic)
    await running.prints(`topic ${topic} was created\n`)
    await done('topic', 'delete', topic)
    await running.prints(`topic ${topic} was deleted\n`)
    expect(running.out).not.toContain('\x1b')
    running.child.kill('SIGINT')
    expect(await running.exit).toBe(0)
    expect(running.err).toBe('')
  })

  test('tells the same as JSON: the status, then events', async () => {
    const running = new Running(at('cluster', 'watch', '--interval-ms', '100', '--json'))
    await running.prints('"event":"status"')
    const topic = newTopic()
    await done('topic', 'create', topic)
    await running.prints(`"topic":"${topic}"`)
    running.child.kill('SIGTERM')
    expect(await running.exit).toBe(0)
    const [first, ...rest] = jsonLines(running.out)
    expect(first.nodes.length).toBeGreaterThan(0)
    expect(rest).toContainEqual({ time: expect.stringMatching(/^\d{4}-.*Z$/), event: 'topicCreated', topic })
  })

  test('refuses an interval that cannot be meant', async () => {
    const { code, err } = await ottla(at('cluster', 'watch', '--interval-ms', '1'))
    expect(err).toContain("--interval-ms is '1': expected a whole number from 100 to 60000")
    expect(code).toBe(2)
  })
})

describe('partition elect', () => {
  test('says which broker leads, and that an election was not needed', async () => {
    const topic = newTopic()
    await done('topic', 'create', topic, '-p', '2')
    const lines = jsonLines(await done('partition', 'elect', '-t', topic, '--json'))
    expect(lines).toHaveLength(2)
    expect(lines[0]).toMatchObject({ topic, partition: 0, elected: false, error: null })
    expect(await done('partition', 'elect', '-t', topic, '-p', '1')).toMatch(new RegExp(`^${topic}-1: broker \\d+ leads already\\.\\n$`))
    await done('partition', 'elect', '--all')
    expect(await done('partition', 'elect', '--all')).toBe('Every partition has the leader it should have.\n')
  })

  test.each<[string[], RegExp]>([
    [[], /of which partitions\? Give --topic NAME, with --partition N for one of them, or --all/],
    [['-t', 'x', '--all'], /of which partitions\?/],
    [['--all', '-p', '1'], /--partition is one of a topic/],
  ])('%j is wrong usage', async (args, message) => {
    const { code, err } = await ottla(at('partition', 'elect', ...args))
    expect(err).toMatch(message)
    expect(code).toBe(2)
  })
})
