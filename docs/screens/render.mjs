// Draws a terminal session as a picture: node docs/screens/render.mjs < session.txt > session.svg
// Lines that start with "$ " are what was typed. A line may be coloured as a whole, as `ottla cluster watch` does it.
import { readFileSync } from 'node:fs'

const lines = readFileSync(0, 'utf8').trimEnd().split('\n')
// biome-ignore lint/suspicious/noControlCharactersInRegex: that is how a terminal is told a colour
const PAINTED = /^\x1b\[(\d+)m(.*)\x1b\[0m$/
const PAINTS = {
  1: 'fill="#f0f6fc" font-weight="bold"',
  2: 'fill="#8b949e"',
  31: 'fill="#ff7b72"',
  32: 'fill="#7ee787"',
  33: 'fill="#d29922"',
}
const plain = line => PAINTED.exec(line)?.[2] ?? line
const columns = Math.max(60, ...lines.map(line => plain(line).length))
const width = Math.ceil(columns * 8.43 + 40)
const height = lines.length * 20 + 56
const xml = text => text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;')
const row = (line, i) => {
  const typed = line.startsWith('$ ')
  const [, paint, text] = PAINTED.exec(line) ?? []
  if (paint !== undefined) return `<text x="20" y="${i * 20 + 54}" xml:space="preserve"><tspan ${PAINTS[paint]}>${xml(text)}</tspan></text>`
  const body = typed ? `<tspan fill="#7ee787">$</tspan> <tspan fill="#f0f6fc" font-weight="bold">${xml(line.slice(2))}</tspan>` : xml(line)
  return `<text x="20" y="${i * 20 + 54}" xml:space="preserve">${body}</text>`
}
process.stdout.write(`<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">
<title>A terminal session</title>
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
<circle cx="22" cy="18" r="6" fill="#ff5f56"/><circle cx="42" cy="18" r="6" fill="#ffbd2e"/><circle cx="62" cy="18" r="6" fill="#27c93f"/>
<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="14" fill="#c9d1d9">
${lines.map(row).join('\n')}
</g>
</svg>
`)
