// Data directories of a cluster that one program starts as a whole (`ottla start -n 3`): ids, voters, secret and ports are written before any node starts,
// so no node has to look for the others, and each can be started again alone.
import type { Env } from '../env/env.ts'
import { refuseForeignDirectory, type Voter, writeIdentity } from '../metadata/identity.ts'
import { type Uuid, uuidFromBytes } from '../util/uuid.ts'
import type { KnownAddress } from './formation.ts'
import { networkOperation } from './known-nodes.ts'

/** A node of a cluster to be. */
export interface PlannedNode extends KnownAddress {
  /** Of its internal listener: `host` and `port`. */
  readonly directory: string
  /** It has a voice in the metadata log. */
  readonly isVoter: boolean
}

/**
 * Gives empty directories the places of a new cluster's nodes.
 * @param o.secret  undefined: one at random
 * @returns the new cluster's id
 * @throws EnvError EEXIST when a directory is a node's already, or holds files that are not Ottla's
 */
export async function prepareCluster(
  env: Env,
  nodes: readonly PlannedNode[],
  o: { readonly clusterId?: Uuid; readonly secret?: string } = {},
): Promise<Uuid> {
  const clusterId = o.clusterId ?? uuidFromBytes(env.random.bytes(16))
  const secret = o.secret ?? env.random.bytes(32).toString('base64url')
  const voters = nodes.filter(({ isVoter }) => isVoter).map(({ nodeId }) => ({ nodeId, directoryId: uuidFromBytes(env.random.bytes(16)) }))
  const addresses = nodes.filter(({ isVoter }) => isVoter)
  for (const { directory, nodeId, port } of nodes)
    await prepareDirectory(env, { directory, clusterId, nodeId, voters, secret, internalPort: port, addresses })
  return clusterId
}

/**
 * Gives one empty directory a place in a cluster: a new one whose nodes have not started yet, or, to a node that is not among the voters, any.
 * @param o.addresses  of the voters' internal listeners
 * @throws EnvError EEXIST when the directory is a node's already, or holds files that are not Ottla's
 */
export async function prepareDirectory(
  env: Env,
  o: {
    readonly directory: string
    readonly clusterId: Uuid
    readonly nodeId: number
    readonly voters: readonly Voter[]
    readonly secret: string
    readonly internalPort: number
    readonly addresses: readonly KnownAddress[]
  },
): Promise<void> {
  const { directory, clusterId, nodeId, voters, secret, internalPort } = o
  await refuseForeignDirectory(env.disk, directory)
  const meta = await env.kv.open(`${directory}/meta`)
  try {
    const directoryId = voters.find(voter => voter.nodeId === nodeId)?.directoryId ?? uuidFromBytes(env.random.bytes(16))
    const network = networkOperation({ internalPort, secret, addresses: o.addresses })
    await writeIdentity({ directory, meta }, { clusterId, nodeId, directoryId, voters }, [network])
  } finally {
    await meta.close()
  }
}
