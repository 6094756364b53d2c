import { expect, test } from 'vitest'
import { memoryEnv } from '../../src/env/memory/env.ts'
import { silentLogger } from '../../src/env/real/logger.ts'
import { diskContract } from '../contract/disk.ts'
import { kvContract } from '../contract/kv.ts'
import type { Subject } from '../contract/subject.ts'

const memory: Subject = {
  name: 'memory',
  async run(body) {
    const env = memoryEnv({ logger: silentLogger })
    await env.disk.makeDirectory('/data')
    await body(env, '/data')
  },
}

diskContract(memory)
kvContract(memory)

test('disk and stores outlive the environment that made them', async () => {
  const first = memoryEnv({ logger: silentLogger })
  const store = await first.kv.open('/data/meta')
  await store.batch([{ type: 'put', key: Buffer.from('a'), value: Buffer.from('1') }], { sync: true })
  await (await first.disk.open('/data/file', 'create')).close()

  const second = memoryEnv({ logger: silentLogger, disk: first.disk })
  second.kv.unlockAll()
  expect((await second.disk.list('/data')).map(entry => entry.name)).toEqual(['file', 'meta'])
  const again = await second.kv.open('/data/meta')
  expect((await again.get(Buffer.from('a')))?.toString()).toBe('1')
  await expect(store.get(Buffer.from('a'))).rejects.toThrow(/closed/)
})
