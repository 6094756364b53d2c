// The producers of a run, each a process that writes to a topic of its own, and what they were acked.
import { type ChildProcess, spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { built } from '../compat/root.ts'
import { java } from './nodes.ts'

/** `…-500`: with a request timeout of 500 ms, so that a silent broker is given up as soon. */
export const WRITERS = ['ours', 'librdkafka', 'librdkafka-500', 'java', 'java-500'] as const
export type WriterName = (typeof WRITERS)[number]

export interface WriterPlace {
  readonly name: WriterName
  readonly topic: string
  readonly bootstrap: string
  readonly partitions: number
  readonly folder: string
  /** Where the npm packages of librdkafka's binding are. */
  readonly packages: string
  /** The folder of the jars of Apache Kafka's tools. */
  readonly jars: string
}

/** Of one partition, in the order in which they came. */
export interface Acks {
  readonly sequences: number[]
  readonly offsets: number[]
  /** Wall time. */
  readonly times: number[]
}

/** Between two records of a partition. */
const PACE_MS = 5
const END_MS = 200_000

export class Writer {
  readonly name: WriterName
  readonly topic: string
  readonly acks: readonly Acks[]
  /** What was given up, in the client's words. */
  readonly refusals: string[] = []
  readonly #child: ChildProcess
  readonly #exit: Promise<number>
  #stderr = ''
  #ended = false

  constructor(place: WriterPlace) {
    this.name = place.name
    this.topic = place.topic
    this.acks = Array.from({ length: place.partitions }, () => ({ sequences: [], offsets: [], times: [] }))
    const [command, args] = commandOf(place)
    this.#child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child.stderr!.on('data', (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk.toString()).slice(-4000)
    })
    const isJava = place.name.startsWith('java')
    createInterface({ input: this.#child.stdout! }).on('line', line => (isJava ? this.#javaLine(line) : this.#line(line)))
    this.#exit = new Promise(resolve =>
      this.#child.on('close', code => {
        this.#ended = true
        resolve(code ?? -1)
      }),
    )
  }

  get ackCount(): number {
    return this.acks.reduce((sum, { times }) => sum + times.length, 0)
  }

  /** Every partition has been acked after this wall time. */
  ackedSince(time: number): boolean {
    if (this.#ended) throw new Error(`the writer ended: ${this}`)
    return this.acks.every(({ times }) => (times.at(-1) ?? 0) > time)
  }

  /** The longest time without an ack of one partition, from the last ack before `from` up to `until`. */
  longestGap(from: number, until: number): number {
    let longest = 0
    for (const { times } of this.acks) {
      let i = times.length
      while (i > 0 && times[i - 1]! > until) i--
      for (let later = until; i > 0 && later > from; later = times[i]!) {
        i--
        longest = Math.max(longest, later - times[i]!)
      }
    }
    return longest
  }

  /** Sends nothing more; settles when everything that was sent is acked. */
  async stop(): Promise<void> {
    this.#child.kill('SIGTERM')
    const late = setTimeout(() => this.kill(), END_MS)
    const code = await this.#exit
    clearTimeout(late)
    if (code !== 0 && !(code === 143 && this.name.startsWith('java'))) throw new Error(`the writer ended with code ${code}: ${this}`)
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }

  toString(): string {
    const ages = this.acks.map(({ times }) => `${times.length}, last ${Date.now() - (times.at(-1) ?? 0)} ms ago`)
    return `${this.name}: by partition ${ages.join('; ')}, it said ${JSON.stringify(this.#stderr.slice(-1500))}`
  }

  #line(line: string): void {
    const [partition, sequence, offset, time] = line.split(' ').map(Number) as [number, number, number, number]
    this.#acked(partition, sequence, offset, time)
  }

  #javaLine(line: string): void {
    const event = JSON.parse(line) as {
      name: string
      timestamp: number
      partition: number
      offset: number
      value: string
      message?: string
    }
    if (event.name === 'producer_send_success') this.#acked(event.partition, Number(event.value), event.offset, event.timestamp)
    else if (event.name === 'producer_send_error') this.refusals.push(`${event.value}: ${event.message}`)
  }

  #acked(partition: number, sequence: number, offset: number, time: number): void {
    const { sequences, offsets, times } = this.acks[partition]!
    sequences.push(sequence)
    offsets.push(offset)
    times.push(time)
  }
}

function commandOf(o: WriterPlace): [command: string, args: string[]] {
  const impatient = o.name.endsWith('-500')
  const common = [o.bootstrap, o.topic, String(o.partitions), String(PACE_MS)]
  if (o.name === 'ours') return [process.execPath, [built('test/chaos/writer.js'), ...common]]
  if (o.name.startsWith('librdkafka')) {
    const settings = impatient ? ['socket.timeout.ms=500'] : []
    return [process.execPath, [built('test/chaos/writer-librdkafka.js'), ...common, o.packages, ...settings]]
  }
  const file = join(o.folder, `${o.name}.properties`)
  // The tool's own default is no retries.
  const settings = [
    'enable.idempotence=true',
    'retries=2147483647',
    'delivery.timeout.ms=180000',
    ...(impatient ? ['request.timeout.ms=500'] : []),
  ]
  writeFileSync(file, `${settings.join('\n')}\n`)
  const logging = join(o.folder, 'log4j2.properties')
  writeFileSync(logging, LOGGING)
  const words = ['--bootstrap-server', o.bootstrap, '--topic', o.topic, '--acks', '-1', '--command-config', file, '--repeating-keys', '30']
  const rate = String(Math.round((o.partitions * 1000) / PACE_MS))
  return [
    'java',
    [
      '-Xmx256m',
      `-Dlog4j2.configurationFile=${logging}`,
      ...java(o.jars),
      'org.apache.kafka.tools.VerifiableProducer',
      ...words,
      '--throughput',
      rate,
    ],
  ]
}

/** Warnings to stderr: stdout is for acks. */
const LOGGING = `rootLogger.level=WARN
rootLogger.appenderRef.c.ref=c
appender.c.type=Console
appender.c.name=c
appender.c.target=SYSTEM_ERR
appender.c.layout.type=PatternLayout
appender.c.layout.pattern=[%d] %p %m%n
`

/** Which of its records a value is. */
export function sequenceOf(writer: WriterName, value: Uint8Array): number {
  const text = Buffer.from(value.buffer, value.byteOffset, Math.min(value.byteLength, 40)).toString('latin1')
  return Number(writer.startsWith('java') ? text : text.split(' ')[1])
}
