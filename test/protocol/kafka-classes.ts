// Kafka's own generated message classes, by way of a small Java program. The jars come from Maven Central once, into node_modules/.cache.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Subject } from './random-value.ts'

export const KAFKA_VERSION = '4.4.0'

const JARS = [
  ...['kafka-clients', 'kafka-raft', 'kafka-group-coordinator', 'kafka-transaction-coordinator', 'kafka-share-coordinator'].map(
    name => ['org.apache.kafka', name, KAFKA_VERSION] as const,
  ),
  ...['jackson-core', 'jackson-databind', 'jackson-annotations'].map(name => ['com.fasterxml.jackson.core', name, '2.17.2'] as const),
  ['org.slf4j', 'slf4j-api', '1.7.36'] as const,
]
const root = new URL('../../', import.meta.url).pathname
const cache = join(root, 'node_modules/.cache', `kafka-${KAFKA_VERSION}`)

/** Why Kafka's classes cannot be asked here; undefined if they can. */
export function missing(): string | undefined {
  if (spawnSync('javac', ['-version']).error !== undefined) return 'there is no Java here'
  mkdirSync(cache, { recursive: true })
  for (const [group, name, version] of JARS) {
    if (existsSync(jar(name, version))) continue
    const artifact = `${group}:${name}:${version}`
    const mvn = spawnSync('mvn', ['-q', '-B', 'dependency:copy', `-Dartifact=${artifact}`, `-DoutputDirectory=${cache}`], {
      timeout: 120_000,
    })
    if (mvn.error !== undefined) return 'there is no Maven here'
    if (!existsSync(jar(name, version))) return `${artifact} could not be fetched`
  }
  return undefined
}

const jar = (name: string, version: string) => join(cache, `${name}-${version}.jar`)

export interface Case {
  readonly subject: Subject
  readonly bytes: Buffer
}

export interface Answer {
  /** What Kafka writes after it read the case; empty if it could not read it. */
  readonly bytes: Buffer
  /** What Kafka read, as its own JSON; or the error. */
  readonly json: string
}

/** Has Kafka read and write every case. */
export function askKafka(cases: readonly Case[]): Answer[] {
  const directory = mkdtempSync(join(tmpdir(), 'ottla-protocol-'))
  const [input, output] = [join(directory, 'in'), join(directory, 'out')]
  try {
    writeFileSync(input, Buffer.concat(cases.map(encodeCase)))
    const classpath = JARS.map(([, name, version]) => jar(name, version)).join(':')
    const java = spawnSync(
      'java',
      ['-XX:TieredStopAtLevel=1', '-cp', classpath, join(root, 'test/protocol/java/Reencode.java'), input, output],
      {
        encoding: 'utf8',
      },
    )
    if (java.status !== 0) throw new Error(`java failed: ${java.stderr}`)
    return decodeAnswers(readFileSync(output))
  } finally {
    rmSync(directory, { recursive: true })
  }
}

function encodeCase({ subject, bytes }: Case): Buffer {
  const name = Buffer.from(subject.javaClass)
  const head = Buffer.alloc(2 + name.length + 2 + 4)
  head.writeInt16BE(name.length, 0)
  name.copy(head, 2)
  head.writeInt16BE(subject.version, 2 + name.length)
  head.writeInt32BE(bytes.length, 4 + name.length)
  return Buffer.concat([head, bytes])
}

function decodeAnswers(all: Buffer): Answer[] {
  const answers: Answer[] = []
  let p = 0
  const next = () => {
    const end = p + 4 + all.readInt32BE(p)
    const bytes = all.subarray(p + 4, end)
    p = end
    return bytes
  }
  while (p < all.length) answers.push({ bytes: next(), json: next().toString() })
  return answers
}
