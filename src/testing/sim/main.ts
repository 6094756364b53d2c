// npm run sim -- --seeds 1..100 | --seed 7 [--trace]
// Each seed runs twice and must tell the same story. Prints what failed with the command that replays it, and a summary as its last line.

import type { SimWorld } from '../../env/sim/world.ts'
import { type SimulationResult, simulate } from './simulation.ts'

/** Log lines of the broker that go with a failure. */
const SHOWN_LINES = 30

interface Arguments {
  readonly first: number
  readonly last: number
  readonly trace: boolean
}

function parseArguments(words: readonly string[]): Arguments {
  let first = 1
  let last = 20
  let trace = false
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!
    if (word === '--trace') trace = true
    else if (word === '--seed') first = last = seedOf(words[++i])
    else if (word === '--seeds') {
      const range = /^(\d+)\.\.(\d+)$/.exec(words[++i] ?? '')
      if (range === null) throw new Error('--seeds takes a range: --seeds 1..100')
      first = Number(range[1])
      last = Number(range[2])
    } else throw new Error(`unknown argument ${word}: npm run sim -- --seeds A..B | --seed N [--trace]`)
  }
  return { first, last, trace }
}

function seedOf(word: string | undefined): number {
  if (word === undefined || !/^\d+$/.test(word)) throw new Error('--seed takes a number')
  return Number(word)
}

/** The world that runs now: a rejection nobody handles is its failure. */
let current: SimWorld | undefined
process.on('unhandledRejection', error => {
  if (current === undefined) throw error
  current.failures.push({ host: 'somewhere', error })
})

async function runSeed(seed: number, trace: boolean): Promise<{ result: SimulationResult; reasons: string[] }> {
  const onWorld = (world: SimWorld) => (current = world)
  const result = await simulate(seed, trace ? { onWorld, trace: line => console.log(line) } : { onWorld })
  const again = await simulate(seed, { onWorld })
  current = undefined
  const reasons = [...result.failures, ...result.anomalies.map(({ kind, what }) => `${kind}: ${what}`)]
  if (again.hash !== result.hash)
    reasons.push(`not the same story twice: ${result.hash} in ${result.eventCount} events, then ${again.hash} in ${again.eventCount}`)
  return { result, reasons }
}

async function main(): Promise<number> {
  const { first, last, trace } = parseArguments(process.argv.slice(2))
  const startedAt = performance.now()
  const sum = { virtualMs: 0, events: 0, crashes: 0, sent: 0, acked: 0, read: 0 }
  const failed: number[] = []
  for (let seed = first; seed <= last; seed++) {
    const { result, reasons } = await runSeed(seed, trace)
    sum.virtualMs += result.virtualMs
    sum.events += result.eventCount
    sum.crashes += result.crashCount
    sum.sent += result.counts.sent
    sum.acked += result.counts.acked
    sum.read += result.counts.read
    if (reasons.length === 0) continue
    failed.push(seed)
    console.log(`seed ${seed} failed:`)
    for (const reason of reasons.slice(0, 10)) console.log(`  ${reason.replaceAll('\n', '\n    ')}`)
    if (reasons.length > 10) console.log(`  … and ${reasons.length - 10} more`)
    console.log(`  the broker's last words:`)
    for (const line of result.lines.slice(-SHOWN_LINES)) console.log(`    ${line.trimEnd()}`)
    console.log(`  replay: npm run sim -- --seed ${seed} --trace`)
  }
  const seconds = (performance.now() - startedAt) / 1000
  const virtualSeconds = sum.virtualMs / 1000
  console.log(
    `${last - first + 1} seeds, twice each: ${virtualSeconds.toFixed(0)} virtual s, ${sum.events} events, ${sum.crashes} crashes, ` +
      `${sum.sent} records sent, ${sum.acked} acked, ${sum.read} read; ` +
      `${seconds.toFixed(1)} s, ${((2 * virtualSeconds) / seconds).toFixed(0)} virtual s per s; ` +
      `${failed.length} failed${failed.length > 0 ? `: ${failed.join(' ')}` : ''}`,
  )
  return failed.length === 0 ? 0 : 1
}

process.exitCode = await main()
