// The server over real and simulated sockets: what the hand-made world cannot show.
import { describe, expect, test } from 'vitest'
import { type Env, type Socket, sleep } from '../../src/env/env.ts'
import { realEnv } from '../../src/env/real/env.ts'
import { SimWorld } from '../../src/env/sim/world.ts'
import { Connection } from '../../src/net/connection.ts'
import { FrameReader } from '../../src/net/frames.ts'
import { type IncomingRequest, Server } from '../../src/net/server.ts'
import { Metadata } from '../../src/protocol/api/03-metadata.ts'
import { ApiVersions } from '../../src/protocol/api/18-api-versions.ts'
import { apiByKey } from '../../src/protocol/apis.ts'
import { REQUEST_TIMED_OUT } from '../../src/protocol/errors.ts'
import { decodeRequestHeader, encodeResponse } from '../../src/protocol/message.ts'
import { frameOf, seeded } from './fake-world.ts'

interface Doors {
  readonly server: Env
  readonly client: Env
  readonly host: string
  run<T>(body: () => Promise<T>): Promise<T>
}

const real = (): Doors => {
  const env = realEnv({ logger: { log: () => undefined } })
  return { server: env, client: env, host: '127.0.0.1', run: body => body() }
}

const simulated = (seed: number): Doors => {
  const world = new SimWorld(seed)
  return {
    server: world.env('server'),
    client: world.env('client'),
    host: 'server',
    run: async body => {
      const result = await world.run(body, { maxMs: 100_000 })
      expect(world.failures).toEqual([])
      return result
    },
  }
}

async function listen(doors: Doors, onRequest: (request: IncomingRequest) => void): Promise<{ server: Server; port: number }> {
  const listeners = [{ name: 'CLIENT', host: doors.host === 'server' ? '0.0.0.0' : doors.host, port: 0 }]
  const server = await Server.open(doors.server, { listeners, maxRequestBytes: 10 << 20, mayOverlap: () => true, onRequest })
  return { server, port: server.listeners[0]!.port }
}

/** A client without manners: it sees frames and nothing else. */
async function dial(doors: Doors, port: number, onFrame: (frame: Buffer) => void): Promise<Socket> {
  const socket = await doors.client.net.connect({ host: doors.host, port, timeoutMs: 5000 })
  const reader = new FrameReader(10 << 20)
  socket.handle({ data: chunk => reader.push(chunk, onFrame), close: () => undefined })
  return socket
}

describe.each([
  ['real sockets', real],
  ['simulated sockets, seed 1', () => simulated(1)],
  ['simulated sockets, seed 2', () => simulated(2)],
  ['simulated sockets, seed 3', () => simulated(3)],
])('over %s', (_, open) => {
  test('hundreds of pipelined frames of all sizes come back whole and in order', async () => {
    const doors = open()
    await doors.run(async () => {
      const random = seeded(7)
      const { server, port } = await listen(doors, request => {
        const answer = () => request.respond([frameOf(request.frame)])
        if (random(3) === 0) answer()
        else doors.server.clock.setTimer(random(3), answer)
      })
      const bodies = Array.from({ length: 300 }, (_, i) => Buffer.alloc(4 + random(random(10) === 0 ? 300_000 : 500), i))
      let seen = 0
      const all = new Promise<void>(resolve => {
        void dial(doors, port, frame => {
          expect(frame.equals(bodies[seen]!)).toBe(true)
          if (++seen === bodies.length) resolve()
        }).then(socket => {
          for (const body of bodies) socket.write([frameOf(body)])
        })
      })
      await all
      await server.close({ graceMs: 1000 })
    })
  })

  test('a client that does not read is not served further than its share', async () => {
    const doors = open()
    await doors.run(async () => {
      let started = 0
      const { server, port } = await listen(doors, request => {
        started++
        request.respond([frameOf(Buffer.alloc(200_000))])
      })
      let seen = 0
      const socket = await dial(doors, port, () => seen++)
      socket.pause()
      for (let i = 0; i < 250; i++) socket.write([frameOf('more')])
      await sleep(doors.client.clock, 300)
      // 50 MB were asked for; what was begun fits into the buffers of both ends.
      expect(started).toBeLessThan(100)
      socket.resume()
      while (seen < 250) await sleep(doors.client.clock, 10)
      expect(started).toBe(250)
      socket.destroy()
      await server.close({ graceMs: 1000 })
    })
  })

  test('a broker that stops answering is left in time, and its late answer goes nowhere', async () => {
    const doors = open()
    await doors.run(async () => {
      const parked: IncomingRequest[] = []
      let gone = false
      const { server, port } = await listen(doors, request => {
        const { apiKey, apiVersion, correlationId } = decodeRequestHeader(request.frame, apiByKey)
        const apiKeys = [ApiVersions, Metadata].map(api => ({ apiKey: api.key, minVersion: 0, maxVersion: api.maxVersion }))
        if (apiKey === ApiVersions.key) {
          request.respond(encodeResponse(ApiVersions, apiVersion, correlationId, { apiKeys }))
        } else {
          parked.push(request)
          request.connection.onClose(() => (gone = true))
        }
      })
      const connection = await Connection.open(doors.client, { host: doors.host, port, clientId: 'c', timeoutMs: 5000 })
      const answer = connection.request(Metadata, { topics: null }, { timeoutMs: 50 })
      await expect(answer).rejects.toMatchObject({ code: REQUEST_TIMED_OUT })
      while (!gone) await sleep(doors.client.clock, 5)
      parked[0]!.respond([frameOf('late')])
      await server.close({ graceMs: 100 })
    })
  })

  test('closing with grace answers what is parked', async () => {
    const doors = open()
    await doors.run(async () => {
      const { server, port } = await listen(doors, request => {
        doors.server.clock.setTimer(50, () => request.respond([frameOf(request.frame)]))
      })
      const frames: string[] = []
      const socket = await dial(doors, port, frame => frames.push(String(frame)))
      socket.write([frameOf('one'), frameOf('two')])
      await sleep(doors.client.clock, 20)
      await server.close({ graceMs: 5000 })
      expect(frames).toEqual(['one', 'two'])
      await expect(dial(doors, port, () => undefined)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    })
  })
})
