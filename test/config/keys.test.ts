import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { definitionOf } from '../../src/config/keys.ts'
import { formatValue } from '../../src/config/values.ts'
import {
  CONFIG_KEYS,
  ConfigError,
  isConfigKey,
  isTopicKey,
  KEYS,
  parseBrokerValue,
  parseConfig,
  parseTopicValue,
  TOPIC_KEYS,
  topicConfig,
} from '../../src/config.ts'
import { DEFAULT_LOG_CONFIG } from '../../src/log/config.ts'

/** Where our default is another one on purpose, with Kafka's. */
const OTHER_DEFAULTS: Readonly<Record<string, string>> = {
  'flush.messages': '9223372036854775807',
  'log.flush.interval.messages': '9223372036854775807',
  'log.flush.interval.ms': 'null',
  'log.dir': '/tmp/kafka-logs',
  'offsets.topic.replication.factor': '3',
  'group.initial.rebalance.delay.ms': '3000',
  'node.id': '-',
  'broker.heartbeat.interval.ms': '2000',
  'broker.session.timeout.ms': '9000',
  'controller.quorum.fetch.timeout.ms': '2000',
  'controller.quorum.election.timeout.ms': '1000',
  'replica.lag.time.max.ms': '30000',
  'queued.max.request.bytes': '-1',
  'process.roles': '-',
  'controller.listener.names': '-',
  'listener.security.protocol.map': 'SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT',
}
/** Ours alone, or not in 4.x any more. */
const NOT_KAFKAS = new Set([
  'inter.broker.protocol.version',
  'internal.segment.bytes',
  'log.dir.free.bytes.min',
  'internal.host',
  'internal.port',
  'cluster.id',
  'cluster.secret',
  'cluster.secret.file',
  'gossip.enable',
  'gossip.port',
])

const kafka = readFileSync(new URL('./kafka-4.3-configs.txt', import.meta.url), 'utf8')
  .split('\n')
  .filter(line => line !== '' && !line.startsWith('#'))
  .map(line => line.split(' | ') as [string, string, string, string])

describe('the table', () => {
  test.each(kafka)('%s key %s has the type and default of Apache Kafka', (scope, key, type, initial) => {
    expect(scope === 'topic' ? isTopicKey(key) : isConfigKey(key)).toBe(true)
    const definition = definitionOf(key as 'num.partitions')
    // A single directory is not a list here, and counts that Kafka keeps in a short are ints in its own answers too.
    expect(key === 'log.dir' ? 'LIST' : definition.type.toUpperCase()).toBe(type)
    const ours =
      definition.type === 'list' && definition.default !== null
        ? `[${(definition.default as string[]).join(', ')}]`
        : String(formatValue(definition.type, definition.default))
    expect(key in OTHER_DEFAULTS ? OTHER_DEFAULTS[key] : ours).toBe(key === 'log.dir' ? initial.replace(/^\[|\]$/g, '') : initial)
  })

  test("every key is Kafka's", () => {
    const theirs = new Set(kafka.map(([scope, key]) => `${scope} ${key}`))
    const odd = [...CONFIG_KEYS.map(key => `broker ${key}`), ...TOPIC_KEYS.map(key => `topic ${key}`)].filter(each => !theirs.has(each))
    expect(odd.map(each => each.split(' ')[1]).filter(key => !NOT_KAFKAS.has(key!))).toEqual([])
  })

  test('every synonym is a broker key, and every default passes its own check', () => {
    for (const [key, { synonyms }] of Object.entries(KEYS)) {
      for (const synonym of synonyms) expect([key, isConfigKey(synonym.key)]).toEqual([key, true])
      const definition = definitionOf(key as 'num.partitions')
      const text = formatValue(definition.type, definition.default)
      if (text === null) continue
      if (isTopicKey(key)) parseTopicValue(key, text)
      if (isConfigKey(key)) parseBrokerValue(key, text)
    }
  })

  test("a topic that sets nothing on a broker that sets nothing has the log's defaults", () => {
    const { minInsyncReplicas, uncleanLeaderElectionEnable, ...log } = topicConfig(parseConfig({}), {})
    expect(log).toEqual(DEFAULT_LOG_CONFIG)
    expect([minInsyncReplicas, uncleanLeaderElectionEnable]).toEqual([1, false])
  })
})

describe('values', () => {
  test.each([
    ['num.partitions', '3', 3],
    ['num.partitions', ' +3 ', 3],
    ['auto.create.topics.enable', 'FALSE', false],
    ['log.retention.ms', '-1', -1],
    ['log.retention.ms', '9223372036854775807', Number.MAX_SAFE_INTEGER],
    ['compression.type', 'zstd', 'zstd'],
    ['compression.gzip.level', '-1', -1],
    ['compression.zstd.level', '-131072', -131_072],
    ['listeners', 'A://:1 , B://:2', ['A://:1', 'B://:2']],
    ['controller.quorum.voters', '', []],
    ['inter.broker.protocol.version', '4.4', '4.4'],
    ['log.cleanup.policy', 'delete', ['delete']],
  ] as const)('%s=%s is taken', (key, text, value) => {
    expect(parseBrokerValue(key, text)).toEqual(value)
  })

  test.each([
    ['num.partitions', '0', 'Invalid value 0 for configuration num.partitions: Value must be at least 1'],
    ['num.partitions', 'three', 'Invalid value three for configuration num.partitions: Not a number of type INT'],
    ['num.partitions', '1.5', 'Not a number of type INT'],
    ['num.partitions', '', 'Not a number of type INT'],
    ['num.partitions', '2147483648', 'Not a number of type INT'],
    ['log.retention.bytes', '9223372036854775808', 'Not a number of type LONG'],
    ['log.retention.bytes', '1e9', 'Not a number of type LONG'],
    ['auto.create.topics.enable', 'yes', 'Expected value to be either true or false'],
    ['compression.type', 'brotli', 'String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer'],
    ['compression.gzip.level', '0', 'Value must be at least 1, or -1'],
    ['compression.gzip.level', '10', 'Value must be no more than 9, or -1'],
    ['log.retention.ms', '0', 'Value must be -1 (no limit) or at least 1'],
    ['log.segment.bytes', '1000', 'Value must be at least 1048576'],
    ['listeners', '', 'The list must not be empty'],
    ['process.roles', 'broker,cook', 'String must be one of: broker, controller'],
    ['log.dirs', '/a,/b', 'A node has one data directory'],
    ['log.cleanup.policy', 'compact,archive', 'String must be one of: delete, compact'],
    ['log.cleanup.policy', '', 'The list must not be empty'],
    ['log.cleaner.min.cleanable.ratio', '1.1', 'Value must be no more than 1'],
    ['inter.broker.protocol.version', '3.0', 'It cannot be changed here: only 4.4 is accepted'],
  ] as const)('%s=%s is refused: %s', (key, text, message) => {
    expect(() => parseBrokerValue(key, text)).toThrow(ConfigError)
    expect(() => parseBrokerValue(key, text)).toThrow(message)
  })

  test.each([
    ['preallocate', 'true', 'only false is accepted'],
    ['compression.lz4.level', '5', 'only 9 is accepted'],
    ['leader.replication.throttled.replicas', '*', 'only the empty value is accepted'],
  ] as const)('a fixed topic key takes its one value and no other: %s=%s', (key, text, message) => {
    expect(() => parseTopicValue(key, text)).toThrow(message)
    parseTopicValue(key, formatValue(KEYS[key].type, KEYS[key].default)!)
  })
})
