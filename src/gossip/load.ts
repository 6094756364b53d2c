// libp2p is an optional package, and loading it takes time and memory: it is asked for when a node has others to talk to, and has started.
import { EnvError } from '../env/env.ts'
import type { GossipNetwork, OpenGossipNetwork } from './gossip.ts'

interface Implementation {
  readonly openLibp2p: (...of: Parameters<OpenGossipNetwork>) => Promise<GossipNetwork>
}

/** @param load  in place of the import */
export function libp2pGossip(load: () => Promise<Implementation> = () => import('./libp2p.ts')): OpenGossipNetwork {
  return async (env, options) => {
    const { openLibp2p } = await load().catch((error: Error & { code?: string }) => {
      if (error.code !== 'ERR_MODULE_NOT_FOUND' && error.code !== 'MODULE_NOT_FOUND') throw error
      throw new EnvError('ENOENT', 'libp2p is not installed (the optional package @chainsafe/libp2p-gossipsub)', { cause: error })
    })
    return openLibp2p(env, options)
  }
}
