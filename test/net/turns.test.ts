// Whose turn it is: nobody who waits is forgotten, whoever leaves.
import { expect, test } from 'vitest'
import { type IncomingRequest, Server } from '../../src/net/server.ts'
import { frameOf, HandWorld } from './fake-world.ts'

test('a client that leaves when the place for heavy requests has come to it leaves the place to the next', async () => {
  const world = new HandWorld()
  const handled: IncomingRequest[] = []
  await Server.open(world.env, {
    listeners: [{ name: 'CLIENT', host: '127.0.0.1', port: 0 }],
    maxRequestBytes: 1000,
    onRequest: request => handled.push(request),
    mayOverlap: () => false,
    isHeavy: () => true,
  })
  const [, leaver, waiter] = [world.accept(), world.accept(), world.accept()].map((client, i) => {
    client.deliver(frameOf(`H${i}`))
    return client
  })
  handled[0]!.respondNothing()
  leaver!.close()
  world.clock.advance(5000)
  expect(handled.map(request => String(request.frame))).toEqual(['H0', 'H2'])
  expect(waiter!.destroyed).toBe(false)
})
