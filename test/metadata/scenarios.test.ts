import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { Conversation } from './scenario.ts'

const folder = new URL('./scenarios/', import.meta.url)

/** `UPDATE=1` rewrites the `> ` lines; the diff is to be read. */
test.each(readdirSync(folder))('%s', name => {
  const file = new URL(name, folder)
  const text = readFileSync(file, 'utf8')
  const told: string[] = []
  const conversation = new Conversation()
  for (const line of text.split('\n')) {
    if (line.startsWith('>')) continue
    told.push(line)
    if (line === '' || line.startsWith('#')) continue
    const answer = conversation.say(line)
    told.push(...(answer.length === 0 ? ['(nothing)'] : answer).map(each => `> ${each}`))
  }
  if (process.env['UPDATE'] === '1') writeFileSync(file, told.join('\n'))
  expect(told.join('\n')).toBe(process.env['UPDATE'] === '1' ? told.join('\n') : text)
})
