// `ottla start` as one node of a cluster on several machines: its options as Kafka's settings.
import { UsageError, whole } from './failure.ts'

export interface PlaceOptions {
  readonly port?: string
  readonly nodeId?: string
  readonly controllerQuorumVoters?: string
  readonly join?: string
  readonly roles?: string
  readonly host?: string
  readonly internalPort?: string
  readonly clusterSecretFile?: string
}

const DEFAULT_PORT = '9092'

/** @param given  settings of the file, the environment and -X, over which these go */
export function placeOf(options: PlaceOptions, given: Readonly<Record<string, string>>): Record<string, string> {
  const { nodeId, controllerQuorumVoters: voters, join, roles, host, internalPort, clusterSecretFile } = options
  if (voters !== undefined && join !== undefined)
    throw new UsageError(
      '--controller-quorum-voters says who the voters are, --join where to ask for them: give one of them.\nA node with a voice takes the first, a broker that joins the second.',
    )
  const place: Record<string, string> = {}
  if (nodeId !== undefined) place['node.id'] = String(whole('--node-id', nodeId, 0, 2_147_483_647))
  if (voters !== undefined) place['controller.quorum.voters'] = voters
  if (join !== undefined) {
    place['controller.quorum.bootstrap.servers'] = join
    place['controller.quorum.voters'] = ''
    if (given['process.roles'] === undefined) place['process.roles'] = 'broker'
  }
  if ((voters ?? join) !== undefined && nodeId === undefined && given['node.id'] === undefined && given['broker.id'] === undefined)
    throw new UsageError('which node is this? Give --node-id N, a number that no other node of the cluster has')
  if (roles !== undefined) place['process.roles'] = roles
  if (internalPort !== undefined) place['internal.port'] = String(whole('--internal-port', internalPort, 0, 65_535))
  if (clusterSecretFile !== undefined) place['cluster.secret.file'] = clusterSecretFile
  if (host !== undefined) Object.assign(place, reachableAs(host, options, given))
  return place
}

/** Open on every interface, for clients and for other nodes, and told to them by that name. */
function reachableAs(
  host: string,
  { port, roles, internalPort }: PlaceOptions,
  given: Readonly<Record<string, string>>,
): Record<string, string> {
  if (!/^[^\s/,@]+$/.test(host))
    throw new UsageError(`--host is '${host}': expected a name or an address by which clients reach this machine`)
  const ofSettings = ['listeners', 'advertised.listeners'].find(key => given[key] !== undefined)
  if (ofSettings !== undefined) throw new UsageError(`--host and the setting ${ofSettings} say the same in two ways: leave one of them out`)
  // For clients it has nothing open; the voters' addresses say where the other nodes find it.
  if (roles === 'controller') return { listeners: `CONTROLLER://:${internalPort ?? 0}`, 'controller.listener.names': 'CONTROLLER' }
  const bound = whole('--port', port ?? DEFAULT_PORT, 0, 65_535)
  const address = host.includes(':') ? `[${host}]` : host
  return { listeners: `PLAINTEXT://:${bound}`, 'advertised.listeners': `PLAINTEXT://${address}:${bound}` }
}
