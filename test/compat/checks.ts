// The checks that every client is asked, built from what it can do.
import { type Check, type Client, eventually, expectEqual, expectTrue, type World } from './client.ts'
import { CompactedTopic } from './compacted.ts'
import { highWatermark, storedBatches } from './probe.ts'
import { CODECS, type CodecName, type CompatRecord, corpus, difference, largeRecords } from './records.ts'

/** What one writer put into a shared topic. */
interface Section {
  readonly writer: string
  readonly from: number
  readonly records: readonly CompatRecord[]
}

/** A topic of one partition that every writer appends to and every reader reads whole. */
class SharedTopic {
  readonly sections: Section[] = []
  readonly #world: World
  readonly #configs: Readonly<Record<string, string>>
  readonly #stem: string
  #name: Promise<string> | undefined

  constructor(world: World, stem: string, configs: Readonly<Record<string, string>> = {}) {
    this.#world = world
    this.#stem = stem
    this.#configs = configs
  }

  name(): Promise<string> {
    this.#name ??= (async () => {
      const topic = this.#world.topicName(this.#stem)
      await this.#world.createTopic(topic, 1, this.#configs)
      return topic
    })()
    return this.#name
  }

  /** Writes, and looks at what really was stored: the codec and the producer id stand in the batches. */
  async write(writer: Client, o: { codec: CodecName; idempotent: boolean; acks: -1 | 1; records: readonly CompatRecord[] }): Promise<void> {
    const topic = await this.name()
    const from = await highWatermark(this.#world.bootstrap, topic)
    await writer.produce!({ topic, ...o })
    const batches = await storedBatches(this.#world.bootstrap, topic, 0, from)
    const stored = batches.reduce((sum, batch) => sum + batch.recordCount, 0)
    expectEqual(stored, o.records.length, 'records stored')
    this.sections.push({ writer: writer.name, from, records: o.records })
    const codecs = new Set(batches.map(batch => batch.codec))
    // A client may store a batch plain when compressing would make it larger.
    expectTrue(codecs.delete(o.codec), `no batch is stored with ${o.codec}, but with ${[...codecs].join(', ')}`)
    codecs.delete('none')
    expectEqual([...codecs], [], 'other codecs stored')
    if (o.idempotent) expectIdempotent(batches)
    else
      expectTrue(
        batches.every(batch => batch.producerId === -1),
        'a batch carries a producer id, though idempotence was off',
      )
  }

  async read(reader: Client): Promise<void> {
    const topic = await this.name()
    expectTrue(this.sections.length > 0, 'nobody wrote anything')
    const from = this.sections[0]!.from
    const end = await highWatermark(this.#world.bootstrap, topic)
    const read = await reader.read!(topic, from, end - from)
    expectEqual(read.length, end - from, 'records read')
    const wrong: string[] = []
    for (const { writer, from: start, records } of this.sections) {
      const different = difference(read.slice(start - from, start - from + records.length), records)
      if (different !== undefined) wrong.push(`from ${writer}: ${different}`)
    }
    expectTrue(wrong.length === 0, wrong.join('; '))
  }
}

function expectIdempotent(batches: Awaited<ReturnType<typeof storedBatches>>): void {
  const next = new Map<number, number>()
  for (const batch of batches) {
    expectTrue(batch.producerId >= 0, 'a batch has no producer id')
    expectEqual(batch.baseSequence, next.get(batch.producerId) ?? 0, `base sequence of producer ${batch.producerId}`)
    next.set(batch.producerId, batch.baseSequence + batch.recordCount)
  }
}

export interface Suite {
  readonly client: string
  readonly checks: Check[]
}

/** In the order they must run: all writing comes before all reading. */
export function buildSuites(clients: readonly Client[], world: World): Suite[] {
  const shared = new Map(CODECS.map(codec => [codec, new SharedTopic(world, `matrix-${codec}`)]))
  const large = new SharedTopic(world, 'large', { 'max.message.bytes': '4194304' })
  const compacted = new CompactedTopic(world)
  const times = new TimedTopic(
    world,
    clients.find(client => client.setsTimestamps && client.produce !== undefined),
  )

  const suites: Suite[] = []
  for (const client of clients) {
    const checks: Check[] = []
    if (client.admin !== undefined) checks.push(...adminChecks(client, world))
    if (client.produce !== undefined) {
      for (const codec of CODECS) {
        checks.push({
          name: `write ${codec}`,
          run: () => {
            const records = corpus(`${client.name}/${codec}`, client.speech)
            return shared.get(codec)!.write(client, { codec, idempotent: false, acks: codec === 'none' ? 1 : -1, records })
          },
        })
      }
      checks.push({
        name: 'write idempotent',
        run: () =>
          shared
            .get('none')!
            .write(client, { codec: 'none', idempotent: true, acks: -1, records: corpus(`${client.name}/twice`, client.speech) }),
      })
      checks.push({
        name: 'write 1 MiB records',
        run: () => large.write(client, { codec: 'none', idempotent: true, acks: -1, records: largeRecords(`${client.name}/none`) }),
      })
      checks.push({
        name: 'write 1 MiB records, zstd',
        run: () => large.write(client, { codec: 'zstd', idempotent: false, acks: -1, records: largeRecords(`${client.name}/zstd`) }),
      })
    }
    if (client.checks !== undefined) checks.push(...client.checks(world))
    suites.push({ client: client.name, checks })
  }
  for (const client of clients) {
    const checks: Check[] = []
    if (client.read !== undefined) {
      for (const codec of CODECS) checks.push({ name: `read ${codec}, from every writer`, run: () => shared.get(codec)!.read(client) })
      checks.push({ name: 'read 1 MiB records, from every writer', run: () => large.read(client) })
      checks.push({ name: 'read a compacted topic to its end', run: () => compacted.read(client) })
    }
    if (client.offsetAt !== undefined) checks.push({ name: 'offsets by time', run: () => times.ask(client) })
    suites.push({ client: client.name, checks })
  }
  return suites
}

function adminChecks({ admin, configs }: Client, world: World): Check[] {
  const checks: Check[] = [
    {
      name: 'topic create, list, describe, add partitions, delete',
      async run() {
        const topic = world.topicName('admin')
        await admin!.createTopic(topic, 3, { 'retention.ms': '86400000' })
        expectTrue((await admin!.listTopics()).includes(topic), 'the new topic is not listed')
        expectEqual(await admin!.partitionCount(topic), 3, 'partitions')
        await admin!.addPartitions(topic, 5)
        await eventually('five partitions', async () => (await admin!.partitionCount(topic)) === 5)
        await admin!.deleteTopic(topic)
        await eventually('the deleted topic is no longer listed', async () => !(await admin!.listTopics()).includes(topic))
      },
    },
    {
      name: 'a topic is not created twice',
      async run() {
        const topic = world.topicName('twice')
        await admin!.createTopic(topic, 1, {})
        const said = await admin!.createTopic(topic, 1, {}).then(
          () => 'nothing: it succeeded',
          (error: Error) => error.message,
        )
        expectTrue(/exist/i.test(said), `the second creation said ${said}`)
      },
    },
  ]
  if (configs === undefined) return checks
  checks.push({
    name: 'topic configuration: describe, change',
    async run() {
      const topic = world.topicName('configs')
      await admin!.createTopic(topic, 1, { 'retention.ms': '86400000' })
      expectEqual(await configs.describe(topic, 'retention.ms'), '86400000', 'retention.ms as created')
      expectEqual(await configs.describe(topic, 'cleanup.policy'), 'delete', 'cleanup.policy by default')
      await configs.set(topic, 'retention.ms', '7200000')
      await eventually('the changed value', async () => (await configs.describe(topic, 'retention.ms')) === '7200000')
    },
  })
  return checks
}

/** Five records with known times, half of them in one compressed batch. */
class TimedTopic {
  readonly #world: World
  readonly #writer: Client | undefined
  readonly #base = Date.now() - 60_000
  #ready: Promise<string> | undefined

  constructor(world: World, writer: Client | undefined) {
    this.#world = world
    this.#writer = writer
  }

  async ask(client: Client): Promise<void> {
    this.#ready ??= this.#fill()
    const topic = await this.#ready
    const table: [number, number][] = [
      [0, 0],
      [-5000, 0],
      [1, 1],
      [1000, 1],
      [1001, 2],
      [3000, 3],
      [3001, 4],
      [4000, 4],
    ]
    for (const [after, expected] of table) {
      expectEqual(await client.offsetAt!(topic, this.#base + after), expected, `the offset at ${after} ms`)
      if (client.name.startsWith('java') && after === 1001) break // a JVM for each question
    }
    const beyond = await client.offsetAt!(topic, this.#base + 4001)
    expectTrue(beyond === -1 || beyond === 5, `the offset after the last record: ${beyond}, neither -1 nor the log end`)
  }

  async #fill(): Promise<string> {
    if (this.#writer === undefined) throw new Error('no client at hand that sets timestamps')
    const topic = this.#world.topicName('times')
    await this.#world.createTopic(topic, 1)
    const record = (i: number): CompatRecord => ({
      key: null,
      value: Buffer.from(`at ${i} s ${'…'.repeat(50)}`).toString('base64'),
      headers: [],
      timestamp: this.#base + i * 1000,
    })
    const common = { topic, acks: -1, idempotent: false } as const
    await this.#writer.produce!({ ...common, codec: 'gzip', records: [0, 1, 2].map(record) })
    await this.#writer.produce!({ ...common, codec: 'none', records: [3, 4].map(record) })
    return topic
  }
}
