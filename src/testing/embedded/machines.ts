// What the nodes of an embedded cluster stand on: a disk each, in memory or in a folder, and places in a cluster written there before any of them starts.
import { tmpdir } from 'node:os'
import { resolve } from 'node:path'
import { prepareDirectory } from '../../broker/prepare.ts'
import { hasRole, parseConfig } from '../../config.ts'
import { type Env, EnvError, type Logger } from '../../env/env.ts'
import { memoryEnv } from '../../env/memory/env.ts'
import { uuidFromBytes } from '../../util/uuid.ts'
import { MemoryMachine } from './memory-disk.ts'
import type { NodeProperties } from './properties.ts'

export interface Machine {
  readonly env: Env
  /** Undefined: a folder of a real disk. */
  readonly memory: MemoryMachine | undefined
  /** The node's data directory. */
  readonly directory: string
}

export interface Machines {
  readonly byId: ReadonlyMap<number, Machine>
  /** Nothing was there before. */
  readonly areNew: boolean
  /** What is there stays. */
  readonly areKept: boolean
  /** Removes what does not stay; the nodes must be down. */
  close(): Promise<void>
}

export interface MachinesOptions {
  /** Undefined: in memory, unless `onDisk`. */
  readonly directory: string | undefined
  readonly onDisk: boolean
  readonly loggerOf: (id: number) => Logger
}

const HOST = '127.0.0.1'
const IN_MEMORY = '/data'
const NODE_FOLDER = /^node-\d+$/

export async function openMachines(ids: readonly number[], o: MachinesOptions): Promise<Machines> {
  if (o.directory === undefined && !o.onDisk) return inMemory(ids, o)
  const { realEnv } = await import('../../env/real/env.ts')
  const { disk, random } = realEnv({ logger: o.loggerOf(0) })
  const isKept = o.directory !== undefined
  const root = isKept ? resolve(o.directory) : `${tmpdir()}/ottla-${random.bytes(8).toString('hex')}`
  const there = isKept ? await nodesIn(disk, root) : []
  if (there.length > 0 && there.join() !== ids.map(id => `node-${id}`).join())
    throw new EnvError('EEXIST', `${root} holds ${there.join(', ')}: start ${there.length} nodes on it, or name another directory.`)
  return {
    byId: new Map(ids.map(id => [id, { env: realEnv({ logger: o.loggerOf(id) }), memory: undefined, directory: `${root}/node-${id}` }])),
    areNew: there.length === 0,
    areKept: isKept,
    close: () => (isKept ? Promise.resolve() : disk.remove(root)),
  }
}

function inMemory(ids: readonly number[], o: MachinesOptions): Machines {
  const { clock, net } = memoryEnv({ logger: o.loggerOf(0) })
  const machineOf = (id: number): Machine => {
    const memory = new MemoryMachine(clock)
    return { env: { ...memoryEnv({ logger: o.loggerOf(id), clock, net }), disk: memory.disk, kv: memory.kv }, memory, directory: IN_MEMORY }
  }
  return { byId: new Map(ids.map(id => [id, machineOf(id)])), areNew: true, areKept: false, close: () => Promise.resolve() }
}

async function nodesIn(disk: Env['disk'], root: string): Promise<string[]> {
  try {
    const names = (await disk.list(root)).map(({ name }) => name).filter(name => NODE_FOLDER.test(name))
    return names.sort((a, b) => Number(a.slice(5)) - Number(b.slice(5)))
  } catch (error) {
    if (error instanceof EnvError && error.code === 'ENOENT') return []
    throw error
  }
}

/** Who the members are is written before any of them starts: nobody has to look for the others. */
export async function prepareMachines(machines: Machines, properties: ReadonlyMap<number, NodeProperties>): Promise<void> {
  const { random } = [...machines.byId.values()][0]!.env
  const newId = () => uuidFromBytes(random.bytes(16))
  const configs = [...properties].map(([nodeId, own]) => ({ nodeId, config: parseConfig(own) }))
  const voters = configs.filter(({ config }) => hasRole(config, 'controller')).map(({ nodeId }) => ({ nodeId, directoryId: newId() }))
  const place = {
    clusterId: configs.map(({ config }) => config['cluster.id']).find(id => id != null) ?? newId(),
    voters,
    secret: random.bytes(32).toString('base64url'),
    // Any free one, told to the others when it is bound.
    internalPort: 0,
    addresses: voters.map(({ nodeId }) => ({ nodeId, host: HOST, port: 0 })),
  }
  await Promise.all([...machines.byId].map(([nodeId, { env, directory }]) => prepareDirectory(env, { ...place, nodeId, directory })))
}
