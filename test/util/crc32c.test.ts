import { describe, expect, test } from 'vitest'
import { crc32c, crc32cInJavaScript, loadNative } from '../../src/util/crc32c.ts'

// RFC 3720 appendix B.4, and the check value of the Castagnoli polynomial.
const KNOWN: [name: string, bytes: Buffer, crc: number][] = [
  ['nothing', Buffer.alloc(0), 0],
  ['the digits 1 to 9', Buffer.from('123456789'), 0xe3069283],
  ['32 zeros', Buffer.alloc(32), 0x8a9136aa],
  ['32 ones', Buffer.alloc(32, 0xff), 0x62a8ab43],
  ['32 ascending bytes', Buffer.from(Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e],
  ['32 descending bytes', Buffer.from(Array.from({ length: 32 }, (_, i) => 31 - i)), 0x113fdb5c],
  [
    'an iSCSI read command',
    Buffer.from('01c000000000000000000000000000001400000000000400000000140000001828000000000000000200000000000000', 'hex'),
    0xd9963a56,
  ],
]

describe('crc32c', () => {
  test.each(KNOWN)('of %s', (_, bytes, crc) => {
    expect(crc32c(bytes, 0, bytes.length)).toBe(crc)
    expect(crc32cInJavaScript(bytes, 0, bytes.length)).toBe(crc)
  })

  test('native code is there and agrees with JavaScript on every length and alignment', () => {
    const native = loadNative()
    expect(native).not.toBeNull()
    const bytes = Buffer.from(Array.from({ length: 700 }, (_, i) => (i * 167 + 13) & 0xff))
    for (let start = 0; start < 9; start++) {
      for (let end = start; end < bytes.length; end += 7) {
        const expected = native!(bytes.subarray(start, end))
        expect(crc32cInJavaScript(bytes, start, end)).toBe(expected)
        expect(crc32c(bytes, start, end)).toBe(expected)
      }
    }
  })
})
