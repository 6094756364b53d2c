// npm run sim: seeds of the simulation (src/testing/sim/main.ts), in as many processes as --jobs says.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { add, type Sum, summary } from '../../src/testing/sim/summary.ts'
import { built } from '../compat/root.ts'

const words = process.argv.slice(2)
const at = words.indexOf('--jobs')
const jobs = at < 0 ? 1 : Number(words.splice(at, 2)[1])
if (!Number.isInteger(jobs) || jobs < 1) throw new Error('--jobs takes a number of processes')

/** @returns the exit code; lines of the share's sum go to `onSum`, all others to our output */
function run(args: readonly string[], onSum: (sum: Sum, failed: readonly number[]) => void): Promise<number> {
  const child = spawn(process.execPath, [built('src/testing/sim/main.js'), ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exit = new Promise<number>(resolve => child.on('close', code => resolve(code ?? -1)))
  createInterface({ input: child.stdout }).on('line', line => {
    if (!line.startsWith('share {')) return void process.stdout.write(`${line}\n`)
    const { sum, failed } = JSON.parse(line.slice('share '.length)) as { sum: Sum; failed: number[] }
    onSum(sum, failed)
  })
  return exit
}

const startedAt = performance.now()
const total: Sum = {}
const failedSeeds: number[] = []
const shares = jobs === 1 ? [words] : Array.from({ length: jobs }, (_, index) => [...words, '--share', `${index}/${jobs}`])
const codes = await Promise.all(
  shares.map(args =>
    run(args, (sum, failed) => {
      add(total, sum)
      failedSeeds.push(...failed)
    }),
  ),
)
failedSeeds.sort((a, b) => a - b)
if (jobs > 1) process.stdout.write(`${summary(total, (performance.now() - startedAt) / 1000, failedSeeds)}\n`)
process.exitCode = codes.every(code => code === 0) ? 0 : 1
