import { describe, expect, test } from 'vitest'
import type { Disk, DiskFile, EnvError } from '../../src/env/env.ts'
import { codeOf, type Subject, turn } from './subject.ts'

function write(file: DiskFile, chunks: readonly Uint8Array[], position: number): Promise<void> {
  return new Promise((resolve, reject) => file.write(chunks, position, error => (error === undefined ? resolve() : reject(error))))
}

function flush(file: DiskFile): Promise<void> {
  return new Promise((resolve, reject) => file.flush(error => (error === undefined ? resolve() : reject(error))))
}

async function contents(disk: Disk, path: string): Promise<string> {
  const file = await disk.open(path, 'read')
  const bytes = await file.read(0, file.size)
  await file.close()
  return bytes.toString()
}

async function put(disk: Disk, path: string, text: string): Promise<void> {
  const file = await disk.open(path, 'create')
  await write(file, [Buffer.from(text)], 0)
  await file.close()
}

export function diskContract(subject: Subject): void {
  describe(`disk: ${subject.name}`, () => {
    test('create refuses an existing file, the other modes a missing one', () =>
      subject.run(async ({ disk }, directory) => {
        const path = `${directory}/a`
        expect(await codeOf(disk.open(path, 'read'))).toBe('ENOENT')
        expect(await codeOf(disk.open(path, 'readWrite'))).toBe('ENOENT')
        await (await disk.open(path, 'create')).close()
        expect(await codeOf(disk.open(path, 'create'))).toBe('EEXIST')
        const file = await disk.open(path, 'readWrite')
        expect(file.size).toBe(0)
        await file.close()
      }))

    test('what was written is read back, several chunks one after another', () =>
      subject.run(async ({ disk }, directory) => {
        const file = await disk.open(`${directory}/a`, 'create')
        await write(file, [Buffer.from('one '), Buffer.from('two '), Buffer.alloc(0), Buffer.from('three')], 0)
        expect((await file.read(0, 100)).toString()).toBe('one two three')
        expect((await file.read(4, 3)).toString()).toBe('two')
        expect((await file.read(13, 5)).length).toBe(0)
        expect((await file.read(1000, 5)).length).toBe(0)
        await write(file, [Buffer.from('2')], 4)
        expect((await file.read(0, 7)).toString()).toBe('one 2wo')
        await file.close()
        expect(await contents(disk, `${directory}/a`)).toBe('one 2wo three')
      }))

    test('reads into the memory it is given, and no further', () =>
      subject.run(async ({ disk }, directory) => {
        const file = await disk.open(`${directory}/a`, 'create')
        await write(file, [Buffer.alloc(100_000, 'abc')], 0)
        const memory = Buffer.alloc(100_010, 'z')
        const whole = await file.read(0, 100_000, memory)
        expect(whole.equals(Buffer.alloc(100_000, 'abc'))).toBe(true)
        expect([whole.buffer === memory.buffer, whole.byteOffset === memory.byteOffset]).toEqual([true, true])
        expect(memory.toString('latin1', 100_000)).toBe('z'.repeat(10))
        expect((await file.read(99_999, 50, memory)).toString()).toBe('a')
        expect(memory.toString('latin1', 0, 3)).toBe('abc')
        expect((await file.read(100_000, 50, memory)).length).toBe(0)
        await file.close()
      }))

    test('size counts unfinished writes at once', () =>
      subject.run(async ({ disk }, directory) => {
        const file = await disk.open(`${directory}/a`, 'create')
        const big = write(file, [Buffer.alloc(200_000, 1)], 0)
        expect(file.size).toBe(200_000)
        const small = write(file, [Buffer.alloc(10, 2)], 200_000)
        expect(file.size).toBe(200_010)
        await big
        await small
        expect(file.size).toBe(200_010)
        await file.close()
      }))

    test('done comes later, from an event, in call order, whatever the sizes', () =>
      subject.run(async ({ disk }, directory) => {
        const file = await disk.open(`${directory}/a`, 'create')
        const order: number[] = []
        const sizes = [10, 300_000, 20, 30, 70_000, 5, 1, 0, 100_000]
        const all = new Promise<void>(resolve => {
          let position = 0
          sizes.forEach((size, i) => {
            file.write([Buffer.alloc(size, i)], position, error => {
              expect(error).toBeUndefined()
              order.push(i)
              if (order.length === sizes.length) resolve()
            })
            position += size
          })
        })
        expect(order).toEqual([])
        await Promise.resolve()
        expect(order).toEqual([])
        await all
        expect(order).toEqual(sizes.map((_, i) => i))
        let position = 0
        for (const [i, size] of sizes.entries()) {
          expect((await file.read(position, size)).equals(Buffer.alloc(size, i))).toBe(true)
          position += size
        }
        await file.close()
      }))

    test('a write of several thousand chunks arrives whole', () =>
      subject.run(async ({ disk }, directory) => {
        const file = await disk.open(`${directory}/a`, 'create')
        const chunks = Array.from({ length: 5000 }, (_, i) => Buffer.from(`${i},`))
        const whole = Buffer.concat(chunks)
        await write(file, chunks, 0)
        const large = Array.from({ length: 3000 }, (_, i) => Buffer.alloc(1000, i))
        await write(file, large, whole.length)
        expect((await file.read(0, whole.length)).equals(whole)).toBe(true)
        expect((await file.read(whole.length, 3_000_000)).equals(Buffer.concat(large))).toBe(true)
        await file.close()
      }))

    test('a hole reads as zeros', () =>
      subject.run(async ({ disk }, directory) => {
        const file = await disk.open(`${directory}/a`, 'create')
        await write(file, [Buffer.from('end')], 100_000)
        expect(file.size).toBe(100_003)
        expect((await file.read(0, 100_000)).equals(Buffer.alloc(100_000))).toBe(true)
        await file.close()
      }))

    test('flush calls back later, each caller once', () =>
      subject.run(async ({ disk }, directory) => {
        const file = await disk.open(`${directory}/a`, 'create')
        await write(file, [Buffer.from('x')], 0)
        let calls = 0
        const first = flush(file).then(() => calls++)
        const second = flush(file).then(() => calls++)
        expect(calls).toBe(0)
        await Promise.all([first, second])
        await flush(file)
        expect(calls).toBe(2)
        await file.close()
      }))

    test('truncate keeps its place among the writes and cuts for good', () =>
      subject.run(async ({ disk }, directory) => {
        const file = await disk.open(`${directory}/a`, 'create')
        const before = write(file, [Buffer.alloc(150_000, 1)], 0)
        const cut = file.truncate(3)
        const after = write(file, [Buffer.from('xyz')], 5)
        await Promise.all([before, cut, after])
        expect(file.size).toBe(8)
        expect([...(await file.read(0, 100))]).toEqual([1, 1, 1, 0, 0, 120, 121, 122])
        await file.close()
      }))

    test('close waits for what is under way; afterwards everything is refused', () =>
      subject.run(async ({ disk }, directory) => {
        const file = await disk.open(`${directory}/a`, 'create')
        let written = false
        file.write([Buffer.alloc(500_000, 7)], 0, () => (written = true))
        await file.close()
        expect(written).toBe(true)
        expect(await codeOf(write(file, [Buffer.from('x')], 0))).toBe('EBADF')
        expect(await codeOf(flush(file))).toBe('EBADF')
        expect(await codeOf(file.read(0, 1))).toBe('EBADF')
        await file.close()
        expect((await contents(disk, `${directory}/a`)).length).toBe(500_000)
      }))

    test('a file open for reading refuses writes', () =>
      subject.run(async ({ disk }, directory) => {
        await put(disk, `${directory}/a`, 'text')
        const file = await disk.open(`${directory}/a`, 'read')
        expect(await codeOf(write(file, [Buffer.from('x')], 0))).toBe('EBADF')
        await file.close()
        expect(await contents(disk, `${directory}/a`)).toBe('text')
      }))

    test('size tells how long a file is', () =>
      subject.run(async ({ disk }, directory) => {
        await put(disk, `${directory}/a`, 'four')
        await put(disk, `${directory}/empty`, '')
        expect([await disk.size(`${directory}/a`), await disk.size(`${directory}/empty`)]).toEqual([4, 0])
        expect(await codeOf(disk.size(`${directory}/nothing`))).toBe('ENOENT')
        expect(await codeOf(disk.size(directory))).toBe('EISDIR')
      }))

    test('list names files and folders in order', () =>
      subject.run(async ({ disk }, directory) => {
        await disk.makeDirectory(`${directory}/b/inner`)
        await put(disk, `${directory}/c`, '')
        await put(disk, `${directory}/a`, '')
        await disk.makeDirectory(`${directory}/b/inner`)
        expect(await disk.list(directory)).toEqual([
          { name: 'a', kind: 'file' },
          { name: 'b', kind: 'directory' },
          { name: 'c', kind: 'file' },
        ])
        expect(await codeOf(disk.list(`${directory}/nothing`))).toBe('ENOENT')
      }))

    test('rename moves files and folders and replaces a file', () =>
      subject.run(async ({ disk }, directory) => {
        await disk.makeDirectory(`${directory}/from`)
        await put(disk, `${directory}/from/a`, 'new')
        await put(disk, `${directory}/b`, 'old')
        await disk.rename(`${directory}/from/a`, `${directory}/b`)
        expect(await contents(disk, `${directory}/b`)).toBe('new')
        await put(disk, `${directory}/from/kept`, 'kept')
        await disk.rename(`${directory}/from`, `${directory}/to`)
        expect(await contents(disk, `${directory}/to/kept`)).toBe('kept')
        expect(await disk.list(directory)).toEqual([
          { name: 'b', kind: 'file' },
          { name: 'to', kind: 'directory' },
        ])
        expect(await codeOf(disk.rename(`${directory}/gone`, `${directory}/x`))).toBe('ENOENT')
        await disk.syncDirectory(directory)
      }))

    test('an open file survives its rename and its removal', () =>
      subject.run(async ({ disk }, directory) => {
        const file = await disk.open(`${directory}/a`, 'create')
        await write(file, [Buffer.from('one')], 0)
        await disk.rename(`${directory}/a`, `${directory}/b`)
        await write(file, [Buffer.from('two')], 3)
        expect(await contents(disk, `${directory}/b`)).toBe('onetwo')
        await disk.remove(`${directory}/b`)
        expect((await file.read(0, 10)).toString()).toBe('onetwo')
        await file.close()
      }))

    test('remove takes a folder with all in it, and a missing path', () =>
      subject.run(async ({ disk }, directory) => {
        await disk.makeDirectory(`${directory}/a/b`)
        await put(disk, `${directory}/a/one`, '1')
        await put(disk, `${directory}/a/b/two`, '2')
        await disk.remove(`${directory}/a`)
        await disk.remove(`${directory}/a`)
        expect(await disk.list(directory)).toEqual([])
      }))

    test('space is known, and names in a missing folder are refused', () =>
      subject.run(async ({ disk }, directory) => {
        const space = await disk.space(directory)
        expect(space.totalBytes).toBeGreaterThan(0)
        expect(space.freeBytes).toBeLessThanOrEqual(space.totalBytes)
        expect(await codeOf(disk.open(`${directory}/no/file`, 'create'))).toBe('ENOENT')
        expect(await codeOf(disk.syncDirectory(`${directory}/no`))).toBe('ENOENT')
      }))

    test('a write callback may write again', () =>
      subject.run(async (env, directory) => {
        const file = await env.disk.open(`${directory}/a`, 'create')
        await new Promise<void>((resolve, reject) => {
          let count = 0
          const next = (error?: EnvError) => {
            if (error !== undefined) return reject(error)
            if (count === 50) return resolve()
            file.write([Buffer.from('0123456789')], 10 * count++, next)
          }
          next()
        })
        await turn(env)
        expect(file.size).toBe(500)
        await file.close()
      }))
  })
}
