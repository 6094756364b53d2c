// One process of `npm run sim` (test/sim/run.ts): [--cluster] --seeds 1..100 | --seed 7 [--trace] [--twice K] [--share I/N] [--bail]
// Seeds are of a single broker, with --cluster of a cluster of one to five nodes: two different stories. Every K-th seed runs twice (default: each) and must tell the same story. Prints what failed with the command that replays it, and a summary as its
// last line: the one of a share is for the process that adds them up.

import type { SimWorld } from '../../env/sim/world.ts'
import { simulateCluster } from './cluster.ts'
import { type SimulationResult, simulate } from './simulation.ts'
import { add, type Sum, summary } from './summary.ts'

/** Log lines of a single broker that go with a failure. */
const SHOWN_LINES = 30
const USAGE = 'npm run sim -- [--cluster] --seeds A..B | --seed N [--trace] [--twice K] [--jobs N] [--bail]'

interface Arguments {
  readonly first: number
  readonly last: number
  readonly trace: boolean
  /** 0: no seed runs twice. */
  readonly twice: number
  /** Which of how many processes this is: it takes every so manieth seed. */
  readonly share: { readonly index: number; readonly count: number } | undefined
  readonly bail: boolean
  readonly cluster: boolean
}

function parseArguments(words: readonly string[]): Arguments {
  let [first, last, twice] = [1, 20, 1]
  let [trace, bail, cluster] = [false, false, false]
  let share: Arguments['share']
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!
    if (word === '--trace') trace = true
    else if (word === '--bail') bail = true
    else if (word === '--cluster') cluster = true
    else if (word === '--seed') first = last = numberOf(word, words[++i])
    else if (word === '--twice') twice = numberOf(word, words[++i])
    else if (word === '--seeds') [first, last] = pairOf(word, /^(\d+)\.\.(\d+)$/, words[++i])
    else if (word === '--share') {
      const [index, count] = pairOf(word, /^(\d+)\/(\d+)$/, words[++i])
      share = { index, count }
    } else throw new Error(`unknown argument ${word}: ${USAGE}`)
  }
  return { first, last, trace, twice, share, bail, cluster }
}

function numberOf(name: string, word: string | undefined): number {
  if (word === undefined || !/^\d+$/.test(word)) throw new Error(`${name} takes a number: ${USAGE}`)
  return Number(word)
}

function pairOf(name: string, form: RegExp, word: string | undefined): [number, number] {
  const match = form.exec(word ?? '')
  if (match === null) throw new Error(`${name} does not take ${word}: ${USAGE}`)
  return [Number(match[1]), Number(match[2])]
}

/** The world that runs now: a rejection nobody handles is its failure. */
let current: SimWorld | undefined
process.on('unhandledRejection', error => {
  if (current === undefined) throw error
  current.failures.push({ host: 'somewhere', error })
})

async function runSeed(
  seed: number,
  o: { trace: boolean; twice: boolean; cluster: boolean },
): Promise<{ result: SimulationResult; reasons: string[] }> {
  const onWorld = (world: SimWorld) => (current = world)
  const tell = o.cluster ? simulateCluster : simulate
  const result = await tell(seed, o.trace ? { onWorld, trace: line => console.log(line) } : { onWorld })
  const again = o.twice ? await tell(seed, { onWorld }) : result
  current = undefined
  const reasons = [...result.failures, ...result.anomalies.map(({ kind, what }) => `${kind}: ${what}`)]
  if (again.hash !== result.hash)
    reasons.push(`not the same story twice: ${result.hash} in ${result.eventCount} events, then ${again.hash} in ${again.eventCount}`)
  return { result, reasons }
}

function report(
  seed: number,
  { result, reasons, cluster }: { result: SimulationResult; reasons: readonly string[]; cluster: boolean },
): void {
  console.log(`seed ${seed} failed:`)
  for (const reason of reasons.slice(0, 10)) console.log(`  ${reason.replaceAll('\n', '\n    ')}`)
  if (reasons.length > 10) console.log(`  … and ${reasons.length - 10} more`)
  console.log(`  last words:`)
  for (const line of cluster ? result.lines : result.lines.slice(-SHOWN_LINES)) console.log(`    ${line.trimEnd()}`)
  console.log(`  replay: npm run sim -- ${cluster ? '--cluster ' : ''}--seed ${seed} --trace`)
}

async function main(): Promise<number> {
  const { first, last, trace, twice, share, bail, cluster } = parseArguments(process.argv.slice(2))
  const startedAt = performance.now()
  const sum: Sum = {}
  const failed: number[] = []
  for (let seed = first; seed <= last; seed++) {
    if (share !== undefined && (seed - first) % share.count !== share.index) continue
    const isTwice = twice > 0 && (seed - first) % twice === 0
    const { result, reasons } = await runSeed(seed, { trace, twice: isTwice, cluster })
    add(sum, { seeds: 1, twice: isTwice ? 1 : 0, virtualMs: result.virtualMs, events: result.eventCount })
    add(sum, { ...result.counts, ...result.troubles })
    if (reasons.length === 0) continue
    failed.push(seed)
    report(seed, { result, reasons, cluster })
    if (bail) break
  }
  const seconds = (performance.now() - startedAt) / 1000
  console.log(share === undefined ? summary(sum, seconds, failed) : `share ${JSON.stringify({ sum, failed })}`)
  return failed.length === 0 ? 0 : 1
}

process.exitCode = await main()
