import { expect, test } from 'vitest'
import { murmur2 } from '../../src/util/murmur2.ts'

// Computed with org.apache.kafka.common.utils.Utils.murmur2 of kafka-clients 4.3.1.
test.each([
  ['', 275646681],
  ['2', 648968168],
  ['21', -973932308],
  ['abc', 479470107],
  ['foobar', -790332482],
  ['a-little-bit-long-string', -985981536],
  ['a-little-bit-longer-string', -1486304829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
  ['ключ', 2122343024],
])('murmur2 of "%s" is what Java clients compute', (text, hash) => {
  expect(murmur2(Buffer.from(text))).toBe(hash)
})

test('murmur2 of every byte value is what Java clients compute', () => {
  expect(murmur2(Buffer.from(Array.from({ length: 256 }, (_, i) => i)))).toBe(-1948347274)
})
