// What a client was told about groups and offsets holds after power cuts and full disks; clients that vanish leave no stuck group.
import { describe, expect, test } from 'vitest'
import { JoinGroup } from '../../../src/protocol/api/11-join-group.ts'
import { ListGroups } from '../../../src/protocol/api/16-list-groups.ts'
import { NONE, NOT_COORDINATOR } from '../../../src/protocol/errors.ts'
import { createTopic, type RawClient, type Scene, withNode } from '../test-node.ts'
import { commit, committed, findCoordinator, groupsLoaded, join, pause, subscription, sync } from './group-client.ts'

async function ready(scene: Scene): Promise<RawClient> {
  const client = await scene.connect()
  await createTopic(client, 'orders', { partitions: 3 })
  await findCoordinator(scene, client)
  return client
}

async function states(client: RawClient): Promise<string[]> {
  const { groups } = await client.ask(ListGroups, 5, { statesFilter: [], typesFilter: [] })
  return groups.map(({ groupId, groupState }) => `${groupId} ${groupState}`).sort()
}

describe('a power cut', () => {
  test.each(Array.from({ length: 12 }, (_, i) => i + 1))('loses no answered commit (seed %i)', seed =>
    withNode(
      async scene => {
        await ready(scene)
        const random = scene.world.env('client').random
        const answered = new Map<string, number>()
        const sent = new Map<string, number>()
        let offset = 0
        for (let round = 0; round < 4; round++) {
          const clients = await Promise.all(Array.from({ length: 4 }, () => scene.connect()))
          await groupsLoaded(scene, clients[0]!)
          for (const [key, least] of answered) {
            const [groupId, place] = key.split(' ') as [string, string]
            const found = (await committed(clients[0]!, groupId, [place]))[place]!
            expect(found).toBeGreaterThanOrEqual(least)
            expect(found).toBeLessThanOrEqual(sent.get(key)!)
          }
          // Each client commits to places of its own, one after another, until the power is cut.
          const work = clients.map(async (client, i) => {
            for (;;) {
              const [groupId, place] = [`g${random.integer(3)}-${i}`, `orders:${random.integer(3)}`]
              const key = `${groupId} ${place}`
              const next = ++offset
              sent.set(key, next)
              const codes = await commit(client, groupId, { [place]: next })
              if (codes[0] === NONE) answered.set(key, next)
            }
          })
          const over = Promise.allSettled(work)
          await pause(scene, 20 + random.integer(200))
          await scene.restart('after a crash')
          await over
        }
        expect(answered.size).toBeGreaterThan(5)
      },
      {},
      seed,
    ),
  )

  test('between join and sync leaves members that join again', () =>
    withNode(async scene => {
      const client = await ready(scene)
      const member = await join(client, 'g')
      await scene.restart('after a crash')
      const again = await scene.connect()
      await groupsLoaded(scene, again)
      expect(await states(again)).toEqual([])
      await expect(join(again, 'g', { memberId: member.memberId })).rejects.toThrow('JoinGroup answered 25')
      expect((await join(again, 'g')).generationId).toBe(1)
    }))
})

describe('a full disk', () => {
  test('refuses commits and generations, tells what was committed, and takes them again when there is room', () =>
    withNode(async scene => {
      const client = await ready(scene)
      expect(await commit(client, 'g', { 'orders:0': 5 })).toEqual([NONE])
      const { storage } = scene.world.host('broker')
      storage.full = true
      expect(await commit(client, 'g', { 'orders:0': 6, 'orders:1': 6 })).toEqual([NOT_COORDINATOR, NOT_COORDINATOR])
      expect(await commit(client, 'other', { 'orders:0': 6 })).toEqual([NOT_COORDINATOR])
      await groupsLoaded(scene, client)
      expect(await committed(client, 'g')).toEqual({ 'orders:0': 5 })
      expect(await states(client)).toEqual(['g Empty'])
      const member = await join(client, 'm')
      expect((await sync(client, 'm', member)).errorCode).not.toBe(NONE)
      expect(scene.node.broker.closing).toBe(false)

      storage.heal()
      await scene.restart('after a crash')
      const again = await scene.connect()
      await groupsLoaded(scene, again)
      expect(await committed(again, 'g')).toEqual({ 'orders:0': 5 })
      expect(await commit(again, 'g', { 'orders:0': 7 })).toEqual([NONE])
      expect((await sync(again, 'm', await join(again, 'm'))).errorCode).toBe(NONE)
    }))
})

describe('clients that vanish', () => {
  test('while they wait in a rebalance hold the group up no longer than their session', () =>
    withNode(async scene => {
      const client = await ready(scene)
      await sync(client, 'g', await join(client, 'g'))
      for (let i = 0; i < 5; i++) {
        const ghost = await scene.connect()
        const body = { sessionTimeoutMs: 6000, rebalanceTimeoutMs: 6000, protocolType: 'consumer' }
        ghost.send(JoinGroup, 3, { groupId: 'g', memberId: '', ...body, protocols: [{ name: 'range', metadata: subscription('orders') }] })
        await pause(scene, 50)
        ghost.close()
      }
      await pause(scene, 60_000)
      expect(await states(client)).toEqual(['g Empty'])
      const member = await join(client, 'g')
      expect(member.members).toHaveLength(1)
      expect((await sync(client, 'g', member)).errorCode).toBe(NONE)
    }))

  test('with an id that nobody used leave nothing', () =>
    withNode(async scene => {
      const client = await ready(scene)
      for (let i = 0; i < 20; i++) {
        const answer = await client.ask(JoinGroup, 9, {
          groupId: `g${i}`,
          memberId: '',
          sessionTimeoutMs: 6000,
          protocolType: 'consumer',
          protocols: [{ name: 'range', metadata: subscription('orders') }],
        })
        expect(answer.errorCode).toBe(79)
      }
      expect(await states(client)).toHaveLength(20)
      await pause(scene, 7000)
      expect(await states(client)).toEqual([])
    }))
})
