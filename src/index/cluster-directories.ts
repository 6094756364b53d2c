// What starts a cluster of several nodes as a whole needs besides startNode: data directories that know each other, and settings looked through once.
import { type PlannedNode, prepareCluster as prepareDirectories } from '../broker/prepare.ts'
import { isConfigKey, parseConfig } from '../config.ts'
import type { Env } from '../env/env.ts'
import { realEnv } from '../env/real/env.ts'
import { realLogger } from '../env/real/logger.ts'
import { type Uuid, uuidFromBytes } from '../util/uuid.ts'

export type { PlannedNode } from '../broker/prepare.ts'

/**
 * Gives empty directories the places of a new cluster's nodes, before any of these starts.
 * @param o.secret  what its nodes are to know each other by
 * @returns the new cluster's id
 * @throws EnvError EEXIST when a directory is a node's already, or holds files that are not Ottla's
 */
export function prepareCluster(nodes: readonly PlannedNode[], o: { readonly clusterId: Uuid; readonly secret: string }): Promise<Uuid> {
  return prepareDirectories(doors(), nodes, o)
}

export function newClusterId(): Uuid {
  return uuidFromBytes(doors().random.bytes(16))
}

function doors(): Env {
  return realEnv({ logger: realLogger({ level: 'warn' }) })
}

/**
 * The settings that mean something to a node.
 * @param onUnknown  told of the others, with a sentence for the user
 * @throws ConfigError
 */
export function knownSettings(
  settings: Readonly<Record<string, string>>,
  onUnknown: (key: string, sentence: string) => void,
): Record<string, string> {
  const unknown = new Set<string>()
  parseConfig(settings, {
    onUnknown(key, sentence) {
      unknown.add(key)
      onUnknown(key, sentence)
    },
  })
  return Object.fromEntries(Object.entries(settings).filter(([key]) => isConfigKey(key) || !unknown.has(key)))
}
