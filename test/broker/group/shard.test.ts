import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { ShardConversation } from './shard-conversation.ts'

const folder = new URL('./scenarios/', import.meta.url)

/** `UPDATE=1` rewrites the `> ` lines; the diff is to be read. */
test.each(readdirSync(folder))('%s', name => {
  const file = new URL(name, folder)
  const text = readFileSync(file, 'utf8')
  const told: string[] = []
  const conversation = new ShardConversation()
  for (const line of text.split('\n')) {
    if (line.startsWith('>')) continue
    told.push(line)
    if (line === '' || line.startsWith('#')) continue
    told.push(...conversation.say(line).map(each => `> ${each}`))
  }
  if (process.env['UPDATE'] === '1') writeFileSync(file, told.join('\n'))
  else expect(told.join('\n')).toBe(text)
})
