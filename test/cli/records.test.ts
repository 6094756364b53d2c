import { describe, expect, test } from 'vitest'
import { parseJsonRecord, toJsonBytes } from '../../bin/commands/json-record.ts'
import { linesOf } from '../../bin/commands/lines.ts'

describe('records as JSON', () => {
  test.each<[string, Buffer | null]>([
    ['text', Buffer.from('größer 日本語 🚀')],
    ['nothing', null],
    ['no bytes', Buffer.alloc(0)],
    ['bytes that are not UTF-8', Buffer.from([0, 128, 255, 10])],
    ['a cut surrogate', Buffer.from([0xed, 0xa0, 0x80])],
    ['the replacement character itself', Buffer.from('a�b')],
    ['a byte order mark', Buffer.from([0xef, 0xbb, 0xbf, 65])],
  ])('%s comes back as the same bytes', (_what, bytes) => {
    const line = JSON.stringify({ value: toJsonBytes(bytes), key: toJsonBytes(bytes), headers: [['h', toJsonBytes(bytes)]] })
    const record = parseJsonRecord(line)
    expect(record.value).toEqual(bytes)
    expect(record.key).toEqual(bytes)
    expect(record.headers).toEqual([{ key: 'h', value: bytes }])
  })

  test('headers may be an object, and all but value may be missing', () => {
    const record = parseJsonRecord('{"value": "v", "headers": {"a": "1"}}')
    expect(record).toEqual({
      value: Buffer.from('v'),
      key: null,
      headers: [{ key: 'a', value: Buffer.from('1') }],
      partition: undefined,
      timestamp: undefined,
    })
  })

  test.each([
    ['{"value": "v"', /not JSON/],
    ['[1]', /expected an object/],
    ['{"key": "k"}', /"value" is missing; for a tombstone write "value": null/],
    ['{"value": 5}', /"value" must be a string, null or/],
    ['{"value": null, "headers": [["a"]]}', /each header must be/],
    ['{"value": null, "partition": -1}', /"partition" must be a whole number/],
  ])('%s is refused with what it lacks', (line, reason) => {
    expect(() => parseJsonRecord(line)).toThrow(reason)
  })
})

describe('lines of standard input', () => {
  async function lines(...chunks: string[]): Promise<string[]> {
    async function* input() {
      for (const chunk of chunks) yield Buffer.from(chunk)
    }
    const found: string[] = []
    for await (const some of linesOf(input())) found.push(...some.map(String))
    return found
  }

  test.each<[string[], string[]]>([
    [['a\nb\n'], ['a', 'b']],
    [['a\nb'], ['a', 'b']],
    [
      ['a', 'b', '\nc\n', 'd'],
      ['ab', 'c', 'd'],
    ],
    [
      ['a\r\n', 'b\r', '\nc'],
      ['a', 'b', 'c'],
    ],
    [['\n\n'], ['', '']],
    [[''], []],
    [[], []],
  ])('%j holds %j', async (chunks, expected) => {
    expect(await lines(...chunks)).toEqual(expected)
  })
})
