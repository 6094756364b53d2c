import { expect, test } from 'vitest'
import { parseConfig } from '../../src/config.ts'
import { clusterDefaults } from '../../src/metadata/bootstrap.ts'

const valuesOf = (nodes: number, properties: Record<string, string> = {}) =>
  clusterDefaults(nodes, parseConfig(properties)).map(record =>
    record.type === 'configChanged' ? `${record.resource} ${record.key}=${record.value}` : record.type,
  )

test.each([
  [1, undefined, undefined],
  [2, 2, 1],
  [3, 3, 2],
  [5, 3, 2],
])('%i nodes: %s replicas, %s in sync', (nodes, replicas, minInsync) => {
  expect(valuesOf(nodes)).toEqual(
    replicas === undefined
      ? []
      : [
          `broker/ default.replication.factor=${replicas}`,
          `broker/ offsets.topic.replication.factor=${replicas}`,
          `broker/ min.insync.replicas=${minInsync}`,
        ],
  )
})

test('what was configured is what all agree on', () => {
  expect(valuesOf(3, { 'default.replication.factor': '2', 'min.insync.replicas': '1' })).toEqual([
    'broker/ default.replication.factor=2',
    'broker/ offsets.topic.replication.factor=3',
    'broker/ min.insync.replicas=1',
  ])
})
