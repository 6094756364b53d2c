// Whole applications of Apache Kafka's own, unmodified: Kafka Connect copies a file through the broker, Kafka Streams counts words.
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Check, eventually, expectEqual, type World } from '../client.ts'
import { type Launch, Member } from '../group/member.ts'
import { noise } from '../records.ts'
import { type JavaTools, javaArguments } from './java.ts'

const LINES = 5000

export function javaApplicationChecks(java: JavaTools, world: World): Check[] {
  const start = (name: string, className: string, args: readonly string[], jvm: readonly string[] = []) => {
    const launch: Launch = { command: 'java', args: javaArguments(java.jars, className, args, jvm), parse: () => [] }
    return new Member(name, launch)
  }
  const inFolder = async (stem: string, use: (folder: string) => Promise<void>) => {
    const folder = mkdtempSync(join(tmpdir(), `ottla-${stem}-`))
    try {
      await use(folder)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }
  return [
    {
      name: 'Kafka Connect, standalone: a file copied byte for byte, stopped in between',
      run: () =>
        inFolder('connect', async folder => {
          const [topic, input, output] = [world.topicName('connect'), join(folder, 'in.txt'), join(folder, 'out.txt')]
          await world.createTopic(topic, 1)
          // ASCII: the source counts characters and skips bytes when it resumes, also with Apache Kafka.
          const lines = (from: number) => Array.from({ length: LINES }, (_, i) => `${from + i} ${noise(80, `${from + i}`)}\n`).join('')
          const properties = (values: Record<string, string | number>) =>
            Object.entries(values)
              .map(([key, value]) => `${key}=${value}\n`)
              .join('')
          const converter = 'org.apache.kafka.connect.storage.StringConverter'
          mkdirSync(join(folder, 'plugins'))
          const files = {
            worker: {
              'bootstrap.servers': world.bootstrap,
              'key.converter': converter,
              'value.converter': converter,
              'offset.storage.file.filename': join(folder, 'offsets'),
              'offset.flush.interval.ms': 500,
              'plugin.discovery': 'only_scan',
              'plugin.path': join(folder, 'plugins'),
              listeners: 'http://127.0.0.1:0',
            },
            // biome-ignore format: one line each
            source: { name: 'source', 'connector.class': 'org.apache.kafka.connect.file.FileStreamSourceConnector', file: input, topic },
            // biome-ignore format: one line each
            sink: { name: `sink-${topic}`, 'connector.class': 'org.apache.kafka.connect.file.FileStreamSinkConnector', file: output, topics: topic },
          }
          for (const [name, values] of Object.entries(files)) writeFileSync(join(folder, `${name}.properties`), properties(values))
          const connect = () =>
            start(
              'connect',
              'org.apache.kafka.connect.cli.ConnectStandalone',
              ['worker', 'source', 'sink'].map(name => join(folder, `${name}.properties`)),
            )
          const copied = () => {
            try {
              return readFileSync(output, 'utf8')
            } catch {
              return ''
            }
          }
          writeFileSync(input, lines(0))
          let worker = connect()
          try {
            await ended(worker, 'the first half is copied', () => copied() === readFileSync(input, 'utf8'))
            await worker.leave()
            appendFileSync(input, lines(LINES))
            worker = connect()
            await ended(worker, 'the second half is copied', () => copied().length >= readFileSync(input, 'utf8').length)
            expectEqual(firstDifference(copied(), readFileSync(input, 'utf8')), undefined, 'the copy and the file, first difference')
          } finally {
            await worker.leave()
          }
        }),
    },
    {
      name: 'Kafka Streams: WordCountDemo counts right, restarted in between',
      run: () =>
        inFolder('streams', async folder => {
          const [input, output] = ['streams-plaintext-input', 'streams-wordcount-output']
          for (const topic of [input, output]) await world.createTopic(topic, 1).catch(() => {})
          const config = join(folder, 'streams.properties')
          const id = world.topicName('wordcount')
          writeFileSync(
            config,
            `bootstrap.servers=${world.bootstrap}\napplication.id=${id}\nstate.dir=${folder}/state\ncommit.interval.ms=500\n`,
          )
          const demo = () =>
            start('word count', 'org.apache.kafka.streams.examples.wordcount.WordCountDemo', [config], [`-Djava.io.tmpdir=${folder}`])
          const say = (text: string) =>
            java.produce({
              topic: input,
              codec: 'none',
              acks: -1,
              idempotent: true,
              records: [{ key: null, value: Buffer.from(text).toString('base64'), headers: [] }],
            })
          const counts = async () => {
            const formatter = java.version.startsWith('3.') ? '--property' : '--formatter-property'
            const said = await java.tool('org.apache.kafka.tools.consumer.ConsoleConsumer', [
              ...['--topic', output, '--from-beginning', '--timeout-ms', '3000'],
              ...[formatter, 'print.key=true', formatter, 'value.deserializer=org.apache.kafka.common.serialization.LongDeserializer'],
            ])
            return Object.fromEntries(
              said
                .split('\n')
                .filter(line => line.includes('\t'))
                .map(line => line.split('\t')),
            )
          }
          const [a, b, c] = ['alpha', 'beta', 'gamma'].map(word => `${word}${id.replaceAll(/\W/g, '')}`) // it splits at what is no letter or digit
          let app = demo()
          try {
            await say(`${a} ${b} ${a} ${c}`)
            await ended(app, 'the first words are counted', async () => pick(await counts(), [a!, b!, c!]) === '2,1,1')
            await app.leave()
            await say(`${b} ${a}`)
            app = demo()
            await ended(app, 'the words after the restart are counted on', async () => pick(await counts(), [a!, b!, c!]) === '3,2,1')
          } finally {
            await app.leave()
          }
        }),
    },
  ]
}

/** By line: its number, the line there, and the line that was due. */
function firstDifference(copy: string, file: string): readonly [number, string | undefined, string | undefined] | undefined {
  const [a, b] = [copy.split('\n'), file.split('\n')]
  for (let i = 0; i < Math.max(a.length, b.length); i++) if (a[i] !== b[i]) return [i, a[i]?.slice(0, 20), b[i]?.slice(0, 20)]
  return undefined
}

const pick = (counts: Record<string, string>, words: readonly string[]) => words.map(word => counts[word] ?? 0).join()

async function ended(app: Member, what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  try {
    await eventually(
      what,
      async () => {
        if (app.ended) throw new Error('it ended')
        return await holds()
      },
      90_000,
    )
  } catch (error) {
    throw new Error(`${(error as Error).message}; ${app}`, { cause: error })
  }
}
