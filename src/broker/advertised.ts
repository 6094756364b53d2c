// What ApiVersions tells clients. Advertise only what is finished: clients switch features on by what is advertised.
// Facts: KIP-896 and the mins that clients depend on (KAFKA-18659: librdkafka gives up compression unless Produce reaches down to 0, which
// nobody serves any more: an actual Produce v0–2 gets its connection closed, as in Kafka).

export interface AdvertisedApi {
  readonly apiKey: number
  readonly minVersion: number
  readonly maxVersion: number
}

export const ADVERTISED: readonly AdvertisedApi[] = [
  /* Produce */ { apiKey: 0, minVersion: 0, maxVersion: 13 },
  /* Fetch */ { apiKey: 1, minVersion: 4, maxVersion: 17 },
  /* ListOffsets */ { apiKey: 2, minVersion: 1, maxVersion: 11 },
  /* Metadata */ { apiKey: 3, minVersion: 0, maxVersion: 13 },
  /* OffsetCommit */ { apiKey: 8, minVersion: 2, maxVersion: 9 },
  /* OffsetFetch */ { apiKey: 9, minVersion: 1, maxVersion: 9 },
  /* FindCoordinator */ { apiKey: 10, minVersion: 0, maxVersion: 6 },
  /* JoinGroup */ { apiKey: 11, minVersion: 0, maxVersion: 9 },
  /* Heartbeat */ { apiKey: 12, minVersion: 0, maxVersion: 4 },
  /* LeaveGroup */ { apiKey: 13, minVersion: 0, maxVersion: 5 },
  /* SyncGroup */ { apiKey: 14, minVersion: 0, maxVersion: 5 },
  /* DescribeGroups */ { apiKey: 15, minVersion: 0, maxVersion: 6 },
  /* ListGroups */ { apiKey: 16, minVersion: 0, maxVersion: 5 },
  /* ApiVersions */ { apiKey: 18, minVersion: 0, maxVersion: 4 },
  /* CreateTopics */ { apiKey: 19, minVersion: 2, maxVersion: 7 },
  /* DeleteTopics */ { apiKey: 20, minVersion: 1, maxVersion: 6 },
  /* DeleteRecords */ { apiKey: 21, minVersion: 0, maxVersion: 2 },
  /* InitProducerId */ { apiKey: 22, minVersion: 0, maxVersion: 5 },
  /* OffsetForLeaderEpoch */ { apiKey: 23, minVersion: 2, maxVersion: 4 },
  /* DescribeConfigs */ { apiKey: 32, minVersion: 1, maxVersion: 4 },
  /* AlterConfigs */ { apiKey: 33, minVersion: 0, maxVersion: 2 },
  /* DescribeLogDirs */ { apiKey: 35, minVersion: 1, maxVersion: 5 },
  /* CreatePartitions */ { apiKey: 37, minVersion: 0, maxVersion: 3 },
  /* DeleteGroups */ { apiKey: 42, minVersion: 0, maxVersion: 2 },
  /* ElectLeaders */ { apiKey: 43, minVersion: 0, maxVersion: 2 },
  /* IncrementalAlterConfigs */ { apiKey: 44, minVersion: 0, maxVersion: 1 },
  /* ListPartitionReassignments */ { apiKey: 46, minVersion: 0, maxVersion: 0 },
  /* OffsetDelete */ { apiKey: 47, minVersion: 0, maxVersion: 0 },
  /* DescribeQuorum */ { apiKey: 55, minVersion: 0, maxVersion: 2 },
  /* UpdateFeatures */ { apiKey: 57, minVersion: 0, maxVersion: 2 },
  /* DescribeCluster */ { apiKey: 60, minVersion: 0, maxVersion: 2 },
  /* DescribeProducers */ { apiKey: 61, minVersion: 0, maxVersion: 0 },
  /* UnregisterBroker */ { apiKey: 64, minVersion: 0, maxVersion: 0 },
  /* DescribeTopicPartitions */ { apiKey: 75, minVersion: 0, maxVersion: 0 },
]
