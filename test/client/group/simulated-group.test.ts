// Consumers of a group and a real broker in the simulated world.
import { describe, expect, test } from 'vitest'
import type { AssignorName } from '../../../src/client/group/assignors.ts'
import { sleep } from '../../../src/env/env.ts'
import { type Scene, withNode } from '../../broker/test-node.ts'
import { Books, eventually, fill, isShared, Member, withTopic } from './members.ts'

const QUICK = { sessionTimeoutMs: 6000, heartbeatIntervalMs: 500, autoCommitIntervalMs: 300 }
const ASSIGNOR_LISTS: readonly (readonly AssignorName[])[] = [
  ['range'],
  ['roundrobin'],
  ['sticky'],
  ['cooperative-sticky'],
  ['cooperative-sticky', 'range'],
]

async function ends(...members: readonly Member[]): Promise<void> {
  await Promise.all(members.map(member => member.close()))
  expect(members.map(({ failure }) => failure)).toEqual(members.map(() => undefined))
}

const all = (books: Books) => [...books.read.values()].flat()
const inOrder = (values: readonly string[]) => [...values].sort((a, b) => Number(a) - Number(b))

describe.each(ASSIGNOR_LISTS)('three members with %s %s', (...partitionAssignors) => {
  test('share the partitions, and share them anew when one leaves or dies; nothing is left out', async () => {
    await withNode(async (scene: Scene) => {
      const kafka = await withTopic(scene, 't', 6)
      const books = new Books()
      const join = (name: string) => new Member(scene, name, books, { ...QUICK, partitionAssignors }, ['t'])
      const [a, b, c] = [join('a'), join('b'), join('c')]
      await eventually(
        scene,
        'all share',
        () => isShared([a, b, c], 6),
        () => [a, b, c].map(({ partitions }) => partitions),
      )
      const first = await fill(kafka, 't', 6, 0, 300)
      await eventually(scene, 'all was read', () => all(books).length >= 300)
      expect(inOrder(all(books))).toEqual(first)

      await c.close()
      await eventually(
        scene,
        'two share',
        () => isShared([a, b], 6),
        () => [a, b].map(({ partitions }) => partitions),
      )
      await fill(kafka, 't', 6, 300, 300)
      await eventually(scene, 'all was read', () => all(books).length >= 600)
      // Who left had committed, who stayed went on: nobody met a record twice.
      expect(inOrder(all(books)).length).toBe(600)

      b.die()
      await eventually(
        scene,
        'one has all',
        () => isShared([a], 6),
        () => a.partitions,
      )
      await fill(kafka, 't', 6, 600, 60)
      await eventually(scene, 'all was read', () => new Set(all(books)).size === 660)
      await ends(a)
      await kafka.close()
    })
  })
})

describe('a member', () => {
  test('goes on where the group was, after all had left', async () => {
    await withNode(async scene => {
      const kafka = await withTopic(scene, 't', 2)
      const books = new Books()
      await fill(kafka, 't', 2, 0, 10)
      const first = new Member(scene, 'a', books, QUICK, ['t'])
      await eventually(scene, 'it read all', () => all(books).length === 10)
      await ends(first)
      await fill(kafka, 't', 2, 10, 10)
      await scene.restart('after a crash')
      const second = new Member(scene, 'b', books, QUICK, ['t'])
      await eventually(scene, 'it read the rest', () => second.read.length >= 10)
      expect(inOrder(second.read)).toEqual(Array.from({ length: 10 }, (_, i) => String(10 + i)))
      await ends(second)
      await kafka.close()
    })
  })

  test('keeps its partitions, without a word to the others, when it is static and restarts in time', async () => {
    await withNode(async scene => {
      const kafka = await withTopic(scene, 't', 4)
      const books = new Books()
      const join = (name: string) => new Member(scene, name, books, { ...QUICK, groupInstanceId: `instance-${name}` }, ['t'])
      const [a, b] = [join('a'), join('b')]
      await eventually(scene, 'both share', () => isShared([a, b], 4))
      const before = b.partitions
      const logged = books.log.filter(line => line.startsWith('a')).length
      await b.close()
      await sleep(scene.world.env('watcher').clock, 1000)
      const again = join('b')
      await eventually(scene, 'it is back', () => again.partitions.length === 2)
      expect(again.partitions).toEqual(before)
      expect(books.log.filter(line => line.startsWith('a')).length).toBe(logged)
      await ends(a, again)
      await kafka.close()
    })
  })

  test('whose instance id is taken over is told so, and reads no more', async () => {
    await withNode(async scene => {
      const kafka = await withTopic(scene, 't', 1)
      const books = new Books()
      const join = (name: string) => new Member(scene, name, books, { ...QUICK, groupInstanceId: 'one' }, ['t'])
      const first = join('a')
      await eventually(scene, 'it has the partition', () => first.partitions.length === 1)
      const second = join('b')
      await eventually(scene, 'the other has it', () => second.partitions.length === 1)
      await eventually(scene, 'the first is fenced', () => first.failure !== undefined)
      expect(first.failure).toMatchObject({ codeName: 'FENCED_INSTANCE_ID' })
      expect(first.partitions).toEqual([])
      await first.close()
      await ends(second)
      await kafka.close()
    })
  })

  test('that does not poll for too long loses its partitions, and gets some again when it polls', async () => {
    await withNode(async scene => {
      const kafka = await withTopic(scene, 't', 2)
      const books = new Books()
      const { clock } = scene.world.env('slow')
      let isSlow = false
      const slow = new Member(scene, 'slow', books, { ...QUICK, maxPollIntervalMs: 8000 }, ['t'])
      await eventually(scene, 'it has both', () => slow.partitions.length === 2)
      const poll = slow.consumer.poll.bind(slow.consumer)
      slow.consumer.poll = async options => {
        if (isSlow) await sleep(clock, 20_000)
        isSlow = false
        return poll(options)
      }
      isSlow = true
      const other = new Member(scene, 'other', books, { ...QUICK, maxPollIntervalMs: 8000 }, ['t'])
      await eventually(scene, 'the other has both', () => other.partitions.length === 2)
      await eventually(scene, 'they share again', () => isShared([slow, other], 2))
      expect(books.log).toContain('slow lost t-0 t-1')
      await ends(slow, other)
      await kafka.close()
    })
  })

  test('keeps what stays with it in a cooperative rebalance', async () => {
    await withNode(async scene => {
      const kafka = await withTopic(scene, 't', 6)
      const books = new Books()
      const join = (name: string) => new Member(scene, name, books, { ...QUICK, partitionAssignors: ['cooperative-sticky'] }, ['t'])
      const a = join('a')
      await eventually(scene, 'it has all', () => a.partitions.length === 6)
      const b = join('b')
      await eventually(scene, 'they share', () => isShared([a, b], 6))
      const taken = books.log.filter(line => line.startsWith('a -'))
      expect(taken).toHaveLength(1)
      expect(taken[0]!.split(' ').slice(2)).toEqual(b.partitions)
      expect(books.log.filter(line => line.startsWith('a +'))).toHaveLength(1)
      await ends(a, b)
      await kafka.close()
    })
  })

  test('finds topics by a pattern, those that come later and those that grow', async () => {
    await withNode(async scene => {
      const kafka = await withTopic(scene, 'logs-a', 1)
      const books = new Books()
      const member = new Member(scene, 'a', books, { ...QUICK, metadataMaxAgeMs: 1000 }, /^logs-/)
      await eventually(scene, 'it has the first', () => member.partitions.join() === 'logs-a-0')
      await kafka.admin().createTopics([
        { name: 'logs-b', numPartitions: 2 },
        { name: 'other', numPartitions: 1 },
      ])
      await eventually(scene, 'it has the second', () => member.partitions.join() === 'logs-a-0,logs-b-0,logs-b-1')
      await kafka.admin().deleteTopics(['logs-a'])
      await eventually(scene, 'the first is gone', () => member.partitions.join() === 'logs-b-0,logs-b-1')
      await ends(member)
      await kafka.close()
    })
  })

  test('lives through restarts of the broker, and nothing committed is read again', async () => {
    await withNode(async scene => {
      const kafka = await withTopic(scene, 't', 3)
      const books = new Books()
      const members = ['a', 'b'].map(name => new Member(scene, name, books, QUICK, ['t']))
      let count = 0
      for (const how of ['after a crash', 'cleanly', 'after a crash'] as const) {
        await fill(kafka, 't', 3, count, 30)
        count += 30
        await eventually(
          scene,
          'all was read',
          () => new Set(all(books)).size === count,
          () => books.log,
        )
        await sleep(scene.world.env('watcher').clock, 1000)
        await scene.restart(how)
      }
      await eventually(
        scene,
        'they share',
        () => isShared(members, 3),
        () => members.map(({ partitions }) => partitions),
      )
      expect(all(books)).toHaveLength(count)
      await ends(...members)
      await kafka.close()
    })
  })
})
