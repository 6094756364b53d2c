// What a node of an embedded cluster is configured with: the user's keys, and what the kit itself says.
import { ConfigError, hasRole, parseConfig } from '../../config.ts'

export type NodeProperties = Readonly<Record<string, string>>

const HOST = '127.0.0.1'
/** The kit says who is who, where the data are, and where nodes meet. */
const OWN_KEYS: readonly string[] = [
  'node.id',
  'broker.id',
  'log.dir',
  'log.dirs',
  'controller.quorum.voters',
  'controller.quorum.bootstrap.servers',
  'internal.port',
  'internal.host',
  'cluster.secret',
  'cluster.secret.file',
]

/**
 * Of nodes 1 to `count`.
 * @throws ConfigError what is not allowed, and why
 */
export function propertiesOf(
  count: number,
  o: { readonly config: NodeProperties; readonly nodeConfig: Readonly<Record<number, NodeProperties>> },
): Map<number, NodeProperties> {
  const ids = Array.from({ length: count }, (_, i) => i + 1)
  const stranger = Object.keys(o.nodeConfig).find(id => !ids.includes(Number(id)))
  if (stranger !== undefined) throw new RangeError(`nodeConfig names node ${stranger}: the nodes of this cluster are ${ids.join(', ')}.`)
  for (const given of [o.config, ...Object.values(o.nodeConfig)]) {
    const own = OWN_KEYS.find(key => given[key] !== undefined)
    if (own !== undefined) throw new ConfigError(own, `${own} is set by startCluster itself: leave it out`)
  }
  const properties = new Map(ids.map(id => [id, propertiesOfNode(id, { ...o.config, ...o.nodeConfig[id] }, count)]))
  const votes = [...properties.values()].filter(own => hasRole(parseConfig(own), 'controller'))
  if (votes.length === 0) throw new ConfigError('process.roles', 'process.roles: at least one node must be a controller')
  return properties
}

function propertiesOfNode(id: number, given: NodeProperties, count: number): NodeProperties {
  const roles = (given['process.roles'] ?? 'broker,controller').split(',').map(role => role.trim())
  return {
    ...(roles.includes('broker') ? { listeners: `PLAINTEXT://${HOST}:0` } : {}),
    ...given,
    'node.id': String(id),
    ...(count === 1 ? {} : { 'internal.host': HOST }),
    // Only to say that there are others: where they are is told when they are bound.
    ...(roles.includes('controller') ? {} : { 'controller.quorum.bootstrap.servers': `${HOST}:1` }),
  }
}
