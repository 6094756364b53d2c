import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { afterAll, describe, expect, test } from 'vitest'
import { TABLE } from '../../../../src/broker/group/classic/table.ts'
import { Conversation } from './conversation.ts'

const folder = new URL('./scenarios/', import.meta.url)

/** Cells of the table that were asked for: `row.state`. */
const met = new Set<string>()
const rows = TABLE as unknown as Record<string, Record<string, string | number>>
const written = { ...rows }
for (const [name, row] of Object.entries(written)) {
  rows[name] = new Proxy(row, {
    get(target, state: string) {
      met.add(`${name}.${state}`)
      return target[state]
    },
  })
}
afterAll(() => void Object.assign(rows, written))

describe('a classic group', () => {
  /** `UPDATE=1` rewrites the `> ` lines; the diff is to be read. */
  test.each(readdirSync(folder))('%s', name => {
    const file = new URL(name, folder)
    const text = readFileSync(file, 'utf8')
    const told = replay(text)
    if (process.env['UPDATE'] === '1') writeFileSync(file, told)
    else expect(told).toBe(text)
  })

  test('every cell of the table is met by a conversation', () => {
    const cells = Object.entries(written).flatMap(([name, row]) =>
      Object.entries(row).flatMap(([state, reaction]) => (reaction === 'never' ? [] : [`${name}.${state}`])),
    )
    expect(cells.filter(cell => !met.has(cell))).toEqual([])
  })

  test('every conversation names its source', () => {
    const silent = readdirSync(folder).filter(
      name => !/^# .*(Kafka|KIP|Group|we differ)/im.test(readFileSync(new URL(name, folder), 'utf8')),
    )
    expect(silent).toEqual([])
  })
})

function replay(text: string): string {
  const told: string[] = []
  let conversation = new Conversation()
  for (const line of text.split('\n')) {
    if (line.startsWith('>')) continue
    told.push(line)
    if (line === '' || line.startsWith('#')) continue
    if (line.startsWith('group')) conversation = new Conversation()
    told.push(...conversation.say(line).map(each => `> ${each}`))
  }
  return told.join('\n')
}
