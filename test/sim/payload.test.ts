import { expect, test } from 'vitest'
import { identify, payloadOf, recordId } from '../../src/testing/sim/payload.ts'

test.each([0, 1, 20, 5000])('a value of %i bytes says who it is', size => {
  const id = recordId('p-1', 7, size)
  expect(identify(payloadOf(id))).toEqual({ id, intact: true })
})

test('a value with one changed byte is not intact, or nobody', () => {
  const value = payloadOf(recordId('p', 3, 100))
  for (let at = 0; at < value.length; at++) {
    const changed = Buffer.from(value)
    changed[at]! ^= 1
    expect(identify(changed).intact).toBe(false)
  }
  expect(identify(value.subarray(0, -1)).intact).toBe(false)
  expect(identify(null)).toEqual({ id: undefined, intact: false })
  expect(identify(Buffer.from('no name'))).toEqual({ id: undefined, intact: false })
})
