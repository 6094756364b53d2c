import { expect, test } from 'vitest'
import { readNetwork } from '../../src/broker/known-nodes.ts'
import { type PlannedNode, prepareCluster } from '../../src/broker/prepare.ts'
import { memoryEnv } from '../../src/env/memory/env.ts'
import { openIdentity } from '../../src/metadata/identity.ts'

const env = () => memoryEnv({ logger: { log: () => {} } })
const planned = (nodeId: number, isVoter: boolean): PlannedNode => {
  return { nodeId, directory: `/cluster/node-${nodeId}`, isVoter, host: '127.0.0.1', port: 7000 + nodeId }
}

test('every node finds who it is, who votes, where they are, and the secret', async () => {
  const world = env()
  const nodes = [planned(1, true), planned(2, true), planned(3, false)]
  const clusterId = await prepareCluster(world, nodes, { secret: 'between us' })
  const identities = []
  for (const { directory, nodeId, port } of nodes) {
    const meta = await world.kv.open(`${directory}/meta`)
    identities.push(await openIdentity(world, { directory, meta, nodeId, alone: false }))
    expect(await readNetwork(meta)).toEqual({
      internalPort: port,
      secret: 'between us',
      addresses: [1, 2].map(id => ({ nodeId: id, host: '127.0.0.1', port: 7000 + id })),
    })
    await meta.close()
  }
  expect(identities.map(identity => identity.clusterId)).toEqual([clusterId, clusterId, clusterId])
  const voters = identities.slice(0, 2).map(({ nodeId, directoryId }) => ({ nodeId, directoryId }))
  expect(identities.map(identity => identity.voters)).toEqual([voters, voters, voters])
})

test("a directory that is a node's already is left alone", async () => {
  const world = env()
  const clusterId = await prepareCluster(world, [planned(1, true)])
  await expect(prepareCluster(world, [planned(1, true)])).rejects.toThrow("/cluster/node-1 is a node's already")
  const meta = await world.kv.open('/cluster/node-1/meta')
  expect(await openIdentity(world, { directory: '/cluster/node-1', meta, nodeId: 1, alone: true })).toMatchObject({ clusterId })
})
