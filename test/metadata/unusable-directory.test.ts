import { expect, test } from 'vitest'
import { type Disk, EnvError } from '../../src/env/env.ts'
import { memoryEnv } from '../../src/env/memory/env.ts'
import { silentLogger } from '../../src/env/real/logger.ts'
import { refuseForeignDirectory } from '../../src/metadata/identity.ts'
import { whyUnusable } from '../../src/metadata/unusable-directory.ts'

const disk = (): Disk => memoryEnv({ logger: silentLogger }).disk
const failing = (code: string, methods: readonly (keyof Disk)[]): Disk => {
  const door = disk()
  return new Proxy(door, {
    get: (_, name: keyof Disk) => (methods.includes(name) ? () => Promise.reject(new EnvError(code, code)) : door[name].bind(door)),
  })
}
const levelError = new EnvError('EIO', 'IO error: /data/meta/LOCK')

test.each([
  ['EROFS', 'read-only file system'],
  ['EACCES', 'cannot be written to by this user'],
])('a directory that cannot be written to (%s) is told as such', async (code, text) => {
  const why = (await whyUnusable(failing(code, ['open']), '/data', levelError)) as EnvError
  expect(why.code).toBe(code)
  expect(why.message).toContain(`/data`)
  expect(why.message).toContain(text)
})

test('any other error stays what it is, and the look leaves nothing behind', async () => {
  const door = disk()
  expect(await whyUnusable(door, '/data', levelError)).toBe(levelError)
  expect(await door.list('/data')).toEqual([])
})

test('what is not a directory, cannot be read, or holds a file in place of a folder is refused with what to do', async () => {
  const door = disk()
  await door.makeDirectory('/data/logs')
  await (await door.open('/data/index', 'create')).close()
  await expect(refuseForeignDirectory(door, '/data')).rejects.toMatchObject({
    code: 'EEXIST',
    message: expect.stringContaining('/data/index is a file, where Ottla keeps a folder. Restore'),
  })
  await expect(refuseForeignDirectory(door, '/data/index')).rejects.toMatchObject({
    code: 'EEXIST',
    message: expect.stringContaining('is a file, not a directory. Name'),
  })
  await expect(refuseForeignDirectory(failing('EACCES', ['list']), '/data')).rejects.toMatchObject({
    code: 'EACCES',
    message: expect.stringContaining("Make the directory and all in it this user's"),
  })
})
