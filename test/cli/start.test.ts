// `ottla start` as a process. Needs `npm run build`, which `npm test` does first.
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Broker, ottla, Running, startBroker } from './processes.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ottla-cli-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('without a broker', () => {
  test('help names the commands, the exit codes and the first steps', async () => {
    const { code, out } = await ottla(['--help'])
    expect(code).toBe(0)
    for (const word of ['start', 'topic', 'produce', 'consume', 'config', 'Exit codes: 0 done', 'OTTLA_BOOTSTRAP_SERVER'])
      expect(out).toContain(word)
  })

  test.each<[string[], RegExp]>([
    [['tpoic'], /unknown command 'tpoic'/],
    [['topic', 'create'], /missing required argument 'name'/],
    [['topic', 'list', '--jsn'], /unknown option '--jsn'/],
    [['consume', 't', '-o', 'soon'], /-o is 'soon': expected an offset/],
    [['start', '--port', '70000'], /--port is '70000': expected a whole number from 0 to 65535/],
    [['start', '--memory', '-X', 'log.retention.mss=1'], /log\.retention\.mss.*log\.retention\.ms/s],
    [['start', '--memory', '-X', 'num.partitions=none'], /num\.partitions/],
    [['start', '--config', '/nowhere/server.properties'], /--config \/nowhere\/server\.properties: .*ENOENT/],
    [['config', 'set', 'a=b'], /--topic, --broker or --brokers/],
  ])('%j is wrong usage: exit code 2, and what was wrong', async (args, message) => {
    const { code, out, err } = await ottla(args)
    expect(err).toMatch(message)
    expect(code).toBe(2)
    expect(out).toBe('')
  })

  test('nobody answers: exit code 3, and what to do', async () => {
    const { code, err } = await ottla(['topic', 'list', '-b', '127.0.0.1:1'])
    expect(err).toMatch(/127\.0\.0\.1:1/)
    expect(err).toMatch(/Start a broker with: ottla start/)
    expect(code).toBe(3)
  })
})

describe('a started broker', () => {
  test('says in one line where it is, and ends with 0 on SIGTERM', async () => {
    const running = new Running(['start', '--port', '0', '--data', join(folder, 'people')])
    await running.prints('\n')
    expect(running.out).toMatch(/^Ottla is ready at \S+:\d+ \(node 1, data in .*\)\. Ctrl-C stops it\.\n$/)
    running.child.kill('SIGTERM')
    expect(await running.exit).toBe(0)
  })

  test('says with --json where it is, in one object', async () => {
    const running = new Running(['start', '--port', '0', '--memory', '--json'])
    await running.prints('\n')
    const ready = JSON.parse(running.out)
    const port = Number(ready.bootstrap.split(':')[1])
    expect(ready).toEqual({ event: 'ready', bootstrap: ready.bootstrap, nodes: [{ id: 1, pid: running.child.pid, port }] })
    running.child.kill('SIGINT')
    expect(await running.exit).toBe(0)
  })

  test.runIf(process.platform === 'linux')(
    'has sixteen threads for its disk, though Node would start four (counted in /proc: Linux alone)',
    async () => {
      const broker = await startBroker(['--port', '0', '--data', join(folder, 'threads')])
      // Node itself needs seven; no pool of four makes that more than sixteen.
      expect(readdirSync(`/proc/${broker.pid}/task`).length).toBeGreaterThan(16)
      await broker.stop()
    },
  )

  test('keeps its records over a clean stop and over kill -9', async () => {
    const data = join(folder, 'kept')
    let broker: Broker = await startBroker(['--port', '0', '--data', data])
    expect((await ottla(['produce', 'kept', '-b', broker.bootstrap], { stdin: 'first\n' })).code).toBe(0)
    expect(await broker.stop()).toBe(0)
    broker = await startBroker(['--port', '0', '--data', data])
    expect((await ottla(['produce', 'kept', '-b', broker.bootstrap], { stdin: 'second\n' })).code).toBe(0)
    await broker.kill()
    broker = await startBroker(['--port', '0', '--data', data])
    const { out } = await ottla(['consume', 'kept', '--from-beginning', '-e', '-b', broker.bootstrap])
    expect(out.split('\n').sort()).toEqual(['', 'first', 'second'])
    expect(await broker.stop()).toBe(0)
  })

  test('refuses a port that is taken, and says what to do', async () => {
    const broker = await startBroker(['--port', '0', '--memory'])
    const { code, err } = await ottla(['start', '--memory', '--port', broker.bootstrap.split(':')[1]!])
    expect(err).toMatch(/--port 0 for any free one/)
    expect(code).toBe(1)
    await broker.stop()
  })

  test('refuses a data directory that is in use, and says what to do', async () => {
    const data = join(folder, 'shared')
    const broker = await startBroker(['--port', '0', '--data', data])
    const { code, err } = await ottla(['start', '--port', '0', '--data', data])
    expect(err).toMatch(/choose another with --data DIR/)
    expect(code).toBe(1)
    await broker.stop()
  })

  test('takes settings from a file, the environment and -X, the last above the others', async () => {
    const file = join(folder, 'server.properties')
    writeFileSync(file, '# of a test\nnum.partitions=2\nlog.retention.ms = 1000000\nlog.segment.bytes=2000000\n')
    const env = { OTTLA_LOG_RETENTION_MS: '3000000', OTTLA_LOG_SEGMENT_BYTES: '3000000' }
    const previous = { ...process.env }
    Object.assign(process.env, env)
    try {
      const broker = await startBroker(['--port', '0', '--memory', '--config', file, '-X', 'log.segment.bytes=4000000'])
      const described = await ottla(['config', 'describe', '--broker', '1', '--all', '--json', '-b', broker.bootstrap])
      const values = new Map(
        described.out
          .trim()
          .split('\n')
          .map(line => [JSON.parse(line).name, JSON.parse(line).value]),
      )
      expect([values.get('num.partitions'), values.get('log.retention.ms'), values.get('log.segment.bytes')]).toEqual([
        '2',
        '3000000',
        '4000000',
      ])
      await broker.stop()
    } finally {
      for (const name of Object.keys(env)) delete process.env[name]
      Object.assign(process.env, previous)
    }
  })
})
