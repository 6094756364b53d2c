// What a data directory keeps of the way to the other nodes, in `meta` under "node/network": this node's internal port, the cluster secret where the
// configuration has none, and where voters were last. Only hints, but for the secret: the configuration and registrations say it newer.
import type { Kv, KvOperation } from '../env/env.ts'
import { PackError, pack, unpack } from '../util/pack.ts'
import { type KnownAddress, packAddresses, readAddresses } from './formation.ts'

export interface KnownNetwork {
  /** Undefined: this node was not given one. */
  readonly internalPort: number | undefined
  readonly secret: string | undefined
  readonly addresses: readonly KnownAddress[]
}

const KEY = Buffer.from('node/network')
const NETWORK = 4
const VERSION = 1
const NOTHING: KnownNetwork = { internalPort: undefined, secret: undefined, addresses: [] }

/** @throws PackError */
export async function readNetwork(meta: Kv): Promise<KnownNetwork> {
  const bytes = await meta.get(KEY)
  if (bytes === undefined) return NOTHING
  const { type, version, fields } = unpack(bytes, 'known nodes')
  const [internalPort, secret, addresses] = [fields[0], fields[1], readAddresses(fields[2])]
  if (type !== NETWORK || version !== VERSION || addresses === undefined)
    throw new PackError('what the data directory knows of other nodes is damaged')
  return {
    internalPort: Number.isSafeInteger(internalPort) ? (internalPort as number) : undefined,
    secret: typeof secret === 'string' ? secret : undefined,
    addresses,
  }
}

/** To be written to `meta`. */
export function networkOperation({ internalPort, secret, addresses }: KnownNetwork): KvOperation {
  return { type: 'put', key: KEY, value: pack(NETWORK, VERSION, [internalPort ?? null, secret ?? null, packAddresses(addresses)]) }
}
