// The listeners of a node out of `listeners`, `advertised.listeners` and the protocol map. Only PLAINTEXT for now: any other protocol of a
// listener that would be opened is refused, never served unprotected.
import type { Config } from '../config.ts'
import { ConfigError } from './values.ts'

export interface ListenerConfig {
  /** Upper case. */
  readonly name: string
  /** '' binds all interfaces. */
  readonly host: string
  /** 0: any free one. */
  readonly port: number
  readonly securityProtocol: 'PLAINTEXT'
  readonly advertisedHost: string
  /** 0: the one that was bound. */
  readonly advertisedPort: number
}

export interface Endpoint {
  readonly name: string
  readonly host: string
  readonly port: number
}

/**
 * The listeners for clients, in the order given; those of controller.listener.names are left out.
 * @param hostName  told to clients of a listener that binds all interfaces and has no advertised address
 * @throws ConfigError
 */
export function clientListeners(config: Config, hostName = 'localhost'): ListenerConfig[] {
  const controllers = new Set(config['controller.listener.names'].map(name => name.toUpperCase()))
  const protocols = parseProtocolMap(config['listener.security.protocol.map'])
  const bound = parseEndpoints('listeners', config.listeners)
  const advertised = new Map(parseEndpoints('advertised.listeners', config['advertised.listeners'] ?? []).map(each => [each.name, each]))
  for (const { name, host } of advertised.values()) {
    if (!bound.some(each => each.name === name))
      throw new ConfigError('advertised.listeners', `advertised.listeners names ${name}, which listeners does not have`)
    if (isWildcard(host))
      throw new ConfigError('advertised.listeners', `advertised.listeners: ${host || 'an empty host'} is not an address clients can reach`)
  }
  const client = bound.filter(({ name }) => !controllers.has(name))
  if (!config['process.roles'].includes('broker')) {
    if (client.length === 0 || !config.properties.has('listeners')) return []
    throw new ConfigError(
      'listeners',
      `listeners holds ${client.map(({ name }) => name)}, but a node with process.roles=controller serves no clients: name it in controller.listener.names too, or leave listeners out`,
    )
  }
  if (client.length === 0) throw new ConfigError('listeners', 'listeners must hold one that is not in controller.listener.names')
  const interBroker = config['inter.broker.listener.name']
  if (interBroker !== null && !client.some(({ name }) => name === interBroker.toUpperCase()))
    throw new ConfigError(
      'inter.broker.listener.name',
      `inter.broker.listener.name is ${interBroker}, which is not among the broker's listeners`,
    )
  return client.map(({ name, host, port }) => {
    const protocol = protocols.get(name)
    if (protocol === undefined)
      throw new ConfigError(
        'listener.security.protocol.map',
        `listener.security.protocol.map has no protocol for listener ${name}: add ${name}:PLAINTEXT`,
      )
    if (protocol !== 'PLAINTEXT')
      throw new ConfigError(
        'listeners',
        `Listener ${name} has protocol ${protocol}: only PLAINTEXT is supported, the listener would not be protected`,
      )
    const told = advertised.get(name)
    return {
      name,
      host,
      port,
      securityProtocol: protocol,
      advertisedHost: told?.host ?? (isWildcard(host) ? hostName : host),
      advertisedPort: told?.port ?? port,
    }
  })
}

export function isWildcard(host: string): boolean {
  return host === '' || host === '0.0.0.0' || host === '::'
}

export function parseEndpoints(key: string, entries: readonly string[]): Endpoint[] {
  const endpoints: Endpoint[] = []
  for (const entry of entries) {
    const match = /^([A-Za-z0-9_.-]+):\/\/(\[[^\]]*\]|[^:/]*):(\d{1,5})$/.exec(entry)
    const port = Number(match?.[3])
    if (match === null || port > 65_535)
      throw new ConfigError(key, `Invalid value ${entry} for configuration ${key}: expected NAME://host:port`)
    const name = match[1]!.toUpperCase()
    if (endpoints.some(each => each.name === name)) throw new ConfigError(key, `${key}: listener ${name} stands there twice`)
    if (port !== 0 && endpoints.some(each => each.port === port) && key === 'listeners')
      throw new ConfigError(key, `${key}: port ${port} stands there twice`)
    endpoints.push({ name, host: match[2]!.replace(/^\[|\]$/g, ''), port })
  }
  return endpoints
}

function parseProtocolMap(text: string): Map<string, string> {
  const protocols = new Map<string, string>()
  for (const entry of text.split(',').map(each => each.trim())) {
    const [name, protocol, ...rest] = entry.split(':')
    if (name === undefined || protocol === undefined || rest.length > 0 || name === '')
      throw new ConfigError('listener.security.protocol.map', `listener.security.protocol.map: expected NAME:PROTOCOL, not ${entry}`)
    protocols.set(name.trim().toUpperCase(), protocol.trim().toUpperCase())
  }
  return protocols
}
