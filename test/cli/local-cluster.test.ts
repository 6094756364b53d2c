// `ottla start -n 3` and `ottla node …` with real processes. Needs `npm run build`, which `npm test` does first.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { choosePorts } from '../../bin/commands/local/ports.ts'
import { ottla, Running } from './processes.ts'

let folder: string
let data: string
const started: Running[] = []
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ottla-cluster-'))
  data = join(folder, 'data')
})
afterEach(async () => {
  for (const running of started.splice(0)) {
    running.child.kill('SIGTERM')
    running.child.kill('SIGTERM')
    await running.exit
  }
  rmSync(folder, { recursive: true, force: true })
})

interface Ready {
  readonly event: string
  readonly bootstrap: string
  readonly clusterId: string
  readonly nodes: readonly { readonly id: number; readonly pid: number; readonly port: number; readonly state: string }[]
}

async function start(...args: string[]): Promise<{ running: Running; ready: Ready; bootstraps: string[] }> {
  const running = new Running(['start', '-n', '3', '--port', '0', '--data', data, '--json', ...args])
  started.push(running)
  await running.prints('\n', 30_000)
  const ready: Ready = JSON.parse(running.out)
  return { running, ready, bootstraps: ready.bootstrap.split(',') }
}

async function done(...args: string[]): Promise<string> {
  const { code, out, err } = await ottla(args)
  expect(err).toBe('')
  expect(code).toBe(0)
  return out
}

const node = (action: string, ...ids: number[]) => done('node', action, ...ids.map(String), '--data', data, '--json')
const statusFrom = async (bootstrap: string) => JSON.parse(await done('cluster', 'status', '--json', '-b', bootstrap))

async function until<T>(what: string, look: () => Promise<T>, good: (found: T) => boolean): Promise<T> {
  const deadline = Date.now() + 20_000
  for (;;) {
    const found = await look()
    if (good(found)) return found
    if (Date.now() > deadline) throw new Error(`not within 20 s: ${what}; the last was ${JSON.stringify(found)}`)
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

const allInSync = (bootstrap: string) =>
  until(
    'all replicas in sync',
    () => statusFrom(bootstrap),
    status => status.underReplicated.length === 0 && status.nodes.every(({ state }: { state: string }) => state === 'up'),
  )

function isAlive(pid: number): boolean {
  try {
    // A process that has ended and waits for its parent is there still: it is none.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

describe('a cluster of three processes', () => {
  test('is one line when it is ready, goes on without a node that was killed, and takes it back', async () => {
    const { running, ready, bootstraps } = await start()
    expect(ready).toMatchObject({ event: 'ready', nodes: [{ id: 1 }, { id: 2 }, { id: 3 }] })
    expect(new Set(ready.nodes.map(({ pid }) => pid)).size).toBe(3)
    expect(bootstraps).toEqual(ready.nodes.map(({ port }) => `127.0.0.1:${port}`))
    for (const bootstrap of bootstraps) {
      const status = await statusFrom(bootstrap)
      expect([status.clusterId, status.nodes.length, status.quorum.voters]).toEqual([ready.clusterId, 3, [1, 2, 3]])
    }
    await done('topic', 'create', 'orders', '-p', '6', '-b', bootstraps[0]!)
    const [{ leaderId }] = [(await statusFrom(bootstraps[0]!)).quorum]
    const others = ready.nodes.filter(({ id }) => id !== leaderId).map(({ port }) => `127.0.0.1:${port}`)
    expect(JSON.parse(await node('kill', leaderId))).toMatchObject({ event: 'kill', id: leaderId, state: 'killed', pid: null })
    const sent = await ottla(['produce', 'orders', '-a', 'all', '-b', others.join()], { stdin: 'one\ntwo\nthree\n' })
    expect(sent.code).toBe(0)
    const without = await statusFrom(others[0]!)
    expect(without.nodes[leaderId - 1].state).toBe('down')
    expect([without.leaderless, without.belowMinInsync]).toEqual([[], []])
    expect(JSON.parse(await node('start', leaderId))).toMatchObject({ event: 'start', id: leaderId, state: 'running' })
    await allInSync(others[0]!)
    running.child.kill('SIGINT')
    expect(await running.exit).toBe(0)
    expect(running.out.trim().split('\n')).toHaveLength(1)
  }, 60_000)

  test('is the same cluster with the same records when it is started again', async () => {
    const first = await start()
    await done('topic', 'create', 'kept', '-b', first.ready.bootstrap)
    expect((await ottla(['produce', 'kept', '-b', first.ready.bootstrap], { stdin: 'still here\n' })).code).toBe(0)
    first.running.child.kill('SIGTERM')
    expect(await first.running.exit).toBe(0)
    const second = await start()
    expect(second.ready.clusterId).toBe(first.ready.clusterId)
    expect(second.ready.bootstrap).toBe(first.ready.bootstrap)
    expect(await done('consume', 'kept', '--from-beginning', '-e', '-b', second.ready.bootstrap)).toBe('still here\n')
    await allInSync(second.bootstraps[0]!)
  }, 60_000)

  test('reports a node that died by itself; the others go on', async () => {
    const { running, ready, bootstraps } = await start()
    process.kill(ready.nodes[1]!.pid, 'SIGKILL')
    await until(
      'the report',
      async () => running.err,
      err => err.includes('Node 2 ended by SIGKILL. 2 nodes go on. Start it again: ottla node start 2'),
    )
    const listed = (await done('node', 'list', '--data', data, '--json'))
      .trim()
      .split('\n')
      .map(line => JSON.parse(line))
    expect(listed.map(({ state }) => state)).toEqual(['running', 'failed', 'running'])
    expect(JSON.parse(readFileSync(join(data, 'cluster.json'), 'utf8')).nodes[1].state).toBe('failed')
    expect((await statusFrom(bootstraps[0]!)).leaderless).toEqual([])
  }, 60_000)

  test('lets a node be paused, resumed and stopped, and says what cannot be done', async () => {
    const { bootstraps } = await start()
    await node('pause', 3)
    await until(
      'node 3 is missed',
      () => statusFrom(bootstraps[0]!),
      status => status.nodes[2].state === 'down',
    )
    const again = await ottla(['node', 'pause', '3', '--data', data])
    expect([again.code, again.err]).toEqual([1, 'ottla: Node 3 is paused already. Let it go on: ottla node resume 3\n'])
    await node('resume', 3)
    await until(
      'node 3 is back',
      () => statusFrom(bootstraps[0]!),
      status => status.nodes[2].state === 'up',
    )
    expect(JSON.parse(await node('stop', 2))).toMatchObject({ state: 'stopped', pid: null })
    const kill = await ottla(['node', 'kill', '2', '--data', data])
    expect([kill.code, kill.err]).toEqual([1, 'ottla: Node 2 does not run (stopped). Start it: ottla node start 2\n'])
    const nobody = await ottla(['node', 'start', '4', '--data', data])
    expect([nobody.code, nobody.err]).toEqual([1, 'ottla: There is no node 4. The nodes are 1, 2, 3.\n'])
    const second = await ottla(['start', '-n', '3', '--port', '0', '--data', data])
    expect(second.code).toBe(1)
    expect(second.err).toMatch(/runs already \(pid \d+\)\.\nSee it: ottla node list/)
  }, 60_000)

  test.runIf(process.platform === 'linux')(
    'ends with its parent, however that ends, and can be started at once (processes are looked for in /proc: Linux alone)',
    async () => {
      const { running, ready } = await start()
      running.child.kill('SIGKILL')
      await running.exit
      const again = await start()
      expect(ready.nodes.map(({ pid }) => isAlive(pid))).toEqual([false, false, false])
      expect(again.ready.clusterId).toBe(ready.clusterId)
    },
    60_000,
  )

  test('comes back without a node whose directory is damaged, and not at all without a majority', async () => {
    const first = await start()
    first.running.child.kill('SIGTERM')
    expect(await first.running.exit).toBe(0)
    writeFileSync(join(data, 'node-2', 'vote'), 'damaged')
    const second = await start()
    expect(second.ready.nodes).toMatchObject([{ state: 'running' }, { id: 2, state: 'failed', pid: null }, { state: 'running' }])
    expect(second.running.err).toMatch(/"node":2,.*node-2 is damaged/)
    expect((await statusFrom(second.bootstraps[0]!)).nodes[1].state).toBe('down')
    second.running.child.kill('SIGTERM')
    expect(await second.running.exit).toBe(0)
    writeFileSync(join(data, 'node-3', 'vote'), 'damaged')
    const third = await ottla(['start', '-n', '3', '--port', '0', '--data', data])
    expect(third.code).toBe(1)
    expect(third.err).toMatch(
      /^ottla: the cluster did not start: node [23] ended with exit code 1, node [23] ended with exit code 1\. What it said stands above\.$/m,
    )
  }, 60_000)

  test('prefixes what its nodes log', async () => {
    const running = new Running(['start', '-n', '3', '--port', '0', '--data', data, '--log-level', 'info'])
    started.push(running)
    await running.prints('\n', 30_000)
    expect(running.out).toMatch(
      /^Ottla is ready at 127\.0\.0\.1:\d+,127\.0\.0\.1:\d+,127\.0\.0\.1:\d+ \(3 nodes, data in .*\)\. Ctrl-C stops them all\.\n$/,
    )
    const lines = running.err.trim().split('\n')
    for (const id of [1, 2, 3])
      expect(lines.filter(line => line.startsWith(`node ${id} | `) && line.includes('started node'))).toHaveLength(1)
    expect(lines.filter(line => !/^node [123] \| /.test(line))).toEqual([])
  }, 60_000)
})

test('nodes of several machines find each other by the same voters and secret; a broker joins, and one with another secret does not', async () => {
  const ports = await choosePorts({ nodeCount: 4, port: 0, before: [] })
  const voters = ports.slice(0, 3).map(({ internalPort }, i) => `${i + 1}@127.0.0.1:${internalPort}`)
  writeFileSync(join(folder, 'secret'), 'all of them know this\n')
  writeFileSync(join(folder, 'other'), 'nobody knows this one\n')
  const at = (id: number, secret = 'secret') => {
    const { port, internalPort } = ports[id - 1]!
    const place = ['--node-id', String(id), '--port', String(port), '--internal-port', String(internalPort)]
    return ['start', '--json', ...place, '--data', join(folder, `${id}-${secret}`), '--cluster-secret-file', join(folder, secret)]
  }
  const nodes = [1, 2, 3].map(id => new Running([...at(id), '--controller-quorum-voters', voters.join()]))
  started.push(...nodes)
  for (const running of nodes) await running.prints('\n', 30_000)
  const join1 = ['--join', `127.0.0.1:${ports[0]!.internalPort}`]
  const stranger = await ottla([...at(4, 'other'), ...join1])
  expect(stranger.code).toBe(1)
  expect(stranger.err).toMatch(/Node 4 cannot join its cluster by .*it does not know the cluster secret/)
  const fourth = new Running([...at(4), ...join1])
  started.push(fourth)
  await fourth.prints('\n', 30_000)
  const { port, internalPort } = ports[3]!
  expect(JSON.parse(fourth.out)).toMatchObject({ event: 'ready', bootstrap: `127.0.0.1:${port}`, nodes: [{ id: 4, port, internalPort }] })
  const status = await statusFrom(`127.0.0.1:${port}`)
  expect([status.quorum.voters, status.quorum.observers]).toEqual([[1, 2, 3], [4]])
}, 60_000)

describe('what a cluster refuses', () => {
  test.each<[string[], RegExp]>([
    [['-n', '10'], /-n is '10': expected a whole number from 1 to 9/],
    [['-n', '3', '--memory'], /--memory is for one node/],
    [['-n', '3', '-X', 'node.id=2'], /start -n sets node\.id of each node itself/],
    [['-n', '3', '-X', '7:broker.rack=a'], /expected a node from 1 to 3 before the colon/],
    [['-n', '3', '-X', 'log.retention.mss=1'], /log\.retention\.mss.*log\.retention\.ms/s],
    [['-n', '3', '--node-id', '2'], /--node-id is for one node/],
    [['--member', '2'], /--member is for the processes of `ottla start -n` alone/],
    [['--join', 'localhost:1'], /which node is this\? Give --node-id N/],
  ])('start %j is wrong usage: exit code 2, and what was wrong', async (args, message) => {
    const { code, out, err } = await ottla(['start', ...args, '--data', data])
    expect(err).toMatch(message)
    expect(code).toBe(2)
    expect(out).toBe('')
  })

  test('node commands say where no cluster is, or runs', async () => {
    const nowhere = await ottla(['node', 'kill', '1', '--data', data])
    expect(nowhere.code).toBe(2)
    expect(nowhere.err).toMatch(/there is no cluster in .*\. Start one: ottla start -n 3\. Or say where it is: --data DIR/)
  })
})
