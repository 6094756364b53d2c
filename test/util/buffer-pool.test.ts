import { describe, expect, test } from 'vitest'
import { BufferPool } from '../../src/util/buffer-pool.ts'

const KIB = 1024
const newPool = (o: Partial<{ smallestBytes: number; maxIdleBytes: number; poisons: boolean }> = {}) =>
  new BufferPool({ smallestBytes: 4 * KIB, maxIdleBytes: KIB * KIB, poisons: false, ...o })

describe('memory that is used again', () => {
  test('comes back with the last release, and goes to whoever asks next', () => {
    const pool = newPool()
    const lease = pool.take(100_000)!
    lease.retain()
    lease.release()
    expect(pool.take(100_000)!.bytes).not.toBe(lease.bytes)
    lease.release()
    expect(pool.take(90_000)!.bytes).toBe(lease.bytes)
    expect(pool.idleBytes).toBe(0)
  })

  test('is never used again once it was lent', () => {
    const pool = newPool()
    const lease = pool.take(100_000)!
    lease.lend()
    lease.release()
    expect(pool.idleBytes).toBe(0)
  })

  test('cannot be released or retained by nobody', () => {
    const lease = newPool().take(100_000)!
    lease.release()
    expect(() => lease.release()).toThrow('nobody holds')
    expect(() => lease.retain()).toThrow('nobody holds')
  })

  test('is at most half larger than what was asked for, when it is fresh', () => {
    const pool = newPool({ smallestBytes: 0 })
    for (let bytes = 1; bytes < 300_000; bytes = Math.ceil(bytes * 1.07)) {
      const { length } = pool.take(bytes)!.bytes
      expect(length).toBeGreaterThanOrEqual(bytes)
      expect(length).toBeLessThanOrEqual(Math.max(64, bytes * 1.5))
    }
  })

  test.each([0, 63, 64, 65, 96, 97, 128, 129, 192, 193, 4096, 4097, 6 * KIB * KIB])('of %i bytes is found again', bytes => {
    const pool = newPool({ smallestBytes: 0, maxIdleBytes: 100 * KIB * KIB })
    const lease = pool.take(bytes)!
    lease.release()
    expect(pool.takeIdle(bytes)!.bytes).toBe(lease.bytes)
  })

  test('is left alone where it is too small or too large', () => {
    const pool = newPool()
    expect(pool.take(4 * KIB - 1)).toBeUndefined()
    expect(pool.take(6 * KIB * KIB + 1)).toBeUndefined()
    expect(pool.takeIdle(2 ** 30)).toBeUndefined()
  })

  test('lies idle up to a limit only', () => {
    const pool = newPool({ maxIdleBytes: 300_000 })
    const leases = [1, 2, 3, 4].map(() => pool.take(100_000)!)
    for (const lease of leases) lease.release()
    expect(pool.idleBytes).toBe(2 * leases[0]!.bytes.length)
  })

  test('is given up when it was not needed between two looks', () => {
    const pool = newPool()
    const leases = [1, 2, 3].map(() => pool.take(100_000)!)
    for (const lease of leases) lease.release()
    pool.shrink()
    pool.take(100_000)!.release()
    pool.shrink()
    expect(pool.idleBytes).toBe(leases[0]!.bytes.length)
    pool.shrink()
    expect(pool.idleBytes).toBe(0)
  })

  test('reads as nonsense after the last release, where mistakes are to be found', () => {
    const lease = newPool({ poisons: true }).take(100_000)!
    lease.bytes.fill(1)
    lease.release()
    expect(lease.bytes.every(byte => byte === 0xdb)).toBe(true)
  })
})
