import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { describe, expect, test } from 'vitest'
import { type Clock, EnvError } from '../../src/env/env.ts'
import { drainMicrotasks } from '../../src/env/real/clock.ts'
import { Breaker } from '../../src/env/real/disk.ts'
import { realEnv } from '../../src/env/real/env.ts'
import { silentLogger } from '../../src/env/real/logger.ts'
import { clockContract } from '../contract/clock.ts'
import { diskContract } from '../contract/disk.ts'
import { kvContract } from '../contract/kv.ts'
import { netContract } from '../contract/net.ts'
import type { Subject } from '../contract/subject.ts'

const real: Subject = {
  name: 'real',
  async run(body) {
    const directory = await mkdtemp(`${tmpdir()}/ottla-env-`)
    try {
      await body(realEnv({ logger: silentLogger }), directory)
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
  },
}

clockContract(real)
netContract(real)
diskContract(real)
kvContract(real)

describe('real doors', () => {
  test('a damaged store is reported as such', () =>
    real.run(async (env, directory) => {
      const path = `${directory}/store`
      const kv = await env.kv.open(path)
      await kv.batch([{ type: 'put', key: Buffer.from('a'), value: Buffer.from('1') }], { sync: true })
      await kv.close()
      await writeFile(`${path}/CURRENT`, 'MANIFEST-none-such\n')
      await expect(env.kv.open(path)).rejects.toMatchObject({ name: 'EnvError', code: 'ECORRUPT' })
      await writeFile(`${path}/CURRENT`, 'no line end')
      await expect(env.kv.open(path)).rejects.toMatchObject({ name: 'EnvError', code: 'ECORRUPT' })
    }))

  test('a failed write keeps its code and its place in the order', () =>
    real.run(async env => {
      const file = await env.disk.open('/dev/full', 'readWrite')
      const seen: (string | undefined)[] = []
      await new Promise<void>(resolve => {
        const note = (error?: EnvError) => {
          seen.push(error?.code)
          if (seen.length === 2) resolve()
        }
        file.write([Buffer.alloc(10)], 0, note)
        file.write([Buffer.alloc(200_000)], 10, note)
      })
      expect(seen).toEqual(['ENOSPC', 'ENOSPC'])
      await file.close()
    }))

  test('a slow synchronous write sends the next ones to the pool for a while', () => {
    let now = 0
    const breaker = new Breaker({ now: () => now } as Clock)
    breaker.run(() => (now += 1))
    expect(breaker.allowsSync()).toBe(true)
    breaker.run(() => (now += 4))
    expect(breaker.allowsSync()).toBe(false)
    now += 99
    expect(breaker.allowsSync()).toBe(false)
    now += 2
    expect(breaker.allowsSync()).toBe(true)
  })

  test('a connection nobody answers times out', () =>
    real.run(async env => {
      // TEST-NET-1: routed nowhere. A machine without any route says so at once.
      const error = await env.net.connect({ host: '192.0.2.1', port: 9, timeoutMs: 50 }).catch((error: EnvError) => error)
      expect(error).toBeInstanceOf(EnvError)
    }))

  test('IPv6 listens and connects', () =>
    real.run(async env => {
      const listener = await env.net.listen({ host: '::1', port: 0, onConnection: socket => socket.destroy() }).catch(() => undefined)
      if (listener === undefined) return // This machine has no IPv6.
      const socket = await env.net.connect({ host: '::1', port: listener.port, timeoutMs: 2000 })
      await new Promise<void>(resolve => socket.handle({ data: () => {}, close: () => resolve() }))
      await listener.close()
    }))

  test('drained microtasks are all that were queued, and what they queued', async () => {
    let depth = 0
    const deeper = (): Promise<void> => (++depth < 100 ? Promise.resolve().then(deeper) : Promise.resolve())
    void deeper()
    await drainMicrotasks()
    expect(depth).toBe(100)
  })
})
