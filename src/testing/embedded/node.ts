// One node of an embedded cluster through its lives: started, paused, killed, closed, and started again on what its disk kept, at the same ports.

import type { KnownAddress } from '../../broker/formation.ts'
import { Node } from '../../broker/node.ts'
import { parseConfig } from '../../config.ts'
import { type Env, EnvError, sleep } from '../../env/env.ts'
import { doorsOf, type LifeDoors } from './doors.ts'
import { Life } from './life.ts'
import type { MemoryMachine } from './memory-disk.ts'
import type { NodePlace } from './net.ts'
import type { Witness } from './rules.ts'
import type { StoredLog } from './stored-log.ts'

export type NodeState = 'starting' | 'running' | 'paused' | 'stopping' | 'stopped' | 'killed' | 'failed'

/** A port that was ours may be taken for a moment: by a connection that somebody made meanwhile. */
const PORT_PATIENCE_MS = 2000
const PORT_RETRY_MS = 20

export interface EmbeddedNodeOptions {
  readonly id: number
  readonly directory: string
  /** The doors of the machine, which outlive the node. */
  readonly env: Env
  /** Undefined: on a real disk. */
  readonly machine: MemoryMachine | undefined
  readonly place: NodePlace
  readonly properties: Readonly<Record<string, string>>
  /** Told where its internal listener is bound; gives those of the others. Undefined: there are none. */
  readonly addresses: ((own: KnownAddress) => Promise<readonly KnownAddress[]>) | undefined
  /** Something has happened to it. */
  readonly happened: (node: EmbeddedNode) => void
  /** It stopped by itself. */
  readonly failed: (node: EmbeddedNode, cause: Error) => void
}

/** One process. */
interface Process {
  readonly life: Life
  readonly doors: LifeDoors
  /** Rejects when it is killed: what waits for the node waits for ever then. */
  readonly killed: Promise<never>
  readonly tellKilled: (error: Error) => void
}

function newProcess(life: Life, doors: LifeDoors): Process {
  let tellKilled!: (error: Error) => void
  const killed = new Promise<never>((_, reject) => (tellKilled = reject))
  killed.catch(() => {}) // Told to whoever waits, if anybody does.
  return { life, doors, killed, tellKilled }
}

export class EmbeddedNode implements Witness {
  readonly id: number
  readonly #o: EmbeddedNodeOptions
  #state: NodeState = 'stopped'
  #life = 0
  #process: Process | undefined
  #node: Node | undefined
  #listeners: string | undefined
  #internalPort: number | undefined
  #address: { readonly host: string; readonly port: number } | undefined

  constructor(options: EmbeddedNodeOptions) {
    this.id = options.id
    this.#o = options
  }

  get state(): NodeState {
    return this.#state
  }

  get life(): number {
    return this.#life
  }

  get node(): Node | undefined {
    return this.#node
  }

  get isOpening(): boolean {
    return this.#state === 'starting'
  }

  /** For clients; undefined of a node that is no broker, or never ran. */
  get address(): { readonly host: string; readonly port: number } | undefined {
    return this.#address
  }

  logOf(topic: string, partition: number): StoredLog {
    return { disk: this.#o.env.disk, directory: `${this.#o.directory}/logs/${topic}-${partition}` }
  }

  /** Settles when it serves. */
  async start(): Promise<void> {
    const { env, place, happened } = this.#o
    this.#state = 'starting'
    this.#life++
    const life = new Life(env.clock, () => happened(this))
    const process = newProcess(life, doorsOf(life, env, place))
    this.#process = process
    let node: Node
    try {
      node = await Promise.race([this.#open(process), process.killed])
    } catch (error) {
      if (this.#process === process) await this.#end('failed')
      throw error
    }
    this.#node = node
    this.#state = life.isPaused ? 'paused' : 'running'
    this.#remember(node)
    node.failed.then(async cause => {
      if (this.#process !== process) return
      await this.#end('failed')
      this.#o.failed(this, cause)
    })
  }

  async #open({ doors }: Process): Promise<Node> {
    const { directory, addresses, env } = this.#o
    const config = parseConfig(this.#properties())
    const until = env.clock.now() + PORT_PATIENCE_MS
    const told =
      addresses === undefined
        ? {}
        : {
            addresses: (own: KnownAddress) => {
              this.#internalPort = own.port
              return addresses(own)
            },
          }
    for (;;) {
      try {
        return await Node.open(doors.env, { config, directory, ...told })
      } catch (error) {
        const isTaken = error instanceof EnvError && error.code === 'EADDRINUSE' && this.#listeners !== undefined
        if (!isTaken || env.clock.now() > until) throw error
        await sleep(env.clock, PORT_RETRY_MS)
      }
    }
  }

  /** As SIGKILL. With `power`, its machine loses what was not synced. */
  async kill(o: { readonly power: boolean }): Promise<void> {
    const process = this.#process
    if (process === undefined) return
    const doing = this.#state === 'stopping' ? 'stopped' : 'started'
    const ended = this.#end('killed')
    this.#o.machine?.processDied(o)
    process.tellKilled(new EnvError('ECANCELED', `node ${this.id} was killed while it ${doing}`))
    await ended
  }

  /** In good order. */
  async stop(): Promise<void> {
    const [node, process] = [this.#node, this.#process]
    if (node === undefined || process === undefined) return
    this.#state = 'stopping'
    await Promise.race([node.close(), process.killed])
    if (this.#process === process) await this.#end('stopped')
  }

  pause(): void {
    this.#state = 'paused'
    this.#process?.life.pause()
  }

  resume(): void {
    this.#state = 'running'
    this.#process?.life.resume()
  }

  async #end(state: NodeState): Promise<void> {
    const process = this.#process
    this.#process = undefined
    this.#node = undefined
    this.#state = state
    if (process === undefined) return
    process.life.end()
    await process.doors.closed()
    if (state !== 'killed') this.#o.machine?.processDied({ power: false })
  }

  #properties(): Record<string, string> {
    return {
      ...this.#o.properties,
      ...(this.#listeners === undefined ? {} : { listeners: this.#listeners }),
      ...(this.#internalPort === undefined ? {} : { 'internal.port': String(this.#internalPort) }),
    }
  }

  /** Where it listens it listens again. */
  #remember(node: Node): void {
    const [first] = node.listeners
    if (first === undefined) return
    this.#listeners = node.listeners.map(({ name, host, port }) => `${name}://${host}:${port}`).join()
    const endpoint = node.broker.endpointOf(node.nodeId, first.name)
    this.#address = { host: endpoint?.host ?? first.host, port: endpoint?.port ?? first.port }
  }
}
