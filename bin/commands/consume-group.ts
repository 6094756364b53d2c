// `ottla consume -g`: a topic to standard output, as a member of a group.
import type { Admin, Consumer } from '../../src/index.ts'
import { withKafka } from './connection.ts'
import type { ConsumeOptions } from './consume.ts'
import { UsageError, whole } from './failure.ts'
import { remark } from './output.ts'
import { formatOf, printAll } from './record-lines.ts'

/** To commit and to leave; who waits at a terminal wants it short. */
const CLOSE_TIMEOUT_MS = 5000
const MOST_AT_ONCE = 500

export async function consumeInGroup(topic: string, groupId: string, options: ConsumeOptions): Promise<void> {
  if (options.offset !== undefined) {
    throw new UsageError(
      `a group goes on where it was; to move that: ottla group reset-offsets ${groupId} --topic ${topic} --to-offset N --execute`,
    )
  }
  if (options.partition.length > 0)
    throw new UsageError('in a group the partitions are shared among the members: -p and -g exclude each other')
  const count = options.count === undefined ? Number.POSITIVE_INFINITY : whole('-n', options.count, 1)

  await withKafka(options, async (kafka, admin) => {
    // A consumer would wait for a topic to appear; who mistyped its name wants to know.
    const ends = await endsOf(admin, topic)
    const instance = options.instance === undefined ? {} : { groupInstanceId: options.instance }
    const autoOffsetReset = options.fromBeginning ? 'earliest' : 'latest'
    const consumer = kafka.consumer({ groupId, autoOffsetReset, autoCommit: options.commit, ...instance })
    const run: Run = { printing: false, stopped: false, assigned: false }
    const stop = () => {
      run.stopped = true
      // What is being printed counts as read only when it is out.
      if (!run.printing) void consumer.close({ timeoutMs: CLOSE_TIMEOUT_MS })
    }
    process.once('SIGINT', stop)
    process.once('SIGTERM', stop)
    try {
      consumer.subscribe([topic], {
        onPartitionsAssigned: () => {
          run.assigned = true
          const own = consumer.assignment.map(({ partition }) => partition).sort((a, b) => a - b)
          remark(
            own.length === 0
              ? `no partition of ${topic} is left for this member of ${groupId}\n`
              : `reading ${topic} ${own.join(', ')} for ${groupId}\n`,
          )
        },
      })
      await printRecords(consumer, run, { count, ends: options.exit ? ends : undefined, options })
    } catch (error) {
      // What was under way when Ctrl-C came fails, and nobody wants to know.
      if (!run.stopped) throw error
    } finally {
      await consumer.close({ timeoutMs: CLOSE_TIMEOUT_MS })
    }
  })
}

interface Run {
  printing: boolean
  stopped: boolean
  assigned: boolean
}

async function endsOf(admin: Admin, topic: string): Promise<Map<number, number>> {
  const [described] = await admin.describeTopics([topic])
  const found = await admin.listOffsets(described!.partitions.map(({ partition }) => ({ topic, partition, spec: 'latest' as const })))
  return new Map(found.map(({ partition, offset }) => [partition, offset]))
}

interface Printing {
  readonly count: number
  /** Stop when each partition that this member has is there; undefined: never. */
  readonly ends: ReadonlyMap<number, number> | undefined
  readonly options: ConsumeOptions
}

async function printRecords(consumer: Consumer, run: Run, { count, ends, options }: Printing): Promise<void> {
  const format = formatOf(options)
  let printed = 0
  while (printed < count && !run.stopped) {
    // No more than are printed: those beyond would be committed too.
    const records = await consumer.poll({ maxWaitMs: 500, maxRecords: Math.min(MOST_AT_ONCE, count - printed) })
    printed += records.length
    run.printing = true
    await printAll(records, format)
    run.printing = false
    if (run.stopped || (ends !== undefined && run.assigned && (await isAtEnd(consumer, ends)))) return
  }
}

async function isAtEnd(consumer: Consumer, ends: ReadonlyMap<number, number>): Promise<boolean> {
  for (const target of consumer.assignment) {
    const position = await consumer.position(target)
    if (position < (ends.get(target.partition) ?? 0)) return false
  }
  return true
}
