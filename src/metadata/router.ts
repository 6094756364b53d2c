// The way to the active controller, from any node: to the one of this node when it leads the metadata log, else to the leader that the quorum names.
// Nobody leads for a moment, or who did stops on the way: then it is asked again, until the request's deadline. The outcome of a request that was
// cut off is not known, so it may be decided twice (operations.ts).
// Facts: Kafka's ForwardingManager and NodeToControllerChannelManager do the same for what brokers forward.
import { type Env, EnvError, type Timer } from '../env/env.ts'
import { KafkaError, NOT_CONTROLLER, REQUEST_TIMED_OUT } from '../protocol/errors.ts'
import type { Leadership } from '../raft/quorum.ts'
import { type AnyOperation, decodeAnswer, decodeOperation, encodeAnswer, encodeOperation, type OperationName } from './operation-codecs.ts'
import type { Answer, ControllerOperations } from './operations.ts'
import type { MetadataPublisher } from './publisher.ts'

/** To another node's `answerOperation`. */
export interface ControllerTransport {
  /** Rejects with EnvError when the node cannot be reached or hangs up, and with the KafkaError that it rejected with. */
  request(nodeId: number, payload: readonly Uint8Array[], timeoutMs: number): Promise<Buffer>
}

export interface ControllerRouterOptions {
  readonly nodeId: number
  readonly quorum: Leadership
  /** Tells of new leaders. */
  readonly publisher: MetadataPublisher
  /** Of this node; missing: it has none. */
  readonly local: ControllerOperations | undefined
  readonly transport: ControllerTransport
  /** For what has no timeout of its own. */
  readonly timeoutMs: number
  /** A later heartbeat says more. */
  readonly heartbeatTimeoutMs: number
}

/** A client may ask for no time at all: to find the controller takes some. */
const LEAST_TIMEOUT_MS = 1000
const FIRST_PAUSE_MS = 10
const MAX_PAUSE_MS = 200

/**
 * The other end: what a node that has a controller answers to a peer.
 * @throws KafkaError NOT_CONTROLLER, as the controller; UNSUPPORTED_VERSION, INVALID_REQUEST: the peer is not of our kind
 */
export async function answerOperation(controller: ControllerOperations, payload: Buffer): Promise<readonly Uint8Array[]> {
  const { name, request } = decodeOperation(payload)
  const operation = controller[name].bind(controller) as AnyOperation
  return encodeAnswer(name, await operation(request))
}

/** The controller of one other node. */
export class RemoteController {
  readonly #transport: ControllerTransport
  readonly #nodeId: number

  constructor(transport: ControllerTransport, nodeId: number) {
    this.#transport = transport
    this.#nodeId = nodeId
  }

  async ask(name: OperationName, request: unknown, timeoutMs: number): Promise<Answer<unknown>> {
    return decodeAnswer(name, await this.#transport.request(this.#nodeId, encodeOperation(name, request), timeoutMs))
  }
}

type Outcome = { readonly answer: Answer<unknown> } | { readonly failure: unknown }

interface Asking {
  readonly nodeId: number
  readonly abandon: () => void
}

export class ControllerRouter implements ControllerOperations {
  readonly createTopics = this.#to('createTopics')
  readonly deleteTopics = this.#to('deleteTopics')
  readonly createPartitions = this.#to('createPartitions')
  readonly incrementalAlterConfigs = this.#to('incrementalAlterConfigs')
  readonly alterConfigs = this.#to('alterConfigs')
  readonly electLeaders = this.#to('electLeaders')
  readonly updateFeatures = this.#to('updateFeatures')
  readonly describeQuorum = this.#to('describeQuorum')
  readonly alterPartition = this.#to('alterPartition')
  readonly heartbeat = this.#to('heartbeat')
  readonly ruinReplica = this.#to('ruinReplica')
  readonly registerBroker = this.#to('registerBroker')
  readonly fenceBroker = this.#to('fenceBroker')
  readonly unregisterBroker = this.#to('unregisterBroker')
  readonly allocateProducerIds = this.#to('allocateProducerIds')

  readonly #env: Env
  readonly #o: ControllerRouterOptions
  /** Under way to other nodes. */
  readonly #asking = new Set<Asking>()
  /** Wait for a leader, or for a while. */
  readonly #pausing = new Set<() => void>()
  #closed = false

  constructor(env: Env, options: ControllerRouterOptions) {
    this.#env = env
    this.#o = options
    options.publisher.subscribe({
      applied: () => {},
      leaderChanged: ({ leaderId }) => this.#leaderChanged(leaderId),
    })
  }

  /** Fails what is under way. */
  close(): void {
    this.#closed = true
    for (const { abandon } of this.#asking) abandon()
    for (const wake of this.#pausing) wake()
  }

  #to<Name extends OperationName>(name: Name): ControllerOperations[Name] {
    return ((request: unknown) => this.#ask(name, request)) as ControllerOperations[Name]
  }

  async #ask(name: OperationName, request: unknown): Promise<Answer<unknown>> {
    const deadline = this.#env.clock.now() + this.#timeoutOf(name, request)
    let pauseMs = FIRST_PAUSE_MS
    for (;;) {
      if (this.#closed) throw new KafkaError(NOT_CONTROLLER, 'The node is closing.')
      const leftMs = deadline - this.#env.clock.now()
      if (leftMs <= 0) throw new KafkaError(REQUEST_TIMED_OUT, 'No active controller answered in time.')
      const { isLeader, leaderId } = this.#o.quorum
      const outcome = await this.#try(name, request, leftMs)
      if ('answer' in outcome) return outcome.answer
      if (!isWorthAnotherTry(outcome.failure)) throw outcome.failure
      // Who leads next is asked at once.
      const now = this.#o.quorum
      if (now.leaderId !== -1 && (now.isLeader !== isLeader || now.leaderId !== leaderId)) continue
      await this.#pause(Math.min(pauseMs, Math.max(0, deadline - this.#env.clock.now())))
      pauseMs = Math.min(2 * pauseMs, MAX_PAUSE_MS)
    }
  }

  #timeoutOf(name: OperationName, request: unknown): number {
    if (name === 'heartbeat') return this.#o.heartbeatTimeoutMs
    const own = (request as { readonly timeoutMs?: unknown }).timeoutMs
    return typeof own === 'number'
      ? Math.min(Math.max(own, LEAST_TIMEOUT_MS), Math.max(this.#o.timeoutMs, LEAST_TIMEOUT_MS))
      : this.#o.timeoutMs
  }

  async #try(name: OperationName, request: unknown, timeoutMs: number): Promise<Outcome> {
    const { nodeId, quorum, local, transport } = this.#o
    const { isLeader, leaderId } = quorum
    if (isLeader && local !== undefined) return outcomeOf((local[name].bind(local) as AnyOperation)(request))
    if (leaderId === -1 || leaderId === nodeId) return { failure: new KafkaError(NOT_CONTROLLER) }
    return new Promise(resolve => {
      const asking = { nodeId: leaderId, abandon: () => settle({ failure: new KafkaError(NOT_CONTROLLER) }) }
      const settle = (outcome: Outcome) => {
        this.#asking.delete(asking)
        resolve(outcome)
      }
      this.#asking.add(asking)
      outcomeOf(new RemoteController(transport, leaderId).ask(name, request, timeoutMs)).then(settle)
    })
  }

  /** Who is asked and does not lead any more may never answer. */
  #leaderChanged(leaderId: number): void {
    if (leaderId === -1) return
    for (const { nodeId, abandon } of this.#asking) if (nodeId !== leaderId) abandon()
    for (const wake of this.#pausing) wake()
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise(resolve => {
      const wake = () => {
        timer.cancel()
        this.#pausing.delete(wake)
        resolve()
      }
      const timer: Timer = this.#env.clock.setTimer(delayMs, wake)
      this.#pausing.add(wake)
    })
  }
}

function outcomeOf(answer: Promise<Answer<unknown>>): Promise<Outcome> {
  return answer.then(
    it => ({ answer: it }),
    (failure: unknown) => ({ failure }),
  )
}

function isWorthAnotherTry(failure: unknown): boolean {
  if (failure instanceof KafkaError) return failure.code === NOT_CONTROLLER || failure.code === REQUEST_TIMED_OUT
  return failure instanceof EnvError
}
