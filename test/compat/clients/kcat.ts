// kcat as Debian ships it (1.7.1 on librdkafka 2.0.2): the oldest client of the run, and the reader the others are held against.
import { type Check, type Client, eventually, expectEqual, expectTrue, type ProduceOptions, type World } from '../client.ts'
import { run } from '../process.ts'
import type { CompatRecord } from '../records.ts'

/** Each record as one head line with lengths, then key and value raw: no byte can be mistaken for a separator. */
const FORMAT = '%o %T %K %S\n%k%s%h\n'

interface KcatRecord extends CompatRecord {
  readonly offset: number
  readonly timestamp: number
}

export async function openKcat(bootstrap: string): Promise<Client | string> {
  const version = await run('kcat', ['-V'], { expect: 'any' }).then(
    ({ stdout, stderr }) => /Version (\S+).*librdkafka (\S+)/.exec(stdout.toString() + stderr),
    () => null,
  )
  if (version === null) return 'kcat is not installed (Debian: apt-get install kcat)'
  const kcat = new Kcat(bootstrap)
  return {
    name: 'kcat',
    version: `${version[1]} (librdkafka ${version[2]})`,
    speech: { nullKey: true, nullValue: true, emptyValue: false, headers: true, binary: false },
    setsTimestamps: false,
    produce: options => kcat.produce(options),
    read: (topic, offset, count) => kcat.consume(['-t', topic, '-p', '0', '-o', String(offset), '-c', String(count)]),
    offsetAt: (topic, timestamp) => kcat.query(topic, timestamp),
    checks: world => checks(kcat, world),
  }
}

class Kcat {
  readonly #base: readonly string[]

  constructor(bootstrap: string) {
    this.#base = ['-b', bootstrap, '-X', 'broker.address.family=v4']
  }

  async run(args: readonly string[], stdin = ''): Promise<string> {
    return (await run('kcat', [...this.#base, ...args], { stdin, timeoutMs: 30_000 })).stdout.toString()
  }

  /** -H holds for all records of one call, so each stretch of equal headers is a call. */
  async produce({ topic, partition = 0, codec, acks, idempotent, records }: ProduceOptions): Promise<void> {
    const common = ['-P', '-t', topic, '-p', String(partition), '-z', codec, '-K', '\t', '-Z', '-X', `acks=${acks}`]
    common.push('-X', `enable.idempotence=${idempotent}`, '-X', 'message.max.bytes=4194304')
    for (let from = 0; from < records.length; ) {
      const headers = JSON.stringify(records[from]!.headers)
      let to = from + 1
      while (to < records.length && JSON.stringify(records[to]!.headers) === headers) to++
      const lines = records.slice(from, to).map(record => `${decoded(record.key)}\t${decoded(record.value)}\n`)
      const flags = records[from]!.headers.flatMap(([name, value]) => ['-H', `${name}=${decoded(value)}`])
      await this.run([...common, ...flags], lines.join(''))
      from = to
    }
  }

  async consume(args: readonly string[]): Promise<KcatRecord[]> {
    const options = { timeoutMs: 30_000 }
    const all = ['-C', '-e', '-q', '-f', FORMAT, '-X', 'check.crcs=true', '-X', 'fetch.message.max.bytes=8388608', ...args]
    return parse((await run('kcat', [...this.#base, ...all], options)).stdout)
  }

  async query(topic: string, timestamp: number): Promise<number> {
    const said = await this.run(['-Q', '-t', `${topic}:0:${timestamp}`])
    const found = /offset (-?\d+)/.exec(said)
    if (found === null) throw new Error(`-Q said ${JSON.stringify(said)}`)
    return Number(found[1])
  }
}

const decoded = (bytes: string | null) => (bytes === null ? '' : Buffer.from(bytes, 'base64').toString())

function parse(out: Buffer): KcatRecord[] {
  const records: KcatRecord[] = []
  for (let p = 0; p < out.length; ) {
    const headEnd = out.indexOf(10, p)
    const [offset, timestamp, keyLength, valueLength] = out.subarray(p, headEnd).toString().split(' ').map(Number) as [
      number,
      number,
      number,
      number,
    ]
    const keyAt = headEnd + 1
    const valueAt = keyAt + Math.max(0, keyLength)
    const headersAt = valueAt + Math.max(0, valueLength)
    const end = out.indexOf(10, headersAt)
    const headers = out.subarray(headersAt, end).toString()
    records.push({
      offset,
      timestamp,
      key: keyLength < 0 ? null : out.subarray(keyAt, valueAt).toString('base64'),
      value: valueLength < 0 ? null : out.subarray(valueAt, headersAt).toString('base64'),
      headers: headers === '' ? [] : headers.split(',').map(header => headerOf(header)),
    })
    p = end + 1
  }
  return records
}

function headerOf(header: string): [string, string] {
  const at = header.indexOf('=')
  return [header.slice(0, at), Buffer.from(header.slice(at + 1)).toString('base64')]
}

function checks(kcat: Kcat, world: World): Check[] {
  const numbered = (count: number): CompatRecord[] =>
    Array.from({ length: count }, (_, i) => ({ key: null, value: Buffer.from(`value ${i}`).toString('base64'), headers: [] }))
  const values = (records: readonly CompatRecord[]) => records.map(record => decoded(record.value))
  const produce = (topic: string, count: number) =>
    kcat.produce({ topic, codec: 'none', acks: -1, idempotent: false, records: numbered(count) })

  return [
    {
      name: '-L lists brokers and topics, also as JSON',
      async run() {
        const topic = world.topicName('kcat-list')
        await world.createTopic(topic, 3)
        const text = await kcat.run(['-L'])
        expectTrue(
          /broker \d+ at \S+:\d+/.test(text) && text.includes(`topic "${topic}" with 3 partitions`),
          `-L said ${text.slice(0, 300)}`,
        )
        const listed = JSON.parse(await kcat.run(['-L', '-J', '-t', topic])) as { topics: { partitions: unknown[] }[] }
        expectEqual(listed.topics[0]!.partitions.length, 3, 'partitions in -L -J')
      },
    },
    {
      name: '-P to an unknown topic creates it',
      async run() {
        const topic = world.topicName('kcat-auto')
        await kcat.run(['-P', '-t', topic], 'first\n')
        const read = await kcat.consume(['-t', topic, '-o', 'beginning'])
        expectEqual(values(read), ['first'], 'records read')
      },
    },
    {
      name: '-C from beginning, end, -N and an absolute offset',
      async run() {
        const topic = world.topicName('kcat-offsets')
        await world.createTopic(topic, 1)
        await produce(topic, 10)
        const from = async (o: string) => (await kcat.consume(['-t', topic, '-o', o])).map(record => record.offset)
        expectEqual(await from('beginning'), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], '-o beginning')
        expectEqual(await from('-3'), [7, 8, 9], '-o -3')
        expectEqual(await from('6'), [6, 7, 8, 9], '-o 6')
        expectEqual(await from('end'), [], '-o end')
      },
    },
    {
      name: '-P and -C of chosen partitions',
      async run() {
        const topic = world.topicName('kcat-partitions')
        await world.createTopic(topic, 3)
        for (const p of ['0', '1', '2']) await kcat.run(['-P', '-t', topic, '-p', p], `to ${p}\n`)
        for (const p of ['0', '1', '2'])
          expectEqual(values(await kcat.consume(['-t', topic, '-p', p, '-o', '0'])), [`to ${p}`], `partition ${p}`)
      },
    },
    {
      name: '-o s@ and e@ read by time',
      async run() {
        const topic = world.topicName('kcat-times')
        await world.createTopic(topic, 1)
        for (let i = 0; i < 3; i++) {
          await produce(topic, 1)
          await new Promise(resolve => setTimeout(resolve, 20))
        }
        const [, second, third] = await kcat.consume(['-t', topic, '-p', '0', '-o', '0'])
        const since = await kcat.consume(['-t', topic, '-p', '0', '-o', `s@${second!.timestamp}`])
        expectEqual(
          since.map(record => record.offset),
          [1, 2],
          's@ the second record',
        )
        const between = await kcat.consume(['-t', topic, '-p', '0', '-o', `s@${second!.timestamp}`, '-o', `e@${third!.timestamp}`])
        expectEqual(
          between.map(record => record.offset),
          [1],
          's@ the second, e@ the third',
        )
      },
    },
    {
      name: 'acks 0, 1 and all',
      async run() {
        const topic = world.topicName('kcat-acks')
        await world.createTopic(topic, 1)
        for (const acks of ['1', 'all']) await kcat.run(['-P', '-t', topic, '-p', '0', '-X', `acks=${acks}`], `acks ${acks}\n`)
        await kcat.run(['-P', '-t', topic, '-p', '0', '-X', 'acks=0'], 'acks 0\n')
        const read = () => kcat.consume(['-t', topic, '-p', '0', '-o', '0'])
        await eventually('the record of acks=0 can be read', async () => (await read()).length === 3)
        expectEqual(values(await read()), ['acks 1', 'acks all', 'acks 0'], 'records read')
      },
    },
  ]
}
