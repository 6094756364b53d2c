// What the configuration says about the cluster: who votes, what this node does in it, and where it listens for the others.
import type { Config } from '../config.ts'
import { isWildcard, parseEndpoints } from './listeners.ts'
import { ConfigError } from './values.ts'
import { type NodeAddress, parseVoter, type VoterAddress } from './voters.ts'

/** The client port plus this is the internal port, where nothing else is said. */
const PORT_DISTANCE = 1000

export interface InternalListener {
  /** '' binds all interfaces. */
  readonly host: string
  /** 0: any free one. */
  readonly port: number
  /** What other nodes are told. */
  readonly advertisedHost: string
}

export function hasRole(config: Config, role: 'broker' | 'controller'): boolean {
  return config['process.roles'].includes(role)
}

/** In the order given; empty: this node alone, or nobody it knows of. */
export function quorumVoters(config: Config): readonly VoterAddress[] {
  return config['controller.quorum.voters'].map(text => parseVoter(text)!)
}

/** Nothing in the configuration speaks of other nodes; the data directory may. Such a node listens to none. */
export function isAlone(config: Config): boolean {
  const keys = ['internal.port', 'cluster.secret', 'cluster.secret.file'] as const
  const expectsOthers = config['process.roles'].length < 2 || quorumVoters(config).length > 1
  return !expectsOthers && keys.every(key => config[key] === null)
}

/**
 * Where this node listens for the others, by the first of: internal.host and internal.port · its entry in controller.quorum.voters · what its directory
 * was prepared for · the first listener of controller.listener.names · the first listener and 1000 ports on.
 * What the others are told is a name out of the same places, else that of the first of advertised.listeners.
 * @param o.hostName  told to them where only a wildcard is known
 */
export function internalListener(
  config: Config,
  { hostName = 'localhost', prepared }: { readonly hostName?: string; readonly prepared?: Partial<NodeAddress> | undefined } = {},
): InternalListener {
  const own = quorumVoters(config).find(({ nodeId }) => nodeId === config['node.id'])
  const controllers = new Set(config['controller.listener.names'].map(name => name.toUpperCase()))
  const listeners = parseEndpoints('listeners', config.listeners)
  const controller = listeners.find(({ name }) => controllers.has(name))
  const client = listeners.find(({ name }) => !controllers.has(name))
  const host = config['internal.host'] ?? controller?.host ?? client?.host ?? ''
  const port = config['internal.port'] ?? own?.port ?? prepared?.port ?? controller?.port ?? portBeside(client?.port ?? 0)
  const [advertised] = parseEndpoints('advertised.listeners', config['advertised.listeners'] ?? [])
  const candidates = [config['internal.host'], own?.host, prepared?.host, host, advertised?.host]
  return { host, port, advertisedHost: candidates.find(name => name != null && !isWildcard(name)) ?? hostName }
}

/** @throws ConfigError what contradicts itself */
export function checkCluster(config: Config): void {
  const nodeId = config['node.id']
  const voters = quorumVoters(config)
  const ids = voters.map(voter => voter.nodeId)
  const servers = config['controller.quorum.bootstrap.servers']
  if (new Set(config['process.roles']).size < config['process.roles'].length) refuse('process.roles', 'names a role twice')
  if (hasRole(config, 'controller')) {
    if (ids.length > 0 && !ids.includes(nodeId))
      refuse(
        'controller.quorum.voters',
        `has no node ${nodeId}, which is a controller by process.roles: add it, or set process.roles=broker`,
      )
    if (ids.length === 0 && servers.length > 1)
      refuse('controller.quorum.bootstrap.servers', 'names several nodes: a controller must find all voters in controller.quorum.voters')
  } else {
    if (ids.includes(nodeId))
      refuse(
        'controller.quorum.voters',
        `holds node ${nodeId}, which is no controller by process.roles: set process.roles=broker,controller`,
      )
    if (ids.length === 0 && servers.length === 0)
      refuse(
        'controller.quorum.voters',
        'is empty: a node that is no controller must know some, here or in controller.quorum.bootstrap.servers',
      )
  }
  if (config['cluster.secret'] !== null && config['cluster.secret.file'] !== null)
    refuse('cluster.secret.file', 'and cluster.secret are both set: give one of them')
  if (config['broker.heartbeat.interval.ms'] * 2 > config['broker.session.timeout.ms'])
    refuse('broker.session.timeout.ms', 'must be at least twice broker.heartbeat.interval.ms')
}

function refuse(key: keyof Config & string, what: string): never {
  throw new ConfigError(key, `${key} ${what}`)
}

function portBeside(port: number): number {
  return port === 0 || port + PORT_DISTANCE > 65_535 ? 0 : port + PORT_DISTANCE
}
