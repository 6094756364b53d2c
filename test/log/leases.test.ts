// Batches lie in the memory of the requests that brought them, which is used again, and overwritten, as soon as nobody holds it.
import { describe, expect, test } from 'vitest'
import { sleep } from '../../src/env/env.ts'
import { BufferPool, type Lease } from '../../src/util/buffer-pool.ts'
import { batchOf, Lab, type LabOptions, values } from './lab.ts'

const EVERYTHING = { offset: 0, maxBytes: 1 << 20, endOffset: Number.MAX_SAFE_INTEGER, minOneBatch: true }

class Requests {
  readonly pool = new BufferPool({ smallestBytes: 0, maxIdleBytes: 1 << 24, poisons: true })
  readonly lab: Lab

  constructor(seed: number, o: LabOptions = {}) {
    this.lab = new Lab(seed, o)
    this.lab.awaited = false
  }

  /** Appends and answers at once, as for acks=0. */
  send(text: string): Lease {
    const b = batchOf([text])
    const lease = this.pool.take(b.length)!
    b.copy(lease.bytes)
    const result = this.lab.log.appendAsLeader(lease.bytes.subarray(0, b.length), { leaderEpoch: 0, origin: 'client', lease })
    expect(result.ok).toBe(true)
    lease.release()
    return lease
  }

  get idleBytes(): number {
    return this.pool.idleBytes
  }

  async readAll(): Promise<string[]> {
    return values(await this.lab.readAll())
  }
}

describe('the memory of a request', () => {
  test.each([1, 2, 3, 4, 5, 6, 7, 8])('is not used again before its batch is written (seed %i)', async seed => {
    const requests = new Requests(seed)
    const { lab } = requests
    await lab.run(async () => {
      await lab.open()
      const sent = Array.from({ length: 60 }, (_, i) => `${i}:${'x'.repeat([10, 5000, 70_000, 200_000][i % 4]!)}`)
      for (const [i, text] of sent.entries()) {
        requests.send(text)
        if (i % 7 === seed % 7) await sleep(lab.env.clock, 0.3)
      }
      await lab.acked()
      expect(requests.idleBytes).toBeGreaterThan(0)
      expect(await requests.readAll()).toEqual(sent)
    })
  })

  test('is free as soon as it is written when nobody reads, and the bytes come from the file', async () => {
    const requests = new Requests(1)
    const { lab } = requests
    await lab.run(async () => {
      await lab.open()
      const { bytes } = requests.send('x'.repeat(10_000))
      expect(requests.idleBytes).toBe(0)
      await lab.acked()
      expect(requests.idleBytes).toBe(bytes.length)
      expect(lab.log.read(EVERYTHING)).toBeInstanceOf(Promise)
      expect((await requests.readAll())[0]).toHaveLength(10_000)
    })
  })

  test('is kept for somebody who waits, and stays as it is for good once it was handed out', async () => {
    const requests = new Requests(2, { hotTailBytes: 40_000 })
    const { lab } = requests
    lab.awaited = true
    await lab.run(async () => {
      await lab.open()
      requests.send('a'.repeat(10_000))
      await lab.acked()
      const { chunks } = await lab.log.read(EVERYTHING)
      const copy = Buffer.concat(chunks)
      for (let i = 0; i < 10; i++) requests.send('b'.repeat(10_000))
      await lab.acked()
      // Evicted ones that nobody has seen are free, the first one is not.
      expect(requests.idleBytes).toBeGreaterThan(60_000)
      expect(Buffer.concat(chunks)).toEqual(copy)
      expect((await requests.readAll()).map(text => text[0]).join('')).toBe('abbbbbbbbbb')
    })
  })

  test('is kept for a while after somebody read up to the end', async () => {
    const requests = new Requests(3)
    const { lab } = requests
    await lab.run(async () => {
      await lab.open()
      requests.send('a'.repeat(10_000))
      await lab.acked()
      await requests.readAll()
      requests.send('b'.repeat(10_000))
      await lab.acked()
      expect(lab.log.read({ ...EVERYTHING, offset: 1 })).not.toBeInstanceOf(Promise)
      await sleep(lab.env.clock, 10_000)
      requests.send('c'.repeat(10_000))
      await lab.acked()
      expect(lab.log.read({ ...EVERYTHING, offset: 1 })).toBeInstanceOf(Promise)
      expect((await requests.readAll()).map(text => text[0])).toEqual(['a', 'b', 'c'])
    })
  })

  test('of a small batch is not held by the hot tail', async () => {
    const requests = new Requests(4)
    requests.lab.awaited = true
    await requests.lab.run(async () => {
      await requests.lab.open()
      requests.send('small')
      await requests.lab.acked()
      expect(requests.idleBytes).toBeGreaterThan(0)
      expect(await requests.readAll()).toEqual(['small'])
    })
  })

  test('of large requests counts as a whole for the small parts of them that are kept', async () => {
    const requests = new Requests(7, { hotTailBytes: 3 << 20 })
    const { lab } = requests
    lab.awaited = true
    await lab.run(async () => {
      await lab.open()
      const b = batchOf(['x'.repeat(10_000)])
      const leases = Array.from({ length: 10 }, () => requests.pool.take(1 << 20)!)
      for (const lease of leases) {
        b.copy(lease.bytes, 500_000)
        lab.log.appendAsLeader(lease.bytes.subarray(500_000, 500_000 + b.length), { leaderEpoch: 0, origin: 'client', lease })
        lease.release()
      }
      await lab.acked()
      expect(requests.idleBytes).toBeGreaterThanOrEqual(7 << 20)
      expect(lab.log.read({ ...EVERYTHING, offset: 9 })).not.toBeInstanceOf(Promise)
      expect(await requests.readAll()).toHaveLength(10)
    })
  })

  test('comes back when the log is cut or closed', async () => {
    const requests = new Requests(5)
    const { lab } = requests
    lab.awaited = true
    await lab.run(async () => {
      await lab.open()
      const lengths = [requests.send('a'.repeat(10_000)), requests.send('b'.repeat(10_000))].map(({ bytes }) => bytes.length)
      await lab.acked()
      await lab.log.truncateTo(1)
      expect(requests.idleBytes).toBe(lengths[1])
      await lab.close()
      expect(requests.idleBytes).toBe(lengths[0]! + lengths[1]!)
    })
  })

  test.each(['ENOSPC', 'EIO'] as const)('is given up when its write fails: %s', async code => {
    const requests = new Requests(6)
    const { lab } = requests
    await lab.run(async () => {
      await lab.open()
      requests.send('a'.repeat(10_000))
      await lab.acked()
      const before = requests.idleBytes
      lab.world.host('a').storage.failNext({ operation: 'write', path: '.log', code })
      requests.send('b'.repeat(100_000))
      requests.send('c'.repeat(100_000))
      await lab.until(() => lab.log.refusal !== undefined)
      await sleep(lab.env.clock, 100)
      expect(requests.idleBytes).toBe(before)
    })
  })
})
