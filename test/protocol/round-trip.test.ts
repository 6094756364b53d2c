import { isDeepStrictEqual } from 'node:util'
import { describe, expect, test } from 'vitest'
import { Metadata } from '../../src/protocol/api/03-metadata.ts'
import { ProtocolError } from '../../src/protocol/errors.ts'
import { Writer } from '../../src/protocol/writer.ts'
import { ZERO_UUID } from '../../src/util/uuid.ts'
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
        const value = randomValue(subject, 'in steps')
        const bytes = encode(subject.codec, value)
        const { result: decoded } = toTheEnd(subject.codec.decodeInSteps(bytes, 0, bytes.length, Number.POSITIVE_INFINITY))
        if (!isDeepStrictEqual(decoded, value)) expect(decoded, `v${subject.version} in steps`).toEqual(value)
        const w = new Writer({ sizeBytes: 1 })
        toTheEnd(subject.codec.encodeInSteps(value, w))
        expect(Buffer.concat(w.done()).equals(bytes), `v${subject.version} encodes the same in steps`).toBe(true)
      }
    })
  }
})

test('a long message has many steps, and what it may occupy is counted through all of them', () => {
  const codec = Metadata.req(9)
  const topics = Array.from({ length: 1000 }, (_, i) => ({ topicId: ZERO_UUID, name: `t${i}` }))
  const value = {
    topics,
    allowAutoTopicCreation: false,
    includeClusterAuthorizedOperations: false,
    includeTopicAuthorizedOperations: false,
  }
  const w = new Writer()
  expect(toTheEnd(codec.encodeInSteps(value, w)).stepCount).toBeGreaterThan(20)
  const bytes = Buffer.concat(w.done())
  // Another message between two steps does no harm.
  const steps = codec.decodeInSteps(bytes, 0, bytes.length, 1_000_000)
  steps.next()
  expect(codec.decode(bytes, 0, bytes.length).topics).toHaveLength(1000)
  expect(toTheEnd(steps).result.topics).toEqual(topics)
  expect(() => toTheEnd(codec.decodeInSteps(bytes, 0, bytes.length, 10_000))).toThrow(ProtocolError)
})

function toTheEnd<T>(steps: Generator<undefined, T>): { result: T; stepCount: number } {
  for (let stepCount = 0; ; stepCount++) {
    const step = steps.next()
    if (step.done === true) return { result: step.value, stepCount }
  }
}
