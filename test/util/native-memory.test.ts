import { expect, test } from 'vitest'
import { collector } from '../../src/env/real/collector.ts'
import { Server } from '../../src/net/server.ts'
import { collectBy, handedOutNatively } from '../../src/util/native-memory.ts'
import { frameOf, HandWorld } from '../net/fake-world.ts'

const MIB = 1024 * 1024

test('what libraries handed out is collected now and then, not each time', () => {
  let collections = 0
  collectBy({ young: () => collections++, all: () => undefined, free: () => undefined })
  for (let i = 0; i < 128; i++) handedOutNatively(MIB)
  expect(collections).toBe(16)
})

test('what a busy time left behind is collected once in the idle one after it', async () => {
  let collections = 0
  collectBy({ young: () => undefined, all: () => collections++, free: () => undefined })
  const world = new HandWorld()
  await Server.open(world.env, {
    listeners: [{ name: 'CLIENT', host: '127.0.0.1', port: 0 }],
    maxRequestBytes: 100 * MIB,
    mayOverlap: () => true,
    onRequest: request => request.respondNothing(),
  })
  const client = world.accept()
  client.deliver(frameOf('a little'))
  world.clock.advance(30_000)
  expect(collections).toBe(0)
  for (let i = 0; i < 5; i++) {
    for (let j = 0; j < 8; j++) client.deliver(frameOf(Buffer.alloc(MIB)))
    world.clock.advance(4000)
  }
  expect(collections).toBe(0)
  world.clock.advance(60_000)
  expect(collections).toBe(1)
})

test('the real world can collect, and leaves no trace of how', () => {
  collector.young()
  collector.all()
  expect(globalThis.gc).toBeUndefined()
})
