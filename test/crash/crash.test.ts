// The short form of `npm run crash`, with real processes. Needs `npm run build`, which `npm test` does first.
import { expect, test } from 'vitest'
import { runCrashRounds } from './rounds.ts'

test('what was acked survives kill -9 under load: nothing lost, doubled or reordered', { timeout: 120_000 }, async () => {
  const report = await runCrashRounds({ rounds: 4, aims: ['load', 'roll', 'recovery', 'shutdown'], partitions: 3, writers: ['ours'] })
  expect(report.violations).toEqual([])
  expect(report.acked).toBeGreaterThan(0)
  expect(report.read).toBeGreaterThan(0)
})
