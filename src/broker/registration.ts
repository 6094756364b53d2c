// A broker's life as the controller sees it: it registers, tells that it lives, is fenced and unfenced, and asks to stop. Each heartbeat that is
// answered extends the lease under which this broker may acknowledge for its partitions: counted from when it was sent, it ends before the controller
// may give them to another.
// Facts: KIP-631, kafka.server.BrokerLifecycleManager.
// Where we differ from Kafka: who sees in the metadata log that another process has taken its id stops.
import { type Env, EnvError, sleep, type Timer } from '../env/env.ts'
import type { BrokerRegistration } from '../metadata/brokers.ts'
import type { HeartbeatAnswer } from '../metadata/heartbeats.ts'
import type { ControllerOperations } from '../metadata/operations.ts'
import type { MetadataPublisher } from '../metadata/publisher.ts'
import { DUPLICATE_BROKER_REGISTRATION, KafkaError, NONE, NOT_CONTROLLER, REQUEST_TIMED_OUT } from '../protocol/errors.ts'
import { patiently } from './patience.ts'

/** While it waits to be unfenced, or to be allowed to stop, it asks so often. */
const IMPATIENT_INTERVAL_MS = 20
/** The controller answers and does not let it go: it goes all the same. */
const MAX_SHUTDOWN_MS = 30_000
const DUPLICATE_PAUSE_MS = 200

export interface RegistrationOptions {
  readonly nodeId: number
  readonly controller: ControllerOperations
  readonly publisher: MetadataPublisher
  readonly heartbeatIntervalMs: number
  readonly sessionTimeoutMs: number
  /** No other node can be the controller, or a broker: nothing has to be told. */
  readonly alone: boolean
  /** The lease reaches further than before. */
  readonly leaseRenewed: () => void
  readonly fail: (error: Error) => void
}

export class Registration {
  readonly #env: Env
  readonly #o: RegistrationOptions
  #brokerEpoch = -1
  #leaseUntil: number
  #wantsShutdown = false
  #isServing = false
  #served: { readonly resolve: () => void; readonly reject: (error: Error) => void } | undefined
  #answeredAt = Number.NEGATIVE_INFINITY
  #timer: Timer | undefined
  #beating: Promise<HeartbeatAnswer | undefined> | undefined
  #closed = false

  constructor(env: Env, options: RegistrationOptions) {
    this.#env = env
    this.#o = options
    this.#leaseUntil = options.alone ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY
    options.publisher.subscribe({
      applied: changes => {
        if (changes.some(change => change.type === 'brokerChanged')) this.#look()
      },
      leaderChanged: ({ leaderId }) => {
        if (leaderId !== -1 && this.#timer !== undefined) void this.#beat()
      },
    })
  }

  /** Of this process; -1 until it is registered. */
  get brokerEpoch(): number {
    return this.#brokerEpoch
  }

  /** On the monotonic clock: until then this broker may acknowledge for what it leads. */
  get leaseUntil(): number {
    return this.#leaseUntil
  }

  /**
   * Settles with the broker epoch once what the registration brought is applied here. Waits for a controller for as long as it takes.
   * @throws KafkaError with the controller's refusal
   */
  async register(registration: Omit<BrokerRegistration, 'brokerId' | 'fenced'>): Promise<number> {
    const { nodeId: brokerId, alone, publisher, sessionTimeoutMs } = this.#o
    const request = { ...registration, brokerId, fenced: !alone }
    // Whoever had the id before may just have died.
    const duplicateUntil = this.#env.clock.now() + 2 * sessionTimeoutMs
    for (;;) {
      const { response, offset } = await untilAnswered(this.#env, () => this.#o.controller.registerBroker(request))
      if (response.errorCode === NONE) {
        this.#brokerEpoch = response.brokerEpoch
        await publisher.whenApplied(offset)
        return response.brokerEpoch
      }
      if (response.errorCode !== DUPLICATE_BROKER_REGISTRATION || this.#env.clock.now() >= duplicateUntil)
        throw new KafkaError(response.errorCode, `The registration was refused: ${response.errorMessage}`)
      await sleep(this.#env.clock, DUPLICATE_PAUSE_MS)
    }
  }

  /** Begins with heartbeats. Settles when the controller lets this broker serve, and that is applied here. */
  async serve(): Promise<void> {
    if (this.#o.alone) return
    const served = new Promise<void>((resolve, reject) => (this.#served = { resolve, reject }))
    this.#look()
    void this.#beat()
    await patiently(this.#env, served, 'waited for the controller to let this broker serve')
  }

  /**
   * Gives away what others can lead. Settles when the controller lets this broker stop, or cannot be asked.
   * @param isHopeless  no controller can be elected any more, as far as this node knows
   */
  async shutDown(isHopeless: () => boolean): Promise<void> {
    if (this.#o.alone || this.#brokerEpoch === -1) return
    this.#wantsShutdown = true
    const startedAt = this.#env.clock.now()
    while (!this.#closed) {
      await this.#beating
      const answer = await this.#beat()
      if (answer?.mayShutDown === true) return
      const now = this.#env.clock.now()
      const silentMs = now - Math.max(this.#answeredAt, startedAt)
      if (isHopeless() || silentMs > this.#o.sessionTimeoutMs || now - startedAt > MAX_SHUTDOWN_MS) break
      await sleep(this.#env.clock, IMPATIENT_INTERVAL_MS)
    }
    // The last ones of a cluster that is stopped as a whole have nobody to hand over to.
    const level = isHopeless() ? 'info' : 'warn'
    this.#env.logger.log(level, 'stopped without handing over: no controller let this broker go', { nodeId: this.#o.nodeId })
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
    this.#served?.reject(new KafkaError(NOT_CONTROLLER, 'the node is closing'))
  }

  /** At what the metadata log says of this broker now. */
  #look(): void {
    if (this.#brokerEpoch === -1 || this.#closed) return
    const { nodeId, publisher } = this.#o
    const registered = publisher.image.brokers.get(nodeId)
    if (registered?.brokerEpoch === this.#brokerEpoch) {
      const wasServing = this.#isServing
      this.#isServing = !registered.fenced
      if (this.#isServing) this.#served?.resolve()
      if (wasServing !== this.#isServing && this.#timer !== undefined) void this.#beat()
      return
    }
    // What is applied here is older than the registration.
    if (publisher.image.offset <= this.#brokerEpoch) return
    const what = registered === undefined ? 'was unregistered' : 'has another process now, registered after this one'
    this.#o.fail(new EnvError('EEXIST', `Node ${nodeId} ${what}; this process stops.`))
  }

  /** One at a time: asked for while one is under way, it is that one. */
  #beat(): Promise<HeartbeatAnswer | undefined> {
    if (this.#closed) return Promise.resolve(undefined)
    this.#beating ??= this.#ask().finally(() => {
      this.#beating = undefined
    })
    return this.#beating
  }

  async #ask(): Promise<HeartbeatAnswer | undefined> {
    const { controller, nodeId: brokerId, publisher, heartbeatIntervalMs, fail } = this.#o
    const sentAt = this.#env.clock.now()
    let answer: HeartbeatAnswer | undefined
    try {
      const { response } = await controller.heartbeat({
        brokerId,
        brokerEpoch: this.#brokerEpoch,
        metadataOffset: publisher.image.offset,
        wantsFence: false,
        wantsShutdown: this.#wantsShutdown,
      })
      // An error may be that of a controller that was deposed and does not know of this process: the metadata log tells who is registered.
      if (response.errorCode === NONE) answer = response
    } catch (error) {
      if (!(error instanceof KafkaError || error instanceof EnvError)) fail(error as Error)
    }
    if (this.#closed) return answer
    if (answer !== undefined) this.#answeredAt = this.#env.clock.now()
    if (answer?.isFenced === false) {
      this.#leaseUntil = Math.max(this.#leaseUntil, sentAt + answer.leaseMs)
      this.#o.leaseRenewed()
    }
    const waits = !this.#isServing || this.#wantsShutdown
    this.#timer?.cancel()
    this.#timer = this.#env.clock.setTimer(
      waits ? Math.min(IMPATIENT_INTERVAL_MS, heartbeatIntervalMs) : heartbeatIntervalMs,
      () => void this.#beat(),
    )
    return answer
  }
}

/** Asks the controller (through the router, which waits for one) until there is one. Its refusals come through, and NOT_CONTROLLER: the node is closing. */
export async function untilAnswered<T>(env: Env, ask: () => Promise<T>): Promise<T> {
  const asking = async (): Promise<T> => {
    for (;;) {
      try {
        return await ask()
      } catch (error) {
        if (!(error instanceof KafkaError) || error.code !== REQUEST_TIMED_OUT) throw error
      }
    }
  }
  return patiently(env, asking(), 'waited for an active controller')
}
