// npm run sim:raft -- --seeds A..B | --seed N [--trace] [--twice K] [--bail]
// Seeds of the simulated quorum. Every K-th seed (default: each tenth) runs twice and must tell the same story.
import { parseArgs } from 'node:util'
import { simulateRaft } from './simulation.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1..500' },
    seed: { type: 'string' },
    trace: { type: 'boolean', default: false },
    twice: { type: 'string', default: '10' },
    bail: { type: 'boolean', default: false },
  },
})
const [, first, last] = /^(\d+)\.\.(\d+)$/.exec(values.seed === undefined ? values.seeds : `${values.seed}..${values.seed}`) ?? []
if (first === undefined || last === undefined) throw new Error('--seeds takes A..B')

const startedAt = performance.now()
const sum = { seeds: 0, twice: 0, events: 0, virtualMs: 0 }
const counts = { elections: 0, commits: 0, truncations: 0, installs: 0 }
const failed: number[] = []
let longest = { seed: 0, recoveryMs: 0 }
for (let seed = Number(first); seed <= Number(last); seed++) {
  const result = simulateRaft(seed, values.trace ? { trace: line => console.log(line) } : {})
  const reasons = result.failure === undefined ? [] : [result.failure.stack ?? result.failure.message]
  const isTwice = Number(values.twice) > 0 && (seed - Number(first)) % Number(values.twice) === 0
  if (isTwice && simulateRaft(seed).hash !== result.hash) reasons.push('not the same story twice')
  sum.seeds++
  if (isTwice) sum.twice++
  sum.events += result.events
  sum.virtualMs += result.virtualMs
  for (const key of Object.keys(counts) as (keyof typeof counts)[]) counts[key] += result.counts[key]
  if (result.recoveryMs > longest.recoveryMs) longest = { seed, recoveryMs: result.recoveryMs }
  if (reasons.length === 0) continue
  failed.push(seed)
  console.log(`seed ${seed} failed: ${reasons.join('\n')}\n  replay: npm run sim:raft -- --seed ${seed} --trace`)
  if (values.bail) break
}
const seconds = (performance.now() - startedAt) / 1000
console.log(
  `${sum.seeds} seeds (${sum.twice} of them twice) in ${seconds.toFixed(1)} s, ${(sum.virtualMs / 1000).toFixed(0)} s of virtual time: ` +
    `${sum.events} events, ${counts.elections} elections, ${counts.commits} commits, ${counts.truncations} truncations, ${counts.installs} snapshots taken over; the longest recovery took ${longest.recoveryMs.toFixed(0)} ms (seed ${longest.seed}); ` +
    (failed.length === 0 ? 'all good' : `${failed.length} FAILED: ${failed.slice(0, 30).join(' ')}`),
)
process.exitCode = failed.length === 0 ? 0 : 1
