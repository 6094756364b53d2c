// `ottla produce`: standard input to a topic.
import type { DeliveredRecord, Producer, ProducerRecord } from '../../src/index.ts'
import { type ClientOptions, withKafka } from './connection.ts'
import { settings, whole } from './failure.ts'
import { parseJsonRecord } from './json-record.ts'
import { linesOf } from './lines.ts'
import { printJson, remark } from './output.ts'

export interface ProduceOptions extends ClientOptions {
  readonly keySeparator?: string
  readonly header: readonly string[]
  readonly partition?: string
  readonly null?: string
  readonly compression: 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'
  readonly acks: '0' | '1' | 'all'
  readonly idempotence: boolean
  readonly lingerMs: string
  readonly batchBytes: string
  readonly maxRequestBytes?: string
}

type LineParser = (line: Buffer) => Omit<ProducerRecord, 'topic'>

export async function produce(topic: string, options: ProduceOptions): Promise<void> {
  const acks = options.acks === 'all' ? -1 : options.acks === '1' ? 1 : 0
  const producerOptions = {
    acks,
    idempotent: acks === -1 && options.idempotence,
    lingerMs: whole('--linger-ms', options.lingerMs, 0),
    batchBytes: whole('--batch-bytes', options.batchBytes, 1),
    compression: options.compression,
    ...(options.maxRequestBytes === undefined ? {} : { maxRequestBytes: whole('--max-request-bytes', options.maxRequestBytes, 1) }),
  } as const
  const parse = options.json ? jsonParser(options) : lineParser(options)
  if (process.stdin.isTTY) remark(`Each line is a record of ${topic}; Ctrl-D ends.\n`)

  await withKafka(options, async kafka => {
    const producer = kafka.producer(producerOptions)
    const started = performance.now()
    const sender = new Sender(producer, topic)
    try {
      await sender.sendAll(process.stdin, parse)
    } finally {
      await producer.close()
    }
    const seconds = (performance.now() - started) / 1000
    if (options.json) await printJson({ topic, records: sender.acknowledged, bytes: sender.bytes, seconds })
    else sender.conclude(seconds)
  })
}

class Sender {
  acknowledged = 0
  /** Of keys and values. */
  bytes = 0
  readonly #producer: Producer
  readonly #topic: string
  #failure: Error | undefined
  #saidAtMs = 0

  constructor(producer: Producer, topic: string) {
    this.#producer = producer
    this.#topic = topic
  }

  /** Sends line after line, no faster than brokers take them. @throws the first failure, after all before it have an outcome */
  async sendAll(input: AsyncIterable<Buffer>, parse: LineParser): Promise<void> {
    let lineNumber = 0
    for await (const lines of linesOf(input)) {
      const records: ProducerRecord[] = []
      for (const line of lines) {
        lineNumber++
        try {
          records.push({ topic: this.#topic, ...parse(line) })
        } catch (error) {
          this.#send(records)
          await this.#producer.flush()
          if (this.#failure !== undefined) throw this.#failure
          throw new Error(`line ${lineNumber}: ${(error as Error).message}. What came before was sent.`)
        }
      }
      this.#send(records)
      await this.#producer.ready()
      if (this.#failure !== undefined) break
    }
    await this.#producer.flush()
    if (this.#failure !== undefined) throw this.#failure
  }

  conclude(seconds: number): void {
    remark(`\r${this.acknowledged.toLocaleString('en')} records acknowledged in ${seconds.toFixed(1)} s\n`)
  }

  #send(records: readonly ProducerRecord[]): void {
    this.#producer.sendBatch(records).then(
      (delivered: readonly DeliveredRecord[]) => {
        this.acknowledged += delivered.length
        for (const { key, value } of records) this.bytes += (key?.length ?? 0) + (value?.length ?? 0)
        this.#progress()
      },
      (error: Error) => {
        this.#failure ??= error
      },
    )
  }

  #progress(): void {
    if (performance.now() - this.#saidAtMs < 200 || process.stdin.isTTY) return
    this.#saidAtMs = performance.now()
    remark(`\r${this.acknowledged.toLocaleString('en')} records acknowledged`)
  }
}

function lineParser(options: ProduceOptions): LineParser {
  const separator = options.keySeparator
  const fixed = fixedParts(options)
  const nullText = options.null === undefined ? undefined : Buffer.from(options.null)
  const orNull = (bytes: Buffer) => (nullText?.equals(bytes) ? null : bytes)
  return line => {
    const at = separator === undefined ? -1 : line.indexOf(separator)
    if (at < 0) return { ...fixed, key: null, value: orNull(line) }
    return { ...fixed, key: orNull(line.subarray(0, at)), value: orNull(line.subarray(at + Buffer.byteLength(separator!))) }
  }
}

function jsonParser(options: ProduceOptions): LineParser {
  const fixed = fixedParts(options)
  return line => {
    const { key, value, headers, partition, timestamp } = parseJsonRecord(line.toString('utf8'))
    return { key, value, timestamp, partition: fixed.partition ?? partition, headers: [...fixed.headers, ...headers] }
  }
}

function fixedParts(options: ProduceOptions) {
  const headers = options.header.flatMap(header => Object.entries(settings('-H', [header])))
  return {
    headers: headers.map(([key, value]) => ({ key, value: Buffer.from(value) })),
    partition: options.partition === undefined ? undefined : whole('-p', options.partition, 0),
  }
}
