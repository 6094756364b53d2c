import { describe, expect, test } from 'vitest'
import type { Kv, KvOperation, KvRange } from '../../src/env/env.ts'
import { codeOf, type Subject } from './subject.ts'

const put = (key: string, value: string): KvOperation => ({ type: 'put', key: Buffer.from(key), value: Buffer.from(value) })
const del = (key: string): KvOperation => ({ type: 'delete', key: Buffer.from(key) })
const lazy = { sync: false }

async function all(kv: Kv, range: KvRange = {}): Promise<string[]> {
  const found: string[] = []
  for await (const [key, value] of kv.entries(range)) found.push(`${key}=${value}`)
  return found
}

export function kvContract(subject: Subject): void {
  describe(`kv: ${subject.name}`, () => {
    const run = (body: (kv: Kv) => Promise<void>) =>
      subject.run(async (env, directory) => {
        const kv = await env.kv.open(`${directory}/store`)
        await body(kv)
        await kv.close()
      })

    test('a key is found after its batch, and not after its deletion', () =>
      run(async kv => {
        expect(await kv.get(Buffer.from('a'))).toBeUndefined()
        await kv.batch([put('a', '1'), put('b', '2')], { sync: true })
        expect((await kv.get(Buffer.from('a')))?.toString()).toBe('1')
        await kv.batch([del('a'), put('b', '3'), del('never')], lazy)
        expect(await kv.get(Buffer.from('a'))).toBeUndefined()
        expect((await kv.get(Buffer.from('b')))?.toString()).toBe('3')
      }))

    test('an empty value is a value, an empty batch is fine', () =>
      run(async kv => {
        await kv.batch([put('a', '')], lazy)
        await kv.batch([], { sync: true })
        expect((await kv.get(Buffer.from('a')))?.length).toBe(0)
      }))

    test('batches take effect in call order and are seen by reads started after them', () =>
      run(async kv => {
        const writes: Promise<void>[] = []
        for (let i = 0; i < 50; i++) {
          writes.push(kv.batch([put('a', String(i))], { sync: i % 10 === 0 }))
          if (i % 7 === 0) expect(Number((await kv.get(Buffer.from('a')))?.toString())).toBe(i)
        }
        expect(await all(kv)).toEqual(['a=49'])
        await Promise.all(writes)
      }))

    test('batches settle in call order', () =>
      run(async kv => {
        const order: number[] = []
        await Promise.all(
          Array.from({ length: 20 }, (_, i) => kv.batch([put(`k${i}`, 'v')], { sync: i % 3 === 0 }).then(() => void order.push(i))),
        )
        expect(order).toEqual(Array.from({ length: 20 }, (_, i) => i))
      }))

    test('keys are ordered as unsigned bytes', () =>
      run(async kv => {
        const keys = [[255], [0], [128, 1], [127], [128], [], [0, 0], [255, 0]].filter(key => key.length > 0)
        await kv.batch(
          keys.map((key): KvOperation => ({ type: 'put', key: Uint8Array.from(key), value: Uint8Array.from(key) })),
          lazy,
        )
        const found: number[][] = []
        for await (const [key, value] of kv.entries({})) {
          expect(value.equals(key)).toBe(true)
          found.push([...key])
        }
        expect(found).toEqual([[0], [0, 0], [127], [128], [128, 1], [255], [255, 0]])
      }))

    test('entries keep to their range, direction and limit', () =>
      run(async kv => {
        await kv.batch(
          'abcdefg'.split('').map(key => put(key, key)),
          lazy,
        )
        expect(await all(kv, { gte: Buffer.from('b'), lt: Buffer.from('e') })).toEqual(['b=b', 'c=c', 'd=d'])
        expect(await all(kv, { gte: Buffer.from('b'), lt: Buffer.from('e'), reverse: true })).toEqual(['d=d', 'c=c', 'b=b'])
        expect(await all(kv, { lt: Buffer.from('e'), reverse: true, limit: 1 })).toEqual(['d=d'])
        expect(await all(kv, { gte: Buffer.from('bb'), limit: 2 })).toEqual(['c=c', 'd=d'])
        expect(await all(kv, { gte: Buffer.from('h') })).toEqual([])
        expect(await all(kv, { gte: Buffer.from('d'), lt: Buffer.from('d') })).toEqual([])
      }))

    test('entries show the state at the call', () =>
      run(async kv => {
        await kv.batch([put('a', '1'), put('b', '1')], lazy)
        const entries = kv.entries({})
        const later = kv.batch([del('a'), put('b', '2'), put('c', '2')], lazy)
        const found: string[] = []
        for await (const [key, value] of entries) found.push(`${key}=${value}`)
        expect(found).toEqual(['a=1', 'b=1'])
        await later
        expect(await all(kv)).toEqual(['b=2', 'c=2'])
      }))

    test('an iteration may be left early', () =>
      run(async kv => {
        await kv.batch(
          Array.from({ length: 3000 }, (_, i) => put(String(i).padStart(5, '0'), String(i))),
          lazy,
        )
        let count = 0
        for await (const _ of kv.entries({})) if (++count === 1200) break
        expect(count).toBe(1200)
        expect((await all(kv)).length).toBe(3000)
      }))

    test('many keys in any order are all found', () =>
      run(async kv => {
        const keys = Array.from({ length: 2000 }, (_, i) => String((i * 7919) % 2000).padStart(4, '0'))
        for (let i = 0; i < keys.length; i += 100)
          await kv.batch(
            keys.slice(i, i + 100).map(key => put(key, key)),
            lazy,
          )
        await kv.batch(keys.filter(key => Number(key) % 3 === 0).map(del), lazy)
        const expected = keys.filter(key => Number(key) % 3 !== 0).sort()
        expect(await all(kv)).toEqual(expected.map(key => `${key}=${key}`))
        expect(await all(kv, { reverse: true })).toEqual(expected.reverse().map(key => `${key}=${key}`))
      }))

    test('clear deletes its range alone, in order with the batches', () =>
      run(async kv => {
        const first = kv.batch([put('a', '1'), put('b', '1'), put('c', '1')], lazy)
        const clear = kv.clear({ gte: Buffer.from('a'), lt: Buffer.from('c') })
        const last = kv.batch([put('b', '2')], lazy)
        await Promise.all([first, clear, last])
        expect(await all(kv)).toEqual(['b=2', 'c=1'])
      }))

    test('a store outlives its closing, and is locked while it is open', () =>
      subject.run(async (env, directory) => {
        const path = `${directory}/deep/er/store`
        const kv = await env.kv.open(path, { urgent: true })
        expect(await codeOf(env.kv.open(path))).toBe('ELOCKED')
        const write = kv.batch([put('a', '1')], lazy)
        await kv.close()
        await write
        expect(await codeOf(kv.get(Buffer.from('a')))).toBe('EBADF')
        expect(await codeOf(kv.batch([put('a', '2')], lazy))).toBe('EBADF')
        const again = await env.kv.open(path)
        expect(await all(again)).toEqual(['a=1'])
        await again.close()
      }))

    test('a store moves and goes with its folder', () =>
      subject.run(async (env, directory) => {
        const kv = await env.kv.open(`${directory}/store`)
        await kv.batch([put('a', '1')], lazy)
        await kv.close()
        await env.disk.rename(`${directory}/store`, `${directory}/moved`)
        const moved = await env.kv.open(`${directory}/moved`)
        expect(await all(moved)).toEqual(['a=1'])
        await moved.close()
        await env.disk.remove(`${directory}/moved`)
        const fresh = await env.kv.open(`${directory}/moved`)
        expect(await all(fresh)).toEqual([])
        await fresh.close()
      }))
  })
}
