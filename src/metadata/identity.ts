// Who a data directory is: format version, cluster id, node id, directory id (DESIGN rule 4), in `meta` under "node/". A directory that is not
// ours, or somebody else's, is refused with what to do; it is never taken over or formatted again.
// The mark of a clean shutdown holds the broker epoch of the process that ended; it is deleted, and that is on disk, before anything else is done.
import { type DirectoryEntry, type Disk, type Env, EnvError, type Kv } from '../env/env.ts'
import { PackError, pack, unpack } from '../util/pack.ts'
import { isUuid, type Uuid, uuidFromBytes } from '../util/uuid.ts'

export interface Identity {
  readonly clusterId: Uuid
  readonly nodeId: number
  /** Of this copy of the data: a replaced disk has another, under the same node id. */
  readonly directoryId: Uuid
  /** Of the process before, if it shut down cleanly; -1 after anything else, and on a new directory. */
  readonly previousBrokerEpoch: number
  readonly clean: boolean
  /** The directory was empty and has just been given these ids. */
  readonly formatted: boolean
}

/** Raised when what is in a data directory cannot be read by the versions before. */
const FORMAT_VERSION = 1

const IDENTITY_KEY = Buffer.from('node/identity')
const CLEAN_KEY = Buffer.from('node/clean')
const IDENTITY = 1
const CLEAN = 2
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
 * @throws EnvError EEXIST when the directory is another node's, another cluster's or a newer format's; ECORRUPT when its identity is lost
 */
export async function openIdentity(
  env: Env,
  o: { readonly directory: string; readonly meta: Kv; readonly nodeId: number; readonly clusterId?: Uuid | undefined },
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
  if (o.clusterId !== undefined && o.clusterId !== clusterId) {
    throw new EnvError(
      'EEXIST',
      `${o.directory} belongs to cluster ${clusterId}, but this node was started for cluster ${o.clusterId}. Name another data directory.`,
    )
  }
  const previousBrokerEpoch = await takeCleanMark(o.meta)
  return { clusterId, nodeId, directoryId, previousBrokerEpoch, clean: previousBrokerEpoch !== -1, formatted: false }
}

/** The last write of a node that has flushed and closed everything. Settles when it is on disk. */
export function markClean(meta: Kv, brokerEpoch: number): Promise<void> {
  return meta.batch([{ type: 'put', key: CLEAN_KEY, value: pack(CLEAN, VERSION, [brokerEpoch]) }], { sync: true })
}

async function format(
  env: Env,
  o: { readonly directory: string; readonly meta: Kv; readonly nodeId: number; readonly clusterId?: Uuid | undefined },
): Promise<Identity> {
  await refuseLostIdentity(env.disk, o.directory)
  const clusterId = o.clusterId ?? uuidFromBytes(env.random.bytes(16))
  const directoryId = uuidFromBytes(env.random.bytes(16))
  const value = pack(IDENTITY, VERSION, [FORMAT_VERSION, clusterId, o.nodeId, directoryId])
  await o.meta.batch([{ type: 'put', key: IDENTITY_KEY, value }], { sync: true })
  env.logger.log('info', 'formatted data directory', { directory: o.directory, clusterId, nodeId: o.nodeId, directoryId })
  return { clusterId, nodeId: o.nodeId, directoryId, previousBrokerEpoch: -1, clean: false, formatted: true }
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

function readIdentity(bytes: Buffer, directory: string): { clusterId: Uuid; nodeId: number; directoryId: Uuid } {
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
