// What clients of this node may have at once, out of its configuration: dynamic values count from the next connection on.
import { type Config, listenerConnectionLimits, parseOverrides } from '../config.ts'
import type { ConnectionLimits } from '../net/connection-limits.ts'
import type { ListenerAddress } from '../net/server.ts'

/** Whatever the configuration says, so much of the process's files is left to logs and databases. */
const SHARE_OF_FILES = 0.5

/** @param o.maxFiles  that the process may have open; undefined: unknown */
export function clientLimits(o: {
  config: () => Config
  listeners: readonly Pick<ListenerAddress, 'name'>[]
  maxFiles: number | undefined
}): () => ConnectionLimits {
  const affordable = o.maxFiles === undefined ? Number.POSITIVE_INFINITY : Math.max(1, Math.floor(o.maxFiles * SHARE_OF_FILES))
  let known: { readonly config: Config; readonly limits: ConnectionLimits } | undefined
  return () => {
    const config = o.config()
    if (known?.config === config) return known.limits
    const byListener = listenerConnectionLimits(config)
    const limits: ConnectionLimits = {
      maxConnections: Math.min(config['max.connections'], affordable),
      maxPerListener: new Map(
        o.listeners.flatMap(({ name }) => {
          const limit = byListener.get(name.toLowerCase())
          return limit === undefined ? [] : [[name, limit] as const]
        }),
      ),
      maxPerIp: config['max.connections.per.ip'],
      perIpOverrides: parseOverrides(config['max.connections.per.ip.overrides']) ?? new Map(),
    }
    known = { config, limits }
    return limits
  }
}
