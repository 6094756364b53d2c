// Apache Kafka's own command line tools, run from their jars. Each call is a JVM of its own, as for their users.
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  type Check,
  type Client,
  expectEqual,
  expectTrue,
  type ProduceOptions,
  type TopicAdmin,
  type TopicConfigs,
  type World,
} from '../client.ts'
import { JAVA_VERSIONS } from '../install.ts'
import { type Finished, type RunOptions, run } from '../process.ts'
import type { CompatRecord } from '../records.ts'
import { adminChecks } from './java-admin.ts'
import { javaApplicationChecks } from './java-apps.ts'
import { javaGroupChecks } from './java-groups.ts'

const NULL = '<<null>>'
const FIELD = '<<field>>'
const RECORD = '<<record>>\n'

export class JavaTools {
  readonly version: string
  readonly bootstrap: string
  readonly jars: string

  constructor(version: string, jars: string, bootstrap: string) {
    this.version = version
    this.bootstrap = bootstrap
    this.jars = jars
    mkdirSync(join(jars, '..', 'log4j'), { recursive: true })
    writeFileSync(join(jars, '..', 'log4j', 'log4j2.properties'), LOG4J2)
    writeFileSync(join(jars, '..', 'log4j', 'log4j.properties'), LOG4J)
  }

  run(className: string, args: readonly string[], options: RunOptions = {}): Promise<Finished> {
    return run('java', javaArguments(this.jars, className, args), { timeoutMs: 90_000, ...options })
  }

  /** A tool that takes --bootstrap-server; its standard output. */
  async tool(className: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
    return (await this.run(className, ['--bootstrap-server', this.bootstrap, ...args], options)).stdout.toString()
  }

  topics = (...args: string[]) => this.tool('org.apache.kafka.tools.TopicCommand', args)
  configs = (...args: string[]) => this.tool('kafka.admin.ConfigCommand', args)

  async offsets(topic: string, time: string): Promise<number> {
    const said = await this.tool('org.apache.kafka.tools.GetOffsetShell', ['--topic-partitions', `${topic}:0`, '--time', time])
    const found = said.split('\n').find(line => line.startsWith(`${topic}:0:`))
    return found === undefined ? -1 : Number(found.split(':')[2])
  }

  async produce({ topic, codec, acks, idempotent, records }: ProduceOptions): Promise<void> {
    const [className, readerFlag, configFlag] = this.version.startsWith('3.')
      ? ['kafka.tools.ConsoleProducer', '--property', '--producer-property']
      : ['org.apache.kafka.tools.ConsoleProducer', '--reader-property', '--command-property']
    const reader = { 'parse.key': 'true', 'parse.headers': 'true', 'null.marker': NULL, 'key.separator': FIELD, 'headers.delimiter': FIELD }
    const config = { 'enable.idempotence': String(idempotent), acks: String(acks), 'max.request.size': '4194304' }
    const flags = [...pairs(readerFlag!, reader), ...pairs(configFlag!, config), '--compression-codec', codec, '--topic', topic]
    const text = (bytes: string | null) => (bytes === null ? NULL : Buffer.from(bytes, 'base64').toString())
    const lines = records.map(({ key, value, headers }) => {
      const head = headers.length === 0 ? NULL : headers.map(([name, header]) => `${name}:${text(header)}`).join(',')
      return `${[head, text(key), text(value)].join(FIELD)}\n`
    })
    const { stderr } = await this.run(className!, ['--bootstrap-server', this.bootstrap, ...flags], { stdin: lines.join('') })
    // A record that could not be sent is only logged; the exit code stays 0.
    expectTrue(!/^ERROR|Exception/m.test(stderr), `the tool logged ${stderr.slice(0, 400)}`)
  }

  /** Assigns partition 0 by itself, so no group takes part. */
  async read(topic: string, offset: number, count: number): Promise<CompatRecord[]> {
    const flag = this.version.startsWith('3.') ? '--property' : '--formatter-property'
    const format = {
      'print.key': 'true',
      'print.headers': 'true',
      'key.separator': FIELD,
      'line.separator': RECORD,
      'headers.separator': ',',
      'null.literal': NULL,
    }
    const position = [
      '--topic',
      topic,
      '--partition',
      '0',
      '--offset',
      String(offset),
      '--max-messages',
      String(count),
      '--timeout-ms',
      '20000',
    ]
    const className = 'org.apache.kafka.tools.consumer.ConsoleConsumer'
    const { stdout } = await this.run(className, ['--bootstrap-server', this.bootstrap, ...position, ...pairs(flag, format)])
    return split(stdout, RECORD)
      .slice(0, -1)
      .map(record => {
        const [headers, key, value] = split(record, FIELD) as [Buffer, Buffer, Buffer]
        return { key: orNull(key), value: orNull(value), headers: parseHeaders(headers.toString()) }
      })
  }
}

/** Of `java`, for a class in these jars. */
export function javaArguments(jars: string, className: string, args: readonly string[], jvm: readonly string[] = []): string[] {
  const classPath = `${join(jars, '..', 'log4j')}:${join(jars, '*')}`
  return ['-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Dfile.encoding=UTF-8', ...jvm, '-cp', classPath, className, ...args]
}

// 4.x logs by log4j 2, 3.x by log4j 1.
const LOG4J = `log4j.rootLogger=WARN, c
log4j.appender.c=org.apache.log4j.ConsoleAppender
log4j.appender.c.target=System.err
log4j.appender.c.layout=org.apache.log4j.PatternLayout
log4j.appender.c.layout.ConversionPattern=%p %m (%c)%n
`
const LOG4J2 = `rootLogger.level=WARN
rootLogger.appenderRef.c.ref=c
appender.c.type=Console
appender.c.name=c
appender.c.target=SYSTEM_ERR
appender.c.layout.type=PatternLayout
appender.c.layout.pattern=%p %m (%c)%n
`

const pairs = (flag: string, values: Readonly<Record<string, string>>) =>
  Object.entries(values).flatMap(([key, value]) => [flag, `${key}=${value}`])
const orNull = (bytes: Buffer) => (bytes.toString() === NULL ? null : bytes.toString('base64'))

function split(bytes: Buffer, separator: string): Buffer[] {
  const parts: Buffer[] = []
  for (let from = 0; ; ) {
    const at = bytes.indexOf(separator, from)
    if (at < 0) return [...parts, bytes.subarray(from)]
    parts.push(bytes.subarray(from, at))
    from = at + separator.length
  }
}

function parseHeaders(text: string): [string, string | null][] {
  if (text === 'NO_HEADERS') return []
  return text.split(',').map(header => {
    const at = header.indexOf(':')
    return [header.slice(0, at), orNull(Buffer.from(header.slice(at + 1)))]
  })
}

export function openJava(version: string, jars: string, bootstrap: string): Client | string {
  if (readdirSync(jars).length === 0) return `the jars of Apache Kafka ${version} are not there`
  const java = new JavaTools(version, jars, bootstrap)
  const admin: TopicAdmin = {
    async createTopic(topic, partitions, configs) {
      await java.topics(
        '--create',
        '--topic',
        topic,
        '--partitions',
        String(partitions),
        '--replication-factor',
        '1',
        ...pairs('--config', configs),
      )
    },
    async partitionCount(topic) {
      const described = await java.topics('--describe', '--topic', topic)
      const count = Number(/PartitionCount: (\d+)/.exec(described)?.[1])
      expectEqual(described.match(/\tPartition: \d+\tLeader: \d+/g)?.length, count, 'partitions with a leader in --describe')
      return count
    },
    addPartitions: async (topic, total) => void (await java.topics('--alter', '--topic', topic, '--partitions', String(total))),
    deleteTopic: async topic => void (await java.topics('--delete', '--topic', topic)),
    listTopics: async () => (await java.topics('--list')).split('\n').map(line => line.trim()),
  }
  const configs: TopicConfigs = {
    async describe(topic, key) {
      const described = await java.configs('--describe', '--all', '--entity-type', 'topics', '--entity-name', topic)
      return new RegExp(`^\\s*${key.replaceAll('.', '\\.')}=(\\S*)`, 'm').exec(described)?.[1] ?? null
    },
    set: async (topic, key, value) =>
      void (await java.configs('--alter', '--entity-type', 'topics', '--entity-name', topic, '--add-config', `${key}=${value}`)),
  }
  return {
    name: `java ${version}`,
    version,
    speech: { nullKey: true, nullValue: true, emptyValue: true, headers: true, binary: false },
    setsTimestamps: false,
    produce: options => java.produce(options),
    read: (topic, offset, count) => java.read(topic, offset, count),
    offsetAt: (topic, timestamp) => java.offsets(topic, String(timestamp)),
    admin,
    configs,
    checks: world => checks(java, world),
  }
}

function checks(java: JavaTools, world: World): Check[] {
  return [
    ...adminChecks(java, world),
    ...javaGroupChecks(java, world),
    ...(java.version === JAVA_VERSIONS[0] ? javaApplicationChecks(java, world) : []),
    {
      name: 'ProducerPerformance, acks=all, 16 partitions',
      async run() {
        const topic = world.topicName('java-perf')
        await world.createTopic(topic, 16)
        const { stdout } = await java.run('org.apache.kafka.tools.ProducerPerformance', [
          ...['--topic', topic, '--num-records', '20000', '--record-size', '1024', '--throughput', '-1', '--producer-props'],
          ...[`bootstrap.servers=${world.bootstrap}`, 'acks=all', 'batch.size=65536', 'linger.ms=5'],
        ])
        expectTrue(/^20000 records sent/m.test(stdout.toString()), `it said ${stdout.toString().slice(-300)}`)
      },
    },
    {
      name: 'VerifiableProducer, 2,000 acknowledged',
      async run() {
        const topic = world.topicName('java-verifiable')
        await world.createTopic(topic, 3)
        const args = ['--topic', topic, '--max-messages', '2000', '--acks', '-1']
        const lines = (await java.tool('org.apache.kafka.tools.VerifiableProducer', args)).trim().split('\n')
        const summary = lines
          .map(line => JSON.parse(line) as { name: string; sent?: number; acked?: number })
          .find(({ name }) => name === 'tool_data')
        expectEqual([summary?.sent, summary?.acked], [2000, 2000], 'sent and acked')
      },
    },
    {
      name: 'GetOffsetShell: earliest, latest, max-timestamp',
      async run() {
        const topic = world.topicName('java-offsets')
        await world.createTopic(topic, 1)
        const record: CompatRecord = { key: null, value: 'AAAA', headers: [] }
        await java.produce({ topic, codec: 'none', acks: -1, idempotent: true, records: [record, record, record] })
        expectEqual(await java.offsets(topic, 'earliest'), 0, 'earliest')
        expectEqual(await java.offsets(topic, 'latest'), 3, 'latest')
        const newest = await java.offsets(topic, 'max-timestamp')
        expectTrue(newest >= 0 && newest < 3, `max-timestamp: ${newest}`)
      },
    },
    {
      name: 'ConfigCommand: describe and alter a broker, and the cluster default',
      async run() {
        const topic = world.topicName('java-broker')
        await world.createTopic(topic, 1)
        const broker = /Leader: (\d+)/.exec(await java.topics('--describe', '--topic', topic))![1]!
        for (const entity of [['--entity-name', broker], ['--entity-default']]) {
          const command = (...args: string[]) => java.configs('--entity-type', 'brokers', ...entity, ...args)
          await command('--alter', '--add-config', 'log.retention.ms=123456789')
          const described = await command('--describe')
          expectTrue(described.includes('log.retention.ms=123456789'), `--describe after --alter said ${described}`)
          await command('--alter', '--delete-config', 'log.retention.ms')
          expectTrue(!(await command('--describe')).includes('log.retention.ms=123456789'), 'the deleted value is still described')
        }
      },
    },
    {
      name: 'TopicCommand: what is wrong is said by its name',
      async run() {
        const topic = world.topicName('java-errors')
        await world.createTopic(topic, 2)
        const fails = async (error: string, ...args: string[]) => {
          const said = await java.topics(...args).then(
            () => 'nothing: it succeeded',
            (failure: Error) => failure.message,
          )
          expectTrue(said.includes(error), `${args.join(' ')}: expected ${error}, it said ${said}`)
        }
        await fails('TopicExistsException', '--create', '--topic', topic, '--partitions', '1')
        await fails('InvalidPartitionsException', '--alter', '--topic', topic, '--partitions', '1')
        await fails('InvalidTopicException', '--create', '--topic', 'a/b')
        await fails('InvalidReplicationFactorException', '--create', '--topic', world.topicName('rf'), '--replication-factor', '7')
        const refused = await java
          .configs('--alter', '--entity-type', 'topics', '--entity-name', topic, '--add-config', 'retention.ms=soon')
          .then(
            () => 'nothing: it succeeded',
            (failure: Error) => failure.message,
          )
        expectTrue(refused.includes('InvalidConfigurationException'), `retention.ms=soon: it said ${refused}`)
      },
    },
  ]
}

/** Apache Kafka's own reader of segment files, over every file the broker wrote in this run. */
export function dumpLogCheck(jars: string, version: string, world: World): Check {
  return {
    name: 'DumpLogSegments --deep-iteration over all segments',
    async run() {
      const files = (readdirSync(world.dataDirectory!, { recursive: true }) as string[]).filter(file => /\/\d{20}\.log$/.test(file))
      expectTrue(files.length > 0, `no segment file under ${world.dataDirectory}`)
      const java = new JavaTools(version, jars, world.bootstrap)
      const className = version.startsWith('3.') ? 'kafka.tools.DumpLogSegments' : 'org.apache.kafka.tools.DumpLogSegments'
      const paths = files.map(file => join(world.dataDirectory!, file)).join(',')
      const { stdout, stderr } = await java.run(className, ['--deep-iteration', '--files', paths])
      const said = stdout.toString()
      expectTrue(
        !/invalid|corrupt|exception|error/i.test(stderr) && !/isvalid: false/.test(said),
        `it found damage: ${stderr.slice(0, 400)}`,
      )
      expectTrue(/baseOffset: 0 /.test(said), 'it printed no batch')
    },
  }
}
