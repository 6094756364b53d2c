// What the admin client says and does about groups, against a real broker in the simulated world.
import { expect, test } from 'vitest'
import { Kafka } from '../../../src/client/kafka.ts'
import type { Scene } from '../../broker/test-node.ts'
import { withNode } from '../../broker/test-node.ts'
import { BOOTSTRAP, Books, eventually, fill, isShared, Member, withTopic } from './members.ts'

const refusalOf = async (promise: Promise<unknown>) => ((await promise.catch((error: unknown) => error)) as { codeName?: string }).codeName

async function withAdmin(scene: Scene) {
  const kafka = new Kafka(scene.world.env('admin'), { bootstrapServers: BOOTSTRAP })
  return { kafka, admin: kafka.admin() }
}

test('groups are listed, described with their members, and deleted when these have gone', async () => {
  await withNode(async scene => {
    const producing = await withTopic(scene, 't', 4)
    const { kafka, admin } = await withAdmin(scene)
    expect(await admin.listGroups()).toEqual([])
    expect(await refusalOf(admin.describeGroups(['group']))).toBe('GROUP_ID_NOT_FOUND')
    const books = new Books()
    const members = ['a', 'b'].map(name => new Member(scene, name, books, {}, ['t']))
    await eventually(scene, 'they share', () => isShared(members, 4))
    expect(await admin.listGroups()).toEqual([{ groupId: 'group', protocolType: 'consumer', state: 'Stable', type: 'classic' }])
    expect(await admin.listGroups({ states: ['Empty'] })).toEqual([])
    expect(await admin.listGroups({ types: ['consumer'] })).toEqual([])
    const [described] = await admin.describeGroups(['group'])
    expect(described).toMatchObject({ groupId: 'group', state: 'Stable', protocolType: 'consumer', protocol: 'range', coordinatorId: 1 })
    const assignments = Object.fromEntries(
      described!.members.map(({ clientId, assignment }) => [clientId, assignment.map(({ partition }) => `t-${partition}`)]),
    )
    expect(assignments).toEqual({ a: members[0]!.partitions, b: members[1]!.partitions })
    expect(await refusalOf(admin.deleteGroups(['group']))).toBe('NON_EMPTY_GROUP')

    await Promise.all(members.map(member => member.close()))
    expect(await admin.listGroups({ states: ['Empty'] })).toHaveLength(1)
    await admin.deleteGroups(['group'])
    expect(await admin.listGroups()).toEqual([])
    expect(await refusalOf(admin.deleteGroups(['group']))).toBe('GROUP_ID_NOT_FOUND')
    await Promise.all([kafka.close(), producing.close()])
  })
})

test('offsets of a group are read, altered from outside while it has no members, and deleted', async () => {
  await withNode(async scene => {
    const producing = await withTopic(scene, 't', 2)
    const { kafka, admin } = await withAdmin(scene)
    await fill(producing, 't', 2, 0, 10)
    const books = new Books()
    const member = new Member(scene, 'a', books, {}, ['t'])
    await eventually(scene, 'it read all', () => member.read.length === 10)
    expect(await refusalOf(admin.alterGroupOffsets('group', [{ topic: 't', partition: 0, offset: 1 }]))).toBe('UNKNOWN_MEMBER_ID')
    expect(await refusalOf(admin.deleteGroupOffsets('group', [{ topic: 't', partition: 0 }]))).toBe('GROUP_SUBSCRIBED_TO_TOPIC')
    await member.close()
    const epoch = (await admin.listGroupOffsets('group'))[0]!.leaderEpoch
    expect(epoch).toBeGreaterThanOrEqual(0)
    expect(await admin.listGroupOffsets('group')).toEqual(
      [0, 1].map(partition => ({ topic: 't', partition, offset: 5, leaderEpoch: epoch, metadata: '' })),
    )

    await admin.alterGroupOffsets('group', [{ topic: 't', partition: 0, offset: 2, metadata: 'by hand' }])
    expect(await admin.listGroupOffsets('group', { partitions: [{ topic: 't', partition: 0 }] })).toEqual([
      { topic: 't', partition: 0, offset: 2, leaderEpoch: -1, metadata: 'by hand' },
    ])
    const again = new Member(scene, 'b', books, {}, ['t'])
    await eventually(scene, 'it read the rest', () => again.read.length === 3)
    await again.close()

    await admin.deleteGroupOffsets('group', [{ topic: 't', partition: 1 }])
    expect((await admin.listGroupOffsets('group')).map(({ partition }) => partition)).toEqual([0])
    expect(await refusalOf(admin.alterGroupOffsets('group', [{ topic: 'missing', partition: 0, offset: 1 }]))).toBe(
      'UNKNOWN_TOPIC_OR_PARTITION',
    )
    expect(await admin.listGroupOffsets('nobody')).toEqual([])
    await Promise.all([kafka.close(), producing.close()])
  })
})

test('records are deleted up to an offset, or all of them', async () => {
  await withNode(async scene => {
    const producing = await withTopic(scene, 't', 2)
    const { kafka, admin } = await withAdmin(scene)
    await fill(producing, 't', 2, 0, 20)
    const partitions = [
      { topic: 't', partition: 0, beforeOffset: 4 },
      { topic: 't', partition: 1, beforeOffset: 'all' },
    ] as const
    expect(await admin.deleteRecords(partitions)).toEqual([
      { topic: 't', partition: 0, logStartOffset: 4 },
      { topic: 't', partition: 1, logStartOffset: 10 },
    ])
    expect(await refusalOf(admin.deleteRecords([{ topic: 't', partition: 0, beforeOffset: 99 }]))).toBe('OFFSET_OUT_OF_RANGE')
    expect(await refusalOf(admin.deleteRecords([{ topic: 't', partition: 7, beforeOffset: 1 }]))).toBe('UNKNOWN_TOPIC_OR_PARTITION')
    expect(await refusalOf(admin.deleteRecords([{ topic: 'missing', partition: 0, beforeOffset: 1 }]))).toBe('UNKNOWN_TOPIC_OR_PARTITION')
    await Promise.all([kafka.close(), producing.close()])
  })
})
