// How a cluster of many voters is formed, and how a blank node finds its own (DESIGN rule 4). Pure: what a blank node concludes from what the others say.
//   - A node that belongs to a cluster tells its id and voters, for good. Whoever is blank and named among them, with this directory, is a voter of it; any
//     other blank node is an observer: also one that comes back with an empty disk under the id of a voter.
//   - Only when all voters of the configuration say that they are blank, and have the same voters in theirs, a new cluster is formed: by the voter with the
//     lowest id. It has the list on disk before it tells anybody; the others find it there. A list that was told can so never be replaced by another one.
// Nobody votes before its own list is on disk.
import type { Membership, Voter } from '../metadata/identity.ts'
import { readVoterList } from '../metadata/identity.ts'
import { ProtocolError } from '../protocol/errors.ts'
import { PackError, pack, type Unpacked, unpack } from '../util/pack.ts'
import { isUuid, type Uuid } from '../util/uuid.ts'

/** What a node says of itself to whoever asks. */
export interface NodeFacts extends Voter, Membership {
  /** '' while it belongs to none; `voters` is empty then. */
  readonly clusterId: Uuid | ''
  /** The ids in its controller.quorum.voters, in order. */
  readonly configured: readonly number[]
  /** Internal listeners, as far as it knows them; its own among them. */
  readonly addresses: readonly KnownAddress[]
}

export interface KnownAddress {
  readonly nodeId: number
  readonly host: string
  readonly port: number
}

/** A node without a cluster. */
export interface Seeker extends Voter {
  /** What it was told to be a part of; undefined: any. */
  readonly clusterId: Uuid | undefined
  /** As in NodeFacts. Without its own id among them it only joins. */
  readonly configured: readonly number[]
}

export type Conclusion =
  | { readonly type: 'member'; readonly membership: Membership }
  /** `disagreeing`: they have other voters in their configuration. */
  | { readonly type: 'wait'; readonly missing: readonly number[]; readonly disagreeing: readonly number[] }
  /** Nothing that comes can help: somebody has to look. */
  | { readonly type: 'refused'; readonly reason: string }

/**
 * @param answers  the newest of each node, without the seeker's own
 * @param newClusterId  for a cluster that is formed now
 */
export function conclude(seeker: Seeker, answers: Iterable<NodeFacts>, newClusterId: () => Uuid): Conclusion {
  const others = [...answers]
  const members = others.filter(({ clusterId }) => clusterId !== '')
  const naming = members.filter(({ voters }) => voters.some(voter => isSame(voter, seeker)))
  const [first, ...rest] = naming.length > 0 ? naming : members
  if (first !== undefined) {
    const other = rest.find(({ clusterId }) => clusterId !== first.clusterId)
    if (other !== undefined) {
      const where = `node ${first.nodeId} belongs to cluster ${first.clusterId}, node ${other.nodeId} to ${other.clusterId}`
      return { type: 'refused', reason: `The addresses given lead to two clusters: ${where}` }
    }
    if (seeker.clusterId !== undefined && seeker.clusterId !== first.clusterId) {
      const reason = `node ${first.nodeId} belongs to cluster ${first.clusterId}, but this node was started for cluster ${seeker.clusterId}`
      return { type: 'refused', reason }
    }
    return { type: 'member', membership: { clusterId: first.clusterId, voters: first.voters } }
  }
  const heard = new Map(others.map(facts => [facts.nodeId, facts]))
  const missing = seeker.configured.filter(id => id !== seeker.nodeId && !heard.has(id))
  const isOther = ({ configured }: NodeFacts) => seeker.configured.length > 0 && configured.join() !== seeker.configured.join()
  const disagreeing = others.filter(isOther).map(({ nodeId }) => nodeId)
  if (seeker.configured[0] !== seeker.nodeId || missing.length > 0 || disagreeing.length > 0) return { type: 'wait', missing, disagreeing }
  const voters = seeker.configured.map(id => heard.get(id) ?? seeker).map(({ nodeId, directoryId }) => ({ nodeId, directoryId }))
  return { type: 'member', membership: { clusterId: seeker.clusterId ?? newClusterId(), voters } }
}

function isSame(a: Voter, b: Voter): boolean {
  return a.nodeId === b.nodeId && a.directoryId === b.directoryId
}

const FACTS = 1
const VERSION = 1
const MAX_FACTS_BYTES = 256 * 1024

export function encodeFacts({ nodeId, directoryId, clusterId, voters, configured, addresses }: NodeFacts): Buffer {
  return pack(FACTS, VERSION, [
    nodeId,
    directoryId,
    clusterId,
    voters.map(voter => [voter.nodeId, voter.directoryId]),
    configured,
    packAddresses(addresses),
  ])
}

/** @throws ProtocolError */
export function decodeFacts(bytes: Uint8Array): NodeFacts {
  const { type, version, fields } = unpackFacts(bytes)
  const [nodeId, directoryId, clusterId, voterList, configured, addressList] = fields
  const [voters, addresses] = [readVoterList(voterList), readAddresses(addressList)]
  const isWhole =
    type === FACTS &&
    version === VERSION &&
    isNodeId(nodeId) &&
    typeof directoryId === 'string' &&
    isUuid(directoryId) &&
    typeof clusterId === 'string' &&
    (clusterId === '' || isUuid(clusterId)) &&
    Array.isArray(configured) &&
    configured.every(isNodeId)
  if (!isWhole || voters === undefined || addresses === undefined)
    throw new ProtocolError('a node told other things of itself than ours do')
  return { nodeId: nodeId as number, directoryId, clusterId, voters, configured, addresses }
}

export function packAddresses(addresses: readonly KnownAddress[]) {
  return addresses.map(({ nodeId, host, port }) => [nodeId, host, port] as const)
}

/** Undefined when it is not what `packAddresses` made. */
export function readAddresses(list: Unpacked | undefined): KnownAddress[] | undefined {
  if (!Array.isArray(list)) return undefined
  const addresses: KnownAddress[] = []
  for (const entry of list as readonly Unpacked[]) {
    const [nodeId, host, port] = Array.isArray(entry) ? (entry as readonly Unpacked[]) : []
    if (!isNodeId(nodeId) || typeof host !== 'string' || !Number.isSafeInteger(port)) return undefined
    addresses.push({ nodeId, host, port: port as number })
  }
  return addresses
}

function isNodeId(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function unpackFacts(bytes: Uint8Array) {
  try {
    return unpack(bytes, 'facts of a node', MAX_FACTS_BYTES)
  } catch (error) {
    throw error instanceof PackError ? new ProtocolError(error.message) : error
  }
}
