// What `ottla start -n` finds in a data directory, which ports it takes, and how options become settings. No processes.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { UsageError } from '../../bin/commands/failure.ts'
import {
  type ClusterFile,
  clearUnformed,
  openDirectory,
  readClusterFile,
  refuseCluster,
  runningBootstrap,
  writeClusterFile,
} from '../../bin/commands/local/cluster-file.ts'
import { askParent, serveControl } from '../../bin/commands/local/control.ts'
import { majorityOf, splitByNode } from '../../bin/commands/local/local-cluster.ts'
import { logLine } from '../../bin/commands/local/member-process.ts'
import { choosePorts } from '../../bin/commands/local/ports.ts'
import { placeOf } from '../../bin/commands/place.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ottla-local-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const FILE: ClusterFile = {
  format: 1,
  clusterId: 'kHnQ',
  formed: true,
  nodes: [1, 2, 3].map(id => ({ id, port: 9091 + id, internalPort: 10_091 + id, state: 'stopped' })),
}

describe('a data directory', () => {
  test('that is empty or missing is for a new cluster', () => {
    expect(openDirectory(join(folder, 'new', 'one'), 3)).toBeUndefined()
    expect(existsSync(join(folder, 'new', 'one'))).toBe(true)
    writeFileSync(join(folder, 'new', 'one', '.hidden'), '')
    expect(openDirectory(join(folder, 'new', 'one'), 3)).toBeUndefined()
  })

  test('of a cluster of that size is taken up again', () => {
    writeClusterFile(folder, FILE)
    expect(openDirectory(folder, 3)).toEqual(FILE)
    expect(readdirSync(folder)).toEqual(['cluster.json'])
  })

  test('is readable by its owner alone: the token in it can stop nodes', () => {
    writeClusterFile(folder, { ...FILE, running: { pid: 1, controlPort: 2, token: 'secret' } })
    expect(statSync(join(folder, 'cluster.json')).mode & 0o077).toBe(0)
  })

  test.each<[string, () => void, RegExp]>([
    [
      'of another size',
      () => writeClusterFile(folder, { ...FILE, nodes: FILE.nodes.slice(0, 2) }),
      /cluster of 2 nodes, not of 3\.\n.*ottla start -n 2/,
    ],
    ['of a single node', () => mkdirSync(join(folder, 'meta')), /single node.*\n.*ottla start\. Or name another directory/],
    ['with files of others', () => writeFileSync(join(folder, 'thesis.txt'), ''), /not Ottla's \(thesis\.txt\)/],
    ['with nodes, but without cluster.json', () => mkdirSync(join(folder, 'node-1')), /holds node-1, but no cluster\.json.*--data DIR/],
  ])('%s is refused, with what to do', (_what, make, message) => {
    make()
    expect(() => openDirectory(folder, 3)).toThrow(UsageError)
    expect(() => openDirectory(folder, 3)).toThrow(message)
  })

  test('whose cluster.json is damaged or newer is refused', () => {
    writeFileSync(join(folder, 'cluster.json'), '{"format":1')
    expect(() => readClusterFile(folder)).toThrow(/is damaged\. Restore it from a copy/)
    writeFileSync(join(folder, 'cluster.json'), '{"format":2}')
    expect(() => readClusterFile(folder)).toThrow(/written by a newer Ottla \(format 2/)
  })

  test('that is a file is refused', () => {
    const file = join(folder, 'file')
    writeFileSync(file, '')
    expect(() => openDirectory(file, 3)).toThrow(/is a file, not a directory/)
  })

  test('of a cluster is refused by the start of a single node', () => {
    expect(() => refuseCluster(folder)).not.toThrow()
    writeClusterFile(folder, FILE)
    expect(() => refuseCluster(folder)).toThrow(/cluster of 3 nodes, not a single node\.\n.*ottla start -n 3/)
  })

  test('says where clients reach its cluster, while that runs', () => {
    expect(runningBootstrap(folder)).toBeUndefined()
    writeClusterFile(folder, FILE)
    expect(runningBootstrap(folder)).toBeUndefined()
    writeClusterFile(folder, { ...FILE, running: { pid: process.pid, controlPort: 1, token: '' } })
    expect(runningBootstrap(folder)).toBe('127.0.0.1:9092,127.0.0.1:9093,127.0.0.1:9094')
    writeClusterFile(folder, { ...FILE, running: { pid: 2 ** 30, controlPort: 1, token: '' } })
    expect(runningBootstrap(folder)).toBeUndefined()
    writeFileSync(join(folder, 'cluster.json'), 'nonsense')
    expect(runningBootstrap(folder)).toBeUndefined()
  })

  test('that was only being made is cleared, but never one that holds data', () => {
    mkdirSync(join(folder, 'node-1', 'meta'), { recursive: true })
    clearUnformed(folder, FILE)
    expect(existsSync(join(folder, 'node-1'))).toBe(false)
    mkdirSync(join(folder, 'node-2', 'logs'), { recursive: true })
    expect(() => clearUnformed(folder, FILE)).toThrow(/node-2 holds data/)
    expect(existsSync(join(folder, 'node-2', 'logs'))).toBe(true)
  })
})

describe('ports', () => {
  const busy = async (use: (port: number) => Promise<void>) => {
    const server = createServer()
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    await use((server.address() as { port: number }).port)
    await new Promise(resolve => server.close(resolve))
  }

  test('are all different, and lie where no outgoing connection takes them', async () => {
    const chosen = await choosePorts({ nodeCount: 5, port: 0, before: [] })
    const all = chosen.flatMap(({ port, internalPort }) => [port, internalPort])
    expect(new Set(all).size).toBe(10)
    if (process.platform !== 'linux') return
    const ephemeral = Number(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').split(/\s/)[0])
    if (ephemeral > 12_000) expect(Math.max(...all)).toBeLessThan(ephemeral)
  })

  test('are those of before where they are free', async () => {
    const before = await choosePorts({ nodeCount: 2, port: 0, before: [] })
    expect(await choosePorts({ nodeCount: 2, port: 0, before })).toEqual(before)
    await busy(async port => {
      const [first, second] = await choosePorts({ nodeCount: 2, port: 0, before: [before[0]!, { port, internalPort: port }] })
      expect(first).toEqual(before[0])
      expect(second!.port).not.toBe(port)
      expect(second!.internalPort).not.toBe(port)
    })
  })

  test('that were asked for and are taken are said to be so, with the node they are for', async () => {
    await busy(async port => {
      await expect(choosePorts({ nodeCount: 2, port, before: [] })).rejects.toMatchObject({
        code: 'EADDRINUSE',
        message: `port ${port}, for node 1, cannot be had (EADDRINUSE)`,
      })
    })
    await expect(choosePorts({ nodeCount: 2, port: 65_535, before: [] })).rejects.toThrow(/port 65536, for node 2/)
  })
})

describe('the control socket', () => {
  test('answers who knows the token, and nobody else', async () => {
    const asked: unknown[] = []
    const control = await serveControl('right', async request => {
      asked.push(request)
      if (request.action === 'kill') throw new Error('it does not want to')
      return { nodes: [] }
    })
    const running = { pid: process.pid, controlPort: control.port, token: 'right' }
    expect(await askParent(running, { action: 'list', nodes: [] })).toEqual({ nodes: [] })
    expect(await askParent(running, { action: 'kill', nodes: [2] })).toEqual({ error: 'it does not want to' })
    expect(await askParent({ ...running, token: 'wrong' }, { action: 'list', nodes: [] })).toBeUndefined()
    expect(asked).toHaveLength(2)
    control.close()
    expect(await askParent(running, { action: 'list', nodes: [] })).toBeUndefined()
  })
})

test('log lines carry their node, as text and inside JSON', () => {
  expect(logLine(2, 'hello', false)).toBe('node 2 | hello\n')
  expect(JSON.parse(logLine(2, '{"event":"x"}', true))).toEqual({ node: 2, event: 'x' })
  expect(JSON.parse(logLine(2, 'no JSON', true))).toEqual({ node: 2, event: 'said', text: 'no JSON' })
})

test('settings with a number and a colon are for one node', () => {
  expect(splitByNode(['a=1', '2:broker.rack=b', 'c=x:y'], 3)).toEqual({ all: ['a=1', 'c=x:y'], byNode: new Map([[2, ['broker.rack=b']]]) })
  expect(() => splitByNode(['4:a=1'], 3)).toThrow(/expected a node from 1 to 3/)
})

test.each([
  [1, 1],
  [2, 2],
  [3, 2],
  [5, 3],
])('a majority of %d is %d', (count, majority) => {
  expect(majorityOf(count)).toBe(majority)
})

describe('one node of a cluster on several machines', () => {
  test('options are Kafka settings', () => {
    const voters = '1@one:10092,2@two:10092,3@three:10092'
    expect(
      placeOf({ nodeId: '2', controllerQuorumVoters: voters, host: 'two', clusterSecretFile: 'secret', internalPort: '10092' }, {}),
    ).toEqual({
      'node.id': '2',
      'controller.quorum.voters': voters,
      'internal.port': '10092',
      'cluster.secret.file': 'secret',
      listeners: 'PLAINTEXT://:9092',
      'advertised.listeners': 'PLAINTEXT://two:9092',
    })
    expect(placeOf({ roles: 'controller', host: 'two', internalPort: '10092' }, {})).toEqual({
      'process.roles': 'controller',
      'internal.port': '10092',
      listeners: 'CONTROLLER://:10092',
      'controller.listener.names': 'CONTROLLER',
    })
    expect(placeOf({}, {})).toEqual({})
  })

  test('who joins is a broker unless it says otherwise', () => {
    expect(placeOf({ nodeId: '4', join: 'one:10092', host: 'fe80::4', port: '9093' }, {})).toEqual({
      'node.id': '4',
      'controller.quorum.bootstrap.servers': 'one:10092',
      'controller.quorum.voters': '',
      'process.roles': 'broker',
      listeners: 'PLAINTEXT://:9093',
      'advertised.listeners': 'PLAINTEXT://[fe80::4]:9093',
    })
  })

  test.each<[Parameters<typeof placeOf>[0], Record<string, string>, RegExp]>([
    [{ join: 'one:10092' }, {}, /which node is this\? Give --node-id N/],
    [{ nodeId: '1', join: 'a:1', controllerQuorumVoters: '1@a:1' }, {}, /give one of them/],
    [{ nodeId: 'one' }, {}, /--node-id is 'one': expected a whole number/],
    [{ host: 'a b' }, {}, /--host is 'a b'/],
    [{ host: 'a' }, { listeners: 'PLAINTEXT://:1' }, /--host and the setting listeners/],
  ])('%j is refused', (options, given, message) => {
    expect(() => placeOf(options, given)).toThrow(message)
  })
})
