// One node of a simulated cluster through its lives: started, killed, closed, and started again on what its disk kept.

import { Node } from '../../broker/node.ts'
import { prepareDirectory } from '../../broker/prepare.ts'
import { type Config, parseConfig } from '../../config.ts'
import type { SimHost } from '../../env/sim/host.ts'
import type { SimWorld } from '../../env/sim/world.ts'
import type { Voter } from '../../metadata/identity.ts'
import type { Uuid } from '../../util/uuid.ts'
import type { DiskFault } from './plan.ts'

export const CLIENT_PORT = 9092
export const INTERNAL_PORT = 9192
const DIRECTORY = '/data'
const SECRET = 'the same for all'
/** Between two tries of a node that could not start because others were away, or for want of room. */
const AGAIN_MS = 100

export const hostOf = (id: number): string => `node-${id}`

export interface ClusterNodeOptions {
  readonly world: SimWorld
  readonly id: number
  /** Ids, in order. */
  readonly voters: readonly number[]
  readonly properties: Readonly<Record<string, string>>
  readonly fail: (reason: string) => void
  /** Told of every power cut. */
  readonly onPowerCut: () => void
}

export class ClusterNode {
  readonly id: number
  readonly #o: ClusterNodeOptions
  readonly #config: Config
  #node: Node | undefined
  #closing: Promise<void> | undefined
  /** The disk was told to fail: a node that stops for it does as it should. How long it stays down then. */
  #expectedDownMs: number | undefined
  /** The last one that met a disk without room. */
  #crowdedLife = 0
  /** Counts starts: which life it is, or will be. */
  life = 0

  constructor(o: ClusterNodeOptions) {
    this.id = o.id
    this.#o = o
    const voters = o.voters.map(id => `${id}@${hostOf(id)}:${INTERNAL_PORT}`).join(',')
    this.#config = parseConfig({
      'node.id': String(o.id),
      listeners: `PLAINTEXT://${hostOf(o.id)}:${CLIENT_PORT}`,
      'log.retention.check.interval.ms': '500',
      'log.cleaner.backoff.ms': '50',
      'offsets.topic.num.partitions': '2',
      'group.min.session.timeout.ms': '100',
      ...(o.voters.length === 1
        ? {}
        : {
            'controller.quorum.voters': voters,
            'internal.host': hostOf(o.id),
            'internal.port': String(INTERNAL_PORT),
            'cluster.secret': SECRET,
          }),
      ...(o.voters.includes(o.id) ? {} : { 'process.roles': 'broker' }),
      ...o.properties,
    })
  }

  get host(): SimHost {
    return this.#o.world.host(hostOf(this.id))
  }

  /** Undefined while it is down or opening. */
  get node(): Node | undefined {
    return this.#node
  }

  get closing(): boolean {
    return this.#closing !== undefined
  }

  /** Its process runs, and it does not serve yet. */
  get starting(): boolean {
    return this.host.running && this.#node === undefined
  }

  get serves(): boolean {
    return this.#node !== undefined && this.#closing === undefined
  }

  /** Before the first start. @see prepareCluster */
  async prepare(o: { readonly clusterId: Uuid; readonly voters: readonly Voter[] }): Promise<void> {
    const env = this.#o.world.env(hostOf(this.id))
    const addresses = this.#o.voters.map(nodeId => ({ nodeId, host: hostOf(nodeId), port: INTERNAL_PORT }))
    await prepareDirectory(env, { ...o, directory: DIRECTORY, nodeId: this.id, secret: SECRET, internalPort: INTERNAL_PORT, addresses })
  }

  start(): void {
    const life = ++this.life
    if (this.host.storage.full !== false) this.#crowdedLife = life
    const { world } = this.#o
    const env = life === 1 ? world.env(hostOf(this.id)) : world.restart(hostOf(this.id))
    this.#closing = undefined
    Node.open(env, { config: this.#config, directory: DIRECTORY }).then(
      node => {
        if (this.life !== life || !this.host.running) return
        this.#node = node
        node.failed.then(error => this.#stopped(life, `the node stopped: ${error.stack ?? error.message}`))
      },
      (error: Error) => this.#stopped(life, `the node did not open: ${error.stack ?? error.message}`),
    )
  }

  /** The next such operation fails. A machine with such a disk is switched off before it is used again. */
  breakDisk(o: DiskFault & { readonly downMs: number }): void {
    this.host.storage.failNext({ operation: o.operation, path: o.path, code: 'EIO' })
    this.#expectedDownMs = o.downMs
  }

  /** No file takes a byte for so long. A node that cannot start, or set damaged bytes aside, for want of room is started again. */
  crowdDisk(ms: number): void {
    this.host.storage.full = 'files'
    this.#crowdedLife = this.life
    this.#o.world.schedule(ms, 'heal', () => {
      this.host.storage.full = false
    })
  }

  /** The disk works again; a failure that was not met is forgotten, one that was met has its consequences. */
  healDisk(): void {
    this.host.storage.heal()
    this.host.diskSlowness = 1
  }

  kill(o: { readonly power: boolean; readonly silent: boolean; readonly downMs: number }): void {
    if (!this.host.running) return
    this.#node = undefined
    this.#closing = undefined
    // After a failed flush the page cache shows what the disk does not have, and no later flush will write: only a power cut ends that.
    const power = o.power || this.#expectedDownMs !== undefined
    this.#expectedDownMs = undefined
    this.host.storage.forgetFaults()
    if (power) this.#o.onPowerCut()
    this.host.crash({ power, silent: o.silent })
    this.#startIn(o.downMs)
  }

  /** Closes the node in good order, ends the process and starts the next. Settles when it is down. */
  async restart(downMs: number): Promise<void> {
    if (!(await this.stop())) return
    this.#startIn(downMs)
  }

  /** @returns whether it came to a good end: not when it was killed on the way, or was not open */
  async stop(): Promise<boolean> {
    const [node, life] = [this.#node, this.life]
    if (node === undefined || this.#closing !== undefined) return false
    this.#closing = node.close()
    try {
      await this.#closing
    } catch (error) {
      this.#o.fail(`${hostOf(this.id)}: the node did not close: ${(error as Error).stack}`)
    }
    // On its way down it may have met a broken disk, or been killed.
    if (this.life !== life || !this.host.running || this.#node !== node) return false
    if (this.#expectedDownMs !== undefined) {
      this.kill({ power: true, silent: false, downMs: this.#expectedDownMs })
      return false
    }
    this.#node = undefined
    this.#closing = undefined
    this.host.crash({ power: false })
    return true
  }

  #startIn(downMs: number): void {
    this.#o.world.schedule(downMs, 'restart', () => {
      if (!this.host.running) this.start()
    })
  }

  #stopped(life: number, reason: string): void {
    if (this.life !== life || !this.host.running) return
    if (this.#expectedDownMs !== undefined) this.kill({ power: true, silent: false, downMs: this.#expectedDownMs })
    else if (isForWantOfOthers(reason) || (this.#crowdedLife === life && reason.includes('no space left')))
      this.kill({ power: false, silent: false, downMs: AGAIN_MS })
    else this.#o.fail(`${hostOf(this.id)}: ${reason}`)
  }
}

/** It gave up looking for the others: whoever runs it starts it again. */
function isForWantOfOthers(reason: string): boolean {
  return /the node did not open/.test(reason) && /ETIMEDOUT|REQUEST_TIMED_OUT|NOT_CONTROLLER|BROKER_NOT_AVAILABLE/.test(reason)
}
