// What somebody else did in the folder of a log: the log alone is the worse for it, and what was found is kept.
import { expect, test } from 'vitest'
import { DIRECTORY, FOLDER, Lab, recordOf, values } from './lab.ts'

const SECOND = `${FOLDER}/00000000000000000001.log`
const FIRST = `${FOLDER}/00000000000000000000.log`

/** Two batches, each in a segment of its own. */
async function twoSegments(lab: Lab): Promise<void> {
  await lab.open()
  for (const byte of [1, 2]) {
    lab.append([recordOf(Buffer.alloc(800, byte))])
    await lab.acked()
  }
  expect((await lab.segmentFiles()).length).toBe(2)
}

const small = { config: { segmentBytes: 1000 } }
const after = ['an orderly close', 'a crash'] as const

async function end(lab: Lab, how: (typeof after)[number], change: () => Promise<void>): Promise<void> {
  if (how === 'an orderly close') await lab.close()
  else {
    lab.world.crash('a', { power: false })
    lab.world.restart('a')
  }
  await change()
  await lab.open({ clean: how === 'an orderly close' })
}

test.each(after)('a closed segment that is shorter than it was is noticed at open, after %s', async how => {
  const lab = new Lab(1, small)
  await lab.run(async () => {
    await twoSegments(lab)
    await end(lab, how, () => lab.damage(FIRST, bytes => bytes.subarray(0, bytes.length - 100)))
    expect(lab.verdict).toBe('corrupt')
    expect(lab.log.logEndOffset).toBe(0)
    expect((await lab.setAside()).sort()).toEqual([
      `${DIRECTORY}/logs/set-aside/1/t-0/00000000000000000000.log.from-0`,
      `${DIRECTORY}/logs/set-aside/1/t-0/00000000000000000001.log`,
    ])
    expect(lab.failures).toEqual([])
  })
})

test.each(after)('a folder in the place of a segment makes the log corrupt, after %s', async how => {
  const lab = new Lab(2, small)
  await lab.run(async () => {
    await twoSegments(lab)
    await end(lab, how, async () => {
      await lab.env.disk.remove(SECOND)
      await lab.env.disk.makeDirectory(SECOND)
    })
    expect(lab.verdict).toBe('corrupt')
    expect(values(await lab.readAll())).toHaveLength(1)
    expect(lab.failures).toEqual([])
    await lab.log.acceptDamage()
    lab.append(['goes on'])
    await lab.acked()
  })
})

test.each(after)('a file in the place of the folder is set aside, after %s', async how => {
  const lab = new Lab(3, small)
  await lab.run(async () => {
    await twoSegments(lab)
    await end(lab, how, async () => {
      await lab.env.disk.remove(FOLDER)
      await (await lab.env.disk.open(FOLDER, 'create')).close()
    })
    expect(lab.verdict).toBe('corrupt')
    expect(await lab.setAside()).toEqual([`${DIRECTORY}/logs/set-aside/1/t-0`])
    expect(lab.failures).toEqual([])
  })
})

test('any other folder beside the segments is set aside, and no harm', async () => {
  const lab = new Lab(4, small)
  await lab.run(async () => {
    await twoSegments(lab)
    await end(lab, 'a crash', () => lab.env.disk.makeDirectory(`${FOLDER}/notes`))
    expect(lab.verdict).toBe('clean')
    expect(values(await lab.readAll())).toHaveLength(2)
  })
})
