import { expect, test } from 'vitest'
import { precompiledSource } from '../../build/codecs.ts'
import { compileDecoder } from '../../src/protocol/compile-decode.ts'
import { compileEncoder } from '../../src/protocol/compile-encode.ts'
import type { PRECOMPILED } from '../../src/protocol/precompiled.ts'
import { i32, schema, str } from '../../src/protocol/schema.ts'
import { Writer } from '../../src/protocol/writer.ts'

const tables = new Function(precompiledSource().replace('export const PRECOMPILED =', 'return'))() as typeof PRECOMPILED

test('what the bundle holds is the source of both directions of every message of a first start', () => {
  const names = Object.keys(tables.decoders)
  expect(Object.keys(tables.encoders)).toEqual(names)
  expect(names).toEqual(
    expect.arrayContaining([
      'RequestHeader v2',
      'ResponseHeader v0',
      'Produce request v13',
      'Fetch response v17',
      'heartbeat to the controller v0',
    ]),
  )
  for (const factory of [...Object.values(tables.decoders), ...Object.values(tables.encoders)])
    expect(factory({}, 'x')).toBeTypeOf('function')
})

test('a codec that the bundle does not hold is compiled as ever', () => {
  const { fields } = schema('Other', '0', { fields: { a: i32, b: str } })
  const w = new Writer()
  compileEncoder('Other v0', fields, 0, false)({ a: 7, b: 'seven' }, w)
  const bytes = Buffer.concat(w.done())
  expect(compileDecoder('Other v0', fields, 0, false)(bytes, 0, bytes.length, true, 1000)).toEqual({ a: 7, b: 'seven' })
})
