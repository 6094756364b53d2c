// The commands that talk to a broker, against one started by the command line. Needs `npm run build`, which `npm test` does first.
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

let topics = 0
const stamp = Date.now().toString(36)
const newTopic = (): string => `topic-${stamp}-${topics++}`
const at = (...args: string[]): string[] => [...args, '-b', broker.bootstrap]

async function done(args: string[], stdin?: string | Buffer): Promise<string> {
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

describe('topics', () => {
  test('are created, listed, described, given partitions and deleted', async () => {
    const topic = newTopic()
    await done(['topic', 'create', topic, '-p', '2', '-X', 'retention.ms=60000'])
    expect(await done(['topic', 'list'])).toMatch(new RegExp(`^${topic} +2 +1$`, 'm'))
    const described = await done(['topic', 'describe', topic])
    expect(described).toContain('retention.ms=60000')
    expect(described).toMatch(/^ *0 +1 /m)
    await done(['topic', 'alter', topic, '-p', '5'])
    const [json] = jsonLines(await done(['topic', 'describe', topic, '--json']))
    expect(json).toMatchObject({ name: topic, configs: { 'retention.ms': '60000' } })
    expect(json.partitions).toHaveLength(5)
    expect(json.partitions[4]).toMatchObject({ partition: 4, leader: 1, replicas: [1], isr: [1], startOffset: 0, endOffset: 0 })
    await done(['topic', 'delete', topic])
    expect(jsonLines(await done(['topic', 'list', '--json'])).map(({ name }) => name)).not.toContain(topic)
  })

  test('that are there, or not there, are said to be so', async () => {
    const topic = newTopic()
    await done(['topic', 'create', topic])
    expect(refused(await ottla(at('topic', 'create', topic)))).toMatch(/TOPIC_ALREADY_EXISTS[\s\S]*--if-not-exists/)
    await done(['topic', 'create', topic, '--if-not-exists'])
    expect(refused(await ottla(at('topic', 'alter', topic, '-p', '1')))).toMatch(/INVALID_PARTITIONS/)
    expect(refused(await ottla(at('topic', 'describe', 'missing')))).toMatch(/UNKNOWN_TOPIC_OR_PARTITION[\s\S]*ottla topic list/)
    expect(refused(await ottla(at('topic', 'delete', 'missing')))).toMatch(/UNKNOWN_TOPIC_OR_PARTITION/)
    await done(['topic', 'delete', 'missing', '--if-exists'])
  })
})

describe('produce and consume', () => {
  test('carry lines', async () => {
    const topic = newTopic()
    await done(['topic', 'create', topic, '-p', '1'])
    await done(['produce', topic], 'one\ntwo\r\n\nthree')
    expect(await done(['consume', topic, '--from-beginning', '-e'])).toBe('one\ntwo\n\nthree\n')
  })

  test('carry keys, headers and nulls', async () => {
    const topic = newTopic()
    await done(['topic', 'create', topic, '-p', '1'])
    await done(['produce', topic, '-k', ':', '-H', 'trace=1', '-H', 'empty=', '--null', '-'], 'a:1\nno key\nb:-\n')
    const records = jsonLines(await done(['consume', topic, '--from-beginning', '-e', '--json']))
    const headers = [
      ['trace', '1'],
      ['empty', ''],
    ]
    expect(records.map(({ offset, key, value, headers }) => ({ offset, key, value, headers }))).toEqual([
      { offset: 0, key: 'a', value: '1', headers },
      { offset: 1, key: null, value: 'no key', headers },
      { offset: 2, key: 'b', value: null, headers },
    ])
    expect(await done(['consume', topic, '--from-beginning', '-e', '-k', ' = ', '--null', '(null)'])).toBe(
      'a = 1\n(null) = no key\nb = (null)\n',
    )
  })

  test('carry any bytes as JSON, and what was consumed can be produced again', async () => {
    const [first, second] = [newTopic(), newTopic()]
    for (const topic of [first, second]) await done(['topic', 'create', topic, '-p', '2'])
    const lines = [
      {
        key: { base64: '/wA=' },
        value: { base64: 'gIGC' },
        headers: [['bin', { base64: '/w==' }]],
        partition: 1,
        timestamp: 1_700_000_000_000,
      },
      { key: null, value: 'größer', headers: [], partition: 0, timestamp: 1_700_000_000_001 },
    ]
    await done(['produce', first, '--json'], `${lines.map(line => JSON.stringify(line)).join('\n')}\n`)
    const consumed = await done(['consume', first, '--from-beginning', '-e', '--json'])
    await done(['produce', second, '--json'], consumed)
    const strip = (out: string) =>
      jsonLines(out)
        .map(({ key, value, headers, partition, timestamp }) => ({ key, value, headers, partition, timestamp }))
        .sort((a, b) => b.partition - a.partition)
    expect(strip(await done(['consume', second, '--from-beginning', '-e', '--json']))).toEqual(lines)
  })

  test.each(['gzip', 'snappy', 'lz4', 'zstd'])('carry batches compressed by %s', async codec => {
    const topic = newTopic()
    await done(['topic', 'create', topic, '-p', '1'])
    const lines = `${Array.from({ length: 1000 }, (_, i) => `line ${i}`).join('\n')}\n`
    await done(['produce', topic, '-z', codec], lines)
    expect(await done(['consume', topic, '--from-beginning', '-e'])).toBe(lines)
  })

  test('start where they are told to', async () => {
    const topic = newTopic()
    await done(['topic', 'create', topic, '-p', '1'])
    const lines = Array.from({ length: 10 }, (_, i) => JSON.stringify({ value: `${i}`, timestamp: 1_700_000_000_000 + i * 1000 }))
    await done(['produce', topic, '--json'], lines.join('\n'))
    const from = async (...args: string[]) => (await done(['consume', topic, '-e', ...args])).split('\n').slice(0, -1).join('')
    expect(await from('-o', '7')).toBe('789')
    expect(await from('-o', '-2')).toBe('89')
    expect(await from('-o', '-100')).toBe('0123456789')
    expect(await from('-o', '@1700000004500')).toBe('56789')
    expect(await from('-o', new Date(1_700_000_008_000).toISOString())).toBe('89')
    expect(await from('-o', '@1800000000000')).toBe('')
    expect(await from('-o', 'end')).toBe('')
    expect(await from()).toBe('')
    expect(await from('--from-beginning', '-n', '3')).toBe('012')
    expect(await from('--from-beginning', '-p', '0')).toBe('0123456789')
    expect(refused(await ottla(at('consume', topic, '-e', '-o', '11')))).toMatch(/OFFSET_OUT_OF_RANGE/)
    expect(refused(await ottla(at('consume', topic, '-e', '-p', '7')))).toMatch(/partition 7/)
  }, 90_000)

  test('consume follows what comes, and Ctrl-C ends it with 0', async () => {
    const topic = newTopic()
    await done(['topic', 'create', topic])
    await done(['produce', topic], 'before\n')
    const consumer = new Running(at('consume', topic, '--from-beginning'))
    await consumer.prints('before\n')
    await done(['produce', topic], 'after\n')
    await consumer.prints('after\n')
    consumer.child.kill('SIGINT')
    expect(await consumer.exit).toBe(0)
    expect(consumer.err).toBe('')
  })

  test('consume ends quietly when its reader goes away', async () => {
    const topic = newTopic()
    await done(['topic', 'create', topic, '-p', '1'])
    await done(['produce', topic], 'x'.repeat(999).concat('\n').repeat(5000))
    const consumer = new Running(at('consume', topic, '--from-beginning'))
    await consumer.prints('x')
    consumer.child.stdout.destroy()
    expect(await consumer.exit).toBe(0)
    expect(consumer.err).toBe('')
  })

  test('produce says which line it could not take, and that the ones before were sent', async () => {
    const topic = newTopic()
    const { code, err } = await ottla(at('produce', topic, '--json'), { stdin: '{"value": "good"}\n{"value": 7}\n{"value": "never"}\n' })
    expect(err).toMatch(/line 2: "value" must be a string/)
    expect(code).toBe(1)
    expect(await done(['consume', topic, '--from-beginning', '-e'])).toBe('good\n')
  })

  test('produce says what was acknowledged with --json', async () => {
    const topic = newTopic()
    const [summary] = jsonLines(await done(['produce', topic, '--json'], '{"value": "a"}\n{"value": "b"}\n'))
    expect(summary).toMatchObject({ topic, records: 2 })
  })

  test('produce ends with 1 when a record is refused', async () => {
    const topic = newTopic()
    await done(['topic', 'create', topic, '-X', 'max.message.bytes=1000'])
    expect(refused(await ottla(at('produce', topic), { stdin: `${'x'.repeat(5000)}\n` }))).toMatch(/TOO_LARGE[\s\S]*max\.message\.bytes/)
  })

  test('take the broker from the environment', async () => {
    const { code } = await ottla(['topic', 'list'], { env: { OTTLA_BOOTSTRAP_SERVER: broker.bootstrap } })
    expect(code).toBe(0)
  })
})

describe('settings', () => {
  test('of a topic are described, set and taken back', async () => {
    const topic = newTopic()
    await done(['topic', 'create', topic])
    await done(['config', 'set', '--topic', topic, 'retention.ms=12345', 'segment.bytes=2000000'])
    expect(await done(['config', 'describe', '--topic', topic])).toMatch(/^retention\.ms +12345 +topic$\n^segment\.bytes +2000000 +topic$/m)
    expect(jsonLines(await done(['config', 'describe', '--topic', topic, 'max.message.bytes', '--json']))).toMatchObject([
      { name: 'max.message.bytes', value: '1048588' },
    ])
    await done(['config', 'set', '--topic', topic, 'retention.ms='])
    expect(await done(['config', 'describe', '--topic', topic])).not.toContain('retention.ms')
    expect(refused(await ottla(at('config', 'set', '--topic', topic, 'retention.ms=soon')))).toMatch(/INVALID_CONFIG/)
  })

  test('of a broker are changed while it runs', async () => {
    await done(['config', 'set', '--broker', '1', 'log.retention.ms=7200000'])
    expect(await done(['config', 'describe', '--broker', '1'])).toMatch(/^log\.retention\.ms +7200000 +broker$/m)
    await done(['config', 'set', '--broker', '1', 'log.retention.ms='])
    await done(['config', 'set', '--brokers', 'log.retention.ms=7300000'])
    expect(await done(['config', 'describe', '--brokers'])).toMatch(/^log\.retention\.ms +7300000 +all brokers$/m)
  })
})
