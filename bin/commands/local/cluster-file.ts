// The shape of a data directory that `ottla start -n` keeps:
//   cluster.json     what the cluster is, and while it runs: where its parent listens, and what each node does
//   cluster.secret   what its nodes know each other by, for one on another machine that is to join
//   node-1 …         the data directories of the nodes
// A directory of another shape is refused; none is ever turned into another.
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { UsageError } from '../failure.ts'

export interface ClusterFile {
  readonly format: 1
  readonly clusterId: string
  /** false: its nodes' directories were being made when the process ended; nothing is in them. */
  readonly formed: boolean
  readonly nodes: readonly NodeEntry[]
  /** While it runs; left over when the parent was killed. */
  readonly running?: Running | undefined
}

export interface NodeEntry {
  readonly id: number
  /** For clients. */
  readonly port: number
  /** For the other nodes. */
  readonly internalPort: number
  readonly state: NodeState
  readonly pid?: number | undefined
}

/** killed: by `ottla node kill`. failed: it ended, and nobody had asked for that. */
export type NodeState = 'starting' | 'running' | 'paused' | 'stopping' | 'stopped' | 'killed' | 'failed'

export interface Running {
  /** Of the parent. */
  readonly pid: number
  /** On 127.0.0.1. */
  readonly controlPort: number
  readonly token: string
}

const NAME = 'cluster.json'
/** Of `ottla start` and all that has to do with it. */
export const DEFAULT_DIRECTORY = './ottla-data'

export function nodeDirectory(directory: string, id: number): string {
  return join(directory, `node-${id}`)
}

export function secretFile(directory: string): string {
  return join(directory, 'cluster.secret')
}

/** @returns undefined where there is none */
export function readClusterFile(directory: string): ClusterFile | undefined {
  const path = join(directory, NAME)
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw error
  }
  const found = parsed(text)
  if (found?.format === 1 && Array.isArray(found.nodes) && typeof found.clusterId === 'string') return found
  if (typeof found?.format === 'number' && found.format > 1)
    throw new Error(`${path} was written by a newer Ottla (format ${found.format}, known here: 1). Start that version.`)
  throw new Error(`${path} is damaged. Restore it from a copy; what the nodes hold lies beside it, and is not touched.`)
}

function parsed(text: string): ClusterFile | undefined {
  try {
    return JSON.parse(text) as ClusterFile
  } catch {
    return undefined
  }
}

/** Where clients reach the cluster that runs in the directory; undefined: none does, as far as can be seen from here. */
export function runningBootstrap(directory: string): string | undefined {
  try {
    const file = readClusterFile(directory)
    if (file?.running === undefined) return undefined
    process.kill(file.running.pid, 0)
    return file.nodes.map(({ port }) => `127.0.0.1:${port}`).join()
  } catch {
    // Its parent was killed, or it is somebody else's: then this is no help, and no fault.
    return undefined
  }
}

/** It is there whole, or not at all, and readable by this user alone: who has its token can stop nodes. */
export function writeClusterFile(directory: string, file: ClusterFile): void {
  const path = join(directory, NAME)
  writeWhole(`${path}.new`, `${JSON.stringify(file, null, 2)}\n`)
  renameSync(`${path}.new`, path)
}

export function writeSecret(directory: string, secret: string): void {
  writeWhole(secretFile(directory), `${secret}\n`)
}

function writeWhole(path: string, text: string): void {
  const file = openSync(path, 'w', 0o600)
  try {
    writeSync(file, text)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

/** What `ottla start -n` may find beside its own: hidden files, a mount point's folder. */
const NEUTRAL = /^(lost\+found|\..*)$/
const OURS = /^(cluster\.json(\.new)?|cluster\.secret|node-\d+)$/
const SINGLE_NODE = ['meta', 'index', 'logs', 'vote']

/**
 * The cluster of that many nodes in the directory, made when it is missing.
 * @returns undefined: there is none yet
 * @throws UsageError when it holds anything else
 */
export function openDirectory(directory: string, nodeCount: number): ClusterFile | undefined {
  const names = namesIn(directory)
  if (SINGLE_NODE.some(name => names.includes(name)))
    throw new UsageError(
      `${directory} holds the data of a single node, which does not become a cluster of ${nodeCount}.\nGo on with it: ottla start. Or name another directory: ottla start -n ${nodeCount} --data DIR`,
    )
  const file = readClusterFile(directory)
  if (file !== undefined && file.nodes.length !== nodeCount)
    throw new UsageError(
      `${directory} holds a cluster of ${file.nodes.length} nodes, not of ${nodeCount}.\nGo on with it: ottla start -n ${file.nodes.length}. Or name another directory: ottla start -n ${nodeCount} --data DIR`,
    )
  const foreign = names.filter(name => !OURS.test(name) && !NEUTRAL.test(name))
  if (file === undefined && foreign.length > 0)
    throw new UsageError(
      `${directory} holds files that are not Ottla's (${foreign.slice(0, 5).join(', ')}). Name an empty directory: ottla start -n ${nodeCount} --data DIR`,
    )
  const node = names.find(name => name.startsWith('node-'))
  if (file === undefined && node !== undefined)
    throw new UsageError(
      `${directory} holds ${node}, but no ${NAME} that says which cluster it belongs to. Restore ${NAME} from a copy, or name an empty directory with --data DIR`,
    )
  mkdirSync(directory, { recursive: true })
  return file
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch (error) {
    switch ((error as NodeJS.ErrnoException).code) {
      case 'ENOENT':
        return []
      case 'ENOTDIR':
        throw new UsageError(`${directory} is a file, not a directory. Name a directory for the data with --data DIR`)
      default:
        throw error
    }
  }
}

/** For `ottla start` without -n. @throws UsageError */
export function refuseCluster(directory: string): void {
  const file = readClusterFile(directory)
  if (file === undefined) return
  const count = file.nodes.length
  throw new UsageError(
    `${directory} holds a cluster of ${count} nodes, not a single node.\nGo on with it: ottla start -n ${count}. Or name another directory: ottla start --data DIR`,
  )
}

/** Directories that were being made when the process ended: no node has ever started in them. */
export function clearUnformed(directory: string, file: ClusterFile): void {
  for (const { id } of file.nodes) {
    const path = nodeDirectory(directory, id)
    if (existsSync(join(path, 'vote')) || existsSync(join(path, 'logs')))
      throw new Error(`${path} holds data, although ${NAME} says that no node was started there. Restore ${NAME} from a copy.`)
    rmSync(path, { recursive: true, force: true })
  }
}
