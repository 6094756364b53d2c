// Whose turn it is: nobody who waits is forgotten, whoever leaves, and a round of the loop is one round.
import { expect, test } from 'vitest'
import { type IncomingRequest, Server } from '../../src/net/server.ts'
import { Turns, type TurnTaker } from '../../src/net/turns.ts'
import { unpacked } from '../../src/protocol/compression.ts'
import { frameOf, HandClock, HandWorld } from './fake-world.ts'

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

test('somebody who has work for many rounds is heard once in a round', () => {
  const clock = new HandClock()
  const turns = new Turns(clock)
  let heard = 0
  const taker: TurnTaker = {
    burned: { ms: 0, atMs: 0 },
    goOn: () => {
      heard++
      turns.spent(5)
      turns.defer(taker, 5)
    },
  }
  turns.spent(5)
  turns.defer(taker, 5)
  for (let round = 1; round <= 8; round++) {
    clock.goRound()
    expect(heard).toBeLessThanOrEqual(round)
  }
  expect(heard).toBeGreaterThan(2)
})

test('what was unpacked before a round counts for nothing in it', () => {
  const taker: TurnTaker = { burned: { ms: 1, atMs: 0 }, goOn: () => undefined }
  unpacked.bytes += 64 * 1024 * 1024
  const turns = new Turns(new HandClock())
  expect(turns.mustWait(taker)).toBe(false)
  unpacked.bytes += 64 * 1024 * 1024
  expect(turns.mustWait(taker)).toBe(true)
})
