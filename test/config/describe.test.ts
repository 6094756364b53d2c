import { expect, test } from 'vitest'
import {
  type DescribedConfig,
  describeBrokerConfigs,
  describeClusterConfigs,
  describeTopicConfigs,
  parseConfig,
  SOURCE_STATIC,
  TOPIC_KEYS,
} from '../../src/config.ts'

const map = (values: Record<string, string>) => new Map(Object.entries(values))
const SOURCES = ['', 'topic', 'broker', 'cluster', 'static', 'default']

/** As `kafka-configs --describe --all` has it: value, read-only, source, synonyms. */
function line(config: DescribedConfig): string {
  const synonyms = config.synonyms.map(s => `${SOURCES[s.source]}:${s.name}=${s.value}`).join(', ')
  return `${config.name}=${config.value}${config.readOnly ? ' readOnly' : ''} ${SOURCES[config.configSource]} {${synonyms}}`
}

const config = parseConfig({ 'log.segment.bytes': '2097152', 'log.retention.hours': '2', 'node.id': '3' })
const layers = {
  topic: map({ 'max.message.bytes': ' 5000 ', 'retention.bytes': '9223372036854775807' }),
  broker: map({ 'message.max.bytes': '6000' }),
  cluster: map({ 'message.max.bytes': '7000', 'min.insync.replicas': '2' }),
}

test('a topic: every source of a value, the strongest first', () => {
  const keys = [
    'max.message.bytes',
    'min.insync.replicas',
    'segment.bytes',
    'retention.ms',
    'retention.bytes',
    'flush.ms',
    'preallocate',
    'cleanup.policy',
  ]
  expect(describeTopicConfigs(config, layers, keys).map(line).sort()).toEqual([
    'cleanup.policy=delete default {default:log.cleanup.policy=delete}',
    'flush.ms=9223372036854775807 default {}',
    'max.message.bytes=5000 topic {topic:max.message.bytes=5000, broker:message.max.bytes=6000, cluster:message.max.bytes=7000, default:message.max.bytes=1048588}',
    'min.insync.replicas=2 cluster {cluster:min.insync.replicas=2, default:min.insync.replicas=1}',
    'preallocate=false readOnly default {}',
    'retention.bytes=9223372036854775807 topic {topic:retention.bytes=9223372036854775807, default:log.retention.bytes=-1}',
    'retention.ms=7200000 static {static:log.retention.hours=2, default:log.retention.hours=168}',
    'segment.bytes=2097152 static {static:log.segment.bytes=2097152, default:log.segment.bytes=1073741824}',
  ])
})

test('a broker: what was given at the start, what was changed since, what cannot be changed', () => {
  const keys = [
    'message.max.bytes',
    'node.id',
    'broker.id',
    'num.partitions',
    'log.retention.ms',
    'log.retention.hours',
    'broker.rack',
    'listeners',
  ]
  expect(describeBrokerConfigs(config, layers, keys).map(line).sort()).toEqual([
    'broker.id=3 readOnly static {static:broker.id=3, default:broker.id=-1}',
    'broker.rack=null readOnly default {}',
    'listeners=PLAINTEXT://:9092 readOnly default {default:listeners=PLAINTEXT://:9092}',
    'log.retention.hours=2 readOnly static {static:log.retention.hours=2, default:log.retention.hours=168}',
    'log.retention.ms=null default {static:log.retention.hours=2, default:log.retention.hours=168}',
    'message.max.bytes=6000 broker {broker:message.max.bytes=6000, cluster:message.max.bytes=7000, default:message.max.bytes=1048588}',
    'node.id=3 readOnly static {static:node.id=3, default:node.id=1}',
    'num.partitions=1 readOnly default {default:num.partitions=1}',
  ])
})

test('the default of all brokers: only what was set there', () => {
  expect(describeClusterConfigs(layers, null).map(line).sort()).toEqual([
    'message.max.bytes=7000 cluster {cluster:message.max.bytes=7000}',
    'min.insync.replicas=2 cluster {cluster:min.insync.replicas=2}',
  ])
  expect(describeClusterConfigs(layers, ['num.partitions'])).toEqual([])
})

test('without a list of keys everything listed is answered, hidden keys only when asked for', () => {
  const all = describeTopicConfigs(config, layers, null).map(({ name }) => name)
  expect(all).toEqual(TOPIC_KEYS.filter(key => key !== 'internal.segment.bytes'))
  expect(describeTopicConfigs(config, layers, ['internal.segment.bytes', 'no.such.key']).map(line)).toEqual([
    'internal.segment.bytes=null default {}',
  ])
  expect(describeTopicConfigs(config, layers, [])).toEqual([])
})

test('types are numbered as Kafka numbers them, and everything has a line of documentation', () => {
  const described = [...describeTopicConfigs(config, {}, null), ...describeBrokerConfigs(config, {}, null)]
  const types = new Map(described.map(({ name, configType }) => [name, configType]))
  expect(
    ['preallocate', 'compression.type', 'segment.bytes', 'retention.ms', 'min.cleanable.dirty.ratio', 'cleanup.policy'].map(key =>
      types.get(key),
    ),
  ).toEqual([1, 2, 3, 5, 6, 7])
  expect(described.filter(({ documentation }) => !documentation.endsWith('.'))).toEqual([])
})

test('a secret is never told', () => {
  const config = parseConfig({ 'cluster.secret': 'not for everybody' })
  const [entry] = describeBrokerConfigs(config, {}, ['cluster.secret'])
  expect(entry).toMatchObject({ value: null, isSensitive: true, configType: 9, synonyms: [{ value: null, source: SOURCE_STATIC }] })
  expect(JSON.stringify(describeBrokerConfigs(config, {}, null))).not.toContain('everybody')
})
