// On real sockets and in real time: conditions with a deadline, no more than five nodes.
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { type Env, sleep } from '../../src/env/env.ts'
import { realEnv } from '../../src/env/real/env.ts'
import { libp2pGossip } from '../../src/gossip/load.ts'
import { GossipMesh, gossipContract, TEST_TIMEOUT_MS } from '../contract/gossip.ts'

const env = realEnv({ logger: { log: () => {} } })
const open = libp2pGossip()
const meshOf = (world: Env = env) => new GossipMesh(world, open)

gossipContract({ name: 'libp2p', run: body => body(env, open) })

test(
  'all hear all when everybody dials everybody at one time',
  async () => {
    await using mesh = meshOf()
    const members = await Promise.all([1, 2, 3, 4, 5].map(id => mesh.join(id)))
    await mesh.introduce(members)
    for (const { nodeId, network } of members) network.publish(Buffer.from(`from ${nodeId}`))
    await mesh.until('all heard all', () => members.every(({ heard }) => new Set(heard).size === 4))
  },
  TEST_TIMEOUT_MS,
)

test(
  'a second connection between two nodes takes the place of the first',
  async () => {
    await using mesh = meshOf()
    const [one, two] = [await mesh.join(1), await mesh.join(2)]
    await mesh.introduce([one, two])
    for (let round = 0; round < 3; round++) {
      // The process behind an address is another one now, and the old connections were not noticed to be dead.
      const again = await mesh.join(2)
      again.network.know(one.address)
      one.network.know(again.address)
      await mesh.until('the newest is heard', () => {
        again.network.publish(Buffer.from(`round ${round}`))
        return one.heard.includes(`round ${round}`)
      })
      await mesh.until('it hears', () => {
        one.network.publish(Buffer.from('heard'))
        return again.heard.includes('heard')
      })
      await again.network.close()
    }
  },
  TEST_TIMEOUT_MS,
)

test(
  'a node is found that is known to one other alone',
  async () => {
    await using mesh = meshOf()
    const [one, two, three] = [await mesh.join(1), await mesh.join(2), await mesh.join(3)]
    for (const member of [two, three]) member.network.know(one.address)
    await mesh.until('the seed hears both', () => one.network.peerCount === 2)
    await mesh.until('what one says reaches the other by way of the seed', () => {
      two.network.publish(Buffer.from('hello'))
      return three.heard.includes('hello')
    })
  },
  TEST_TIMEOUT_MS,
)

test(
  'who is dialled by a wrong name is left alone, and the connection with it lives on',
  async () => {
    await using mesh = meshOf()
    const [one, two] = [await mesh.join(1), await mesh.join(2)]
    await mesh.introduce([one, two])
    const joins = one.joins
    one.network.know({ ...two.address, nodeId: 3 })
    await sleep(env.clock, 2000)
    expect([one.network.peerCount, one.joins]).toEqual([1, joins])
  },
  TEST_TIMEOUT_MS,
)

test(
  'garbage, and connections that say nothing, do not keep the others out',
  async () => {
    await using mesh = meshOf()
    const one = await mesh.join(1)
    const sockets = Array.from({ length: 30 }, (_, i) => {
      const socket = connect(one.network.port, '127.0.0.1')
      socket.on('error', () => {})
      if (i % 2 === 0) socket.write(Buffer.alloc(2000, i))
      return socket
    })
    const two = await mesh.join(2)
    await mesh.introduce([one, two])
    for (const socket of sockets) socket.destroy()
    one.network.publish(Buffer.from('still here'))
    await mesh.until('heard', () => two.heard.length > 0)
  },
  TEST_TIMEOUT_MS,
)

test(
  'a message that is too long is not sent, and the next one is',
  async () => {
    await using mesh = meshOf()
    const [one, two] = [await mesh.join(1), await mesh.join(2)]
    await mesh.introduce([one, two])
    one.network.publish(Buffer.alloc(64 * 1024))
    one.network.publish(Buffer.from('short'))
    await mesh.until('heard', () => two.heard.length > 0)
    expect(two.heard).toEqual(['short'])
  },
  TEST_TIMEOUT_MS,
)

test('a taken port is told, and leaves nothing behind', async () => {
  await using mesh = meshOf()
  const one = await mesh.join(1)
  await expect(mesh.join(2, { port: one.network.port })).rejects.toThrow(/EADDRINUSE|address/i)
})

test('where libp2p is not installed, that is what is said', async () => {
  const missing = libp2pGossip(() =>
    Promise.reject(Object.assign(new Error("Cannot find package 'libp2p'"), { code: 'ERR_MODULE_NOT_FOUND' })),
  )
  await expect(new GossipMesh(env, missing).join(1)).rejects.toThrow('libp2p is not installed')
  await sleep(env.clock, 0)
})
