import { describe, expect, test } from 'vitest'
import { Fifo, type Lane, Pool } from '../../src/env/real/pool.ts'

/** A pool whose jobs end when the test says so. */
function bench(threads: number) {
  const pool = new Pool({ threads })
  const running: { name: string; finish: () => void }[] = []
  const add = (lane: Lane, name: string) =>
    pool.run(lane, finished => {
      const job = {
        name,
        finish: () => {
          running.splice(running.indexOf(job), 1)
          finished()
        },
      }
      running.push(job)
    })
  const names = () => running.map(job => job.name)
  const finish = (name: string) => running.find(job => job.name === name)!.finish()
  return { add, names, finish }
}

describe('pool', () => {
  test('data jobs leave two threads free, and start in order', () => {
    const { add, names, finish } = bench(4)
    for (const name of ['a', 'b', 'c', 'd']) add('data', name)
    expect(names()).toEqual(['a', 'b'])
    finish('b')
    expect(names()).toEqual(['a', 'c'])
  })

  test('one unlink at a time, and only when no data job waits', () => {
    const { add, names, finish } = bench(8)
    for (const name of ['u1', 'u2']) add('unlink', name)
    for (let i = 0; i < 6; i++) add('data', `d${i}`)
    expect(names()).toEqual(['u1', 'd0', 'd1', 'd2', 'd3', 'd4'])
    finish('u1')
    expect(names()).toEqual(['d0', 'd1', 'd2', 'd3', 'd4', 'd5'])
    finish('d0')
    expect(names()).toContain('u2')
  })

  test('cold reads and data jobs never shut each other out', () => {
    const reads = bench(4)
    for (let i = 0; i < 5; i++) reads.add('read', `r${i}`)
    reads.add('data', 'd')
    expect(reads.names()).toEqual(['r0', 'r1', 'd'])
    const data = bench(4)
    for (let i = 0; i < 5; i++) data.add('data', `d${i}`)
    data.add('read', 'r')
    expect(data.names()).toEqual(['d0', 'd1', 'r'])
  })

  test('an urgent job starts at once', () => {
    const { add, names } = bench(4)
    for (let i = 0; i < 5; i++) add('data', `d${i}`)
    for (let i = 0; i < 5; i++) add('read', `r${i}`)
    add('urgent', 'vote')
    expect(names()).toContain('vote')
  })

  test('a promise job frees its thread when it fails', async () => {
    const pool = new Pool({ threads: 1 })
    await expect(pool.call('data', () => Promise.reject(new Error('first')))).rejects.toThrow('first')
    expect(await pool.call('data', async () => 'second')).toBe('second')
  })

  test('a long queue keeps its order', () => {
    const fifo = new Fifo<number>()
    let next = 0
    for (let i = 0; i < 10_000; i++) {
      fifo.push(i)
      if (i % 3 === 0) expect(fifo.shift()).toBe(next++)
    }
    expect(fifo.peek()).toBe(next)
    expect(fifo.length).toBe(10_000 - next)
    while (fifo.length > 0) expect(fifo.shift()).toBe(next++)
    expect(fifo.shift()).toBeUndefined()
  })
})
