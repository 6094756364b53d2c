// `ottla consume`: a topic to standard output.
import type { Admin, Consumer } from '../../src/index.ts'
import { type ClientOptions, withKafka } from './connection.ts'
import { consumeInGroup } from './consume-group.ts'
import { UsageError, whole } from './failure.ts'
import { type Position, parsePosition } from './position.ts'
import { type Format, formatOf, printAll } from './record-lines.ts'

export interface ConsumeOptions extends ClientOptions {
  readonly fromBeginning?: true
  readonly offset?: string
  readonly partition: readonly string[]
  readonly count?: string
  readonly exit?: true
  readonly keySeparator?: string
  readonly null: string
  readonly group?: string
  readonly commit: boolean
  readonly instance?: string
}

interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

export async function consume(topic: string, options: ConsumeOptions): Promise<void> {
  if (options.group !== undefined) return consumeInGroup(topic, options.group, options)
  if (!options.commit || options.instance !== undefined) throw new UsageError('--no-commit and --instance belong to a group: give -g GROUP')
  if (options.fromBeginning && options.offset !== undefined) throw new UsageError('--from-beginning and -o are two positions: give one')
  const position: Position = options.fromBeginning ? { type: 'earliest' } : parsePosition(options.offset ?? 'end')
  const chosen = options.partition.map(text => whole('-p', text, 0))
  const count = options.count === undefined ? Number.POSITIVE_INFINITY : whole('-n', options.count, 1)

  await withKafka(options, async (kafka, admin) => {
    const partitions = await choosePartitions(admin, topic, chosen)
    const consumer = kafka.consumer({ autoOffsetReset: 'none' })
    let stopped = false
    const stop = () => {
      stopped = true
      void consumer.close()
    }
    process.once('SIGINT', stop)
    process.once('SIGTERM', stop)
    try {
      const ends = await consumer.endOffsets(partitions)
      if (position.type === 'offset') refuseBeyond(position.offset, ends)
      const starts = position.type === 'beforeEnd' ? await startOffsets(admin, partitions) : []
      consumer.assign(
        partitions.map((target, i) => ({ ...target, position: clientPosition(position, { start: starts[i] ?? 0, end: ends[i]!.offset }) })),
      )
      await printRecords(consumer, { count, ends: options.exit ? ends : undefined, format: formatOf(options), stopped: () => stopped })
    } catch (error) {
      // What was under way when Ctrl-C came fails, and nobody wants to know.
      if (!stopped) throw error
    } finally {
      await consumer.close()
    }
  })
}

function refuseBeyond(offset: number, ends: readonly (TopicPartition & { readonly offset: number })[]): void {
  const short = ends.find(end => offset > end.offset)
  if (short === undefined) return
  throw new Error(`OFFSET_OUT_OF_RANGE: partition ${short.partition} ends at ${short.offset}, before ${offset}. Choose others with -p.`)
}

async function choosePartitions(admin: Admin, topic: string, chosen: readonly number[]): Promise<TopicPartition[]> {
  const [described] = await admin.describeTopics([topic])
  const all = described!.partitions.map(({ partition }) => partition)
  const missing = chosen.find(partition => !all.includes(partition))
  if (missing !== undefined) throw new Error(`${topic} has no partition ${missing}: it has ${all.length}, counted from 0`)
  return (chosen.length > 0 ? [...new Set(chosen)] : all).map(partition => ({ topic, partition }))
}

async function startOffsets(admin: Admin, partitions: readonly TopicPartition[]): Promise<number[]> {
  const found = await admin.listOffsets(partitions.map(target => ({ ...target, spec: 'earliest' as const })))
  return found.map(({ offset }) => offset)
}

function clientPosition(position: Position, { start, end }: { start: number; end: number }) {
  switch (position.type) {
    case 'earliest':
      return 'earliest'
    // The end was looked up already: what comes while we start is not missed.
    case 'latest':
      return { offset: end }
    case 'offset':
      return { offset: position.offset }
    case 'beforeEnd':
      return { offset: Math.max(start, end - position.count) }
    case 'time':
      return { timestamp: position.timestamp }
  }
}

interface Printing {
  readonly count: number
  /** Stop there; undefined: never. */
  readonly ends: readonly (TopicPartition & { readonly offset: number })[] | undefined
  readonly format: Format
  /** The consumer was closed under our hands. */
  readonly stopped: () => boolean
}

/** Settles when all that was asked for is printed, or the consumer was closed. */
async function printRecords(consumer: Consumer, { count, ends, format, stopped }: Printing): Promise<void> {
  const endOf = new Map(ends?.map(({ partition, offset }) => [partition, offset]))
  let open = ends === undefined ? undefined : await unfinished(consumer, ends)
  let printed = 0
  while (printed < count && (open === undefined || open.length > 0)) {
    const records = await consumer.poll({ maxWaitMs: 1000 })
    const wanted = records
      .filter(({ partition, offset }) => offset < (endOf.get(partition) ?? Number.POSITIVE_INFINITY))
      .slice(0, count - printed)
    printed += wanted.length
    await printAll(wanted, format)
    if (stopped()) return
    if (open !== undefined) open = await unfinished(consumer, open)
  }
}

async function unfinished<T extends TopicPartition & { readonly offset: number }>(consumer: Consumer, ends: readonly T[]): Promise<T[]> {
  const positions = await Promise.all(ends.map(end => consumer.position(end)))
  return ends.filter((end, i) => positions[i]! < end.offset)
}
