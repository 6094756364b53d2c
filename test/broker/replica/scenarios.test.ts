import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { Conversation } from './conversation.ts'

const folder = new URL('./scenarios/', import.meta.url)

describe('the leader of a partition', () => {
  /** `UPDATE=1` rewrites the `> ` lines; the diff is to be read. */
  test.each(readdirSync(folder))('%s', name => {
    const file = new URL(name, folder)
    const text = readFileSync(file, 'utf8')
    const told = replay(text)
    if (process.env['UPDATE'] === '1') writeFileSync(file, told)
    else expect(told).toBe(text)
  })

  test('every conversation names its source', () => {
    const silent = readdirSync(folder).filter(name => !/^# .*(KIP-\d+|DESIGN)/m.test(readFileSync(new URL(name, folder), 'utf8')))
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
    if (line.startsWith('leader')) conversation = new Conversation()
    told.push(...conversation.say(line).map(each => `> ${each}`))
  }
  return told.join('\n')
}
