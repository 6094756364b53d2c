// Before anything else on the internal listener, both sides say who they are and prove that they know the cluster secret:
//   dialler → HELLO · listener → HELLO, PROOF · dialler → PROOF · listener → ACCEPTED
// or either side → REFUSAL with a reason a person can read. A proof is HMAC-SHA256 over the prover's role and both hellos, which hold 32 random bytes
// of each side: it is of use in this one conversation only. The secret never travels. Pure.
import { ProtocolError } from '../protocol/errors.ts'
import { equalInConstantTime, hmacSha256 } from '../util/hmac.ts'
import { PackError, pack, unpack } from '../util/pack.ts'
import type { RpcIdentity } from './rpc.ts'

const HELLO = 1
const VERSION = 1
const NONCE_BYTES = 32
const MAX_ID_LENGTH = 64

export type Role = 'dialler' | 'listener'

/** The bytes of both hellos, as they travelled. */
export interface Hellos {
  readonly dialler: Uint8Array
  readonly listener: Uint8Array
}

/** @param nonce  32 random bytes */
export function encodeHello(identity: RpcIdentity, nonce: Uint8Array): Buffer {
  const { clusterId, nodeId, directoryId, incarnationId } = identity
  return pack(HELLO, VERSION, [clusterId, nodeId, directoryId, incarnationId, nonce])
}

export function newNonce(random: { bytes(length: number): Buffer }): Buffer {
  return random.bytes(NONCE_BYTES)
}

/** @throws ProtocolError */
export function decodeHello(bytes: Uint8Array): RpcIdentity {
  const { type, version, fields } = unpackHello(bytes)
  if (type !== HELLO) throw new ProtocolError('not a hello of an Ottla node')
  if (version !== VERSION)
    throw new ProtocolError(
      `it speaks version ${version} of the internal protocol, this node version ${VERSION}: run one release everywhere`,
    )
  const [clusterId, nodeId, directoryId, incarnationId, nonce] = fields
  const texts = [clusterId, directoryId, incarnationId]
  const isWhole =
    texts.every(text => typeof text === 'string' && text.length <= MAX_ID_LENGTH) &&
    Number.isSafeInteger(nodeId) &&
    (nodeId as number) >= 0 &&
    Buffer.isBuffer(nonce) &&
    nonce.length === NONCE_BYTES
  if (!isWhole) throw new ProtocolError('a hello with other fields than ours')
  return {
    clusterId: clusterId as string,
    nodeId: nodeId as number,
    directoryId: directoryId as string,
    incarnationId: incarnationId as string,
  }
}

export function proofOf(secret: Uint8Array, prover: Role, hellos: Hellos): Buffer {
  const head = Buffer.alloc(8)
  head.writeUInt32BE(hellos.dialler.length, 0)
  head.writeUInt32BE(hellos.listener.length, 4)
  return hmacSha256(secret, [Buffer.from(`ottla rpc ${prover}`), head, hellos.dialler, hellos.listener])
}

export function isProof(bytes: Uint8Array, secret: Uint8Array, prover: Role, hellos: Hellos): boolean {
  return equalInConstantTime(bytes, proofOf(secret, prover, hellos))
}

export const WRONG_SECRET = 'it does not know the cluster secret: give all nodes the same cluster.secret'

/**
 * Why these two do not belong together; undefined: they do.
 * @param expectedNodeId  whom the dialler meant to reach; undefined: anybody
 */
export function mismatch(ours: RpcIdentity, theirs: RpcIdentity, expectedNodeId?: number): string | undefined {
  if (ours.clusterId !== '' && theirs.clusterId !== '' && ours.clusterId !== theirs.clusterId)
    return `it belongs to cluster ${theirs.clusterId}, this node to cluster ${ours.clusterId}`
  if (expectedNodeId !== undefined && theirs.nodeId !== expectedNodeId)
    return `node ${theirs.nodeId} listens where node ${expectedNodeId} is expected: look at the addresses of the voters`
  if (theirs.nodeId === ours.nodeId && theirs.incarnationId !== ours.incarnationId)
    return `it has the same node id as this node, ${ours.nodeId}: give each node its own`
  return undefined
}

function unpackHello(bytes: Uint8Array) {
  try {
    return unpack(bytes, 'hello')
  } catch (error) {
    if (!(error instanceof PackError)) throw error
    throw new ProtocolError('not a hello of an Ottla node', { cause: error })
  }
}
