import { expect, test } from 'vitest'
import { clientHostOf } from '../../../src/broker/group/client-host.ts'

test.each([
  ['127.0.0.1', '/127.0.0.1'],
  ['::ffff:10.1.2.3', '/10.1.2.3'],
  ['::1', '/0:0:0:0:0:0:0:1'],
  ['fe80::1%eth0', '/fe80:0:0:0:0:0:0:1'],
  ['2001:db8:1:2:3:4:5:6', '/2001:db8:1:2:3:4:5:6'],
  ['::', '/0:0:0:0:0:0:0:0'],
  ['host', '/host'],
])('%s is told as %s', (address, told) => {
  expect(clientHostOf(address)).toBe(told)
})
