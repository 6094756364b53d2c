import { describe, expect, test } from 'vitest'
import {
  brokerConfig,
  ConfigError,
  clientListeners,
  internalListener,
  isAlone,
  parseConfig,
  parseProperties,
  topicConfig,
} from '../../src/config.ts'

const map = (values: Record<string, string>) => new Map(Object.entries(values))

/** config/server.properties of Apache Kafka 4.3, without its comments. */
const SERVER_PROPERTIES = `
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=localhost:9093
listeners=PLAINTEXT://:9092,CONTROLLER://:9093
inter.broker.listener.name=PLAINTEXT
advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL
num.network.threads=3
num.io.threads=8
socket.send.buffer.bytes=102400
socket.receive.buffer.bytes=102400
socket.request.max.bytes=104857600
log.dirs=/tmp/kraft-combined-logs
num.partitions=1
num.recovery.threads.per.data.dir=1
offsets.topic.replication.factor=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
log.retention.hours=168
log.segment.bytes=1073741824
log.retention.check.interval.ms=300000
`

describe('server.properties', () => {
  test('the one Kafka ships is taken; what has no effect here is said', () => {
    const told: string[] = []
    const config = parseConfig(parseProperties(SERVER_PROPERTIES), { onUnknown: (_key, sentence) => told.push(sentence) })
    expect(config['node.id']).toBe(1)
    expect(config['broker.id']).toBe(1)
    expect(config['log.dirs']).toEqual(['/tmp/kraft-combined-logs'])
    expect(clientListeners(config)).toEqual([
      { name: 'PLAINTEXT', host: '', port: 9092, securityProtocol: 'PLAINTEXT', advertisedHost: 'localhost', advertisedPort: 9092 },
    ])
    expect(told).toEqual([
      'num.network.threads has no effect: there are no thread pools here',
      'num.io.threads has no effect: there are no thread pools here',
      'socket.send.buffer.bytes has no effect: the operating system sizes its socket buffers',
      'socket.receive.buffer.bytes has no effect: the operating system sizes its socket buffers',
      'num.recovery.threads.per.data.dir has no effect: there are no thread pools here',
      'share.coordinator.state.topic.replication.factor has no effect: transactions and share groups are not served yet',
      'share.coordinator.state.topic.min.isr has no effect: transactions and share groups are not served yet',
      'transaction.state.log.replication.factor has no effect: transactions and share groups are not served yet',
      'transaction.state.log.min.isr has no effect: transactions and share groups are not served yet',
    ])
  })

  test('a key nobody knows is an error where it was typed, with the key it may have meant', () => {
    expect(() => parseConfig({ 'num.partition': '3' })).toThrow('num.partition is not a known key; did you mean num.partitions?')
    expect(() => parseConfig({ 'colour.of.the.sky': 'blue' })).toThrow(/^colour.of.the.sky is not a known key$/)
    expect(() => parseConfig({ 'num.io.threads': '3' })).toThrow('num.io.threads has no effect')
    // A topic's key is none of a broker's.
    expect(() => parseConfig({ 'retention.ms': '3' })).toThrow(ConfigError)
  })

  test.each([
    [{ 'authorizer.class.name': 'x' }, 'authorizer.class.name is not supported'],
    [{ 'zookeeper.connect': 'localhost:2181' }, 'zookeeper.connect is not supported'],
    [{ 'process.roles': 'broker' }, 'controller.quorum.voters is empty: a node that is no controller must know some'],
    [{ 'process.roles': 'broker', 'controller.quorum.voters': '1@a:1' }, 'holds node 1, which is no controller by process.roles'],
    [{ 'process.roles': 'broker,broker' }, 'process.roles names a role twice'],
    [{ 'controller.quorum.voters': '2@a:1' }, 'has no node 1, which is a controller by process.roles'],
    [{ 'controller.quorum.voters': '1@a:1,1@b:1' }, 'Node 1 stands there twice'],
    [{ 'controller.quorum.voters': '1@a:1,2@a:1' }, 'Two nodes have the address of 2@a:1'],
    [{ 'controller.quorum.voters': '1@a' }, 'Expected id@host:port, not 1@a'],
    [{ 'controller.quorum.voters': 'a:1' }, 'Expected id@host:port, not a:1'],
    [{ 'controller.quorum.voters': '1@a:0' }, 'Expected id@host:port, not 1@a:0'],
    [{ 'controller.quorum.bootstrap.servers': 'a:1,b:1' }, 'names several nodes: a controller must find all voters'],
    [{ 'controller.quorum.bootstrap.servers': 'a:99999' }, 'Expected host:port, not a:99999'],
    [{ 'broker.session.timeout.ms': '300' }, 'broker.session.timeout.ms must be at least twice broker.heartbeat.interval.ms'],
    [{ 'cluster.secret': 'longenough', 'cluster.secret.file': '/a' }, 'cluster.secret.file and cluster.secret are both set'],
    [{ 'cluster.secret': 'short' }, /^Invalid value \[hidden\] for configuration cluster.secret: It must have at least 8 characters$/],
    [{ 'cluster.id': 'mine' }, 'It must be a uuid of 22 characters'],
    [{ 'replica.selector.class': 'x.Y' }, 'It must be one of: org.apache.kafka.common.replica.RackAwareReplicaSelector'],
    [{ 'node.id': '1', 'broker.id': '2' }, 'node.id is 1 and broker.id is 2'],
    [{ 'num.partitions': '-1' }, 'Value must be at least 1'],
  ] as [Record<string, string>, string | RegExp][])('%o is refused', (properties, message) => {
    expect(() => parseConfig(properties)).toThrow(message)
  })

  test('node.id and broker.id are one', () => {
    expect(parseConfig({ 'broker.id': '7' })['node.id']).toBe(7)
    expect(parseConfig({ 'node.id': '7' })['broker.id']).toBe(7)
    expect(parseConfig({ 'node.id': '7', 'broker.id': '7', 'controller.quorum.voters': '7@a:1' })['node.id']).toBe(7)
    expect(parseConfig({})['node.id']).toBe(1)
  })
})

test.each([
  ['a=1\nb = 2\nc:3\nd 4\n  e\t=\t5', { a: '1', b: '2', c: '3', d: '4', e: '5' }],
  ['# comment\n! comment\n\na=1 # not a comment', { a: '1 # not a comment' }],
  ['a=one\\\n   two\nb=3', { a: 'onetwo', b: '3' }],
  ['a=C:\\\\logs\\\\x\r\nb=\\u00e9\\t!', { a: 'C:\\logs\\x', b: 'é\t!' }],
  ['a\\=b=c\na\\ b=d\nempty\nalso=', { 'a=b': 'c', 'a b': 'd', empty: '', also: '' }],
  ['a=1\na=2', { a: '2' }],
  ['a=x\\\\\nb=2', { a: 'x\\', b: '2' }],
])('properties %j', (text, expected) => {
  expect(parseProperties(text)).toEqual(expected)
})

describe('listeners', () => {
  const listeners = (properties: Record<string, string>, hostName?: string) =>
    clientListeners(parseConfig(properties), hostName).map(l => `${l.name} ${l.host}:${l.port} → ${l.advertisedHost}:${l.advertisedPort}`)

  test.each([
    [{}, ['PLAINTEXT :9092 → localhost:9092']],
    [{ listeners: 'plaintext://127.0.0.1:0' }, ['PLAINTEXT 127.0.0.1:0 → 127.0.0.1:0']],
    [{ listeners: 'PLAINTEXT://[::1]:9092' }, ['PLAINTEXT ::1:9092 → ::1:9092']],
    [
      {
        listeners: 'IN://0.0.0.0:9092,OUT://:9094',
        'advertised.listeners': 'IN://broker.internal:9092,OUT://kafka.example.com:443',
        'listener.security.protocol.map': 'IN:PLAINTEXT,OUT:PLAINTEXT',
      },
      ['IN 0.0.0.0:9092 → broker.internal:9092', 'OUT :9094 → kafka.example.com:443'],
    ],
  ])('%o', (properties, expected) => {
    expect(listeners(properties as Record<string, string>)).toEqual(expected)
  })

  test('a listener on all interfaces tells clients the name of the host', () => {
    expect(listeners({ listeners: 'PLAINTEXT://:9092' }, 'box')).toEqual(['PLAINTEXT :9092 → box:9092'])
  })

  test.each([
    [
      { listeners: 'SASL_SSL://:9092' },
      'Listener SASL_SSL has protocol SASL_SSL: only PLAINTEXT is supported, the listener would not be protected',
    ],
    [{ listeners: 'X://:9092' }, 'has no protocol for listener X: add X:PLAINTEXT'],
    [{ listeners: 'PLAINTEXT://:9092,PLAINTEXT://:9093' }, 'listener PLAINTEXT stands there twice'],
    [{ listeners: 'PLAINTEXT://:70000' }, 'expected NAME://host:port'],
    [{ listeners: 'localhost:9092' }, 'expected NAME://host:port'],
    [{ listeners: 'CONTROLLER://:1', 'controller.listener.names': 'CONTROLLER' }, 'must hold one that is not in controller.listener.names'],
    [{ 'advertised.listeners': 'OTHER://a:1' }, 'advertised.listeners names OTHER, which listeners does not have'],
    [{ 'advertised.listeners': 'PLAINTEXT://0.0.0.0:1' }, 'is not an address clients can reach'],
    [{ 'inter.broker.listener.name': 'X' }, "which is not among the broker's listeners"],
    [{ 'listener.security.protocol.map': 'PLAINTEXT' }, 'expected NAME:PROTOCOL, not PLAINTEXT'],
  ])('%o is refused', (properties, message) => {
    expect(() => listeners(properties as Record<string, string>)).toThrow(message)
  })
})

describe('effective values', () => {
  test.each([
    ['the default of the table', {}, {}, 604_800_000],
    ['server.properties in hours', { 'log.retention.hours': '1' }, {}, 3_600_000],
    ['minutes before hours', { 'log.retention.hours': '1', 'log.retention.minutes': '2' }, {}, 120_000],
    ['milliseconds before minutes', { 'log.retention.minutes': '2', 'log.retention.ms': '3' }, {}, 3],
    ['no limit in hours', { 'log.retention.hours': '-1' }, {}, -1],
    ['the default of all brokers before server.properties', { 'log.retention.ms': '3' }, { cluster: map({ 'log.retention.ms': '4' }) }, 4],
    ['a broker before all brokers', {}, { cluster: map({ 'log.retention.ms': '4' }), broker: map({ 'log.retention.ms': '5' }) }, 5],
    [
      'the topic before all',
      { 'log.retention.ms': '3' },
      { broker: map({ 'log.retention.ms': '5' }), topic: map({ 'retention.ms': '6' }) },
      6,
    ],
  ])('of retention.ms: %s', (_name, properties, layers, expected) => {
    expect(topicConfig(parseConfig(properties as Record<string, string>), layers).retentionMs).toBe(expected)
  })

  test('a key of one name on both takes the topic, then the broker', () => {
    const config = parseConfig({ 'min.insync.replicas': '2' })
    expect(topicConfig(config, {}).minInsyncReplicas).toBe(2)
    expect(topicConfig(config, { topic: map({ 'min.insync.replicas': '3' }) }).minInsyncReplicas).toBe(3)
  })

  test('internal.segment.bytes goes below the least segment.bytes', () => {
    expect(topicConfig(parseConfig({}), { topic: map({ 'internal.segment.bytes': '4096' }) }).segmentBytes).toBe(4096)
  })

  test('dynamic values of a broker come over those it was started with, which stay known', () => {
    const config = parseConfig({ 'message.max.bytes': '1000', 'num.partitions': '3' })
    const dynamic = brokerConfig(config, { cluster: map({ 'message.max.bytes': '2000' }) })
    expect([dynamic['message.max.bytes'], dynamic['num.partitions']]).toEqual([2000, 3])
    expect(brokerConfig(dynamic, {})['message.max.bytes']).toBe(1000)
  })
})

describe('the internal listener', () => {
  const listener = (properties: Record<string, string>) => internalListener(parseConfig(properties), { hostName: 'me' })

  test.each([
    ['beside the first listener', { listeners: 'A://127.0.0.1:9000' }, { host: '127.0.0.1', port: 10_000, advertisedHost: '127.0.0.1' }],
    ['anywhere when the first listener is', { listeners: 'A://:0' }, { host: '', port: 0, advertisedHost: 'me' }],
    ['anywhere when there is no port beside it', { listeners: 'A://:65000' }, { host: '', port: 0, advertisedHost: 'me' }],
    [
      "where Kafka's controllers listen",
      { listeners: 'A://:9000,C://:9093', 'controller.listener.names': 'C' },
      { host: '', port: 9093, advertisedHost: 'me' },
    ],
    [
      'where controller.quorum.voters says',
      { listeners: 'A://:9000', 'controller.quorum.voters': '2@b:7,1@a:8' },
      { host: '', port: 8, advertisedHost: 'a' },
    ],
    [
      'known by the name that clients know',
      { listeners: 'A://:9000', 'advertised.listeners': 'A://a.example:9000' },
      { host: '', port: 10_000, advertisedHost: 'a.example' },
    ],
    [
      'where it is told to',
      { 'internal.host': '10.0.0.1', 'internal.port': '5', 'controller.quorum.voters': '1@a:8' },
      { host: '10.0.0.1', port: 5, advertisedHost: '10.0.0.1' },
    ],
  ] as const)('is %s', (_, properties, expected) => {
    expect(listener(properties)).toEqual(expected)
  })

  test.each([
    [{}, true],
    [{ 'controller.quorum.voters': '1@a:8' }, true],
    [{ 'internal.port': '0' }, false],
    [{ 'cluster.secret': 'longenough' }, false],
    [{ 'controller.quorum.voters': '1@a:8,2@b:8' }, false],
    [{ 'process.roles': 'controller' }, false],
    [{ 'process.roles': 'broker', 'controller.quorum.bootstrap.servers': 'a:1' }, false],
  ])('of %o is not needed: %s', (properties, alone) => {
    expect(isAlone(parseConfig(properties as Record<string, string>))).toBe(alone)
  })

  test('a controller has no listener for clients', () => {
    const controller = { 'process.roles': 'controller' }
    expect(clientListeners(parseConfig(controller))).toEqual([])
    const withClients = parseConfig({ ...controller, listeners: 'A://:1,C://:2', 'controller.listener.names': 'C' })
    expect(() => clientListeners(withClients)).toThrow('serves no clients')
  })
})
