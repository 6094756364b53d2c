// Figures of repeated runs: medians with their range, as a table for people and as JSON for later.
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { ROOT } from '../test/compat/root.ts'

export interface Measurement {
  readonly what: string
  readonly peer: string
  readonly unit: string
  /** One value a round, in order. */
  readonly values: number[]
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

export class Results {
  readonly measurements: Measurement[] = []

  add(what: string, peer: string, unit: string, value: number): void {
    let found = this.measurements.find(m => m.what === what && m.peer === peer && m.unit === unit)
    if (found === undefined) this.measurements.push((found = { what, peer, unit, values: [] }))
    found.values.push(value)
  }

  /** One line a figure: median (lowest–highest) of each peer, and the ratio of the medians. */
  table(): string {
    const peers = [...new Set(this.measurements.map(m => m.peer))]
    const figures = [...new Map(this.measurements.map(m => [`${m.what}\t${m.unit}`, m])).values()]
    const rows = figures.map(({ what, unit }) => {
      const of = (peer: string) => this.measurements.find(m => m.what === what && m.unit === unit && m.peer === peer)
      const cells = peers.map(peer => spread(of(peer)?.values))
      const [a, b] = peers.map(peer => of(peer)?.values)
      return [what, unit, ...cells, a === undefined || b === undefined ? '' : `${(median(a) / median(b)).toFixed(2)}×`]
    })
    const head = ['what', 'unit', ...peers, peers.length > 1 ? `${peers[0]} / ${peers[1]}` : '']
    const widths = head.map((title, i) => Math.max(title.length, ...rows.map(row => row[i]!.length)))
    return `${[head, ...rows]
      .map(row =>
        row
          .map((cell, i) => cell.padEnd(widths[i]!))
          .join('  ')
          .trimEnd(),
      )
      .join('\n')}\n`
  }

  save(): string {
    const folder = join(ROOT, 'bench', 'results')
    mkdirSync(folder, { recursive: true })
    const file = join(folder, `${new Date().toISOString().replaceAll(':', '-').slice(0, 19)}.json`)
    const machine = { cpu: cpus()[0]?.model, cores: cpus().length, memoryGiB: Math.round(totalmem() / 2 ** 30), node: process.version }
    writeFileSync(file, `${JSON.stringify({ commit: commit(), machine, measurements: this.measurements }, null, 2)}\n`)
    return file
  }
}

function spread(values: readonly number[] | undefined): string {
  if (values === undefined) return 'not run'
  const show = (value: number) => (value >= 100 ? value.toFixed(0) : value.toFixed(2))
  return `${show(median(values))} (${show(Math.min(...values))}–${show(Math.max(...values))})`
}

function commit(): string {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], {
      cwd: ROOT,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim()
  } catch {
    return 'unknown'
  }
}
