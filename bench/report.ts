// Writes what was measured into docs/PERFORMANCE.md, between the markers, and draws the picture beside it.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../test/compat/root.ts'
import { picture } from './picture.ts'
import { type Figure, goalText, spread, verdictText } from './results.ts'

const PAGE = join(ROOT, 'docs', 'PERFORMANCE.md')
const PICTURE = join(ROOT, 'docs', 'screens', 'performance.svg')
const BEGIN = '<!-- figures: written by npm run bench -- --report -->'
const END = '<!-- end of figures -->'

/** @returns the files written */
export function report(figures: readonly Figure[]): string[] {
  const page = readFileSync(PAGE, 'utf8')
  const begin = page.indexOf(BEGIN)
  const end = page.indexOf(END)
  if (begin < 0 || end < begin) throw new Error(`${PAGE} has no place for the figures: "${BEGIN}" … "${END}"`)
  writeFileSync(PAGE, `${page.slice(0, begin + BEGIN.length)}\n${markdown(figures)}\n${page.slice(end)}`)
  writeFileSync(PICTURE, picture(figures))
  return [PAGE, PICTURE]
}

function markdown(figures: readonly Figure[]): string {
  const lines = ['| what | unit | Ottla | Apache Kafka | ratio | goal | |', '|---|---|--:|--:|--:|--:|---|']
  let last = ''
  for (const figure of figures) {
    const { row, values, ratio } = figure
    const what = row.what === last ? '' : row.what
    last = row.what
    const cells = [what, row.unit, spread(values.ottla), spread(values.kafka)]
    cells.push(ratio === undefined ? '' : `**${ratio.toFixed(2)}×**`, goalText(figure), verdictText(figure))
    lines.push(`| ${cells.join(' | ')} |`)
  }
  return `${lines.join('\n')}\n\n${origins(figures)}`
}

/** Where the figures come from: one run, or the newest of several. */
function origins(figures: readonly Figure[]): string {
  const runs = [...new Map(figures.map(({ origin }) => [origin.when, origin])).values()].sort((a, b) => (a.when < b.when ? -1 : 1))
  const machines = runs.map(({ machine: { cpu = 'unknown CPU', cores, memoryGiB, node } }) => {
    return `${cores} cores (${cpu}), ${memoryGiB} GiB, Node ${node.slice(1)}`
  })
  const commits = [...new Set(runs.map(({ commit }) => commit))]
  const days = [...new Set(runs.map(({ when }) => when.slice(0, 10)))]
  const how = runs.length === 1 ? `in one run at commit ${commits[0]}` : `in ${runs.length} runs, between commits ${commits.join(', ')}`
  return `Measured on ${days.join(', ')} ${how}: ${[...new Set(machines)].join('; ')}.`
}
