// Writes records. A shell: the rules are in sender.ts, here are its sockets, timers and promises.
import { EnvError } from '../env/env.ts'
import { Produce } from '../protocol/api/00-produce.ts'
import { InitProducerId } from '../protocol/api/22-init-producer-id.ts'
import type { Codec } from '../protocol/compression.ts'
import { errorMessage, KafkaError, NETWORK_EXCEPTION, NONE, REQUEST_TIMED_OUT, UNSUPPORTED_VERSION } from '../protocol/errors.ts'
import { encodeBatch, type RecordHeader, type RecordInput } from '../protocol/records.ts'
import type { ResponseOut } from '../protocol/schema.ts'
import { ZERO_UUID } from '../util/uuid.ts'
import { type Batch, type DeliveredRecord, recordSizeBytes, type Ticket } from './accumulator.ts'
import { Alarm } from './alarm.ts'
import type { Cluster } from './cluster.ts'
import { ANSWER_MARGIN_MS, asFailure, mayWorkLater } from './operation.ts'
import { append, openSender, step } from './sender.ts'
import type { BatchResult, SenderEffect, SenderEvent, SenderOptions, SenderState } from './sender-state.ts'
import { BatchTicket, expectRecords, RecordTicket, tellDelivered, tellFailed, type Wave } from './tickets.ts'

export interface ProducerRecord {
  readonly topic: string
  /** Left out: the key's hash decides, or chance when there is no key. */
  readonly partition?: number | undefined
  readonly key?: string | Uint8Array | null | undefined
  /** null is a tombstone: it deletes the key in a compacted topic. */
  readonly value: string | Uint8Array | null
  /** A list when a key stands twice or the order matters. */
  readonly headers?: Readonly<Record<string, string | Uint8Array | null>> | readonly RecordHeader[] | undefined
  /** Milliseconds since 1970; left out: now. */
  readonly timestamp?: number | undefined
}

export type { DeliveredRecord } from './accumulator.ts'

export interface ProducerOptions extends SenderOptions {
  readonly codec: Codec
  /** For the answer of a broker to one request. */
  readonly requestTimeoutMs: number
  /** `ready` waits above. */
  readonly bufferBytes: number
}

/** From version 13 on topics go by id. */
const LAST_VERSION_WITH_NAMES = 12

export class Producer {
  readonly #cluster: Cluster
  readonly #options: ProducerOptions
  readonly #sender: SenderState
  readonly #onClose: () => void
  #turnAsked = false
  readonly #alarm: Alarm
  /** Records given since the last flush; older ones that are not settled yet are in `#flushing`. */
  #wave: Wave
  #flushing: Wave[] = []
  #readyWaiters: (() => void)[] = []
  #closed = false

  /** @internal made by `Kafka.producer` */
  constructor(cluster: Cluster, options: ProducerOptions, onClose: () => void) {
    this.#cluster = cluster
    this.#options = options
    this.#onClose = onClose
    this.#wave = newWave(cluster)
    this.#sender = openSender(options, cluster.metadata, cluster.env.random)
    this.#alarm = new Alarm(cluster.env.clock, () => this.#step({ type: 'tick' }))
    cluster.onChange(() => this.#step({ type: 'metadataChanged' }))
  }

  /** Bytes of the records that have no outcome yet. */
  get bufferedBytes(): number {
    return this.#sender.bufferedBytes
  }

  /**
   * Sends one record. Records given in the same turn share batches; nothing has to be awaited in between.
   * @returns where it stands, once it is as safe as `acks` asks for; offset -1 with acks 0
   * @throws KafkaError REQUEST_TIMED_OUT after `deliveryTimeoutMs` (it may have been written), UNKNOWN_TOPIC_OR_PARTITION,
   *   MESSAGE_TOO_LARGE, INVALID_RECORD, TOPIC_AUTHORIZATION_FAILED … as the broker says
   */
  send(record: ProducerRecord): Promise<DeliveredRecord> {
    if (this.#closed) return Promise.reject(closedError())
    return new Promise((resolve, reject) => {
      expectRecords(this.#wave, 1)
      this.#append(record, new RecordTicket(this.#wave, resolve, reject), 0)
    })
  }

  /**
   * Sends many records with one promise.
   * @returns where each stands, in the order given
   * @throws the error of the first record that failed, once all have an outcome; the others may have been written
   */
  sendBatch(records: readonly ProducerRecord[]): Promise<DeliveredRecord[]> {
    if (this.#closed) return Promise.reject(closedError())
    if (records.length === 0) return Promise.resolve([])
    return new Promise((resolve, reject) => {
      expectRecords(this.#wave, records.length)
      const ticket = new BatchTicket(this.#wave, records.length, resolve, reject)
      records.forEach((record, index) => void this.#append(record, ticket, index))
    })
  }

  /** Settles when the buffer has room (`bufferBytes`): a loop that awaits it does not outrun the brokers. */
  ready(): Promise<void> {
    if (this.#sender.bufferedBytes < this.#options.bufferBytes || this.#closed) return Promise.resolve()
    return new Promise(resolve => void this.#readyWaiters.push(resolve))
  }

  /** Sends what was given so far without further lingering; settles when each of these records has an outcome. */
  flush(): Promise<void> {
    if (this.#wave.unsettled > 0) {
      this.#flushing.push(this.#wave)
      this.#wave = newWave(this.#cluster)
      this.#step({ type: 'flush' })
    }
    const open = this.#flushing.filter(wave => wave.unsettled > 0)
    this.#flushing = open
    return Promise.all(
      open.map(
        wave =>
          new Promise<void>(resolve => {
            const before = wave.onSettled
            wave.onSettled = () => {
              before?.()
              resolve()
            }
          }),
      ),
    ).then(() => undefined)
  }

  /** Flushes for at most `timeoutMs`, gives up what is left (REQUEST_TIMED_OUT), closes the connections. Idempotent. */
  async close(options: { readonly timeoutMs?: number } = {}): Promise<void> {
    if (this.#closed) return
    const timeoutMs = options.timeoutMs ?? 30_000
    const flushed = this.flush()
    this.#closed = true
    const timer = this.#cluster.env.clock.setTimer(timeoutMs, () => {
      const message = `the producer was closed and the record not acknowledged within ${timeoutMs} ms; it may have been written`
      this.#step({ type: 'abandon', failure: { code: REQUEST_TIMED_OUT, message, recordErrors: [] } })
    })
    await flushed
    timer.cancel()
    this.#alarm.cancel()
    this.#cluster.close()
    this.#onClose()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #append(record: ProducerRecord, ticket: Ticket, index: number): void {
    const now = this.#cluster.env.clock.now()
    const input: RecordInput = {
      key: bytesOf(record.key ?? null),
      value: bytesOf(record.value),
      timestamp: record.timestamp ?? this.#cluster.env.clock.wallTime(),
    }
    if (record.headers !== undefined) input.headers = headersOf(record.headers)
    this.#cluster.want(record.topic)
    const item = {
      topic: record.topic,
      partition: record.partition,
      record: input,
      ticket,
      index,
      sizeBytes: recordSizeBytes(input),
      deadlineMs: now + this.#options.deliveryTimeoutMs,
      metadataDeadlineMs: now + this.#options.metadataTimeoutMs,
      lingers: true,
    }
    append(this.#sender, item, now)
    if (this.#turnAsked) return
    this.#turnAsked = true
    this.#cluster.env.clock.turn(() => {
      this.#turnAsked = false
      this.#step({ type: 'tick' })
    })
  }

  #step(event: SenderEvent): void {
    for (const effect of step(this.#sender, event, this.#cluster.env.clock.now())) this.#perform(effect)
    this.#alarm.set(this.#sender.wakeAtMs)
    if (this.#readyWaiters.length === 0 || this.#sender.bufferedBytes >= this.#options.bufferBytes) return
    const waiters = this.#readyWaiters
    this.#readyWaiters = []
    for (const resolve of waiters) resolve()
  }

  #perform(effect: SenderEffect): void {
    switch (effect.type) {
      case 'send':
        void this.#send(effect.nodeId, effect.requestId, effect.batches)
        break
      case 'askIdentity':
        void this.#identify()
        break
      case 'stale':
        this.#cluster.stale()
        break
      case 'delivered':
        tellDelivered(effect.batch, effect.baseOffset, effect.logAppendTimeMs)
        break
      case 'failed':
        tellFailed(effect)
        break
    }
  }

  async #send(nodeId: number, requestId: number, batches: readonly Batch[]): Promise<void> {
    const { acks, requestTimeoutMs } = this.#options
    let written = false
    try {
      const connection = await this.#cluster.connection(nodeId)
      const { encoded, refused } = encodeAll(batches, this.#options.codec)
      const version = this.#topicIdsKnown(batches) ? {} : { version: LAST_VERSION_WITH_NAMES }
      const request = { acks, timeoutMs: requestTimeoutMs, topicData: topicDataOf(batches, encoded, this.#sender) }
      let answers = new Map<string, BatchResult>()
      if (encoded.size > 0 && acks === 0) {
        connection.send(Produce, request, version)
        written = true
        await connection.drained()
        answers = new Map(batches.map(batch => [nameOf(batch), WRITTEN]))
      } else if (encoded.size > 0) {
        // A topic may be made anew before the answer comes: that is then about the old one's id.
        const names = new Map(request.topicData.map(({ topicId, name }) => [topicId, name]))
        const answer = connection.request(Produce, request, { ...version, timeoutMs: requestTimeoutMs + ANSWER_MARGIN_MS })
        written = true
        answers = this.#readAnswer(await answer, names)
      }
      const results = batches.map(batch => refused.get(batch) ?? answers.get(nameOf(batch)))
      this.#step({ type: 'answered', requestId, results })
    } catch (error) {
      const failure = asFailure(error)
      const nothingSent = failure instanceof EnvError && failure.code === 'ENOTCONN'
      if (failure instanceof KafkaError && !failure.retriable) {
        // Nothing was sent: the broker speaks no version of ours, or the request cannot be written.
        const result = { ...WRITTEN, errorCode: failure.code, errorMessage: failure.message }
        this.#step({ type: 'answered', requestId, results: batches.map(() => result) })
      } else this.#step({ type: 'unanswered', requestId, written: written && !nothingSent, reason: failure.message })
    }
  }

  #topicIdsKnown(batches: readonly Batch[]): boolean {
    return batches.every(({ topic }) => (this.#cluster.metadata.topics.get(topic)?.topicId ?? ZERO_UUID) !== ZERO_UUID)
  }

  /** @param names  of the topics of the request, by id */
  #readAnswer(answer: ResponseOut<typeof Produce>, names: ReadonlyMap<string, string>): Map<string, BatchResult> {
    const results = new Map<string, BatchResult>()
    for (const topic of answer.responses) {
      const name = topic.name === '' ? names.get(topic.topicId) : topic.name
      if (name === undefined) continue
      for (const partition of topic.partitionResponses) {
        results.set(`${name}-${partition.index}`, partition)
        if (partition.currentLeader.leaderId < 0) continue
        this.#cluster.leaderNamed(name, partition.index, { ...partition.currentLeader, endpoints: answer.nodeEndpoints })
      }
    }
    return results
  }

  async #identify(): Promise<void> {
    const fail = (code: number, message: string, retriable: boolean) =>
      this.#step({ type: 'unidentified', failure: { code, message, recordErrors: [] }, retriable })
    try {
      const connection = await this.#cluster.anyConnection()
      if (connection.versionOf(InitProducerId) === undefined) {
        fail(UNSUPPORTED_VERSION, 'the brokers give out no producer ids: set idempotent to false', false)
        return
      }
      const { requestTimeoutMs: timeoutMs } = this.#options
      const answer = await connection.request(InitProducerId, { transactionalId: null, transactionTimeoutMs: 60_000 }, { timeoutMs })
      const { errorCode, producerId, producerEpoch } = answer
      if (errorCode === NONE) this.#step({ type: 'identified', producerId, producerEpoch })
      else fail(errorCode, `no producer id: ${errorMessage(errorCode)}`, new KafkaError(errorCode).retriable)
    } catch (error) {
      const failure = asFailure(error)
      fail(failure instanceof KafkaError ? failure.code : NETWORK_EXCEPTION, failure.message, mayWorkLater(failure))
    }
  }
}

function newWave({ occupancy }: Cluster): Wave {
  return { occupancy, unsettled: 0, onSettled: undefined }
}

const WRITTEN: BatchResult = { errorCode: NONE, errorMessage: null, baseOffset: -1, logAppendTimeMs: -1, recordErrors: [] }

function nameOf(batch: Batch): string {
  return `${batch.topic}-${batch.partition}`
}

function encodeAll(batches: readonly Batch[], codec: Codec): { encoded: Map<Batch, Buffer>; refused: Map<Batch, BatchResult> } {
  const encoded = new Map<Batch, Buffer>()
  const refused = new Map<Batch, BatchResult>()
  for (const batch of batches) {
    const { records, producerId, producerEpoch, baseSequence } = batch
    try {
      encoded.set(batch, encodeBatch({ records, codec, producerId, producerEpoch, baseSequence }))
    } catch (error) {
      // The platform lacks the codec's library, or a record cannot be written.
      if (!(error instanceof KafkaError)) throw error
      refused.set(batch, { ...WRITTEN, errorCode: error.code, errorMessage: error.message })
    }
  }
  return { encoded, refused }
}

function topicDataOf(batches: readonly Batch[], encoded: ReadonlyMap<Batch, Buffer>, sender: SenderState) {
  const topics = new Map<string, { index: number; records: Buffer }[]>()
  for (const batch of batches) {
    const records = encoded.get(batch)
    if (records === undefined) continue
    const partitionData = topics.get(batch.topic) ?? []
    topics.set(batch.topic, partitionData)
    partitionData.push({ index: batch.partition, records })
  }
  return [...topics].map(([name, partitionData]) => ({
    name,
    topicId: sender.metadata.topics.get(name)?.topicId ?? ZERO_UUID,
    partitionData,
  }))
}

function bytesOf(value: string | Uint8Array | null): Uint8Array | null {
  return typeof value === 'string' ? Buffer.from(value) : value
}

function headersOf(headers: NonNullable<ProducerRecord['headers']>): readonly RecordHeader[] {
  if (Array.isArray(headers)) return headers
  return Object.entries(headers).map(([key, value]) => ({ key, value: bytesOf(value) }))
}

function closedError(): Error {
  return new Error('the producer is closed')
}
