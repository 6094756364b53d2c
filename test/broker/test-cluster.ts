// Several real nodes on simulated hosts, and our own client: what many nodes do together is tested on virtual time. Deadlines are generous and in
// virtual time; what a test waits for is a condition, and what was there instead stands in the failure.
import type { GossipDoor } from '../../src/broker/gossiping.ts'
import { Node } from '../../src/broker/node.ts'
import { Kafka } from '../../src/client/kafka.ts'
import { parseConfig } from '../../src/config.ts'
import { type Env, sleep } from '../../src/env/env.ts'
import { SimWorld } from '../../src/env/sim/world.ts'
import type { PartitionImage } from '../../src/metadata/image.ts'

export const CLIENT_PORT = 9092
export const INTERNAL_PORT = 9192
const SECRET = 'the same for all of them'
const PATIENCE_MS = 30_000

export const hostOf = (id: number): string => `node-${id}`

export interface ClusterOptions {
  readonly seed?: number
  /** Ids; all others are observers. Default: 1, 2, 3. */
  readonly voters?: readonly number[]
  /** Where clients ask first. Default: the voters. */
  readonly brokers?: readonly number[]
  /** Of all nodes. */
  readonly properties?: Readonly<Record<string, string>>
  /** Default: they do not gossip. */
  readonly gossip?: GossipDoor
}

export class TestCluster {
  readonly world: SimWorld
  /** On a host of its own. */
  readonly clientEnv: Env
  readonly kafka: Kafka
  readonly #options: ClusterOptions
  readonly #nodes = new Map<number, Node>()
  readonly #expectedFailures = new Set<number>()

  constructor(world: SimWorld, options: ClusterOptions) {
    this.world = world
    this.#options = options
    this.clientEnv = world.env('client')
    const brokers = options.brokers ?? this.voters
    const bootstrapServers = brokers.map(id => `${hostOf(id)}:${CLIENT_PORT}`).join(',')
    this.kafka = new Kafka(this.clientEnv, { bootstrapServers }, () => () => {})
  }

  get voters(): readonly number[] {
    return this.#options.voters ?? [1, 2, 3]
  }

  /** Up and serving, in order of their ids. */
  get nodes(): readonly Node[] {
    return [...this.#nodes.keys()].sort((a, b) => a - b).map(id => this.#nodes.get(id)!)
  }

  node(id: number): Node {
    const node = this.#nodes.get(id)
    if (node === undefined) throw new Error(`node ${id} does not serve`)
    return node
  }

  /** Of the metadata log, when those who are up agree on one who is up. */
  get controllerId(): number | undefined {
    const told = new Set(this.nodes.map(node => node.quorum.leaderId))
    const [id] = told
    return told.size === 1 && this.#nodes.get(id!)?.quorum.isLeader === true ? id : undefined
  }

  propertiesOf(id: number): Record<string, string> {
    return {
      'node.id': String(id),
      listeners: `PLAINTEXT://${hostOf(id)}:${CLIENT_PORT}`,
      'internal.host': hostOf(id),
      'internal.port': String(INTERNAL_PORT),
      'controller.quorum.voters': this.voters.map(voter => `${voter}@${hostOf(voter)}:${INTERNAL_PORT}`).join(','),
      'cluster.secret': SECRET,
      'offsets.topic.num.partitions': '2',
      ...(this.voters.includes(id) ? {} : { 'process.roles': 'broker' }),
      ...this.#options.properties,
    }
  }

  /** Opens one node, on what its disk kept; settles when it serves. */
  start(id: number, properties: Readonly<Record<string, string>> = {}): Promise<Node> {
    return this.startWith(id, { ...this.propertiesOf(id), ...properties })
  }

  /** The same with a configuration of its own, on the host of that id. */
  async startWith(id: number, properties: Readonly<Record<string, string>>, directory = '/data'): Promise<Node> {
    const host = this.world.host(hostOf(id))
    const env = host.running ? host.env : this.world.restart(hostOf(id))
    const { gossip } = this.#options
    const node = await Node.open(env, { config: parseConfig(properties), directory, ...(gossip && { gossip }) })
    this.#nodes.set(id, node)
    node.failed.then(error => {
      this.#nodes.delete(id)
      if (!this.#expectedFailures.has(id)) this.world.failures.push({ host: hostOf(id), error })
    })
    return node
  }

  startAll(): Promise<Node[]> {
    return Promise.all(this.voters.map(id => this.start(id)))
  }

  /** As SIGKILL does: the disk keeps what was written. */
  kill(id: number, o: { readonly silent?: boolean; readonly power?: boolean } = {}): void {
    this.#nodes.delete(id)
    this.world.crash(hostOf(id), { power: o.power ?? false, silent: o.silent ?? false })
  }

  /** Closed in good order, and the process ends. */
  async stop(id: number): Promise<void> {
    const node = this.node(id)
    this.#nodes.delete(id)
    await node.close()
    this.world.crash(hostOf(id), { power: false })
  }

  async stopAll(): Promise<void> {
    await Promise.all([...this.#nodes.keys()].map(id => this.stop(id)))
  }

  /** It will stop by itself, as it should. */
  expectFailure(id: number): void {
    this.#expectedFailures.add(id)
  }

  /** From the others, both ways, until `heal`. */
  isolate(id: number, others = this.voters.filter(other => other !== id)): void {
    this.world.network.partition([hostOf(id)], others.map(hostOf))
  }

  heal(): void {
    this.world.network.healAll()
  }

  /** As the node of that id, or any that serves, has applied it. */
  partition(topic: string, partition = 0, id?: number): PartitionImage | undefined {
    const node = id === undefined ? this.nodes[0] : this.#nodes.get(id)
    return node?.image.topics.get(topic)?.partitions[partition]
  }

  /** Waits until the body is true, and says what it was asked for, and what is there, when it is not in time. */
  async until(what: string, condition: () => boolean | undefined, timeoutMs = PATIENCE_MS): Promise<void> {
    const deadline = this.world.now + timeoutMs
    while (condition() !== true) {
      if (this.world.now > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}\n${this.#state()}`)
      await sleep(this.clientEnv.clock, 1)
    }
  }

  #state(): string {
    const lines = this.nodes.map(({ nodeId, image, quorum }) => {
      const brokers = [...image.brokers.values()].map(
        ({ brokerId, brokerEpoch, fenced }) => `${brokerId}@${brokerEpoch}${fenced ? ' fenced' : ''}`,
      )
      const partitions = [...image.topics.values()].flatMap(({ name, partitions: all }) =>
        all.map(p => `${name}-${p.partition} leader=${p.leader}/${p.leaderEpoch} isr=${p.isr} elr=${p.elr} of ${p.replicas}`),
      )
      const leads = `raft leader ${quorum.leaderId} epoch ${quorum.epoch} committed ${quorum.committedOffset}`
      return [`node ${nodeId}: ${leads}; applied ${image.offset}; brokers ${brokers.join(', ')}`, ...partitions].join('\n  ')
    })
    const told = [1, 2, 3, 4].flatMap(id => {
      const { lines: own } = this.world.findHost(hostOf(id)) ?? { lines: [] }
      return own.slice(-30).map(line => `${hostOf(id)} ${line.trimEnd()}`)
    })
    return [...lines, ...told].join('\n')
  }
}

/** Runs a test in a world of its own, with the voters' nodes started unless told otherwise, and closes what is left. */
export async function withCluster(
  body: (cluster: TestCluster) => Promise<void>,
  { starts = true, ...options }: ClusterOptions & { readonly starts?: boolean } = {},
): Promise<void> {
  const world = new SimWorld(options.seed ?? 1)
  await world.run(
    async () => {
      const cluster = new TestCluster(world, options)
      if (starts) await cluster.startAll()
      await body(cluster)
      await cluster.kafka.close()
      await cluster.stopAll()
    },
    { maxMs: 600_000 },
  )
  if (world.failures.length > 0) throw world.failures[0]!.error
}
