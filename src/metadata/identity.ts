// Who a data directory is: format version, cluster id, node id, directory id (DESIGN rule 4), in `meta` under "node/". A directory that is not
// ours, or somebody else's, is refused with what to do; it is never taken over or formatted again.
// A node of a cluster that is not formed yet has a directory id and no cluster: it keeps that id, whatever happens until then, and is part of no cluster
// before its voters are on disk here.
// The mark of a clean shutdown holds the broker epoch of the process that ended; it is deleted, and that is on disk, before anything else is done.
import { type DirectoryEntry, type Disk, type Env, EnvError, type Kv, type KvOperation } from '../env/env.ts'
import { assert } from '../util/assert.ts'
import { PackError, pack, type Unpacked, unpack } from '../util/pack.ts'
import { isUuid, type Uuid, uuidFromBytes } from '../util/uuid.ts'

/** A node with a voice in the metadata log. A blank disk under the same node id is another one (DESIGN rule 4). */
export interface Voter {
  readonly nodeId: number
  readonly directoryId: Uuid
}

/** What a node that has formed or joined a cluster knows for good. */
export interface Membership {
  readonly clusterId: Uuid
  /** Who votes; this node may not be among them. */
  readonly voters: readonly Voter[]
}

export interface Identity {
  /** '' until the cluster is formed or joined. */
  readonly clusterId: Uuid | ''
  /** In order of their ids; empty until the cluster is formed or joined. */
  readonly voters: readonly Voter[]
  readonly nodeId: number
  /** Of this copy of the data: a replaced disk has another, under the same node id. */
  readonly directoryId: Uuid
  /** Of the process before, if it shut down cleanly; -1 after anything else, and on a new directory. */
  readonly previousBrokerEpoch: number
  readonly clean: boolean
  /** The directory was empty and has just been given these ids. */
  readonly formatted: boolean
}

/** Raised when what is in a data directory cannot be read by the versions before. 2: of a cluster of many nodes, or not of any cluster yet. */
const FORMAT_VERSION = 2
const ALONE_FORMAT = 1

const IDENTITY_KEY = Buffer.from('node/identity')
const CLEAN_KEY = Buffer.from('node/clean')
const VOTERS_KEY = Buffer.from('node/voters')
const IDENTITY = 1
const CLEAN = 2
const VOTERS = 3
const VERSION = 1

/** What a data directory of ours may hold at its top. */
const OURS: Readonly<Record<string, DirectoryEntry['kind']>> = {
  meta: 'directory',
  index: 'directory',
  logs: 'directory',
  vote: 'file',
  reserve: 'file',
}
/** And what may lie beside it: the mount point's own folder, hidden files. */
const NEUTRAL = /^(lost\+found|index\.damaged-\d+|\..*)$/

/**
 * To be called before anything is made in the directory.
 * @throws EnvError EEXIST when it holds files that are not Ottla's, or is none · EACCES when it cannot be read
 */
export async function refuseForeignDirectory(disk: Disk, directory: string): Promise<void> {
  const entries = await entriesOf(disk, directory)
  for (const { name, kind } of entries) {
    const expected = OURS[name]
    if (expected === undefined || kind === expected) continue
    const [found, wanted] = kind === 'file' ? ['a file', 'a folder'] : ['a folder', 'a file']
    throw new EnvError(
      'EEXIST',
      `${directory}/${name} is ${found}, where Ottla keeps ${wanted}. Restore the directory from a copy, or name another data directory.`,
    )
  }
  const names = entries.map(({ name }) => name)
  if (names.includes('meta')) return
  const foreign = names.filter(name => !Object.hasOwn(OURS, name) && !NEUTRAL.test(name))
  if (foreign.length === 0) return
  const kafka = foreign.includes('meta.properties') ? " It looks like Apache Kafka's, whose files Ottla does not take over." : ''
  throw new EnvError(
    'EEXIST',
    `${directory} holds files that are not Ottla's (${foreign.slice(0, 5).join(', ')}).${kafka} Name an empty directory.`,
  )
}

/** None when it is not there. */
async function entriesOf(disk: Disk, directory: string): Promise<readonly DirectoryEntry[]> {
  try {
    return await disk.list(directory)
  } catch (error) {
    if (!(error instanceof EnvError)) throw error
    switch (error.code) {
      case 'ENOENT':
        return []
      case 'ENOTDIR':
        throw new EnvError('EEXIST', `${directory} is a file, not a directory. Name a directory for the data.`, { cause: error })
      case 'EACCES':
      case 'EPERM':
        throw new EnvError(
          'EACCES',
          `${directory} cannot be read by this user (${error.code}). Make the directory and all in it this user's, or name another.`,
          { cause: error },
        )
      default:
        throw error
    }
  }
}

/**
 * Reads the identity, or gives one to an empty directory.
 * @param o.clusterId  the cluster this node must belong to; undefined: any, and a random one for a new directory
 * @param o.alone  an empty directory becomes a cluster of its own; else it has an identity of its own, and no cluster until `becomeMember`
 * @throws EnvError EEXIST when the directory is another node's, another cluster's or a newer format's; ECORRUPT when its identity is lost
 */
export async function openIdentity(
  env: Env,
  o: {
    readonly directory: string
    readonly meta: Kv
    readonly nodeId: number
    readonly clusterId?: Uuid | undefined
    readonly alone: boolean
  },
): Promise<Identity> {
  const stored = await o.meta.get(IDENTITY_KEY)
  if (stored === undefined) return format(env, o)
  const { clusterId, nodeId, directoryId } = readIdentity(stored, o.directory)
  if (nodeId !== o.nodeId) {
    throw new EnvError(
      'EEXIST',
      `${o.directory} belongs to node ${nodeId}, but this is node ${o.nodeId}. Set node.id=${nodeId}, or name another data directory.`,
    )
  }
  if (o.clusterId !== undefined && clusterId !== '' && o.clusterId !== clusterId) {
    throw new EnvError(
      'EEXIST',
      `${o.directory} belongs to cluster ${clusterId}, but this node was started for cluster ${o.clusterId}. Name another data directory.`,
    )
  }
  const previousBrokerEpoch = await takeCleanMark(o.meta)
  const identity: Identity = {
    clusterId,
    voters: await readVoters(o.meta, { clusterId, nodeId, directoryId }),
    nodeId,
    directoryId,
    previousBrokerEpoch,
    clean: previousBrokerEpoch !== -1,
    formatted: false,
  }
  if (clusterId !== '' || !o.alone) return identity
  // It waited for others once, and is to be a cluster of its own now.
  const own = { clusterId: o.clusterId ?? uuidFromBytes(env.random.bytes(16)), voters: [{ nodeId, directoryId }] }
  return becomeMember(env, o, identity, own)
}

/**
 * From now on, and for good, the directory belongs to that cluster. Settles when that is on disk.
 * @returns the identity with it
 */
export async function becomeMember(
  env: Env,
  o: { readonly directory: string; readonly meta: Kv },
  identity: Identity,
  { clusterId, voters }: Membership,
): Promise<Identity> {
  assert(identity.clusterId === '', `${o.directory} belongs to cluster ${identity.clusterId}, and cannot join ${clusterId}`)
  const member = { ...identity, clusterId, voters: inOrder(voters) }
  await o.meta.batch(identityOperations(member), { sync: true })
  const voterIds = member.voters.map(({ nodeId }) => nodeId)
  env.logger.log('info', 'became member of a cluster', { directory: o.directory, clusterId, nodeId: identity.nodeId, voters: voterIds })
  return member
}

/**
 * Gives an empty directory its place in a cluster that is to be started.
 * @param more  to be written with it, or not at all
 * @throws EnvError EEXIST when it has an identity already
 */
export async function writeIdentity(
  o: { readonly directory: string; readonly meta: Kv },
  identity: Membership & { readonly nodeId: number; readonly directoryId: Uuid },
  more: readonly KvOperation[],
): Promise<void> {
  if ((await o.meta.get(IDENTITY_KEY)) !== undefined) throw new EnvError('EEXIST', `${o.directory} is a node's already`)
  await o.meta.batch([...more, ...identityOperations({ ...identity, voters: inOrder(identity.voters) })], { sync: true })
}

/** Whether it is this copy of the data, and not only this node id, that votes. */
export function isVoter({ nodeId, directoryId, voters }: Pick<Identity, 'nodeId' | 'directoryId' | 'voters'>): boolean {
  return voters.some(voter => voter.nodeId === nodeId && voter.directoryId === directoryId)
}

/** The last write of a node that has flushed and closed everything. Settles when it is on disk. */
export function markClean(meta: Kv, brokerEpoch: number): Promise<void> {
  return meta.batch([{ type: 'put', key: CLEAN_KEY, value: pack(CLEAN, VERSION, [brokerEpoch]) }], { sync: true })
}

async function format(
  env: Env,
  o: {
    readonly directory: string
    readonly meta: Kv
    readonly nodeId: number
    readonly clusterId?: Uuid | undefined
    readonly alone: boolean
  },
): Promise<Identity> {
  await refuseLostIdentity(env.disk, o.directory)
  const { nodeId } = o
  const clusterId = o.alone ? (o.clusterId ?? uuidFromBytes(env.random.bytes(16))) : ''
  const directoryId = uuidFromBytes(env.random.bytes(16))
  const voters = o.alone ? [{ nodeId, directoryId }] : []
  await o.meta.batch(identityOperations({ clusterId, voters, nodeId, directoryId }), { sync: true })
  env.logger.log('info', 'formatted data directory', { directory: o.directory, clusterId, nodeId, directoryId })
  return { clusterId, voters, nodeId, directoryId, previousBrokerEpoch: -1, clean: false, formatted: true }
}

function identityOperations(identity: Pick<Identity, 'clusterId' | 'voters' | 'nodeId' | 'directoryId'>): KvOperation[] {
  const { clusterId, voters, nodeId, directoryId } = identity
  const alone = voters.length === 1 && isVoter(identity)
  const own = pack(IDENTITY, VERSION, [alone ? ALONE_FORMAT : FORMAT_VERSION, clusterId, nodeId, directoryId])
  const put: KvOperation = { type: 'put', key: IDENTITY_KEY, value: own }
  if (clusterId === '') return [put]
  const all = pack(VOTERS, VERSION, [voters.map(voter => [voter.nodeId, voter.directoryId])])
  return [{ type: 'put', key: VOTERS_KEY, value: all }, put]
}

/** A directory without the list was its own cluster before there were others. */
async function readVoters(meta: Kv, { clusterId, nodeId, directoryId }: Pick<Identity, 'clusterId' | 'nodeId' | 'directoryId'>) {
  const bytes = await meta.get(VOTERS_KEY)
  if (bytes === undefined) return clusterId === '' ? [] : [{ nodeId, directoryId }]
  const { type, version, fields } = unpack(bytes, 'voters')
  const voters = readVoterList(fields[0])
  if (type !== VOTERS || version !== VERSION || voters === undefined)
    throw new PackError('the list of voters in the data directory is damaged')
  return voters
}

/** Out of `[[nodeId, directoryId] …]`; undefined when it is not that. */
export function readVoterList(list: Unpacked | undefined): Voter[] | undefined {
  if (!Array.isArray(list)) return undefined
  const voters: Voter[] = []
  for (const entry of list as readonly Unpacked[]) {
    const [nodeId, directoryId] = Array.isArray(entry) ? (entry as readonly Unpacked[]) : []
    if (!Number.isSafeInteger(nodeId) || typeof directoryId !== 'string' || !isUuid(directoryId)) return undefined
    voters.push({ nodeId: nodeId as number, directoryId })
  }
  return voters
}

function inOrder(voters: readonly Voter[]): readonly Voter[] {
  return [...voters].sort((a, b) => a.nodeId - b.nodeId)
}

/** The vote and the logs are written after the identity: where one is and the identity is not, `meta` has lost data. */
async function refuseLostIdentity(disk: Disk, directory: string): Promise<void> {
  for (const path of [directory, `${directory}/logs`]) {
    let names: string[] = []
    try {
      names = (await disk.list(path)).map(entry => entry.name)
    } catch (error) {
      if (!(error instanceof EnvError) || error.code !== 'ENOENT') throw error
    }
    const left = path === directory ? names.filter(name => name === 'vote') : names
    if (left.length === 0) continue
    throw new EnvError(
      'ECORRUPT',
      `${directory} holds data (${path}/${left[0]}) but not the identity of its node: its database 'meta' is missing or was damaged. ` +
        `Restore the directory from a copy, or name an empty one (what only this node held is lost then).`,
    )
  }
}

function readIdentity(bytes: Buffer, directory: string): { clusterId: Uuid | ''; nodeId: number; directoryId: Uuid } {
  const { type, version, fields } = unpack(bytes, 'node identity')
  const [format, clusterId, nodeId, directoryId] = fields
  if (type !== IDENTITY || version > VERSION || (typeof format === 'number' && format > FORMAT_VERSION)) {
    throw new EnvError(
      'EEXIST',
      `${directory} was written by a newer Ottla (format ${format}, known here: ${FORMAT_VERSION}). Start that version.`,
    )
  }
  if (typeof clusterId !== 'string' || typeof directoryId !== 'string' || !Number.isSafeInteger(nodeId) || !isUuid(directoryId))
    throw new PackError(`${directory}: the identity of the node is damaged`)
  return { clusterId, nodeId: nodeId as number, directoryId }
}

/** @returns the broker epoch of the clean shutdown, or -1 */
async function takeCleanMark(meta: Kv): Promise<number> {
  const bytes = await meta.get(CLEAN_KEY)
  if (bytes === undefined) return -1
  await meta.batch([{ type: 'delete', key: CLEAN_KEY }], { sync: true })
  const { type, version, fields } = unpack(bytes, 'clean shutdown mark')
  return type === CLEAN && version === VERSION && Number.isSafeInteger(fields[0]) ? (fields[0] as number) : -1
}
