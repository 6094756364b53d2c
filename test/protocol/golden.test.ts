// Golden bytes: what Kafka's own classes read and wrote (kafka-classes.test.ts asks them for the same seeds), kept so that no Java is needed to
// notice a change. UPDATE=1 rewrites the files; then kafka-classes.test.ts has to pass where Java is, and a person reads the diff.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import { describe, expect, test } from 'vitest'
import { encode, GOLDEN_SEEDS, randomValue, type Subject, subjects } from './random-value.ts'

const directory = new URL('../golden/protocol/', import.meta.url)

const groups = new Map<string, Subject[]>()
for (const subject of subjects()) groups.set(subject.group, [...(groups.get(subject.group) ?? []), subject])

if (process.env['UPDATE'] === '1') {
  mkdirSync(directory, { recursive: true })
  for (const [group, members] of groups) writeFileSync(new URL(`${group}.txt`, directory), goldenText(members))
}

describe('golden bytes', () => {
  for (const [group, members] of groups) {
    test(`${group} is written and read as always`, () => {
      const lines = readFileSync(new URL(`${group}.txt`, directory), 'utf8')
        .trimEnd()
        .split('\n')
      expect(lines.length).toBe(members.length * GOLDEN_SEEDS.length)
      const wanted = members.flatMap(subject => GOLDEN_SEEDS.map(seed => ({ subject, seed })))
      for (const [i, { subject, seed }] of wanted.entries()) {
        const name = `${subject.name} v${subject.version} ${seed}`
        const [label, hex] = lines[i]!.split(': ')
        expect(label).toBe(name)
        const value = randomValue(subject, seed)
        expect(encode(subject.codec, value).toString('hex'), name).toBe(hex)
        const bytes = Buffer.from(hex!, 'hex')
        const decoded = subject.codec.decode(bytes, 0, bytes.length)
        if (!isDeepStrictEqual(decoded, value)) expect(decoded, name).toEqual(value)
      }
    })
  }

  test('there is no file without a message', () => {
    expect(readdirSync(directory).sort()).toEqual([...groups.keys()].map(group => `${group}.txt`).sort())
  })
})

function goldenText(members: Subject[]): string {
  const lines = members.flatMap(subject =>
    GOLDEN_SEEDS.map(
      seed => `${subject.name} v${subject.version} ${seed}: ${encode(subject.codec, randomValue(subject, seed)).toString('hex')}\n`,
    ),
  )
  return lines.join('')
}
