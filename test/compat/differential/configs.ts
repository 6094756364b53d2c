// DescribeConfigs, AlterConfigs, IncrementalAlterConfigs.
import { DescribeConfigs } from '../../../src/protocol/api/32-describe-configs.ts'
import { AlterConfigs } from '../../../src/protocol/api/33-alter-configs.ts'
import { IncrementalAlterConfigs } from '../../../src/protocol/api/44-incremental-alter-configs.ts'
import type { Peer } from './peer.ts'
import { type Scenario, scenario } from './scenario.ts'

const TOPIC = 2
const BROKER = 4
const SET = 0
const DELETE = 1
const APPEND = 2
const SUBTRACT = 3

type Change = readonly [name: string, operation: number, value: string | null]

interface Resource {
  readonly type: number
  readonly name: string
}

/** Keys, sources and synonyms; one step a key, so that one that differs hides no other. */
async function describe(
  peer: Peer,
  step: string,
  resource: Resource,
  version: number,
  keys: readonly string[] | null = null,
): Promise<void> {
  const answer = await peer.quietly(DescribeConfigs, version, {
    resources: [{ resourceType: resource.type, resourceName: resource.name, configurationKeys: keys }],
    includeSynonyms: true,
    includeDocumentation: false,
  })
  const { configs, ...rest } = answer!.results[0]!
  peer.record(`${step} v${version}`, { ...rest, keys: Object.fromEntries(configs.map(({ name }) => [name, true])) })
  for (const config of configs) peer.record(`${step} v${version}: ${config.name}`, config)
}

const listing = scenario('describe configs', async peer => {
  await peer.topic('described', {
    configs: { 'retention.ms': '5000', 'segment.bytes': '2097152', 'unclean.leader.election.enable': 'true' },
  })
  const topic = { type: TOPIC, name: 'described' }
  for (const version of peer.versions(DescribeConfigs)) {
    await describe(peer, 'a topic', topic, version)
    await describe(peer, 'a broker', { type: BROKER, name: '1' }, version)
    await describe(peer, 'all brokers', { type: BROKER, name: '' }, version)
    await describe(peer, 'two keys of a topic', topic, version, ['retention.ms', 'cleanup.policy', 'no.such.key', 'num.partitions'])
    await describe(peer, 'no keys of a topic', topic, version, [])
    await describe(peer, 'a key of a broker', { type: BROKER, name: '1' }, version, ['num.partitions', 'retention.ms'])
    const ask = (step: string, resources: readonly (readonly [number, string])[], includeSynonyms = false) =>
      peer.ask(step, DescribeConfigs, version, {
        resources: resources.map(([resourceType, resourceName]) => ({ resourceType, resourceName, configurationKeys: ['retention.ms'] })),
        includeSynonyms,
      })
    await ask('a key without synonyms', [[TOPIC, 'described']])
    await ask('a missing topic', [[TOPIC, 'missing']])
    await ask('an invalid name', [[TOPIC, 'a/b']])
    await ask('an empty name', [[TOPIC, '']])
    await ask('another broker', [[BROKER, '7']])
    await ask('a broker that is no number', [[BROKER, 'one']])
    await ask('broker -1', [[BROKER, '-1']])
    await ask('broker 01', [[BROKER, '01']])
    await ask('type 0', [[0, 'x']])
    await ask('type 3', [[3, 'x']])
    await ask('type 99', [[99, 'x']])
    await ask('a topic twice', [[TOPIC, 'described'], [TOPIC, 'described']]) // biome-ignore format: pairs
    await ask('good and missing', [[TOPIC, 'described'], [TOPIC, 'missing']]) // biome-ignore format: pairs
    await ask('nothing', [])
    await peer.ask('with documentation', DescribeConfigs, version, {
      resources: [{ resourceType: TOPIC, resourceName: 'described', configurationKeys: ['retention.ms'] }],
      includeDocumentation: true,
    })
  }
})

const INCREMENTAL: Readonly<Record<string, readonly Change[]>> = {
  'set one': [['retention.ms', SET, '1000']],
  'set another': [['max.message.bytes', SET, '5000']],
  'set the same': [['retention.ms', SET, '1000']],
  'set two': [['retention.ms', SET, '2000'], ['retention.bytes', SET, '7000']], // biome-ignore format: pairs
  'delete one': [['retention.ms', DELETE, null]],
  'delete with a value': [['retention.bytes', DELETE, 'x']],
  'delete what is not set': [['segment.ms', DELETE, null]],
  'delete an unknown key': [['no.such.key', DELETE, null]],
  'set null': [['retention.ms', SET, null]],
  'set an unknown key': [['no.such.key', SET, '1']],
  'set a wrong value': [['retention.ms', SET, 'soon']],
  'set out of bounds': [['min.insync.replicas', SET, '0']],
  'set a wrong codec': [['compression.type', SET, 'rar']],
  'one good, one bad': [['segment.ms', SET, '1000'], ['retention.ms', SET, 'soon']], // biome-ignore format: pairs
  'one key twice': [['segment.ms', SET, '1000'], ['segment.ms', SET, '2000']], // biome-ignore format: pairs
  'append to what is no list': [['retention.ms', APPEND, '1']],
  'append to an unknown key': [['no.such.key', APPEND, '1']],
  'append what is there': [['cleanup.policy', APPEND, 'delete']],
  'append an unknown word': [['cleanup.policy', APPEND, 'keep']],
  'append null': [['cleanup.policy', APPEND, null]],
  'subtract from what is no list': [['retention.ms', SUBTRACT, '1']],
  'subtract what is not there': [['cleanup.policy', SUBTRACT, 'keep']],
  'subtract null': [['cleanup.policy', SUBTRACT, null]],
  'operation 9': [['retention.ms', 9, '1']],
  'operation -1': [['retention.ms', -1, '1']],
  'no changes': [],
}

async function change(peer: Peer, step: string, version: number, resource: Resource, changes: readonly Change[], validateOnly = false) {
  await peer.ask(step, IncrementalAlterConfigs, version, {
    resources: [
      {
        resourceType: resource.type,
        resourceName: resource.name,
        configs: changes.map(([name, configOperation, value]) => ({ name, configOperation, value })),
      },
    ],
    validateOnly,
  })
}

/** What is set on a resource itself, once the broker has heard of it. */
async function own(peer: Peer, step: string, resource: Resource): Promise<void> {
  await peer.pause(40)
  const answer = await peer.quietly(DescribeConfigs, 4, {
    resources: [{ resourceType: resource.type, resourceName: resource.name, configurationKeys: null }],
    includeSynonyms: false,
  })
  const source = resource.type === TOPIC ? 1 : resource.name === '' ? 3 : 2
  const set = answer!.results[0]!.configs.filter(({ configSource }) => configSource === source)
  peer.record(`${step}, afterwards`, Object.fromEntries(set.map(({ name, value }) => [name, value])))
}

const BROKER_CHANGES: Readonly<Record<string, readonly Change[]>> = {
  'set a dynamic one': [['log.retention.ms', SET, '360000000']],
  'set a read-only one': [['node.id', SET, '5']],
  'set a listener': [['listeners', SET, 'PLAINTEXT://:1']],
  'set an unknown key': [['no.such.key', SET, '1']],
  'set a wrong value': [['log.retention.ms', SET, 'soon']],
  'set a topic key': [['retention.ms', SET, '1']],
  'set num.partitions': [['num.partitions', SET, '2']],
  'append to what is no list': [['log.retention.ms', APPEND, '1']],
  'delete it': [['log.retention.ms', DELETE, null]],
  'set message.max.bytes': [['message.max.bytes', SET, '2000000']],
  'delete message.max.bytes': [['message.max.bytes', DELETE, null]],
  'set null': [['log.retention.ms', SET, null]],
  'delete an unknown key': [['no.such.key', DELETE, null]],
  'delete a topic key': [['retention.ms', DELETE, null]],
}

const incremental = scenario('incremental alter configs', async peer => {
  for (const version of peer.versions(IncrementalAlterConfigs)) {
    const topic = { type: TOPIC, name: `altered-${version}` }
    await peer.topic(topic.name)
    for (const [what, changes] of Object.entries(INCREMENTAL)) {
      await change(peer, `${what}, validated`, version, topic, changes, true)
      await change(peer, what, version, topic, changes)
      await own(peer, `${what} ${version}`, topic)
    }
    for (const name of ['1', '']) {
      const resource = { type: BROKER, name }
      for (const [what, changes] of Object.entries(BROKER_CHANGES)) {
        await change(peer, `broker "${name}": ${what}, validated`, version, resource, changes, true)
        await change(peer, `broker "${name}": ${what}`, version, resource, changes)
        await own(peer, `broker "${name}": ${what} ${version}`, resource)
      }
      await change(peer, `broker "${name}": set to be described`, version, resource, [['log.retention.ms', SET, '3600000']])
      await peer.pause(60)
      await describe(peer, `broker "${name}": described ${version}`, { type: BROKER, name: '1' }, 4, [
        'log.retention.ms',
        'log.retention.minutes',
        'log.retention.hours',
      ])
      await describe(peer, `broker "${name}": a topic described ${version}`, topic, 4, ['retention.ms'])
      await change(peer, `broker "${name}": taken back`, version, resource, [['log.retention.ms', DELETE, null]])
    }
    const one: Change = ['retention.ms', SET, '1000']
    for (const [what, type, name] of [
      ['a missing topic', TOPIC, 'missing'],
      ['an invalid name', TOPIC, 'a/b'],
      ['an empty name', TOPIC, ''],
      ['another broker', BROKER, '7'],
      ['no broker', BROKER, 'one'],
      ['broker -1', BROKER, '-1'],
      ['type 0', 0, 'x'],
      ['type 3', 3, 'x'],
      ['type 99', 99, 'x'],
    ] as const) {
      await change(peer, what, version, { type, name }, [one])
      await change(peer, `${what}, nothing to change`, version, { type, name }, [])
    }
    const resources = ['altered-', 'altered-', 'missing-'].map(prefix => ({
      resourceType: TOPIC,
      resourceName: `${prefix}${version}`,
      configs: [],
    }))
    await peer.ask('a resource twice', IncrementalAlterConfigs, version, { resources, validateOnly: false })
    await peer.ask('nothing', IncrementalAlterConfigs, version, { resources: [], validateOnly: false })
  }
})

/** Not here: one resource twice, which Kafka never answers. */
const replacing = scenario('alter configs', async peer => {
  for (const version of peer.versions(AlterConfigs)) {
    const topic = { type: TOPIC, name: `replaced-${version}` }
    await peer.topic(topic.name, { configs: { 'segment.ms': '777000', 'retention.ms': '5000' } })
    const ask = (step: string, resource: Resource, configs: readonly (readonly [string, string | null])[], validateOnly = false) =>
      peer.ask(step, AlterConfigs, version, {
        resources: [
          { resourceType: resource.type, resourceName: resource.name, configs: configs.map(([name, value]) => ({ name, value })) },
        ],
        validateOnly,
      })
    const steps: Readonly<Record<string, readonly (readonly [string, string | null])[]>> = {
      'another value': [['retention.ms', '6000']],
      'a wrong value': [['retention.ms', 'soon']],
      'an unknown key': [['no.such.key', '1']],
      null: [['retention.ms', null]],
      'one key twice': [['retention.ms', '1'], ['retention.ms', '2']], // biome-ignore format: pairs
      'two keys': [['retention.ms', '1'], ['segment.ms', '2']], // biome-ignore format: pairs
      nothing: [],
    }
    for (const [what, configs] of Object.entries(steps)) {
      await ask(`${what}, validated`, topic, configs, true)
      await ask(what, topic, configs)
      await own(peer, `${what} ${version}`, topic)
    }
    await ask('a missing topic', { type: TOPIC, name: 'missing' }, [['retention.ms', '1']])
    await ask('an invalid name', { type: TOPIC, name: 'a/b' }, [['retention.ms', '1']])
    await ask('another broker', { type: BROKER, name: '7' }, [['log.retention.ms', '1']])
    await ask('no broker', { type: BROKER, name: 'one' }, [['log.retention.ms', '1']])
    await ask('type 99', { type: 99, name: 'x' }, [['retention.ms', '1']])
    for (const name of ['1', '']) {
      const resource = { type: BROKER, name }
      await ask(`broker "${name}": set`, resource, [['log.retention.ms', '360000000']])
      await own(peer, `broker "${name}": set ${version}`, resource)
      await ask(`broker "${name}": read-only`, resource, [['node.id', '9']])
      await ask(`broker "${name}": nothing`, resource, [])
      await own(peer, `broker "${name}": nothing ${version}`, resource)
    }
  }
})

export const CONFIGS: readonly Scenario[] = [listing, incremental, replacing]
