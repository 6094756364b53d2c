// How a node without a cluster finds one, or forms it with the other voters: it asks everybody it knows of until formation.ts concludes something, and has
// that on disk before anything else is done.
import { type Config, hasRole, parseAddress, quorumVoters } from '../config.ts'
import { type Env, EnvError, type Kv, sleep } from '../env/env.ts'
import { becomeMember, type Identity } from '../metadata/identity.ts'
import type { PeerAddress, Peers } from '../net/peers.ts'
import { RPC_CLUSTER_INFO } from '../net/rpc-methods.ts'
import { KafkaError, ProtocolError } from '../protocol/errors.ts'
import { uuidFromBytes } from '../util/uuid.ts'
import { type Conclusion, conclude, decodeFacts, type KnownAddress, type NodeFacts } from './formation.ts'

/** Between two rounds of questions: soon at first, for nodes that are started together. */
const FIRST_PAUSE_MS = 20
const LONGEST_PAUSE_MS = 500
const ANSWER_TIMEOUT_MS = 2000
/** How long it waits before it says whom for, and how often it does. */
const PATIENCE_MS = 5000

export interface JoiningOptions {
  readonly directory: string
  readonly meta: Kv
  readonly config: Config
  /** Of the voters, as far as they are known otherwise than by the configuration. */
  readonly addresses: readonly KnownAddress[]
  readonly peers: Peers
  readonly isClosing: () => boolean
}

interface Question {
  /** Undefined: whoever is there. */
  readonly nodeId: number | undefined
  readonly address: PeerAddress
}

/**
 * Settles once the node is part of a cluster, and that is on disk.
 * @returns its identity, and what it learned of the others' addresses
 * @throws EnvError EEXIST when the nodes it finds are not of one cluster, or not of the one it was started for; EACCES when they refuse it; ECANCELED
 *   when the node is closing
 */
export async function joinCluster(
  env: Env,
  identity: Identity,
  o: JoiningOptions,
): Promise<{ readonly identity: Identity; readonly addresses: readonly KnownAddress[] }> {
  const { nodeId, directoryId } = identity
  const configured = configuredVoters(o.config)
  const seeker = { nodeId, directoryId, clusterId: o.config['cluster.id'] ?? undefined, configured }
  const newClusterId = uuidFromBytes(env.random.bytes(16))
  const answers = new Map<number, NodeFacts>()
  const failures = new Map<string, Error>()
  const questions = questionsOf(o, nodeId)
  let pauseMs = FIRST_PAUSE_MS
  let sayAt = env.clock.now() + PATIENCE_MS
  while (!o.isClosing()) {
    await Promise.all(questions.map(question => ask(o.peers, question, answers, failures)))
    throwIfRefused(identity, answers, failures)
    const conclusion = conclude(seeker, answers.values(), () => newClusterId)
    if (conclusion.type === 'refused') throw new EnvError('EEXIST', `Node ${nodeId} cannot join: ${conclusion.reason}.`)
    if (conclusion.type === 'member') {
      const addresses = [...answers.values()].flatMap(facts => facts.addresses)
      return { identity: await becomeMember(env, o, identity, conclusion.membership), addresses }
    }
    if (env.clock.now() >= sayAt) {
      env.logger.log('warn', 'waited for the other voters', waitingFor(conclusion, failures))
      sayAt = env.clock.now() + PATIENCE_MS
    }
    await sleep(env.clock, pauseMs)
    pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 1.5)
  }
  throw new EnvError('ECANCELED', 'the node was closed before it found its cluster')
}

/**
 * Whether the other voters still know this node as one of theirs: asked once by a member that starts.
 * @throws EnvError EACCES when one of them refuses it, and none answers
 */
export async function checkWelcome(identity: Identity, { peers, addresses }: Pick<JoiningOptions, 'peers' | 'addresses'>): Promise<void> {
  const others = identity.voters.filter(({ nodeId }) => nodeId !== identity.nodeId)
  const questions = addresses.filter(({ nodeId }) => others.some(other => other.nodeId === nodeId))
  const answers = new Map<number, NodeFacts>()
  const failures = new Map<string, Error>()
  await Promise.all(questions.map(({ nodeId, host, port }) => ask(peers, { nodeId, address: { host, port } }, answers, failures)))
  throwIfRefused(identity, answers, failures)
}

function throwIfRefused({ nodeId }: Identity, answers: ReadonlyMap<number, NodeFacts>, failures: ReadonlyMap<string, Error>): void {
  const refused = [...failures].find(([, error]) => error instanceof EnvError && error.code === 'EACCES')
  if (refused === undefined || answers.size > 0) return
  throw new EnvError('EACCES', `Node ${nodeId} cannot join its cluster by ${refused[0]}: ${refused[1].message}`)
}

/** The ids in controller.quorum.voters, in order. */
export function configuredVoters(config: Config): readonly number[] {
  return quorumVoters(config)
    .map(({ nodeId }) => nodeId)
    .sort((a, b) => a - b)
}

function questionsOf({ config, addresses }: JoiningOptions, ownId: number): readonly Question[] {
  const told = new Map(addresses.map(({ nodeId, ...address }) => [nodeId, address]))
  const voters = quorumVoters(config)
    .filter(({ nodeId }) => nodeId !== ownId)
    .map(({ nodeId, host, port }) => ({ nodeId, address: told.get(nodeId) ?? { host, port } }))
  if (voters.length > 0 || hasRole(config, 'controller')) return voters
  return config['controller.quorum.bootstrap.servers'].map(text => ({ nodeId: undefined, address: parseAddress(text)! }))
}

async function ask(peers: Peers, { nodeId, address }: Question, answers: Map<number, NodeFacts>, failures: Map<string, Error>) {
  const where = `${address.host}:${address.port}`
  try {
    const { identity, payload } = await peers.requestAt(address, RPC_CLUSTER_INFO, [], { timeoutMs: ANSWER_TIMEOUT_MS })
    const facts = decodeFacts(payload)
    if (facts.nodeId !== identity.nodeId || (nodeId !== undefined && facts.nodeId !== nodeId))
      throw new ProtocolError(`node ${identity.nodeId} is there${nodeId === undefined ? '' : `, not node ${nodeId}`}`)
    answers.set(facts.nodeId, facts)
    failures.delete(where)
  } catch (error) {
    if (!(error instanceof EnvError || error instanceof KafkaError || error instanceof ProtocolError)) throw error
    failures.set(where, error)
    if (nodeId !== undefined) answers.delete(nodeId)
  }
}

function waitingFor({ missing, disagreeing }: Extract<Conclusion, { type: 'wait' }>, failures: ReadonlyMap<string, Error>) {
  return {
    ...(missing.length > 0 ? { missing } : {}),
    ...(disagreeing.length > 0 ? { otherVotersConfigured: disagreeing } : {}),
    ...Object.fromEntries([...failures].map(([where, error]) => [where, error.message])),
  }
}
