import { expect, test } from 'vitest'
import { type ProducerIdBlock, ProducerIds } from '../../src/broker/producer-ids.ts'

/** Blocks of ten, given when told to. */
function blocks() {
  let next = 0
  const asked: ((block: ProducerIdBlock | Error) => void)[] = []
  const ids = new ProducerIds(
    () =>
      new Promise((resolve, reject) => {
        asked.push(answer => (answer instanceof Error ? reject(answer) : resolve(answer)))
      }),
  )
  const give = (answer?: Error): void => {
    asked.shift()!(answer ?? { firstProducerId: next, count: 10 })
    if (answer === undefined) next += 10
  }
  return { ids, asked, give }
}

const times = <T>(count: number, make: () => T): T[] => Array.from({ length: count }, make)

test('many who ask at once share one block', async () => {
  const { ids, asked, give } = blocks()
  const all = Promise.all(times(10, () => ids.next()))
  expect(asked).toHaveLength(1)
  give()
  expect(await all).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
})

test('those for whom a block does not suffice wait for the next', async () => {
  const { ids, asked, give } = blocks()
  const all = Promise.all(times(25, () => ids.next()))
  for (let i = 0; i < 3; i++) {
    give()
    await Promise.resolve().then(() => undefined)
    for (let turn = 0; turn < 50 && asked.length === 0; turn++) await Promise.resolve()
  }
  const given = await all
  expect(new Set(given).size).toBe(25)
})

test('the next block is asked for before the last id is gone', async () => {
  const { ids, asked, give } = blocks()
  const first = ids.next()
  give()
  await first
  await Promise.all(times(8, () => ids.next()))
  expect(asked).toHaveLength(0)
  await ids.next()
  expect(asked).toHaveLength(1)
  give()
  expect(await ids.next()).toBe(10)
})

test('who is refused a block hears why, and the next one asks again', async () => {
  const { ids, asked, give } = blocks()
  const first = ids.next()
  give(new Error('not now'))
  await expect(first).rejects.toThrow('not now')
  const second = ids.next()
  expect(asked).toHaveLength(1)
  give()
  expect(await second).toBe(0)
})
