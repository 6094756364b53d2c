// The broker of a simulation through its lives: started, crashed, closed, paused, and started again on what its disk kept.

import { Node } from '../../broker/node.ts'
import { type Config, parseConfig } from '../../config.ts'
import type { SimHost } from '../../env/sim/host.ts'
import type { SimWorld } from '../../env/sim/world.ts'
import type { DiskFault } from './plan.ts'

export const BROKER = 'broker'
export const PORT = 9092
const DIRECTORY = '/data'
/** Between two tries to start on a disk without room. */
const NO_ROOM_MS = 200
/** A clean close answers what was accepted, within a grace of its own, and flushes. */
const CLOSE_MS = 60_000
/** To open on the worst disk, with everything to recover. */
const OPEN_MS = 60_000

export class BrokerHost {
  readonly #world: SimWorld
  readonly #config: Config
  readonly #fail: (reason: string) => void
  readonly #upWaiters: (() => void)[] = []
  #node: Node | undefined
  #closing = false
  /** The disk was told to fail: a node that stops for it does as it should. How long it stays down then. */
  #expectedDownMs: number | undefined
  /** The last one that met a disk without room. */
  #crowdedLife = 0
  /** Counts starts: which life it is, or will be. */
  life = 0
  /** Told of every power cut. */
  onPowerCut: () => void = () => {}

  constructor(world: SimWorld, o: { properties: Readonly<Record<string, string>>; fail: (reason: string) => void }) {
    this.#world = world
    this.#fail = o.fail
    this.#config = parseConfig({
      'node.id': '1',
      'log.retention.check.interval.ms': '500',
      'log.cleaner.backoff.ms': '50',
      'offsets.topic.num.partitions': '2',
      'group.min.session.timeout.ms': '100',
      listeners: `PLAINTEXT://${BROKER}:${PORT}`,
      ...o.properties,
    })
  }

  get host(): SimHost {
    return this.#world.host(BROKER)
  }

  /** Undefined while it is down or opening. */
  get node(): Node | undefined {
    return this.#node
  }

  get closing(): boolean {
    return this.#closing
  }

  start(): void {
    const life = ++this.life
    if (this.host.storage.full !== false) this.#crowdedLife = life
    const env = life === 1 ? this.#world.env(BROKER) : this.#world.restart(BROKER)
    this.#closing = false
    this.#deadline(OPEN_MS, life, () => this.#node === undefined, `did not open within ${OPEN_MS} ms`)
    Node.open(env, { config: this.#config, directory: DIRECTORY }).then(
      node => {
        this.#node = node
        node.failed.then(error => this.#stopped(life, `the node stopped: ${error.stack ?? error.message}`))
        for (const waiter of this.#upWaiters.splice(0)) waiter()
      },
      (error: Error) => this.#stopped(life, `the node did not open: ${error.stack ?? error.message}`),
    )
  }

  /** The next such operation fails. A machine with such a disk is switched off before it is used again. */
  breakDisk(o: DiskFault & { readonly downMs: number }): void {
    this.host.storage.failNext({ operation: o.operation, path: o.path, code: 'EIO' })
    this.#expectedDownMs = o.downMs
  }

  /** No file takes a byte for so long. */
  crowdDisk(ms: number): void {
    this.host.storage.full = 'files'
    this.#crowdedLife = this.life
    this.#world.schedule(ms, 'heal', () => {
      this.host.storage.full = false
    })
  }

  healDisk(): void {
    this.host.storage.heal()
  }

  #stopped(life: number, reason: string): void {
    if (this.life !== life || !this.host.running) return
    const downMs = this.#expectedDownMs ?? (this.#crowdedLife === life || isSetAsideWithoutRoom(reason) ? NO_ROOM_MS : undefined)
    if (downMs === undefined) this.#fail(reason)
    else this.crash({ power: true, silent: false, downMs })
  }

  /** Settles when a node answers requests. */
  up(): Promise<void> {
    const serves = this.#node !== undefined && !this.#closing
    return serves ? Promise.resolve() : new Promise(resolve => this.#upWaiters.push(resolve))
  }

  /** @param off  what happens to the machine while it is off, after an orderly end or not */
  crash(o: { readonly power: boolean; readonly silent: boolean; readonly downMs: number; readonly off?: (clean: boolean) => void }): void {
    if (!this.host.running) return
    this.#node = undefined
    // After a failed flush the page cache shows what the disk does not have, and no later flush will write: only a power cut ends that.
    const power = o.power || this.#expectedDownMs !== undefined
    this.#expectedDownMs = undefined
    this.host.storage.forgetFaults()
    if (power) this.onPowerCut()
    this.host.crash({ power, silent: o.silent })
    o.off?.(false)
    this.#world.schedule(o.downMs, 'restart', () => this.start())
  }

  /** Closes the node in good order, ends the process and starts the next. With `off` the machine is switched off in between. */
  restart(downMs: number, off?: (clean: boolean) => void): void {
    const node = this.#node
    if (node === undefined || this.#closing) return
    const { life } = this
    this.#closing = true
    this.#deadline(CLOSE_MS, life, () => this.#closing, `did not close within ${CLOSE_MS} ms`)
    node.close().then(
      () => {
        // On its way down it may have met a broken disk, and be gone already.
        if (this.life !== life || !this.host.running) return
        if (this.#expectedDownMs !== undefined) {
          this.crash({ power: true, silent: false, downMs, ...(off === undefined ? {} : { off }) })
          return
        }
        this.#node = undefined
        this.host.crash({ power: off !== undefined })
        off?.(true)
        this.#world.schedule(downMs, 'restart', () => this.start())
      },
      (error: Error) => this.#fail(`the node did not close: ${error.stack ?? error.message}`),
    )
  }

  #deadline(ms: number, life: number, stillWaiting: () => boolean, what: string): void {
    this.#world.schedule(ms, 'deadline', () => {
      if (this.life === life && this.host.running && stillWaiting()) this.#fail(`the node ${what}`)
    })
  }
}

/** Damaged bytes are not dropped for want of room: the node stops, and tries again at its next start. */
function isSetAsideWithoutRoom(reason: string): boolean {
  return reason.includes('/set-aside/') && reason.includes('ENOSPC')
}
