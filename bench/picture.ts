// Draws the ratios Ottla / Apache Kafka as bars on a logarithmic scale, each with its goal. Left of 1× is less (time, CPU, memory), right of it more.
// One picture for light and dark pages: the colours follow the reader's scheme.
import { type Figure, goalText, median, show } from './results.ts'

const WIDTH = 980
const ROW_HEIGHT = 26
const TOP = 92
const LABEL_WIDTH = 480
const RIGHT = 150
const LOWEST = 0.01
const HIGHEST = 4

const STYLE = `
  text { font-family: ui-sans-serif, -apple-system, 'Segoe UI', Helvetica, Arial, 'DejaVu Sans', sans-serif; font-size: 13px; fill: #1f2328 }
  .title { font-size: 17px; font-weight: 600 } .quiet { fill: #59636e } .value { font-weight: 600 } .small { font-size: 12px }
  .page { fill: #ffffff } .line { stroke: #d1d9e0 } .even { stroke: #59636e } .goal { stroke: #1f2328; stroke-width: 2.5 }
  .met { fill: #1a7f37 } .missed { fill: #bc4c00 } .free { fill: #8c959f }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc } .quiet { fill: #9198a1 }
    .page { fill: #0d1117 } .line { stroke: #3d444d } .even { stroke: #9198a1 } .goal { stroke: #f0f6fc }
    .met { fill: #3fb950 } .missed { fill: #db6d28 } .free { fill: #656c76 }
  }`

export function picture(all: readonly Figure[]): string {
  const figures = all.filter(figure => figure.ratio !== undefined && figure.row.ratio !== undefined)
  const bottom = TOP + figures.length * ROW_HEIGHT
  const height = bottom + 58
  const ticks = [0.01, 0.03, 0.1, 0.3, 1, 3]
  const axis = ticks.map(
    tick =>
      `<line x1="${x(tick)}" y1="${TOP - 8}" x2="${x(tick)}" y2="${bottom}" class="${tick === 1 ? 'even' : 'line'}"/>` +
      `<text x="${x(tick)}" y="${TOP - 14}" text-anchor="middle" class="quiet small">${tick}×</text>`,
  )
  const legend = [
    [0, '<rect x="0" y="-10" width="16" height="11" rx="2" class="met"/>', 'goal met'],
    [100, '<rect x="0" y="-10" width="16" height="11" rx="2" class="missed"/>', 'goal missed'],
    [220, '<line x1="8" y1="-12" x2="8" y2="3" class="goal"/>', 'the goal'],
  ].map(
    ([at, sign, text]) =>
      `<g transform="translate(${24 + Number(at)} ${height - 20})">${sign}<text x="22" class="small">${text}</text></g>`,
  )
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img">
<title>Ottla beside Apache Kafka: ratios of medians, with goals</title>
<style>${STYLE}
</style>
<rect width="100%" height="100%" rx="8" class="page"/>
<text x="24" y="34" class="title">Ottla / Apache Kafka 4.3.1</text>
<text x="24" y="55" class="quiet small">Ratios of the medians of one interleaved run, logarithmic. Time, CPU and memory: left is better. MB/s: right is better.</text>
${axis.join('\n')}
${figures.map(row).join('\n')}
${legend.join('\n')}
</svg>
`
}

function row(figure: Figure, i: number): string {
  const y = TOP + i * ROW_HEIGHT
  const ratio = figure.ratio!
  const [from, to] = ratio < 1 ? [x(ratio), x(1)] : [x(1), x(ratio)]
  const kind = figure.met === undefined ? 'free' : figure.met ? 'met' : 'missed'
  const goal = x(figure.row.ratio!)
  const unit = figure.row.unit
  const own = figure.values.ottla === undefined ? '' : show(median(figure.values.ottla))
  return [
    `<text x="24" y="${y + 17}" class="small">${escaped(figure.row.what)} <tspan class="quiet">· ${escaped(unit)}</tspan></text>`,
    `<rect x="${from}" y="${y + 5}" width="${Math.max(1.5, Number((to - from).toFixed(1)))}" height="${ROW_HEIGHT - 10}" rx="2" class="${kind}"><title>${own} ${escaped(unit)}</title></rect>`,
    `<line x1="${goal}" y1="${y + 2}" x2="${goal}" y2="${y + ROW_HEIGHT - 2}" class="goal"/>`,
    `<text x="${WIDTH - RIGHT + 14}" y="${y + 17}" class="value small">${ratio.toFixed(2)}×<tspan class="quiet" font-weight="400" dx="8">${escaped(goalText(figure))}</tspan></text>`,
  ].join('\n')
}

function x(ratio: number): number {
  const at = Math.log(Math.min(HIGHEST, Math.max(LOWEST, ratio)) / LOWEST) / Math.log(HIGHEST / LOWEST)
  return Number((LABEL_WIDTH + at * (WIDTH - RIGHT - LABEL_WIDTH)).toFixed(1))
}

function escaped(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;')
}
