// The features this broker can run at (KIP-584). Kafka's names and levels; clients switch behaviour on by what is *finalized*, so nothing stands
// here that does not exist: no transaction.version, group.version or share.version yet.
import { type Config, hasRole } from '../config.ts'
import { clusterDefaults } from '../metadata/bootstrap.ts'
import type { MetadataRecord, SupportedFeature } from '../metadata/records.ts'

/** 7 is 3.3-IV3, the least Kafka 4 starts from; 30 is 4.3-IV0. User interfaces read the cluster's version from it. */
export const SUPPORTED_FEATURES: readonly SupportedFeature[] = [{ name: 'metadata.version', minVersion: 7, maxVersion: 30 }]

/** What a new cluster agrees on when it is formed: to run at the highest levels its first broker knows, and on how many nodes records are kept. */
export function bootstrapRecords(config: Config, voters: number): readonly MetadataRecord[] {
  const features = SUPPORTED_FEATURES.map(({ name, maxVersion }): MetadataRecord => ({ type: 'featureFinalized', name, level: maxVersion }))
  // Voters that keep no records say nothing of how many brokers there will be.
  return [...features, ...clusterDefaults(hasRole(config, 'broker') ? voters : 1, config)]
}
