// Starting a node inside a program that embeds one: each round is a fresh process (in-process-child.ts), which starts one node, and then others.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { built } from '../test/compat/root.ts'
import type { Bench } from './bench.ts'

const exec = promisify(execFile)

export interface InProcessFigures {
  readonly importMs: number
  /** From the call of `startNode` to the first record acknowledged and read: first node of the process, then others. */
  readonly firstMs: number
  readonly againMs: readonly number[]
}

export async function benchStartInProcess(bench: Bench): Promise<void> {
  for (let round = 0; round < bench.rounds(7); round++) {
    for (const kind of ['memory', 'disk'] as const) {
      const { stdout } = await exec(process.execPath, [built('bench/in-process-child.js'), kind])
      const { importMs, firstMs, againMs } = JSON.parse(stdout) as InProcessFigures
      bench.results.add('start-in-process.import', 'ottla', importMs)
      bench.results.add(`start-in-process.${kind}.first`, 'ottla', firstMs)
      for (const ms of againMs) bench.results.add(`start-in-process.${kind}.again`, 'ottla', ms)
      bench.say(`round ${round + 1}, ${kind}: first ${firstMs.toFixed(1)} ms, then ${againMs.map(ms => ms.toFixed(1)).join(', ')}`)
    }
  }
}

/** Three nodes in one process, in memory. */
export async function benchClusterInProcess(bench: Bench): Promise<void> {
  for (let round = 0; round < bench.rounds(5); round++) {
    const { stdout } = await exec(process.execPath, [built('bench/in-process-child.js'), 'cluster'])
    const { firstMs, againMs } = JSON.parse(stdout) as InProcessFigures
    bench.results.add('cluster-in-process.first', 'ottla', firstMs)
    for (const ms of againMs) bench.results.add('cluster-in-process.again', 'ottla', ms)
    bench.say(`round ${round + 1}: first ${firstMs.toFixed(1)} ms, then ${againMs.map(ms => ms.toFixed(1)).join(', ')}`)
  }
}
