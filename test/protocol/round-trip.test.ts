import { isDeepStrictEqual } from 'node:util'
import { describe, expect, test } from 'vitest'
import { encode, randomValue, subjectsByName } from './random-value.ts'

const WRITERS = [{ sizeBytes: 1 }, { sizeBytes: 61, referenceBytes: 0 }, { sizeBytes: 4096, referenceBytes: 64 }]

describe('what was encoded decodes to the same value, in every version and with every size of buffer', () => {
  for (const [name, versions] of subjectsByName()) {
    test(name, () => {
      for (const subject of versions) {
        for (const [i, writer] of WRITERS.entries()) {
          const value = randomValue(subject, `round trip ${i}`)
          const bytes = encode(subject.codec, value, writer)
          const decoded = subject.codec.decode(bytes, 0, bytes.length)
          if (!isDeepStrictEqual(decoded, value)) expect(decoded, `v${subject.version}`).toEqual(value)
          expect(encode(subject.codec, decoded).equals(bytes), `v${subject.version} encodes the same again`).toBe(true)
        }
      }
    })
  }
})
