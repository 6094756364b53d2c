import { expect, test } from 'vitest'
import { jsonLine, realLogger, textLine } from '../../src/env/real/logger.ts'

const time = Date.UTC(2026, 0, 2, 12, 34, 56, 789)

test('a text line holds time, level, event and fields', () => {
  expect(textLine(time, 'info', 'became leader', { topic: 'orders', partition: 0, leaderEpoch: 7 })).toBe(
    '12:34:56.789 INFO  became leader topic=orders partition=0 leaderEpoch=7\n',
  )
})

test('whatever the fields hold, an entry stays one line', () => {
  const line = textLine(time, 'warn', 'closed a connection', {
    reason: 'two\nlines "quoted"',
    host: '',
    list: [1, 2],
    none: undefined,
    nothing: null,
  })
  expect(line).toBe('12:34:56.789 WARN  closed a connection reason="two\\nlines \\"quoted\\"" host="" list=[1,2] nothing=null\n')
  expect(textLine(time, 'error', 'failed', { error: new Error('broken') }).split('\n').length).toBe(2)
})

test('a JSON line holds the same as an object', () => {
  const parsed = JSON.parse(jsonLine(time, 'error', 'failed', { error: new Error('outer', { cause: new Error('inner') }), offset: 5n }))
  expect(parsed).toMatchObject({ time: '2026-01-02T12:34:56.789Z', level: 'error', event: 'failed', offset: '5' })
  expect(parsed.error).toContain('caused by Error: inner')
})

test('lines below the level are not written', () => {
  const lines: string[] = []
  const logger = realLogger({ level: 'warn', write: line => lines.push(line), wallTime: () => time })
  logger.log('info', 'opened')
  logger.log('warn', 'waited')
  logger.log('error', 'failed')
  expect(lines.length).toBe(2)
  const silent = realLogger({ level: 'silent', write: line => lines.push(line) })
  silent.log('error', 'failed')
  expect(lines.length).toBe(2)
})
