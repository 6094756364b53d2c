// Where Ottla answers differently from Kafka, on purpose: one entry a decision (docs/DECISIONS.md). What is not here is a mistake of ours.
export interface Allowed {
  readonly step: RegExp
  /** Of the field within the answer; any field when left out. */
  readonly path?: RegExp
  /** Which answers differ on purpose; all when left out. The values are as they are printed. */
  readonly when?: (kafka: string, ottla: string) => boolean
  readonly reason: string
}

const described = (keys: string, o: { path?: RegExp; reason: string }): Allowed => ({ step: new RegExp(`: (${keys})$`), ...o })

export const ALLOWED: readonly Allowed[] = [
  {
    step: /./,
    path: /(^|\.)(errorMessage|batchIndexErrorMessage)$/,
    when: (kafka, ottla) => (kafka === 'null' || kafka === '""') && ottla === '"<text>"',
    reason: 'Every error comes with a message; Kafka leaves many without one.',
  },
  {
    step: new RegExp(
      [
        '^produce, malformed batches: .*(a length of 2 GB|codec [57]|gzip that is none)',
        '^produce, malformed batches: packed, a timestamp below -1',
        '^(fetch|list offsets).*isolation level 2',
        '^metadata: by no id',
        '^describe topic partitions: an empty name',
        '^incremental alter configs: operation',
      ].join('|'),
    ),
    reason: 'What ends in an exception in Kafka (UNKNOWN_SERVER_ERROR) is judged like any other wrong request.',
  },
  { step: /^fetch.*(negative partition limit|max bytes -1)/, reason: 'A byte limit below zero counts as zero (Kafka: an exception).' },

  // ------------------------------------------------------------------------------------------------------------------------------ produce
  {
    step: /stamped by the client, on a CreateTime topic|plain-time, as stored/,
    reason: 'A batch that claims LogAppendTime is always INVALID_TIMESTAMP.',
  },
  { step: /^produce, offsets with gaps/, reason: 'Offset deltas with gaps are renumbered in uncompressed batches too.' },
  { step: /a transactional (id|batch)|odd requests: the topic, as stored/, reason: 'Transactions do not exist yet.' },
  {
    step: /^produce, malformed batches: .*a key length of -2/,
    reason: 'A negative length other than -1 is damage; Kafka stores such records, and not every client can read them.',
  },
  {
    step: /^produce, malformed batches: .*(delete horizon|unused attribute) bit, as stored/,
    path: /attributes$/,
    reason: 'Attribute bits without a meaning stay as they came; Kafka clears them where it writes the header anew.',
  },
  { step: /^produce, sequences: (a negative epoch|sequences-\d+-5, as stored)/, reason: 'A batch with a producer id needs an epoch.' },
  {
    step: /^produce, sequences: /,
    path: /logAppendTimeMs$/,
    when: (kafka, ottla) => kafka !== '-1' && ottla === '-1',
    reason:
      'A duplicate on a CreateTime topic is answered without an append time, like its first; Kafka tells the batch’s largest timestamp.',
  },
  {
    step: /^(produce, odd requests: a (partition|topic) twice|fetch.*the same partition twice)/,
    reason: 'A partition that stands in a request twice is served and answered twice; Kafka drops the first without a word.',
  },

  // -------------------------------------------------------------------------------------------------------------------------------- fetch
  { step: /^fetch, waiting: an error beside v\d+: waited/, reason: 'An error of one partition ends the wait of the others.' },
  {
    step: /^fetch, of a topic that goes: /,
    path: /errorCode$|abortedTransactions$/,
    when: (kafka, ottla) => (['3', '103'].includes(kafka) && ottla === '100') || ottla === '[]',
    reason: 'The id of a deleted topic is UNKNOWN_TOPIC_ID in a session too; Kafka goes by the name it had.',
  },
  { step: /^fetch, sessions: a new session without partitions/, path: /^sessionId$/, reason: 'No session is kept for nothing.' },
  {
    step: /^api versions: key 1 /,
    path: /^maxVersion$/,
    reason: 'Fetch 18 (KIP-1166) concerns followers, which have no listener here yet.',
  },
  { step: /^api versions: features/, reason: 'Only features that exist are told: no groups, transactions or share groups yet.' },
  {
    step: /^update features: streams.version 0, type 1/,
    reason: 'A new Kafka cluster runs at streams.version 1, which 0 would lower; ours has no streams groups.',
  },
  {
    step: /^describe quorum: the log/,
    path: /replicaDirectoryId$/,
    when: (kafka, ottla) => kafka === '"none"' && ottla === '"some"',
    reason: 'Voters are always told with their directory id; Kafka’s have one only where kraft.version is 1.',
  },
  { step: /^describe quorum: the log/, path: /^nodes.0.listeners$/, reason: 'Voters have no listener of their own.' },
  {
    step: /^api versions: version 99 without a client id/,
    reason: 'The header of an unknown ApiVersions version is not read beyond the correlation id.',
  },

  // ------------------------------------------------------------------------------------------------------------------- metadata and topics
  { step: /^metadata: by id, and by name/, reason: 'Names beside ids are answered; Kafka leaves them out.' },
  { step: /^create topics: an empty config value/, reason: 'cleanup.policy takes only "delete".' },
  { step: /^create topics: colliding with each other/, reason: 'Names that collide are refused within one request too.' },
  {
    step: /^create topics: (timeout|at-once|before)/,
    reason: 'The timeout of CreateTopics counts the waiting for the leaders; the topic is made. Kafka makes none with a timeout of 0.',
  },
  { step: /^create topics: .*, validated/, path: /topicId$/, reason: 'A topic that is not made has no id.' },
  {
    step: /^create topics: (a config with spaces|a boolean config)/,
    path: /value$/,
    reason: 'Config values are told as they are understood, not as they were typed.',
  },

  {
    step: /^elect leaders: timeout/,
    reason:
      'The timeout of ElectLeaders counts the waiting for the leaders; with one of 0 they are elected all the same. Kafka elects none.',
  },

  // ------------------------------------------------------------------------------------------------------------------------------ configs
  {
    step: /^(create topics|describe configs)/,
    path: /readOnly$/,
    when: (kafka, ottla) => kafka === 'false' && ottla === 'true',
    reason: 'A key with one possible value, or that cannot change while the broker runs, is read-only.',
  },
  {
    step: /^describe configs|^incremental alter configs: broker .*: described/,
    path: /^synonyms/,
    when: (kafka, ottla) => kafka === '[]' || ottla === '[]' || ottla.includes('.hours'),
    reason: 'Synonyms: those in other units are always listed; broker keys of what is not there are not.',
  },
  {
    step: /^create topics|: min\.insync\.replicas$|broker "":.*afterwards$|all brokers/,
    path: /min.insync.replicas|configSource|synonyms/,
    reason: 'Kafka with ELR writes min.insync.replicas as a default of all brokers when the cluster is formed.',
  },
  {
    step: /^create topics|: (log\.flush\.interval\.messages|flush\.messages)$/,
    path: /(flush-messages\.|^|\.)value$/,
    when: (kafka, ottla) => kafka === '"9223372036854775807"' && ottla === '"1"',
    reason: 'log.flush.interval.messages is 1 by default.',
  },
  {
    step: /^describe configs: a broker v/,
    path: /^keys\.log\.dir\.free\.bytes\.min$/,
    reason: 'log.dir.free.bytes.min is ours alone: below it produce is refused.',
  },
  described('queued\\.max\\.request\\.bytes', { reason: 'Request bytes in flight are bounded by default.' }),
  described('group\\.initial\\.rebalance\\.delay\\.ms', { reason: 'The first rebalance of a group does not wait.' }),
  described('offsets\\.topic\\.replication\\.factor', { reason: 'Replication factors suit the number of nodes.' }),
  described('default\\.replication\\.factor', { reason: 'default.replication.factor can change while the broker runs.' }),
  described(
    '(advertised|controller\\.listener|inter\\.broker\\.listener)\\.\\w+|listeners|listener\\.security\\.protocol\\.map|controller\\.quorum\\.voters',
    {
      reason: 'What each of the two was started with.',
    },
  ),
  described('node\\.id|broker\\.id|process\\.roles|log\\.dirs?', { reason: 'What each of the two was started with.' }),
  {
    step: /^describe configs: a broker v/,
    path: /^keys\.(add\.partitions|alter|authorizer|background|client\.quota|config\.providers|connection|controll|cordoned|create\.topic\.policy|delegation|delete\.records|early|follower\.fetch|group|initial\.broker|leader\.imbalance|auto\.leader|broker\.(heartbeat|session)|kafka\.metrics|metric|metadata|num\.replica|offset|password|principal|quota|remote|replica|sasl|security|share|ssl|telemetry|transaction)/,
    when: (_kafka, ottla) => ottla === 'nothing',
    reason: 'Broker keys of what is not there: groups, transactions, replication, security, quotas, policies, tiered storage, JMX.',
  },
  {
    step: /^describe configs: a broker v/,
    path: /^keys\.(log\.(cleaner|dir\.failure|flush\.(offset|scheduler|start)|index\.size|local|preallocate)|fetch\.purgatory|producer\.purgatory|share\.fetch|max\.connection|num\.|queued|request\.timeout|socket)/,
    when: (_kafka, ottla) => ottla === 'nothing',
    reason: 'Broker keys that tune how Kafka is built: threads, queues, purgatories, socket buffers, checkpoints, the cleaner.',
  },
  {
    step: /^describe configs: a broker v/,
    path: /^keys\.inter\.broker\.protocol\.version$/,
    reason: 'inter.broker.protocol.version is listed for tools that read the version from it; Kafka 4 dropped it.',
  },
  {
    step: /^incremental alter configs: broker "1?": (set an unknown key|set a topic key)|: broker .*afterwards$|^describe configs: (a broker|all brokers) v/,
    path: /errorCode$|errorMessage$|^(keys\.)?(no\.such\.key|retention\.ms)$/,
    reason: 'Broker keys that do not exist are refused; Kafka stores them.',
  },
  {
    step: /(^alter|^incremental alter) configs: another broker/,
    path: /errorCode$/,
    reason: 'Any broker takes the configs of any registered broker; of one that is not there it says so (BROKER_ID_NOT_REGISTERED).',
  },
  { step: /^describe configs: a topic twice/, path: /^results\.1\./, reason: 'A resource is described once in an answer.' },
  {
    step: /^alter configs: broker ""/,
    reason: 'Kafka with ELR refuses to replace the defaults of all brokers without min.insync.replicas among them.',
  },
]
