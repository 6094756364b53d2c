// Who may connect: counts by listener and by address, judged when a connection arrives. Pure.
// Facts: kafka.network.ConnectionQuotas. We differ from Kafka: beyond max.connections it lets new connections wait in the kernel, we close them, so
// that a client learns at once; and as many descriptors as the process may have are never all given to sockets.

export interface ConnectionLimits {
  readonly maxConnections: number
  /** By listener name; a listener that is not here has no limit of its own. */
  readonly maxPerListener: ReadonlyMap<string, number>
  readonly maxPerIp: number
  /** By address: instead of maxPerIp. */
  readonly perIpOverrides: ReadonlyMap<string, number>
}

export const NO_LIMITS: ConnectionLimits = {
  maxConnections: Number.POSITIVE_INFINITY,
  maxPerListener: new Map(),
  maxPerIp: Number.POSITIVE_INFINITY,
  perIpOverrides: new Map(),
}

export class ConnectionCounts {
  readonly #byListener = new Map<string, number>()
  readonly #byAddress = new Map<string, number>()
  #total = 0

  /** Why one more may not be; undefined: it may. */
  refusal(listener: string, address: string, limits: ConnectionLimits): string | undefined {
    if (this.#total >= limits.maxConnections) return `${this.#total} connections are open, the limit`
    const here = this.#byListener.get(listener) ?? 0
    const maxHere = limits.maxPerListener.get(listener) ?? Number.POSITIVE_INFINITY
    if (here >= maxHere) return `${here} connections are open on listener ${listener}, its limit`
    const theirs = this.#byAddress.get(address) ?? 0
    const maxTheirs = limits.perIpOverrides.get(address) ?? limits.maxPerIp
    if (theirs >= maxTheirs) return `${theirs} connections are open from ${address}, its limit`
    return undefined
  }

  opened(listener: string, address: string): void {
    this.#total++
    add(this.#byListener, listener, 1)
    add(this.#byAddress, address, 1)
  }

  closed(listener: string, address: string): void {
    this.#total--
    add(this.#byListener, listener, -1)
    add(this.#byAddress, address, -1)
  }
}

/** What is not counted any more is not kept. */
function add(counts: Map<string, number>, key: string, change: number): void {
  const count = (counts.get(key) ?? 0) + change
  if (count === 0) counts.delete(key)
  else counts.set(key, count)
}
