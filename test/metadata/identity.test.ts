import { describe, expect, test } from 'vitest'
import type { Env, Kv } from '../../src/env/env.ts'
import { memoryEnv } from '../../src/env/memory/env.ts'
import {
  becomeMember,
  type Identity,
  isVoter,
  markClean,
  openIdentity,
  refuseForeignDirectory,
  writeIdentity,
} from '../../src/metadata/identity.ts'
import { pack } from '../../src/util/pack.ts'
import { isUuid } from '../../src/util/uuid.ts'

const logger = { log: () => {} }

async function withMeta<T>(env: Env, body: (meta: Kv) => Promise<T>): Promise<T> {
  const meta = await env.kv.open('/data/meta')
  try {
    return await body(meta)
  } finally {
    await meta.close()
  }
}

const open = (env: Env, o: { nodeId?: number; clusterId?: string; alone?: boolean } = {}) =>
  withMeta(env, meta => openIdentity(env, { directory: '/data', meta, nodeId: 1, clusterId: undefined, alone: true, ...o }))

test('an empty directory is given ids once and keeps them', async () => {
  const env = memoryEnv({ logger })
  const first = await open(env)
  expect(first).toMatchObject({ nodeId: 1, previousBrokerEpoch: -1, clean: false, formatted: true })
  expect([first.clusterId, first.directoryId].every(isUuid)).toBe(true)
  expect(await open(env)).toEqual({ ...first, formatted: false })
})

test('the mark of a clean shutdown is good for one start', async () => {
  const env = memoryEnv({ logger })
  await open(env)
  await withMeta(env, meta => markClean(meta, 17))
  expect(await open(env)).toMatchObject({ clean: true, previousBrokerEpoch: 17 })
  expect(await open(env)).toMatchObject({ clean: false, previousBrokerEpoch: -1 })
})

describe('a node of many', () => {
  const join = (env: Env, identity: Identity, membership: { clusterId: string; voters: Identity['voters'] }) =>
    withMeta(env, meta => becomeMember(env, { directory: '/data', meta }, identity, membership))
  const cluster = 'clustercluster-cluster'
  const other = { nodeId: 2, directoryId: 'directory-of-number-2Q' }

  test('has a directory id before it has a cluster, and keeps it', async () => {
    const env = memoryEnv({ logger })
    const blank = await open(env, { alone: false })
    expect(blank).toMatchObject({ clusterId: '', voters: [], formatted: true })
    expect(await open(env, { alone: false })).toEqual({ ...blank, formatted: false })
  })

  test('is a member for good, with the voters in order', async () => {
    const env = memoryEnv({ logger })
    const blank = await open(env, { alone: false })
    const own = { nodeId: 1, directoryId: blank.directoryId }
    const member = await join(env, blank, { clusterId: cluster, voters: [other, own] })
    expect(member).toMatchObject({ clusterId: cluster, voters: [own, other], directoryId: blank.directoryId })
    expect(isVoter(member)).toBe(true)
    expect(await open(env, { alone: false })).toEqual({ ...member, formatted: false })
    await expect(join(env, member, { clusterId: 'another', voters: [own] })).rejects.toThrow('belongs to cluster')
  })

  test('that waited for others may become a cluster of its own', async () => {
    const env = memoryEnv({ logger })
    const blank = await open(env, { alone: false })
    const alone = await open(env)
    expect(alone.voters).toEqual([{ nodeId: 1, directoryId: blank.directoryId }])
    expect(isUuid(alone.clusterId)).toBe(true)
    expect(await open(env)).toEqual(alone)
  })

  test('does not vote with another disk under its old id', () => {
    expect(isVoter({ nodeId: 2, directoryId: 'anotherAnotherAnotherA', voters: [other] })).toBe(false)
    expect(isVoter({ ...other, voters: [other] })).toBe(true)
  })

  test('can be given its place beforehand, once', async () => {
    const env = memoryEnv({ logger })
    const own = { nodeId: 1, directoryId: 'directory-of-number-1A' }
    const place = { ...own, clusterId: cluster, voters: [other, own] }
    const write = () => withMeta(env, meta => writeIdentity({ directory: '/data', meta }, place, []))
    await write()
    expect(await open(env)).toMatchObject({ ...place, voters: [own, other], previousBrokerEpoch: -1, clean: false, formatted: false })
    await expect(write()).rejects.toThrow("/data is a node's already")
  })
})

describe("a directory that is not this node's is refused, and the message says what to do", () => {
  const text = async (promise: Promise<unknown>) =>
    promise.then(
      () => 'taken',
      (error: Error & { code: string }) => `${error.code}: ${error.message}`,
    )

  test('another node', async () => {
    const env = memoryEnv({ logger })
    await open(env)
    expect(await text(open(env, { nodeId: 2 }))).toBe(
      'EEXIST: /data belongs to node 1, but this is node 2. Set node.id=1, or name another data directory.',
    )
  })

  test('another cluster', async () => {
    const env = memoryEnv({ logger })
    const { clusterId } = await open(env)
    expect(await open(env, { clusterId })).toMatchObject({ clusterId })
    expect(await text(open(env, { clusterId: 'other' }))).toMatch(/^EEXIST: .*but this node was started for cluster other\. Name another/)
  })

  test('a newer format', async () => {
    const env = memoryEnv({ logger })
    const value = pack(1, 1, [3, 'c', 1, 'd'])
    await withMeta(env, meta => meta.batch([{ type: 'put', key: Buffer.from('node/identity'), value }], { sync: true }))
    expect(await text(open(env))).toBe('EEXIST: /data was written by a newer Ottla (format 3, known here: 2). Start that version.')
  })

  test('data without an identity: the database was lost', async () => {
    for (const path of ['/data/vote', '/data/logs/orders-0']) {
      const env = memoryEnv({ logger })
      await env.disk.makeDirectory('/data/logs')
      await (await env.disk.open(path, 'create')).close()
      expect(await text(open(env))).toMatch(
        /^ECORRUPT: \/data holds data \(\/data\/(vote|logs\/orders-0)\) but not the identity.*Restore the directory/,
      )
    }
  })

  test("somebody else's files, before anything is made among them", async () => {
    const env = memoryEnv({ logger })
    expect(await text(refuseForeignDirectory(env.disk, '/data'))).toBe('taken')
    await env.disk.makeDirectory('/data/lost+found')
    expect(await text(refuseForeignDirectory(env.disk, '/data'))).toBe('taken')
    await (await env.disk.open('/data/meta.properties', 'create')).close()
    expect(await text(refuseForeignDirectory(env.disk, '/data'))).toMatch(
      /^EEXIST: \/data holds files that are not Ottla's \(meta\.properties\)\. It looks like Apache Kafka's/,
    )
    await env.disk.remove('/data/meta.properties')
    await open(env)
    await (await env.disk.open('/data/notes.txt', 'create')).close()
    expect(await text(refuseForeignDirectory(env.disk, '/data'))).toBe('taken')
  })
})
