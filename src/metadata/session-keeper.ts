// The active controller's watch over the brokers: who is silent too long is fenced, and who is known to be gone at once. A new controller had no
// connections to anybody, so it dials every broker that serves. Rules: sessions.ts, brokers.ts; this is their clock.
import type { Env, Timer } from '../env/env.ts'
import { KafkaError } from '../protocol/errors.ts'
import type { Uuid } from '../util/uuid.ts'
import type { BrokerIncarnation } from './brokers.ts'
import type { MetadataImage } from './image.ts'
import type { ControllerOperations } from './operations.ts'
import {
  checkIntervalMs,
  contact,
  countSilence,
  expired,
  follow,
  lowestOffset,
  newSessions,
  type Session,
  type Sessions,
} from './sessions.ts'

export interface Prober {
  /** One try, now: is that process there? */
  probe(nodeId: number, timeoutMs: number): Promise<'alive' | 'refused' | 'unknown'>
}

export interface SessionKeeperOptions {
  /** Of this node, whose broker is as alive as its controller. */
  readonly nodeId: number
  readonly timeoutMs: number
  /** Missing: nobody is dialled, silence alone counts. */
  readonly prober?: Prober | undefined
  /** With the pending decisions; the same one as long as this lives. */
  readonly image: MetadataImage
  readonly fence: ControllerOperations['fenceBroker']
  /** Led before, and may have been silent for so long when it was deposed. */
  readonly deposed: { readonly nodeId: number; readonly silentMs: number } | undefined
  readonly fail: (error: Error) => void
}

type Cause = 'silent' | 'refused' | 'restarted'

/** From one activation of a controller to its end. */
export class SessionKeeper {
  readonly #env: Env
  readonly #o: SessionKeeperOptions
  readonly #sessions: Sessions
  #timer: Timer | undefined
  #closed = false

  constructor(env: Env, options: SessionKeeperOptions) {
    this.#env = env
    this.#o = options
    this.#sessions = newSessions(options.timeoutMs, env.clock.now())
    this.follow()
    if (options.deposed !== undefined) countSilence(this.#sessions, options.deposed.nodeId, options.deposed.silentMs)
    for (const id of options.image.brokers.keys()) this.probe(id)
  }

  /** The session of the broker that was heard of. */
  contact(broker: BrokerIncarnation & { readonly metadataOffset: number }): Session {
    return contact(this.#sessions, broker, this.#env.clock.now())
  }

  /** Brokers came or went. */
  follow(): void {
    follow(this.#sessions, this.#o.image, this.#env.clock.now())
    if (this.#timer === undefined && !this.#closed && this.#others().length > 0) {
      this.#sessions.checkedMs = this.#env.clock.now()
      this.#check()
    }
  }

  /** What all brokers that serve have applied; this one, and the one in question, apart. */
  lowestOffset(except: number): number {
    return lowestOffset(this.#sessions, this.#o.image, [except, this.#o.nodeId])
  }

  /** Fences the broker when its process is gone: nothing listens where it was. */
  probe(nodeId: number): void {
    const broker = this.#others().find(({ brokerId }) => brokerId === nodeId)
    if (broker === undefined || this.#o.prober === undefined) return
    this.#o.prober.probe(nodeId, this.#o.timeoutMs).then(
      found => {
        if (found === 'refused') this.#fence(broker, 'refused')
      },
      (error: Error) => this.#o.fail(error),
    )
  }

  /** Another process answered where this broker was: it will register, and the one that is registered is gone. */
  found(nodeId: number, incarnationId: Uuid): void {
    const broker = this.#others().find(({ brokerId }) => brokerId === nodeId)
    if (broker !== undefined && broker.incarnationId !== incarnationId) this.#fence(broker, 'restarted')
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  /** Those that serve. */
  #others() {
    return [...this.#o.image.brokers.values()].filter(({ brokerId, fenced }) => !fenced && brokerId !== this.#o.nodeId)
  }

  #check(): void {
    for (const broker of expired(this.#sessions, this.#o.image, { now: this.#env.clock.now(), exempt: this.#o.nodeId }))
      this.#fence(broker, 'silent')
    this.#timer = this.#others().length === 0 ? undefined : this.#env.clock.setTimer(checkIntervalMs(this.#sessions), () => this.#check())
  }

  #fence({ brokerId, brokerEpoch }: BrokerIncarnation, cause: Cause): void {
    if (this.#closed) return
    this.#env.logger.log('info', 'fenced broker', { brokerId, brokerEpoch, cause })
    this.#o.fence({ brokerId, brokerEpoch, fenced: true }).catch((error: Error) => {
      // Not the controller any more: the next one looks for itself.
      if (!(error instanceof KafkaError)) this.#o.fail(error)
    })
  }
}
