import { expect, test } from 'vitest'
import { realEnv } from '../../src/env/real/env.ts'
import { SimWorld } from '../../src/env/sim/world.ts'
import { LocalBus } from '../../src/gossip/local.ts'
import { GossipMesh, gossipContract } from '../contract/gossip.ts'

const quiet = { log: () => {} }

gossipContract({ name: 'within a process', run: body => body(realEnv({ logger: quiet }), new LocalBus().open) })
gossipContract({
  name: 'within a simulation',
  run: async body => {
    const world = new SimWorld(1)
    await world.run(() => body(world.env('all'), new LocalBus().open))
  },
})

test('a bus that is cut carries nothing until it is healed', async () => {
  const bus = new LocalBus()
  await using mesh = new GossipMesh(realEnv({ logger: quiet }), bus.open)
  const [one, two] = [await mesh.join(1), await mesh.join(2)]
  bus.cut()
  one.network.publish(Buffer.from('lost'))
  expect(one.network.peerCount).toBe(0)
  bus.heal()
  one.network.publish(Buffer.from('heard'))
  await mesh.until('heard', () => two.heard.length > 0)
  expect(two.heard).toEqual(['heard'])
})
