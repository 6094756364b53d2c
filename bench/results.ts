// Figures of repeated runs: medians with their range, held against their goals.
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { ROOT } from '../test/compat/root.ts'
import { ROWS, type Row, rowOf } from './rows.ts'

export type PeerName = 'ottla' | 'kafka'
/** One value a round, in order. */
export type Values = Partial<Record<PeerName, number[]>>

export interface Origin {
  readonly when: string
  readonly commit: string
  readonly quick: boolean
  readonly machine: { readonly cpu: string | undefined; readonly cores: number; readonly memoryGiB: number; readonly node: string }
}

export interface Figure {
  readonly row: Row
  readonly values: Values
  /** Of the medians, Ottla / Apache Kafka. */
  readonly ratio: number | undefined
  /** What is held against the goal, as a multiple of it: at most 1 when lower is better. */
  readonly ofGoal: number | undefined
  readonly met: boolean | undefined
  readonly origin: Origin
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

const FOLDER = join(ROOT, 'bench', 'results')

export class Results {
  readonly origin: Origin
  readonly #values = new Map<string, Values>()

  constructor(quick: boolean) {
    const machine = { cpu: cpus()[0]?.model, cores: cpus().length, memoryGiB: Math.round(totalmem() / 2 ** 30), node: process.version }
    this.origin = { when: new Date().toISOString().slice(0, 19), commit: commit(), quick, machine }
  }

  add(id: string, peer: PeerName, value: number): void {
    rowOf(id)
    let values = this.#values.get(id)
    if (values === undefined) this.#values.set(id, (values = {}))
    ;(values[peer] ??= []).push(value)
  }

  figures(): Figure[] {
    return figuresOf(new Map([...this.#values].map(([id, values]) => [id, { values, origin: this.origin }])))
  }

  /** @returns the file */
  save(): string {
    mkdirSync(FOLDER, { recursive: true })
    const file = join(FOLDER, `${this.origin.when.replaceAll(':', '-')}.json`)
    writeFileSync(file, `${JSON.stringify({ ...this.origin, values: Object.fromEntries(this.#values) }, null, 2)}\n`)
    return file
  }
}

/** Of each row the newest values that were saved; runs that were only a trial do not count. */
export function savedFigures(): Figure[] {
  const newest = new Map<string, { values: Values; origin: Origin }>()
  for (const file of readdirSync(FOLDER)
    .filter(name => name.endsWith('.json'))
    .sort()) {
    const { values, ...origin } = JSON.parse(readFileSync(join(FOLDER, file), 'utf8')) as Origin & { values?: Record<string, Values> }
    if (values === undefined || origin.quick) continue
    for (const [id, of] of Object.entries(values)) newest.set(id, { values: of, origin })
  }
  return figuresOf(newest)
}

function figuresOf(all: ReadonlyMap<string, { values: Values; origin: Origin }>): Figure[] {
  return ROWS.flatMap(row => {
    const found = all.get(row.id)
    if (found === undefined) return []
    const { ottla, kafka } = found.values
    const ratio = ottla === undefined || kafka === undefined ? undefined : median(ottla) / median(kafka)
    const held = row.ratio !== undefined ? ratio : row.limit !== undefined && ottla !== undefined ? median(ottla) : undefined
    const goal = row.ratio ?? row.limit
    const ofGoal = held === undefined || goal === undefined ? undefined : held / goal
    const met = ofGoal === undefined ? undefined : row.better === 'lower' ? ofGoal <= 1 : ofGoal >= 1
    return [{ row, values: found.values, ratio, ofGoal, met, origin: found.origin }]
  })
}

/** Median (lowest–highest). */
export function spread(values: readonly number[] | undefined): string {
  if (values === undefined) return '–'
  return values.length === 1 ? show(values[0]!) : `${show(median(values))} (${show(Math.min(...values))}–${show(Math.max(...values))})`
}

export function show(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)
}

export function goalText({ row }: Figure): string {
  const sign = row.better === 'lower' ? '≤' : '≥'
  if (row.ratio !== undefined) return `${sign} ${row.ratio}×`
  return row.limit !== undefined ? `${sign} ${row.limit} ${row.unit.split(' ').at(-1)}` : ''
}

export function verdictText({ met }: Figure): string {
  return met === undefined ? '' : met ? 'met' : 'missed'
}

/** For the terminal: one line a figure. */
export function table(figures: readonly Figure[]): string {
  const rows = figures.map(figure => [
    figure.row.what,
    figure.row.unit,
    spread(figure.values.ottla),
    spread(figure.values.kafka),
    figure.ratio === undefined ? '' : `${figure.ratio.toFixed(2)}×`,
    goalText(figure),
    verdictText(figure),
  ])
  const all = [['what', 'unit', 'Ottla', 'Apache Kafka', 'ratio', 'goal', ''], ...rows]
  const widths = all[0]!.map((_, i) => Math.max(...all.map(row => row[i]!.length)))
  const line = (row: readonly string[]) => row.map((cell, i) => cell.padEnd(widths[i]!)).join('  ')
  return `${all.map(row => line(row).trimEnd()).join('\n')}\n`
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
