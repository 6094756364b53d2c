// The same bytes as Kafka: it reads what we write, finds in it what we meant, writes the same bytes, and we read those.
import { isDeepStrictEqual } from 'node:util'
import { describe, expect, test } from 'vitest'
import { isIn } from '../../src/protocol/compile-decode.ts'
import type { Fields, Layout } from '../../src/protocol/schema.ts'
import { type Answer, askKafka, type Case, KAFKA_VERSION, missing } from './kafka-classes.ts'
import { absentValue, encode, GOLDEN_SEEDS, randomValue, type Subject, subjects } from './random-value.ts'

const reason = missing()
const SEEDS = [...GOLDEN_SEEDS, 'java 1', 'java 2']

describe.skipIf(reason !== undefined)(`bytes of Kafka ${KAFKA_VERSION}${reason === undefined ? '' : ` (skipped: ${reason})`}`, () => {
  test('Kafka reads the same values from our bytes, writes the same bytes, and we read those, for every message and version', () => {
    const cases: (Case & { value: Record<string, unknown> })[] = []
    for (const subject of subjects()) {
      for (const seed of SEEDS) {
        const value = randomValue(subject, seed)
        cases.push({ subject, value, bytes: encode(subject.codec, value) })
      }
    }
    const answers = askKafka(cases)
    expect(answers.length).toBe(cases.length)
    const wrong: string[] = []
    for (const [i, { subject, bytes, value }] of cases.entries()) {
      const difference = compare(subject, value, bytes, answers[i]!)
      if (difference !== undefined) wrong.push(`${subject.name} v${subject.version}: ${difference}`)
    }
    expect(wrong.slice(0, 10)).toEqual([])
  }, 180_000)
})

function compare(subject: Subject, value: Record<string, unknown>, bytes: Buffer, answer: Answer): string | undefined {
  if (answer.json.startsWith('error: ')) return answer.json
  if (!answer.bytes.equals(bytes)) return `ours  ${bytes.toString('hex')}\n  Kafka ${answer.bytes.toString('hex')}`
  const meant = ofStruct(subject.fields, value, subject.version)
  if (!isDeepStrictEqual(JSON.parse(answer.json), meant)) return `Kafka read ${answer.json}\n  we meant ${JSON.stringify(meant)}`
  const decoded = subject.codec.decode(answer.bytes, 0, answer.bytes.length)
  return isDeepStrictEqual(decoded, value) ? undefined : 'our decoder reads another value'
}

/** The JSON Kafka's converters make: fields of the version alone, tagged ones only where they differ, no content of records. */
function ofStruct(fields: Fields, value: Record<string, unknown>, version: number): Record<string, unknown> {
  const json: Record<string, unknown> = {}
  for (const [name, { layout }] of Object.entries(fields)) {
    if (!isIn(layout.versions, version)) continue
    if (layout.tag >= 0 && isDeepStrictEqual(value[name], absentValue(layout))) continue
    json[name] = ofField(layout, value[name], version)
  }
  return json
}

function ofField(layout: Layout, value: unknown, version: number): unknown {
  if (value === null) return null
  if (layout.kind === 'struct') return ofStruct(layout.fields!, value as Record<string, unknown>, version)
  if (layout.kind === 'array') return (value as unknown[]).map(element => ofField(layout.element!.layout, element, version))
  if (layout.kind === 'records') return ''
  if (layout.kind === 'bytes') return (value as Buffer).toString('base64')
  if (layout.kind === 'big') return Number(value)
  return value
}
