// Rounds of kill -9 under load: writers never stop, the broker is killed at a random moment and started again on the same data and port, and at
// the end everything is read back and judged (verdict.ts).
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, readSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Kafka } from '../../src/index.ts'
import { type Broker, startBroker } from '../compat/broker.ts'
import { built } from '../compat/root.ts'
import { type AimName, type Promised, strike } from './aims.ts'
import { type AckedRecord, findViolations, type ReadRecord } from './verdict.ts'

export interface CrashOptions {
  readonly rounds: number
  /** One after another, over and over. */
  readonly aims: readonly AimName[]
  readonly partitions: number
  readonly writers: readonly WriterName[]
  /** Of `broker` beyond data directory and port, e.g. `-X key=value`. */
  readonly brokerArgs?: readonly string[]
  /** Where the npm packages of librdkafka's binding are. */
  readonly packages?: string
  onRound?(round: RoundReport): void
}
export type WriterName = 'ours' | 'librdkafka'

export interface RoundReport {
  readonly round: number
  readonly aim: AimName
  /** The moment that was aimed at came. */
  readonly hit: boolean
  /** Acks of this round, over all writers. */
  readonly acked: number
  /** From starting the process to its ready line. */
  readonly readyMs: number
  /** From the kill to the first ack after it. */
  readonly outageMs: number
}

export interface CrashReport {
  readonly acked: number
  readonly read: number
  readonly violations: readonly string[]
}

const TOPIC = 'crash'
/** Its segments go by retention and by request. */
const SHORT_TOPIC = 'crash-short'
/** Rolls some times a second. */
const SEGMENT_BYTES = '65536'
const SHORT_CONFIGS = { 'internal.segment.bytes': '16384', 'retention.bytes': '50000', 'file.delete.delay.ms': '50' }
const BROKER_SETTINGS = ['-X', 'log.retention.check.interval.ms=50']
/** What is over the retention limits when nobody writes any more goes within this. */
const RETENTION_MS = 500
/** A writer that gets no ack within this time after a restart has lost its way. */
const RESUME_DEADLINE_MS = 60_000

export async function runCrashRounds(options: CrashOptions): Promise<CrashReport> {
  const folder = mkdtempSync(join(tmpdir(), 'ottla-crash-'))
  const data = join(folder, 'data')
  let broker: Broker | undefined
  const writers: Writer[] = []
  let passed = false
  try {
    const settings = [...BROKER_SETTINGS, ...(options.brokerArgs ?? [])]
    broker = await startBroker(['--port', '0', '--data', data, ...settings])
    const { bootstrap } = broker
    const again = ['--port', bootstrap.slice(bootstrap.lastIndexOf(':') + 1), '--data', data, ...settings]
    const { partitions } = options
    await withKafka(bootstrap, kafka =>
      kafka.admin().createTopics([
        { name: TOPIC, numPartitions: partitions, configs: { 'internal.segment.bytes': SEGMENT_BYTES } },
        { name: SHORT_TOPIC, numPartitions: partitions, configs: SHORT_CONFIGS },
      ]),
    )
    for (const topic of [TOPIC, SHORT_TOPIC])
      for (const name of options.writers)
        writers.push(new Writer({ name, topic, bootstrap, partitions, folder, packages: options.packages }))
    const acked = () => writers.reduce((sum, writer) => sum + writer.ackCount(), 0)
    const promised: Promised = { lowWatermarks: new Map(), topics: new Map() }
    const violations: string[] = []

    await everyWriterAcks(writers, 'at the start')
    for (let round = 1; round <= options.rounds; round++) {
      const before = acked()
      const aim = options.aims[(round - 1) % options.aims.length]!
      const target = {
        broker,
        bootstrap,
        logs: join(data, 'logs'),
        topic: TOPIC,
        shortTopic: SHORT_TOPIC,
        partitions,
        startArgs: again,
        promised,
      }
      const hit = await strike(aim, target)
      const killed = performance.now()
      const ackedBeforeKill = acked()
      broker = await startBroker(again)
      const readyMs = performance.now() - killed
      await until(
        () => acked() > ackedBeforeKill,
        () => `no ack in round ${round}; ${writers.map(String).join('; ')}`,
      )
      const outageMs = performance.now() - killed
      await everyWriterAcks(writers, `in round ${round}`)
      if (aim === 'topics') violations.push(...(await withKafka(bootstrap, kafka => topicFaults(kafka, promised))))
      options.onRound?.({ round, aim, hit, acked: ackedBeforeKill - before, readyMs, outageMs })
    }
    for (const writer of writers) await writer.stop()
    await new Promise(resolve => setTimeout(resolve, RETENTION_MS))
    let [ackedCount, readCount] = [0, 0]
    for (const topic of [TOPIC, SHORT_TOPIC]) {
      const all = writers.filter(writer => writer.topic === topic).flatMap(writer => writer.acked())
      const { read, starts } = await withKafka(bootstrap, kafka => readAll(kafka, topic, partitions))
      violations.push(...findViolations(all, read, { starts, limit: 5 }))
      if (topic === TOPIC && [...starts.values()].some(start => start > 0)) violations.push(`${TOPIC} does not begin at 0: ${[...starts]}`)
      for (const [partition, low] of topic === TOPIC ? [] : promised.lowWatermarks)
        if (starts.get(partition)! < low)
          violations.push(`deleted: partition ${partition} begins at ${starts.get(partition)}, ${low} was answered`)
      ackedCount += all.length
      readCount += read.length
    }
    passed = violations.length === 0
    return { acked: ackedCount, read: readCount, violations }
  } finally {
    for (const writer of writers) writer.kill()
    await broker?.kill()
    if (passed) rmSync(folder, { recursive: true, force: true })
    else process.stderr.write(`the data directory, and what was acked, are left in ${folder}\n`)
  }
}

interface WriterPlace {
  readonly name: WriterName
  readonly topic: string
  readonly bootstrap: string
  readonly partitions: number
  readonly folder: string
  readonly packages: string | undefined
}

class Writer {
  readonly topic: string
  readonly #name: WriterName
  readonly #ackFile: string
  readonly #child: ChildProcess
  readonly #exit: Promise<number>
  readonly #ackDescriptor: number
  #stderr = ''
  #ended = false
  #acksCounted = 0
  /** Acks seen when `hasNewAcks` last said yes. */
  #seen = 0

  constructor({ name, topic, bootstrap, partitions, folder, packages = '' }: WriterPlace) {
    this.#name = name
    this.topic = topic
    this.#ackFile = join(folder, `${name}-${topic}.acks`)
    this.#ackDescriptor = openSync(this.#ackFile, 'a+')
    const script = built(name === 'ours' ? 'test/crash/writer.js' : 'test/crash/writer-librdkafka.js')
    this.#child = spawn(process.execPath, [script, bootstrap, topic, String(partitions), this.#ackFile, packages], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    this.#child.stderr!.on('data', (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk.toString()).slice(-4000)
    })
    this.#exit = new Promise(resolve =>
      this.#child.on('close', code => {
        this.#ended = true
        closeSync(this.#ackDescriptor)
        resolve(code ?? -1)
      }),
    )
  }

  /** Counts the lines that came since the last call. */
  ackCount(): number {
    if (this.#ended) return this.#acksCounted
    const chunk = Buffer.allocUnsafe(1 << 16)
    for (let length = 1; length > 0; ) {
      length = readSync(this.#ackDescriptor, chunk, 0, chunk.length, null)
      for (let i = 0; i < length; i++) if (chunk[i] === 10) this.#acksCounted++
    }
    return this.#acksCounted
  }

  hasNewAcks(): boolean {
    if (this.#ended) throw new Error(`the writer ended: ${this}`)
    const count = this.ackCount()
    if (count <= this.#seen) return false
    this.#seen = count
    return true
  }

  acked(): AckedRecord[] {
    const lines = readFileSync(this.#ackFile, 'latin1').split('\n').slice(0, -1)
    return lines.map(line => {
      const [partition, sequence, offset] = line.split(' ').map(Number) as [number, number, number]
      return { writer: this.#name, partition, sequence, offset }
    })
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGTERM')
    const late = setTimeout(() => this.kill(), RESUME_DEADLINE_MS)
    const code = await this.#exit
    clearTimeout(late)
    if (code !== 0) throw new Error(`the writer ended with code ${code}: ${this}`)
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }

  toString(): string {
    return `${this.#name} to ${this.topic}: ${this.ackCount()} acks, it said ${JSON.stringify(this.#stderr.slice(-500))}`
  }
}

async function everyWriterAcks(writers: readonly Writer[], when: string): Promise<void> {
  for (const writer of writers)
    await until(
      () => writer.hasNewAcks(),
      () => `no ack ${when} from ${writer}`,
    )
}

async function until(holds: () => boolean, otherwise: () => string): Promise<void> {
  const deadline = performance.now() + RESUME_DEADLINE_MS
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`${otherwise()}, after ${RESUME_DEADLINE_MS} ms`)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

async function withKafka<T>(bootstrap: string, use: (kafka: Kafka) => Promise<T>): Promise<T> {
  const kafka = new Kafka({ bootstrapServers: bootstrap })
  try {
    return await use(kafka)
  } finally {
    await kafka.close()
  }
}

/** What does not agree with what was answered about topics. */
async function topicFaults(kafka: Kafka, { topics }: Promised): Promise<string[]> {
  const there = new Set((await kafka.admin().listTopics()).map(({ name }) => name))
  return [...topics]
    .filter(([name, state]) => there.has(name) !== (state === 'there'))
    .map(([name, state]) => `topics: ${name} should be ${state}`)
}

async function readAll(kafka: Kafka, topic: string, partitions: number): Promise<{ read: ReadRecord[]; starts: Map<number, number> }> {
  const consumer = kafka.consumer()
  const all = Array.from({ length: partitions }, (_, partition) => ({ topic, partition }))
  const earliest = await kafka.admin().listOffsets(all.map(tp => ({ ...tp, spec: 'earliest' as const })))
  const starts = new Map(earliest.map(({ partition, offset }) => [partition, offset]))
  consumer.assign(all.map(tp => ({ ...tp, position: { offset: starts.get(tp.partition)! } })))
  const ends = await consumer.endOffsets(all)
  let left = ends.reduce((sum, { partition, offset }) => sum + offset - starts.get(partition)!, 0)
  const read: ReadRecord[] = []
  while (left > 0) {
    const records = await consumer.poll({ maxWaitMs: 5000 })
    if (records.length === 0) throw new Error(`${left} records of ${topic} below the end are not delivered`)
    left -= records.length
    for (const { partition, offset, value } of records) {
      const [writer, to, sequence] = value!.toString('latin1').split(' ') as [string, string, string]
      if (Number(to) !== partition) throw new Error(`a record of partition ${to} is read from partition ${partition}`)
      read.push({ writer, partition, sequence: Number(sequence), offset })
    }
  }
  await consumer.close()
  return { read, starts }
}
