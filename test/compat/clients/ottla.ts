// Our own command line as a client among the others.

import { CLI } from '../broker.ts'
import type { Client, ProduceOptions, TopicAdmin, TopicConfigs } from '../client.ts'
import { run } from '../process.ts'
import { type CompatRecord, EVERYTHING } from '../records.ts'

/** In the CLI's JSON, bytes that are UTF-8 are a string, others `{ "base64": … }`. */
type JsonBytes = string | { readonly base64: string } | null

interface JsonRecord {
  readonly key: JsonBytes
  readonly value: JsonBytes
  readonly headers: readonly (readonly [string, JsonBytes])[]
}

export async function openOttla(bootstrap: string): Promise<Client | string> {
  const ottla = async (args: readonly string[], stdin = '') =>
    (await run(process.execPath, [CLI, ...args, '-b', bootstrap], { stdin })).stdout.toString()
  const version = await run(process.execPath, [CLI, '--version']).then(
    ({ stdout }) => stdout.toString().trim(),
    () => undefined,
  )
  if (version === undefined) return 'the CLI is not built'

  const admin: TopicAdmin = {
    async createTopic(topic, partitions, configs) {
      const settings = Object.entries(configs).flatMap(([key, value]) => ['-X', `${key}=${value}`])
      await ottla(['topic', 'create', topic, '--partitions', String(partitions), ...settings])
    },
    async partitionCount(topic) {
      const described = JSON.parse(await ottla(['topic', 'describe', topic, '--json'])) as { partitions: unknown[] }
      return described.partitions.length
    },
    addPartitions: async (topic, total) => void (await ottla(['topic', 'alter', topic, '--partitions', String(total)])),
    deleteTopic: async topic => void (await ottla(['topic', 'delete', topic])),
    listTopics: async () => lines(await ottla(['topic', 'list', '--json'])).map(line => (JSON.parse(line) as { name: string }).name),
  }
  const configs: TopicConfigs = {
    async describe(topic, key) {
      const entries = lines(await ottla(['config', 'describe', '--topic', topic, key, '--json']))
      return entries.map(line => JSON.parse(line) as { name: string; value: string | null }).find(({ name }) => name === key)?.value ?? null
    },
    set: async (topic, key, value) => void (await ottla(['config', 'set', '--topic', topic, `${key}=${value}`])),
  }
  const consume = async (args: readonly string[]) => lines(await ottla(['consume', '-e', '--json', ...args]))
  return {
    name: 'ottla',
    version,
    speech: EVERYTHING,
    setsTimestamps: true,
    async produce({ topic, partition = 0, codec, acks, idempotent, records }: ProduceOptions) {
      const input = records.map(record => JSON.stringify(toJson(record, partition)))
      const flags = ['--compression', codec, '--acks', acks === -1 ? 'all' : String(acks), ...(idempotent ? [] : ['--no-idempotence'])]
      await ottla(['produce', topic, '--json', ...flags, '--max-request-bytes', '8388608'], `${input.join('\n')}\n`)
    },
    async read(topic, offset, count) {
      const found = await consume([topic, '-p', '0', '-o', String(offset), '-n', String(count)])
      return found.map(line => fromJson(JSON.parse(line) as JsonRecord))
    },
    async offsetAt(topic, timestamp) {
      const [first] = await consume([topic, '-p', '0', '-o', `@${timestamp}`, '-n', '1'])
      return first === undefined ? -1 : (JSON.parse(first) as { offset: number }).offset
    },
    admin,
    configs,
  }
}

const lines = (text: string) => text.split('\n').filter(line => line !== '')

function toJson(record: CompatRecord, partition: number): object {
  const bytes = (base64: string | null): JsonBytes => {
    if (base64 === null) return null
    const text = Buffer.from(base64, 'base64').toString()
    return Buffer.from(text).toString('base64') === base64 ? text : { base64 }
  }
  return {
    key: bytes(record.key),
    value: bytes(record.value),
    headers: record.headers.map(([name, value]) => [name, bytes(value)]),
    partition,
    ...(record.timestamp === undefined ? {} : { timestamp: record.timestamp }),
  }
}

function fromJson(record: JsonRecord): CompatRecord {
  const bytes = (json: JsonBytes) => (json === null ? null : typeof json === 'string' ? Buffer.from(json).toString('base64') : json.base64)
  return {
    key: bytes(record.key),
    value: bytes(record.value),
    headers: record.headers.map(([name, value]) => [name, bytes(value)] as const),
  }
}
