// What all runs of `npm run chaos` amount to, kept in the repository: every round's gaps, and the sums of what was acked and broken.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../compat/root.ts'
import type { RoundReport } from './rounds.ts'
import type { Verdict } from './verdict.ts'

const FILE = join(ROOT, 'test/chaos/ledger.json')

interface KindSum {
  rounds: number
  /** Milliseconds, by writer. */
  gaps: Record<string, number[]>
  healMs: number[]
}

interface SystemSum {
  runs: number
  acked: number
  lost: number
  doubled: number
  reordered: number
  changed: number
  kinds: Record<string, KindSum>
  /** Of runs that did not keep every promise, or not come to their end. */
  failures: string[]
}

export type Ledger = Record<string, SystemSum>

export function readLedger(): Ledger {
  return existsSync(FILE) ? (JSON.parse(readFileSync(FILE, 'utf8')) as Ledger) : {}
}

export interface RunSum {
  readonly rounds: readonly RoundReport[]
  readonly verdicts: Iterable<Verdict>
  readonly failures: readonly string[]
}

export function addRun(ledger: Ledger, system: string, run: RunSum): void {
  const sum = (ledger[system] ??= { runs: 0, acked: 0, lost: 0, doubled: 0, reordered: 0, changed: 0, kinds: {}, failures: [] })
  sum.runs++
  sum.failures.push(...run.failures)
  for (const verdict of run.verdicts)
    for (const key of ['acked', 'lost', 'doubled', 'reordered', 'changed'] as const) sum[key] += verdict[key]
  for (const { kind, gaps, healMs } of run.rounds) {
    const each = (sum.kinds[kind] ??= { rounds: 0, gaps: {}, healMs: [] })
    each.rounds++
    each.healMs.push(healMs)
    for (const [writer, gap] of gaps) (each.gaps[writer] ??= []).push(gap)
  }
}

export function writeLedger(ledger: Ledger): void {
  const text = JSON.stringify(ledger, undefined, 2)
  // One line a list of numbers.
  writeFileSync(FILE, `${text.replaceAll(/\[[\d\s,]*\]/g, list => list.replaceAll(/\s+/g, ' '))}\n`)
}

/** As a table for docs/RELIABILITY.md. */
export function table(ledger: Ledger): string {
  const rows = [
    '| cluster | what | rounds | writer | longest gap without an ack: p50 | p90 | p99 | max |',
    '|---|---|---|---|---|---|---|---|',
  ]
  for (const [system, { kinds }] of Object.entries(ledger)) {
    for (const [kind, { rounds, gaps }] of Object.entries(kinds)) {
      for (const [writer, list] of Object.entries(gaps)) {
        const at = [0.5, 0.9, 0.99, 1].map(share => `${percentile(list, share)} ms`)
        rows.push(`| ${[system, kind, String(rounds), writer, ...at].join(' | ')} |`)
      }
    }
  }
  for (const [system, { runs, acked, lost, doubled, reordered, changed, failures }] of Object.entries(ledger)) {
    rows.push(
      '',
      `${system}: ${runs} runs, ${acked} acked, ${lost} lost, ${doubled} doubled, ${reordered} reordered, ${changed} changed after they were read, ${failures.length} failures.`,
    )
  }
  return rows.join('\n')
}

export function percentile(list: readonly number[], share: number): number {
  const sorted = [...list].sort((a, b) => a - b)
  return Math.round(sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0)
}
