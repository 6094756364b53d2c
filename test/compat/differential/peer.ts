// One of the two brokers as the scenarios see it: every recorded step is a request and its normalised answer, under a name both brokers share.
import type { Env, Socket } from '../../../src/env/env.ts'
import { FrameReader } from '../../../src/net/frames.ts'
import { ListOffsets } from '../../../src/protocol/api/02-list-offsets.ts'
import { CreateTopics } from '../../../src/protocol/api/19-create-topics.ts'
import { DescribeTopicPartitions } from '../../../src/protocol/api/75-describe-topic-partitions.ts'
import { decodeResponse, encodeRequest } from '../../../src/protocol/message.ts'
import type { Api, RequestIn, ResponseOut } from '../../../src/protocol/schema.ts'
import { normalise } from './normalise.ts'

const ANSWER_TIMEOUT_MS = 15_000

/** The connection ended instead of an answer. */
export const CLOSED = 'the connection was closed'
/** A request for which no answer is due was followed by the answer to the next one. */
export const UNANSWERED = 'no answer'

export interface VersionRange {
  readonly first: number
  readonly last: number
}

export interface Setting {
  readonly env: Env
  readonly host: string
  readonly port: number
  /** What both brokers serve, by API key. */
  readonly served: ReadonlyMap<number, VersionRange>
  /** All produced timestamps count from here; the same for both. An hour or more in the past. */
  readonly baseTimeMs: number
  /** Answers, in order, by the name of their step. */
  readonly steps: Map<string, unknown>
}

export class Peer {
  readonly scenario: string
  readonly baseTimeMs: number
  clientId: string | null = 'differential'
  readonly #setting: Setting
  readonly #topicIds = new Map<string, string>()
  #wire: Wire | undefined
  #last = 'none'

  constructor(scenario: string, setting: Setting) {
    this.scenario = scenario
    this.baseTimeMs = setting.baseTimeMs
    this.#setting = setting
  }

  /** Another connection to the same broker. */
  beside(): Peer {
    return new Peer(this.scenario, this.#setting)
  }

  /** The versions both brokers serve. */
  versions(api: Api): number[] {
    const range = this.#setting.served.get(api.key)
    if (range === undefined) return []
    const [first, last] = [Math.max(range.first, api.minVersion), Math.min(range.last, api.maxVersion)]
    return Array.from({ length: last - first + 1 }, (_, i) => first + i)
  }

  /** Sends, records the answer under `step vN`, and gives it back as it came; undefined when the connection was closed. */
  async ask<A extends Api>(step: string, api: A, version: number, body: RequestIn<A>): Promise<ResponseOut<A> | undefined> {
    const answer = await this.quietly(api, version, body)
    this.record(`${step} v${version}`, answer ?? CLOSED)
    return answer
  }

  /** The same without a record. */
  async quietly<A extends Api>(api: A, version: number, body: RequestIn<A>): Promise<ResponseOut<A> | undefined> {
    const wire = await this.#open()
    const correlationId = wire.nextCorrelationId++
    const frame = await wire.exchange(encodeRequest(api, version, correlationId, this.clientId, body)).catch(error => {
      throw new Error(`${this.scenario}: after the step "${this.#last}": ${error.message}`)
    })
    if (frame === undefined) return undefined
    if (frame.readInt32BE(0) !== correlationId) throw new Error(`${this.scenario}: an answer to another request`)
    return decodeResponse(api, version, frame).body as ResponseOut<A>
  }

  /** Sends a request that has no answer; records whether the connection survives it. */
  async tell<A extends Api>(step: string, api: A, version: number, body: RequestIn<A>): Promise<void> {
    const wire = await this.#open()
    wire.send(encodeRequest(api, version, wire.nextCorrelationId++, this.clientId, body))
    const probe = await this.quietly(DescribeTopicPartitions, 0, { topics: [{ name: 'no-such-topic' }], cursor: null })
    this.record(`${step} v${version}`, probe === undefined ? CLOSED : UNANSWERED)
  }

  /** Sends bytes as they are (with a length of their own) and records the answer, which `read` makes sense of. */
  async sendFrame(step: string, payload: Buffer, read: (frame: Buffer) => unknown): Promise<void> {
    const wire = await this.#open()
    const length = Buffer.alloc(4)
    length.writeInt32BE(payload.length)
    const frame = await wire.exchange([length, payload])
    this.record(step, frame === undefined ? CLOSED : read(frame))
  }

  record(step: string, value: unknown): void {
    const name = `${this.scenario}: ${step}`
    if (this.#setting.steps.has(name)) throw new Error(`two steps are called "${name}"`)
    const { baseTimeMs } = this.#setting
    this.#last = step
    this.#setting.steps.set(name, normalise(value, { nameOfTopicId: id => this.#topicIds.get(id), baseTimeMs }))
  }

  /** Makes a topic and waits until it serves. @returns its id */
  async topic(name: string, o: { partitions?: number; configs?: Readonly<Record<string, string>> } = {}): Promise<string> {
    const configs = Object.entries(o.configs ?? {}).map(([key, value]) => ({ name: key, value }))
    const answer = await this.quietly(CreateTopics, 7, {
      topics: [{ name, numPartitions: o.partitions ?? 1, replicationFactor: 1, assignments: [], configs }],
      timeoutMs: 10_000,
    })
    const { errorCode, errorMessage, topicId } = answer!.topics[0]!
    if (errorCode !== 0) throw new Error(`${this.scenario}: topic ${name}: ${errorCode} ${errorMessage}`)
    this.#topicIds.set(topicId, name)
    await this.#until(`topic ${name} serves`, async () => {
      const seen = await this.quietly(DescribeTopicPartitions, 0, { topics: [{ name }], cursor: null })
      const topic = seen?.topics[0]
      return topic !== undefined && topic.errorCode === 0 && topic.partitions.every(partition => partition.errorCode === 0)
    })
    const partitions = Array.from({ length: o.partitions ?? 1 }, (_, partitionIndex) => ({ partitionIndex, timestamp: -1 }))
    await this.#until(`topic ${name} is led`, async () => {
      const seen = await this.quietly(ListOffsets, 5, { replicaId: -1, topics: [{ name, partitions }] })
      return seen?.topics[0]?.partitions.every(({ errorCode }) => errorCode === 0) ?? false
    })
    return topicId
  }

  /** Until Kafka's broker has heard of what its controller decided. */
  async #until(what: string, holds: () => Promise<boolean>): Promise<void> {
    const { clock } = this.#setting.env
    const deadline = clock.now() + ANSWER_TIMEOUT_MS
    while (!(await holds())) {
      if (clock.now() > deadline) throw new Error(`${this.scenario}: not true in time: ${what}`)
      await this.pause(20)
    }
  }

  eventually(what: string, holds: () => Promise<boolean>): Promise<void> {
    return this.#until(what, holds)
  }

  pause(ms: number): Promise<void> {
    return new Promise(resolve => this.#setting.env.clock.setTimer(ms, resolve))
  }

  /** What it took, in milliseconds. */
  async timed(work: () => Promise<unknown>): Promise<number> {
    const { clock } = this.#setting.env
    const startedAt = clock.now()
    await work()
    return clock.now() - startedAt
  }

  /** The next request goes over a new connection. */
  reconnect(): void {
    this.#wire?.close()
    this.#wire = undefined
  }

  close(): void {
    this.reconnect()
  }

  async #open(): Promise<Wire> {
    if (this.#wire === undefined || this.#wire.closed) {
      const { env, host, port } = this.#setting
      this.#wire = new Wire(env, await env.net.connect({ host, port, timeoutMs: 10_000 }))
    }
    return this.#wire
  }
}

/** One connection; a request at a time. */
class Wire {
  closed = false
  nextCorrelationId = 1
  readonly #env: Env
  readonly #socket: Socket
  readonly #frames = new FrameReader(200_000_000)
  #arrived: ((frame: Buffer | undefined) => void) | undefined

  constructor(env: Env, socket: Socket) {
    this.#env = env
    this.#socket = socket
    socket.handle({
      data: chunk => this.#frames.push(chunk, frame => this.#take(frame)),
      close: () => {
        this.closed = true
        this.#take(undefined)
      },
    })
  }

  send(chunks: readonly Uint8Array[]): void {
    this.#socket.write(chunks)
  }

  /** @returns undefined when the connection was closed instead */
  exchange(chunks: readonly Uint8Array[]): Promise<Buffer | undefined> {
    if (this.closed) return Promise.resolve(undefined)
    return new Promise((resolve, reject) => {
      const timer = this.#env.clock.setTimer(ANSWER_TIMEOUT_MS, () => reject(new Error('no answer in time')))
      this.#arrived = frame => {
        this.#arrived = undefined
        timer.cancel()
        resolve(frame)
      }
      this.send(chunks)
    })
  }

  close(): void {
    this.#socket.destroy()
  }

  #take(frame: Buffer | undefined): void {
    this.#arrived?.(frame)
  }
}
