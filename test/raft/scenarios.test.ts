import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { Cluster } from './cluster.ts'
import { OneCore } from './one-core.ts'

const folder = new URL('./scenarios/', import.meta.url)

describe('the quorum', () => {
  /** `UPDATE=1` rewrites the `> ` lines; the diff is to be read. */
  test.each(readdirSync(folder))('%s', name => {
    const file = new URL(name, folder)
    const text = readFileSync(file, 'utf8')
    const told = replay(text)
    if (process.env['UPDATE'] === '1') writeFileSync(file, told)
    else expect(told).toBe(text)
  })

  test('every conversation names its source', () => {
    const silent = readdirSync(folder).filter(
      name => !/^# .*(Raft|thesis|KIP|Kafka|we differ)/im.test(readFileSync(new URL(name, folder), 'utf8')),
    )
    expect(silent).toEqual([])
  })
})

function replay(text: string): string {
  const told: string[] = []
  let conversation: OneCore | Cluster = new OneCore()
  for (const line of text.split('\n')) {
    if (line.startsWith('>')) continue
    told.push(line)
    if (line === '' || line.startsWith('#')) continue
    if (line.startsWith('node ')) conversation = new OneCore()
    if (line.startsWith('cluster ')) conversation = new Cluster()
    told.push(...conversation.say(line).map(each => `> ${each}`))
  }
  return told.join('\n')
}
