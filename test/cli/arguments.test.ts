import { describe, expect, test } from 'vitest'
import { explain, FAILED, settings, UNREACHABLE, USAGE, UsageError, whole } from '../../bin/commands/failure.ts'
import { table } from '../../bin/commands/output.ts'
import { parsePosition } from '../../bin/commands/position.ts'

describe('positions', () => {
  test.each([
    ['0', { type: 'offset', offset: 0 }],
    ['1234', { type: 'offset', offset: 1234 }],
    ['-10', { type: 'beforeEnd', count: 10 }],
    ['beginning', { type: 'earliest' }],
    ['latest', { type: 'latest' }],
    ['@1700000000000', { type: 'time', timestamp: 1_700_000_000_000 }],
    ['2026-01-31T12:00:00Z', { type: 'time', timestamp: Date.UTC(2026, 0, 31, 12) }],
    ['2026-01-31', { type: 'time', timestamp: Date.UTC(2026, 0, 31) }],
  ])('%s', (text, position) => {
    expect(parsePosition(text)).toEqual(position)
  })

  test.each(['', 'soon', '1.5', '--3', '2026-99-99', '99999999999999999999'])('%j is refused with all that is possible', text => {
    expect(() => parsePosition(text)).toThrow(/expected an offset .* beginning, end, or a time/)
  })
})

describe('numbers and settings', () => {
  test('a whole number out of range says the range', () => {
    expect(whole('-n', '5', 1)).toBe(5)
    expect(() => whole('--port', '70000', 0, 65_535)).toThrow("--port is '70000': expected a whole number from 0 to 65535")
    expect(() => whole('-n', 'x', 1)).toThrow("-n is 'x': expected a whole number from 1 on")
  })

  test('settings are key=value, and the value may hold anything', () => {
    expect(settings('-X', ['a.b=1', 'c=x=y', 'd='])).toEqual({ 'a.b': '1', c: 'x=y', d: '' })
    expect(() => settings('-X', ['retention'])).toThrow("-X is 'retention': expected key=value")
  })
})

describe('errors', () => {
  const coded = (message: string, fields: object) => Object.assign(new Error(message), fields)

  test.each<[string, Error, number, RegExp]>([
    ['wrong usage', new UsageError('-n is x'), USAGE, /-n is x/],
    [
      'a refused connection',
      coded('connect to localhost:1 failed', { code: 'ECONNREFUSED' }),
      UNREACHABLE,
      /Start a broker with: ottla start/,
    ],
    ['a connection error inside', new Error('outer', { cause: coded('inner', { code: 'ENOTFOUND' }) }), UNREACHABLE, /the name is unknown/],
    [
      'a Kafka error',
      coded('it exists', { code: 36, codeName: 'TOPIC_ALREADY_EXISTS' }),
      FAILED,
      /TOPIC_ALREADY_EXISTS: it exists\nChoose another name/,
    ],
    ['a used port', coded('listen failed', { code: 'EADDRINUSE' }), FAILED, /--port 0 for any free one/],
    ['anything else', new Error('strange'), FAILED, /^strange$/],
  ])('%s: exit code and advice', (_what, error, exitCode, message) => {
    const explained = explain(error)
    expect(explained.exitCode).toBe(exitCode)
    expect(explained.message).toMatch(message)
  })
})

test('a table has aligned columns, numbers to the right, and no trailing blanks', () => {
  expect(
    table(
      ['topic', 'partitions'],
      [
        ['a', '1'],
        ['a-longer-one', '128'],
      ],
    ),
  ).toBe('topic         partitions\na                      1\na-longer-one         128\n')
})
