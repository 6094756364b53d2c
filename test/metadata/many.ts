// The metadata halves of several nodes on one virtual clock, over a quorum that the test moves: who leads, who is cut off, who is gone.
// What is proposed is agreed on a little later, wherever it can be heard.
import { type Config, parseConfig } from '../../src/config.ts'
import { EnvError, sleep } from '../../src/env/env.ts'
import { SimWorld } from '../../src/env/sim/world.ts'
import type { BrokerRegistration } from '../../src/metadata/brokers.ts'
import { Controller } from '../../src/metadata/controller.ts'
import { MetadataPublisher } from '../../src/metadata/publisher.ts'
import { answerOperation, ControllerRouter } from '../../src/metadata/router.ts'
import { KafkaError, NOT_CONTROLLER } from '../../src/protocol/errors.ts'
import type { CommittedEntry, Quorum, QuorumDescription, QuorumListener } from '../../src/raft/quorum.ts'
import { assert } from '../../src/util/assert.ts'
import { checkImage } from './invariants.ts'

const LATENCY_MS = 1

export class ManyNodes {
  readonly world: SimWorld
  readonly nodes = new Map<number, TestNode>()
  readonly failures: Error[] = []
  /** Its process is gone: nothing listens. */
  readonly gone = new Set<number>()
  /** It runs, and hears and reaches nobody. */
  readonly cut = new Set<number>()
  /** By offset. */
  readonly log: CommittedEntry[] = []
  epoch = 0
  leaderId = -1

  constructor(o: { count?: number; seed?: number; properties?: Record<string, string>; clusterId?: string } = {}) {
    this.world = new SimWorld(o.seed ?? 1)
    const properties = { 'min.insync.replicas': '2', ...o.properties }
    for (let id = 1; id <= (o.count ?? 3); id++)
      this.nodes.set(id, new TestNode(this, id, parseConfig({ 'node.id': `${id}`, ...properties })))
  }

  node(id: number): TestNode {
    const node = this.nodes.get(id)
    assert(node !== undefined, `no node ${id}`)
    return node
  }

  get leader(): TestNode {
    return this.node(this.leaderId)
  }

  reachable(id: number): boolean {
    return !this.gone.has(id) && !this.cut.has(id)
  }

  /** Everybody who can be heard learns of it; what was proposed and not agreed on is gone. */
  elect(id: number): void {
    this.epoch++
    this.leaderId = id
    for (const node of this.nodes.values()) if (this.reachable(node.id)) node.quorum.leaderIs(id)
    this.node(id).quorum.append([Buffer.alloc(0)])
  }

  /** Starts, elects node 1, registers all, has them heartbeat. */
  async start(): Promise<void> {
    for (const node of this.nodes.values()) await node.publisher.start(node.quorum)
    this.elect(1)
    for (const node of this.nodes.values()) await node.register()
  }

  sleep(ms: number): Promise<void> {
    return sleep(this.world.env('test').clock, ms)
  }

  async until(what: string, holds: () => boolean, maxMs = 10_000): Promise<void> {
    const end = this.world.now + maxMs
    while (!holds()) {
      assert(this.world.now < end, `not within ${maxMs} ms: ${what}`)
      await this.sleep(0.5)
    }
  }

  async run(body: () => Promise<void>): Promise<void> {
    await this.world.run(body, { maxMs: 600_000 })
    if (this.failures.length > 0) throw this.failures[0]
    if (this.world.failures.length > 0) throw this.world.failures[0]!.error
    for (const { publisher } of this.nodes.values()) checkImage(publisher.image, 2)
  }
}

export class TestNode {
  readonly id: number
  readonly quorum: TestQuorum
  readonly publisher: MetadataPublisher
  readonly controller: Controller
  readonly router: ControllerRouter
  brokerEpoch = -1
  /** Its broker does not heartbeat. */
  silent = false
  wantsShutdown = false
  mayShutDown = false
  readonly #many: ManyNodes
  #processes = 0
  #beats = 0

  constructor(many: ManyNodes, id: number, config: Config) {
    this.id = id
    this.#many = many
    const env = many.world.env(`node-${id}`)
    const fail = (error: Error) => void many.failures.push(error)
    this.quorum = new TestQuorum(many, id)
    this.publisher = new MetadataPublisher({ fail })
    const prober = {
      probe: async (nodeId: number) => {
        await sleep(env.clock, 2 * LATENCY_MS)
        return many.gone.has(nodeId) ? 'refused' : many.cut.has(nodeId) || many.cut.has(id) ? 'unknown' : 'alive'
      },
    } as const
    this.controller = new Controller(env, { quorum: this.quorum, publisher: this.publisher, config, clusterId: 'cluster', prober, fail })
    this.router = new ControllerRouter(env, {
      nodeId: id,
      quorum: this.quorum,
      publisher: this.publisher,
      local: this.controller,
      transport: { request: (to, payload, timeoutMs) => this.#request(to, Buffer.concat(payload), timeoutMs) },
      timeoutMs: 30_000,
      heartbeatTimeoutMs: config['broker.session.timeout.ms'],
    })
  }

  get image() {
    return this.publisher.image
  }

  /** A new process of this node's broker. */
  async register(o: Partial<BrokerRegistration> = {}): Promise<void> {
    const process = ++this.#processes
    const { response } = await this.router.registerBroker({ ...registration(this.id, process), ...o })
    assert(response.errorCode === 0, `registration: ${response.errorMessage}`)
    this.brokerEpoch = response.brokerEpoch
    const beats = ++this.#beats
    void this.#heartbeat(beats)
  }

  /** Dies, with all its connections. */
  kill(): void {
    this.#many.gone.add(this.id)
    this.#beats++
    this.brokerEpoch = -1
    for (const node of this.#many.nodes.values()) if (this.#many.reachable(node.id)) node.controller.peerLost(this.id)
  }

  async #heartbeat(beats: number): Promise<void> {
    const { clock } = this.#many.world.env(`node-${this.id}`)
    while (this.#beats === beats && !this.mayShutDown) {
      if (!this.silent) {
        const beat = { brokerId: this.id, brokerEpoch: this.brokerEpoch, metadataOffset: this.image.offset, wantsFence: false }
        const answer = await this.router.heartbeat({ ...beat, wantsShutdown: this.wantsShutdown }).catch(() => undefined)
        if (answer?.response.mayShutDown === true) this.mayShutDown = true
      }
      await sleep(clock, 200)
    }
  }

  async #request(to: number, payload: Buffer, timeoutMs: number): Promise<Buffer> {
    const { clock } = this.#many.world.env(`node-${this.id}`)
    const many = this.#many
    await sleep(clock, LATENCY_MS)
    if (many.gone.has(to)) throw new EnvError('ECONNREFUSED', `node ${to} is gone`)
    if (!many.reachable(this.id) || !many.reachable(to)) {
      await sleep(clock, timeoutMs)
      throw new EnvError('ETIMEDOUT', `node ${to} does not answer`)
    }
    // In an event of its own: a node that is paused answers later.
    await sleep(many.world.env(`node-${to}`).clock, 0)
    const answer = await answerOperation(many.node(to).controller, payload)
    await sleep(clock, LATENCY_MS)
    if (!many.reachable(to)) throw new EnvError('ECONNRESET', `node ${to} hung up`)
    return Buffer.concat(answer)
  }
}

class TestQuorum implements Quorum {
  readonly nodeId: number
  epoch = 0
  leaderId = -1
  committedOffset = 0
  logEndOffset = 0
  readonly #many: ManyNodes
  #listener: QuorumListener | undefined
  #uncommitted: CommittedEntry[] = []

  constructor(many: ManyNodes, nodeId: number) {
    this.#many = many
    this.nodeId = nodeId
  }

  get isLeader(): boolean {
    return this.leaderId === this.nodeId
  }

  start(listener: QuorumListener): Promise<void> {
    this.#listener = listener
    return Promise.resolve()
  }

  leaderIs(id: number): void {
    this.epoch = this.#many.epoch
    this.leaderId = id
    this.#uncommitted = []
    this.logEndOffset = this.#many.log.length
    this.#catchUp()
    this.#listener?.leaderChanged({ epoch: this.epoch, leaderId: id, isLeader: this.isLeader })
  }

  propose(payloads: readonly Uint8Array[]): number {
    if (!this.isLeader) throw new KafkaError(NOT_CONTROLLER)
    return this.append(payloads)
  }

  append(payloads: readonly Uint8Array[]): number {
    const { epoch } = this
    const entries = payloads.map(payload => ({ offset: this.logEndOffset++, epoch, payload: Buffer.from(payload) }))
    this.#uncommitted.push(...entries)
    this.#many.world.schedule(LATENCY_MS, 'commit', () => this.#commit(entries, epoch))
    return this.logEndOffset
  }

  /** As its leader knows it: who was cut off is as far as it was. */
  describe(): QuorumDescription {
    const { epoch, leaderId, committedOffset: highWatermark } = this
    const replicas = [...this.#many.nodes.values()].map(({ id, quorum }) => {
      return { nodeId: id, directoryId: '', logEndOffset: quorum.logEndOffset, lastFetchMs: 5, lastCaughtUpMs: 4 }
    })
    return { epoch, leaderId, highWatermark, voters: replicas.slice(0, 3), observers: replicas.slice(3) }
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  #commit(entries: readonly CommittedEntry[], epoch: number): void {
    const many = this.#many
    if (many.epoch !== epoch || !many.reachable(this.nodeId)) return
    many.log.push(...entries)
    for (const { quorum, id } of many.nodes.values()) if (many.reachable(id)) quorum.#catchUp()
  }

  #catchUp(): void {
    const entries = this.#many.log.slice(this.committedOffset)
    this.committedOffset = this.#many.log.length
    this.logEndOffset = Math.max(this.logEndOffset, this.committedOffset)
    if (entries.length > 0) this.#listener?.committed(entries)
  }
}

function registration(brokerId: number, process: number): BrokerRegistration {
  return {
    clusterId: 'cluster',
    brokerId,
    incarnationId: `process ${brokerId}.${process}`,
    directoryId: `directory ${brokerId}`,
    previousBrokerEpoch: -1,
    rack: null,
    listeners: [{ name: 'PLAINTEXT', host: 'h', port: brokerId, securityProtocol: 'PLAINTEXT' }],
    features: [],
    internalListener: { host: 'h', port: 1000 + brokerId },
    fenced: false,
    partitions: [],
  }
}

export const outcomeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'answered',
    (error: KafkaError) => error.codeName,
  )
