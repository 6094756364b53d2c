import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { MUTANTS } from './mutants.ts'

const root = new URL('../../', import.meta.url)

describe.each(MUTANTS)('the seeded bug "$name"', ({ file, text, replacement, caughtBy }) => {
  test('still has its place, exactly once', () => {
    expect(readFileSync(new URL(file, root), 'utf8').split(text)).toHaveLength(2)
    expect(replacement).not.toBe(text)
    expect(caughtBy === 'seeds' || existsSync(new URL(caughtBy, root))).toBe(true)
  })
})

test('no two have one name', () => {
  expect(new Set(MUTANTS.map(({ name }) => name)).size).toBe(MUTANTS.length)
})
