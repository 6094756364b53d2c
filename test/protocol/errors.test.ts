import { expect, test } from 'vitest'
import * as errors from '../../src/protocol/errors.ts'

test('the codes run from -1 to 136 without a gap, each with a name of its own constant and a sentence', () => {
  expect(errors.ERROR_CODES).toEqual(Array.from({ length: 138 }, (_, i) => i - 1))
  const constants = new Map(Object.entries(errors).filter(([, value]) => typeof value === 'number'))
  expect(constants.size).toBe(errors.ERROR_CODES.length)
  for (const code of errors.ERROR_CODES) {
    expect(constants.get(errors.errorName(code))).toBe(code)
    expect(errors.errorMessage(code)).toMatch(/^[A-Za-z].*\.$/)
  }
})

test.each([
  [0, 'NONE', false],
  [1, 'OFFSET_OUT_OF_RANGE', false],
  [3, 'UNKNOWN_TOPIC_OR_PARTITION', true],
  [6, 'NOT_LEADER_OR_FOLLOWER', true],
  [7, 'REQUEST_TIMED_OUT', true],
  [19, 'NOT_ENOUGH_REPLICAS', true],
  [27, 'REBALANCE_IN_PROGRESS', false],
  [45, 'OUT_OF_ORDER_SEQUENCE_NUMBER', false],
  [51, 'CONCURRENT_TRANSACTIONS', true],
  [100, 'UNKNOWN_TOPIC_ID', true],
  [136, 'CONTROLLER_ID_NOT_REGISTERED', false],
])('%i is %s, retriable: %s', (code, name, retriable) => {
  expect(errors.errorName(code)).toBe(name)
  expect(errors.isRetriable(code)).toBe(retriable)
})

test('a code newer than the table still has a name and a message, and is not tried again', () => {
  expect(errors.errorName(999)).toBe('UNKNOWN_ERROR_CODE_999')
  expect(errors.errorMessage(999)).toContain('999')
  expect(errors.isRetriable(999)).toBe(false)
})

test('a KafkaError carries code, name, message and cause', () => {
  const cause = new Error('disk')
  const error = new errors.KafkaError(errors.KAFKA_STORAGE_ERROR, undefined, { cause })
  expect(error).toMatchObject({ code: 56, codeName: 'KAFKA_STORAGE_ERROR', retriable: true, cause, name: 'KafkaError' })
  expect(error.message).toBe(errors.errorMessage(56))
  expect(new errors.KafkaError(3, 'no topic orders').message).toBe('no topic orders')
})
