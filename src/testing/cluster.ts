// A whole cluster inside a test: real nodes, real Raft and replication, real sockets on free ports of 127.0.0.1, in memory or on disk, and faults as methods.
// The nodes know nothing of it: what a fault does, it does at their doors (embedded/).
import type { KnownAddress } from '../broker/formation.ts'
import { type Env, type Logger, sleep } from '../env/env.ts'
import { holdProcess } from '../env/real/hold.ts'
import { realLogger } from '../env/real/logger.ts'
import type { PartitionImage, TopicImage } from '../metadata/image.ts'
import { type Machines, openMachines, prepareMachines } from './embedded/machines.ts'
import { EmbeddedNode, type NodeState } from './embedded/node.ts'
import { type NodeProperties, propertiesOf } from './embedded/properties.ts'
import { newestImage, Rules } from './embedded/rules.ts'
import { stateText } from './embedded/state-text.ts'
import { Told } from './embedded/told.ts'
import { Links, type OneWay, type Place } from './faults.ts'

export type { NodeState } from './embedded/node.ts'
export type { OneWay, Place } from './faults.ts'

export interface StartClusterOptions {
  /** How many, with ids from 1 on. Default 3. */
  readonly nodes?: number
  /** Where the nodes keep their data, in `node-1`, `node-2` …: it stays, and a later cluster goes on with it. Default: in memory. */
  readonly directory?: string
  /** On disk, in a folder for temporary files that is removed with the cluster. Default false. */
  readonly onDisk?: boolean
  /** Kafka's keys, as in server.properties, for all nodes. */
  readonly config?: Readonly<Record<string, string>>
  /** The same for single nodes, by id: stronger than `config`. */
  readonly nodeConfig?: Readonly<Record<number, Readonly<Record<string, string>>>>
  /** Default: errors to stderr. What the nodes said last stands in every failure. */
  readonly logger?: Logger
}

export interface ClusterNode {
  readonly id: number
  /** For clients; '' of a node that is no broker. Stays the same over restarts. */
  readonly bootstrapServers: string
  readonly state: NodeState
}

export interface WaitOptions {
  /** Default 30,000. */
  readonly timeoutMs?: number
}

/**
 * Starts a cluster in this process and settles when all its nodes serve.
 * @throws ConfigError the configuration; its message says what is allowed
 * @throws EnvError EEXIST, ELOCKED, ECORRUPT: the directory
 */
export async function startCluster(options: StartClusterOptions = {}): Promise<Cluster> {
  const release = holdProcess()
  try {
    return await Cluster.open(options)
  } finally {
    release()
  }
}

const DEFAULT_NODES = 3
const MAX_NODES = 100
const WAIT_MS = 30_000
const LOOK_MS = 2
/** Between two looks at what a node shows, at least; more with many partitions. */
const WATCH_MS = 20
const PARTITIONS_PER_WATCH_MS = 100

export class Cluster implements AsyncDisposable {
  readonly #nodes: ReadonlyMap<number, EmbeddedNode>
  readonly #env: Env
  readonly #machines: Machines
  readonly #told: Told
  readonly #links = new Links()
  readonly #rules = new Rules()
  /** Internal listeners, by port. */
  readonly #internalPorts = new Map<number, number>()
  readonly #addresses = new Map<number, KnownAddress>()
  readonly #allBound: Promise<void>
  #tellAllBound!: () => void
  /** When a node is looked at next. */
  readonly #watchAt = new Map<number, number>()
  #closing: Promise<void> | undefined
  #clusterId = ''

  /** @internal */
  static async open(options: StartClusterOptions): Promise<Cluster> {
    const { nodes: count = DEFAULT_NODES, config = {}, nodeConfig = {}, directory, onDisk = false } = options
    if (!Number.isInteger(count) || count < 1 || count > MAX_NODES)
      throw new RangeError(`nodes must be a whole number from 1 to ${MAX_NODES}, not ${count}`)
    const properties = propertiesOf(count, { config, nodeConfig })
    const told = new Told(options.logger ?? realLogger({ level: 'error' }))
    const machines = await openMachines([...properties.keys()], { directory, onDisk, loggerOf: id => told.logger(id) })
    const cluster = new Cluster({ machines, told, properties })
    try {
      if (count > 1 && machines.areNew) await prepareMachines(machines, properties)
      await cluster.#start()
    } catch (error) {
      await cluster.#end()
      throw error
    }
    return cluster
  }

  private constructor(o: { machines: Machines; told: Told; properties: ReadonlyMap<number, NodeProperties> }) {
    this.#machines = o.machines
    this.#told = o.told
    this.#env = o.machines.byId.get(1)!.env
    this.#allBound = new Promise(resolve => (this.#tellAllBound = resolve))
    const nodeCount = o.properties.size
    this.#nodes = new Map(
      [...o.properties].map(([id, properties]) => {
        const { env, memory, directory } = o.machines.byId.get(id)!
        const place = { id, links: this.#links, internalPorts: this.#internalPorts, clock: env.clock, nodeCount }
        const node = new EmbeddedNode({
          id,
          directory,
          env,
          machine: memory,
          place,
          properties,
          addresses: nodeCount === 1 ? undefined : own => this.#introduce(own),
          happened: node => this.#watch(node),
          failed: (node, cause) =>
            this.#rules.broke('a node stops only when it is told to', `node ${node.id} stopped: ${cause.stack ?? cause.message}`),
        })
        return [id, node]
      }),
    )
  }

  /** host:port of all brokers, for a client's `bootstrap.servers`. Stays the same over restarts. */
  get bootstrapServers(): string {
    return this.nodes.flatMap(({ bootstrapServers }) => (bootstrapServers === '' ? [] : [bootstrapServers])).join(',')
  }

  get clusterId(): string {
    return this.#clusterId
  }

  get nodes(): readonly ClusterNode[] {
    return [...this.#nodes.values()].map(({ id, state, address }) => ({
      id,
      state,
      bootstrapServers: address === undefined ? '' : `${address.host}:${address.port}`,
    }))
  }

  // ---------------------------------------------------------------------------------------------------------------------------- faults

  /**
   * As SIGKILL: its sockets end at once, nothing is flushed or answered any more. What it had written is there when it is started again.
   * @param o.power  its machine loses power: what was not synced is gone, too. In memory only
   */
  async kill(id: number, o: { readonly power?: boolean } = {}): Promise<void> {
    const node = this.#expect(id, ['running', 'paused', 'starting', 'stopping'], 'kill')
    const { power = false } = o
    if (power && this.#machines.byId.get(id)!.memory === undefined)
      throw new Error(
        'A power loss is known of disks in memory only: start the cluster without a directory, or kill without { power: true }.',
      )
    await this.#held(() => node.kill({ power }))
  }

  /** In good order: it hands over what others can lead, answers, flushes, and marks its data as complete. */
  async stop(id: number): Promise<void> {
    const node = this.#expect(id, ['running'], 'stop')
    await this.#held(() => node.stop())
  }

  /** A node that was stopped or killed, or stopped by itself, on what its disk kept. Settles when it serves, or, without a majority, not before there is one. */
  async restart(id: number): Promise<void> {
    const node = this.#expect(id, ['stopped', 'killed', 'failed'], 'restart')
    await this.#held(() => node.start())
  }

  /** As SIGSTOP: its connections stay, and nothing is read, written or timed by it until `resume`. */
  async pause(id: number): Promise<void> {
    this.#expect(id, ['running'], 'pause').pause()
  }

  async resume(id: number): Promise<void> {
    this.#expect(id, ['paused'], 'resume').resume()
  }

  /**
   * From now on nothing passes between the two sides; connections stay as they are, until somebody gives them up. Partitions add up until `heal`.
   * @param sides  nodes by id, and 'clients': whoever else connects. Two lists, or `{ from, to }`: nothing passes from one to the other
   */
  async partition(...sides: [one: readonly Place[], other: readonly Place[]] | [oneWay: OneWay]): Promise<void> {
    const [one, other] = sides.length === 1 ? [sides[0].from, sides[0].to] : sides
    for (const place of [...one, ...other]) if (place !== 'clients') this.#node(place)
    const both = one.find(place => other.includes(place))
    if (both !== undefined) throw new Error(`${both} is on both sides of the partition: name it on one.`)
    if (one.length === 0 || other.length === 0) throw new Error('A partition has two sides: name at least one node on each.')
    this.#links.cut({ from: one, to: other })
    if (sides.length === 2) this.#links.cut({ from: other, to: one })
  }

  /** Ends all partitions: what waits arrives. */
  async heal(): Promise<void> {
    this.#links.heal()
  }

  // ------------------------------------------------------------------------------------------------------------------------------ facts

  /** Who leads it, as far as the nodes that run have agreed; undefined: nobody, or there is no such partition. */
  leaderOf(topic: string, partition = 0): number | undefined {
    const leader = this.#partition(topic, partition)?.leader ?? -1
    return leader === -1 ? undefined : leader
  }

  /** Its in-sync replicas, as far as the nodes that run have agreed; empty: there is no such partition. */
  isrOf(topic: string, partition = 0): readonly number[] {
    return this.#partition(topic, partition)?.isr ?? []
  }

  /** Who leads the metadata log, among those that run; undefined: nobody. */
  controller(): number | undefined {
    const leaders = this.#running().filter(({ node }) => node!.quorum.isLeader)
    return leaders.sort((a, b) => b.node!.quorum.epoch - a.node!.quorum.epoch)[0]?.id
  }

  // ---------------------------------------------------------------------------------------------------------------------------- waiting

  /** @throws Error with what is there instead, when it is not in time */
  async waitFor(what: string, condition: () => boolean | Promise<boolean>, { timeoutMs = WAIT_MS }: WaitOptions = {}): Promise<void> {
    const { clock } = this.#env
    const until = clock.now() + timeoutMs
    await this.#held(async () => {
      while (!(await condition())) {
        if (clock.now() > until) throw new Error(`Not within ${timeoutMs} ms: ${what}.\n${this.#describe()}`)
        await sleep(clock, LOOK_MS)
      }
    })
  }

  /**
   * Until the partition has a leader that runs.
   * @param o.not  another one than this
   */
  async waitForLeader(topic: string, partition = 0, o: WaitOptions & { readonly not?: number | undefined } = {}): Promise<number> {
    const { not, ...options } = o
    let leader: number | undefined
    await this.waitFor(
      `${topic}-${partition} has a leader${not === undefined ? '' : ` other than ${not}`}`,
      () => {
        leader = this.leaderOf(topic, partition)
        return leader !== undefined && leader !== not && this.#nodes.get(leader)?.state === 'running'
      },
      options,
    )
    return leader!
  }

  /** Until somebody leads the metadata log. @param o.not  another one than this */
  async waitForController(o: WaitOptions & { readonly not?: number | undefined } = {}): Promise<number> {
    const { not, ...options } = o
    let id: number | undefined
    await this.waitFor(
      `there is a controller${not === undefined ? '' : ` other than ${not}`}`,
      () => {
        id = this.controller()
        return id !== undefined && id !== not
      },
      options,
    )
    return id!
  }

  /** Until all replicas of all partitions, or those of one topic, are in sync, and all nodes that run have heard of it. */
  async waitForAllInSync(o: WaitOptions & { readonly topic?: string | undefined } = {}): Promise<void> {
    const { topic, ...options } = o
    await this.waitFor(
      `all replicas ${topic === undefined ? '' : `of ${topic} `}are in sync`,
      () => {
        const running = this.#running()
        const images = running.map(({ node }) => node!.image)
        const isThere = topic === undefined || images.every(image => image.topics.has(topic))
        return running.length > 0 && isThere && images.every(image => areInSync(image.topics.values(), topic))
      },
      options,
    )
  }

  // ------------------------------------------------------------------------------------------------------------------------ the end

  /**
   * Looks whether what must be true of every cluster is: logs of in-sync replicas are equal below the high watermark, also on the disks of nodes that are
   * down · the leader is in sync, and all in sync are replicas · nobody is both in sync and eligible · one leader per leader epoch, one controller per
   * epoch, no offset that went back, as far as seen · images are equal at equal offsets · no node stopped by itself.
   * @throws AssertionError the rules that broke, with the facts
   */
  async check(): Promise<void> {
    await this.#held(() => this.#rules.check([...this.#nodes.values()], this.#env.clock))
    this.#rules.report(() => this.#describe())
  }

  /**
   * Checks as `check` does, then ends all nodes and frees everything. Idempotent. Data in a `directory` of yours stay, and are marked as complete.
   * @throws AssertionError the rules that broke, after all is freed
   */
  close(): Promise<void> {
    this.#closing ??= this.#held(() => this.#close())
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    try {
      await this.check()
    } finally {
      this.#links.heal()
      if (this.#machines.areKept) await this.#stopAll()
      await this.#end()
    }
  }

  async #stopAll(): Promise<void> {
    const nodes = [...this.#nodes.values()]
    for (const node of nodes) if (node.state === 'paused') node.resume()
    await Promise.all(nodes.filter(({ state }) => state === 'running').map(node => node.stop()))
  }

  async #end(): Promise<void> {
    await Promise.all([...this.#nodes.values()].map(node => node.kill({ power: false })))
    this.#links.heal()
    await this.#machines.close()
  }

  async #start(): Promise<void> {
    const nodes = [...this.#nodes.values()]
    await Promise.all(nodes.map(node => node.start()))
    this.#clusterId = nodes[0]!.node!.clusterId
  }

  /** The first time nobody goes on before all are bound; later everybody is where it was. */
  async #introduce(own: KnownAddress): Promise<readonly KnownAddress[]> {
    this.#addresses.set(own.nodeId, own)
    this.#internalPorts.set(own.port, own.nodeId)
    if (this.#addresses.size === this.#nodes.size) this.#tellAllBound()
    await this.#allBound
    return [...this.#addresses.values()]
  }

  /** Now and then, when what its event brought about is over. */
  #watch(node: EmbeddedNode): void {
    const now = this.#env.clock.now()
    if (node.node === undefined || now < (this.#watchAt.get(node.id) ?? 0)) return
    let partitions = 0
    for (const topic of node.node.image.topics.values()) partitions += topic.partitions.length
    this.#watchAt.set(node.id, now + WATCH_MS + partitions / PARTITIONS_PER_WATCH_MS)
    this.#env.clock.turn(() => this.#rules.look(node))
  }

  #node(id: number): EmbeddedNode {
    const node = this.#nodes.get(id)
    if (node !== undefined) return node
    throw new RangeError(`There is no node ${id}: the nodes of this cluster are ${[...this.#nodes.keys()].join(', ')}.`)
  }

  #expect(id: number, states: readonly NodeState[], doing: keyof typeof REMEDIES): EmbeddedNode {
    if (this.#closing !== undefined) throw new Error('The cluster is closed.')
    const node = this.#node(id)
    if (!states.includes(node.state)) throw new Error(`Cannot ${doing} node ${id}, it is ${node.state}: ${REMEDIES[doing]}`)
    return node
  }

  #running(): EmbeddedNode[] {
    return [...this.#nodes.values()].filter(({ state }) => state === 'running')
  }

  #partition(topic: string, partition: number): PartitionImage | undefined {
    return newestImage(this.#running())?.topics.get(topic)?.partitions[partition]
  }

  #describe(): string {
    return stateText(this.#nodes.values(), { cuts: this.#links.cuts, last: id => this.#told.last(id) })
  }

  /** The doors' timers keep no process alive; somebody waits. */
  async #held<T>(body: () => Promise<T>): Promise<T> {
    const release = holdProcess()
    try {
      return await body()
    } finally {
      release()
    }
  }
}

/** What to do instead. */
const REMEDIES = {
  kill: 'there is no process to kill; restart(id) starts one.',
  stop: 'only a running node stops in good order; resume(id) a paused one first, kill(id) any.',
  restart: 'end it first, by stop(id) or kill(id).',
  pause: 'only a running node can be paused.',
  resume: 'only a paused node goes on; restart(id) starts one that is down.',
}

function areInSync(topics: Iterable<TopicImage>, name: string | undefined): boolean {
  for (const topic of topics) {
    if (name !== undefined && topic.name !== name) continue
    if (topic.partitions.some(({ replicas, isr, leader }) => isr.length < replicas.length || leader === -1)) return false
  }
  return true
}
