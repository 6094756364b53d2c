// A real node on simulated doors, and clients that speak raw frames to it: handlers are tested on virtual time, without a wall clock or a sleep.
import { Node } from '../../src/broker/node.ts'
import { parseConfig } from '../../src/config.ts'
import type { Env, Socket } from '../../src/env/env.ts'
import type { SimEnv } from '../../src/env/sim/host.ts'
import { SimWorld } from '../../src/env/sim/world.ts'
import { FrameReader } from '../../src/net/frames.ts'
import { Produce } from '../../src/protocol/api/00-produce.ts'
import { Fetch } from '../../src/protocol/api/01-fetch.ts'
import { CreateTopics } from '../../src/protocol/api/19-create-topics.ts'
import { decodeResponse, encodeRequest } from '../../src/protocol/message.ts'
import { encodeBatch, type RecordInput } from '../../src/protocol/records.ts'
import type { Api, RequestIn, ResponseOut } from '../../src/protocol/schema.ts'

const PORT = 9092
const DIRECTORY = '/data'

export interface Scene {
  readonly world: SimWorld
  /** The node of now: another after `restart`. */
  readonly node: Node
  readonly env: SimEnv
  connect(port?: number): Promise<RawClient>
  /** Ends the node (cleanly, or by a crash that loses what was not flushed) and opens it again on what its disk kept. */
  restart(how: 'cleanly' | 'after a crash'): Promise<Node>
}

/** Runs a test in a world of its own, with one node, and closes it. */
export async function withNode(body: (scene: Scene) => Promise<void>, properties: Record<string, string> = {}, seed = 1): Promise<void> {
  const world = new SimWorld(seed)
  const open = (env: Env): Promise<Node> =>
    Node.open(env, { config: parseConfig({ listeners: `PLAINTEXT://broker:${PORT}`, ...properties }), directory: DIRECTORY })
  await world.run(async () => {
    let env = world.env('broker')
    let node = await open(env)
    const scene: Scene = {
      world,
      get node() {
        return node
      },
      get env() {
        return env
      },
      connect: port => RawClient.connect(world.env('client'), port ?? PORT),
      async restart(how) {
        if (how === 'cleanly') await node.close()
        world.crash('broker', { power: true })
        env = world.restart('broker')
        node = await open(env)
        return node
      },
    }
    await body(scene)
    await node.close()
  })
  if (world.failures.length > 0) throw world.failures[0]!.error
}

/** One connection: requests by schema, or any bytes at all. */
export class RawClient {
  readonly #socket: Socket
  readonly #reader = new FrameReader(200_000_000)
  readonly #waiting: ((frame: Buffer) => void)[] = []
  readonly #frames: Buffer[] = []
  #correlationId = 0
  #closed = false
  /** Settles when the broker has closed the connection. */
  readonly closed: Promise<void>
  #announceClosed!: () => void
  clientId: string | null = 'test'

  static async connect(env: Env, port: number, host = 'broker'): Promise<RawClient> {
    return new RawClient(await env.net.connect({ host, port, timeoutMs: 10_000 }))
  }

  private constructor(socket: Socket) {
    this.#socket = socket
    this.closed = new Promise(resolve => (this.#announceClosed = resolve))
    socket.handle({
      data: chunk => this.#reader.push(chunk, frame => this.#arrived(frame)),
      close: () => {
        this.#closed = true
        this.#announceClosed()
      },
    })
  }

  /** Sends and waits for the answer; throws when the connection closes instead. */
  async ask<A extends Api>(api: A, version: number, body: RequestIn<A>): Promise<ResponseOut<A>> {
    const correlationId = this.send(api, version, body)
    const answer = decodeResponse(api, version, await this.nextFrame())
    if (answer.correlationId !== correlationId) throw new Error(`answer to ${answer.correlationId}, not ${correlationId}`)
    return answer.body as ResponseOut<A>
  }

  /** @returns the correlation id */
  send<A extends Api>(api: A, version: number, body: RequestIn<A>): number {
    const correlationId = ++this.#correlationId
    this.#socket.write(encodeRequest(api, version, correlationId, this.clientId, body))
    return correlationId
  }

  sendBytes(bytes: Uint8Array): void {
    this.#socket.write([bytes])
  }

  nextFrame(): Promise<Buffer> {
    const frame = this.#frames.shift()
    if (frame !== undefined) return Promise.resolve(frame)
    if (this.#closed) return Promise.reject(new Error('the connection is closed'))
    return Promise.race([
      new Promise<Buffer>(resolve => this.#waiting.push(resolve)),
      this.closed.then(() => {
        throw new Error('the connection is closed')
      }),
    ])
  }

  close(): void {
    this.#socket.destroy()
  }

  #arrived(frame: Buffer): void {
    const waiting = this.#waiting.shift()
    if (waiting === undefined) this.#frames.push(frame)
    else waiting(frame)
  }
}

// ---------------------------------------------------------------------------------------------------------------------- common requests

export async function createTopic(client: RawClient, name: string, o: { partitions?: number; configs?: Record<string, string> } = {}) {
  const { topics } = await client.ask(CreateTopics, 7, {
    topics: [
      {
        name,
        numPartitions: o.partitions ?? 1,
        replicationFactor: 1,
        assignments: [],
        configs: Object.entries(o.configs ?? {}).map(([key, value]) => ({ name: key, value })),
      },
    ],
    timeoutMs: 10_000,
  })
  return topics[0]!
}

export function records(...values: (string | Partial<RecordInput>)[]): RecordInput[] {
  return values.map((value, i) => {
    const given = typeof value === 'string' ? { value: Buffer.from(value) } : value
    return { key: null, value: null, timestamp: 1_767_225_600_000 + i, ...given }
  })
}

export function batchOf(...values: (string | Partial<RecordInput>)[]): Buffer {
  return encodeBatch({ records: records(...values), codec: 0 })
}

export async function produce(
  client: RawClient,
  topic: string,
  bytes: Uint8Array,
  o: { partition?: number; acks?: number; version?: number } = {},
) {
  const { responses } = await client.ask(Produce, o.version ?? 9, {
    acks: o.acks ?? -1,
    timeoutMs: 10_000,
    topicData: [{ name: topic, partitionData: [{ index: o.partition ?? 0, records: bytes }] }],
  })
  return responses[0]!.partitionResponses[0]!
}

export async function fetchFrom(
  client: RawClient,
  topic: string,
  offset: number,
  o: {
    partition?: number
    version?: number
    maxWaitMs?: number
    minBytes?: number
    maxBytes?: number
    partitionMaxBytes?: number
    isolationLevel?: number
  } = {},
) {
  const answer = await client.ask(Fetch, o.version ?? 11, {
    maxWaitMs: o.maxWaitMs ?? 0,
    minBytes: o.minBytes ?? 1,
    maxBytes: o.maxBytes ?? 1_000_000,
    isolationLevel: o.isolationLevel ?? 0,
    topics: [
      { topic, partitions: [{ partition: o.partition ?? 0, fetchOffset: offset, partitionMaxBytes: o.partitionMaxBytes ?? 1_000_000 }] },
    ],
  })
  return answer.responses[0]!.partitions[0]!
}
