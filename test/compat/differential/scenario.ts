// A conversation that is held with both brokers alike.
import type { Peer } from './peer.ts'

export interface Scenario {
  readonly name: string
  readonly run: (peer: Peer) => Promise<void>
}

export function scenario(name: string, run: (peer: Peer) => Promise<void>): Scenario {
  return { name, run }
}
