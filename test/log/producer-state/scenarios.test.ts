// Each file in scenarios/ is one promise and a conversation that shows it: a line, and behind '> ' the answer. UPDATE=1 rewrites the answers; a
// person reads the diff.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { Conversation } from './conversation.ts'

const folder = fileURLToPath(new URL('./scenarios/', import.meta.url))

describe('producer state', () => {
  test.each(readdirSync(folder))('%s', name => {
    const before = readFileSync(folder + name, 'utf8')
    const conversation = new Conversation()
    const after = before
      .split('\n')
      .filter(line => !line.startsWith('> '))
      .map(line => (line === '' || line.startsWith('#') ? line : `${line}\n> ${conversation.say(line)}`))
      .join('\n')
    if (process.env['UPDATE'] !== undefined) writeFileSync(folder + name, after)
    expect(after).toBe(process.env['UPDATE'] === undefined ? before : after)
  })
})
