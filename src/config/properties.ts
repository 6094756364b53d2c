// Java's .properties format, as far as server.properties uses it: `key=value`, `key: value` or `key value`, comments with # or !, a backslash
// at the end of a line joins it with the next, \t \n \r \f \uXXXX and \<any> in keys and values. The last of two equal keys wins.
import { ConfigError } from './values.ts'

/** @throws ConfigError for a damaged \u escape */
export function parseProperties(text: string): Record<string, string> {
  const properties: Record<string, string> = {}
  for (const line of logicalLines(text)) {
    const [key, value] = split(line)
    properties[unescaped(key)] = unescaped(value)
  }
  return properties
}

function logicalLines(text: string): string[] {
  const lines: string[] = []
  let joined: string | undefined
  for (const natural of text.split(/\r\n|\n|\r/)) {
    const line = natural.replace(/^[ \t\f]+/, '')
    if (joined === undefined && (line === '' || /^[#!]/.test(line))) continue
    const whole: string = (joined ?? '') + line
    const trailing = /\\+$/.exec(whole)?.[0].length ?? 0
    if (trailing % 2 === 1) joined = whole.slice(0, -1)
    else {
      lines.push(whole)
      joined = undefined
    }
  }
  if (joined !== undefined) lines.push(joined)
  return lines
}

function split(line: string): readonly [string, string] {
  const key = /^(?:\\.|[^\\=: \t\f])*/.exec(line)![0]
  const value = line.slice(key.length).replace(/^[ \t\f]*[=:]?[ \t\f]*/, '')
  return [key, value]
}

function unescaped(text: string): string {
  return text.replace(/\\(?:u([0-9a-fA-F]{4})|(.)|$)/gs, (_, hex: string | undefined, letter: string | undefined) => {
    if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16))
    if (letter === 'u') throw new ConfigError('', `Malformed \\uXXXX in: ${text}`)
    return letter === undefined ? '' : ({ t: '\t', n: '\n', r: '\r', f: '\f' }[letter] ?? letter)
  })
}
