// How each client takes part in the checks of consumer groups.
import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { partitionForKey } from '../../../src/client/partitioner.ts'
import { KEYS, PACE_MS, type ProducerLaunch, type ProducerSaying } from '../failover/producer.ts'
import { run } from '../process.ts'
import { built, ROOT } from '../root.ts'
import { type Launch, parseProgramLine } from './member.ts'
import type { GroupTool, Orders } from './programs/program.ts'

export type MemberOrders = Pick<Orders, 'group' | 'topic' | 'instance' | 'assignor'> & Partial<Pick<Orders, 'sessionMs'>>
export type Tool = (op: keyof GroupTool, orders: Pick<Orders, 'group' | 'topic' | 'offsets'>) => Promise<unknown>

export interface GroupClient {
  readonly name: string
  readonly version: string
  /** group.instance.id */
  readonly statics: boolean
  /** The name of its cooperative assignor, where it has one. */
  readonly cooperative?: string
  /** Its members commit what they have read before they give a partition up. */
  readonly commitsWhatItGives: boolean
  /** Hands out records of partitions that it gave up meanwhile, so what its members say proves only that nothing was skipped. */
  readonly handsOutStale?: boolean
  /** Takes a record at its end that it commits and never hands out (kcat's consume_cb once it stops), so it ends while nothing flows. */
  readonly dropsAtItsEnd?: boolean
  /** Its static members leave their group when they end. */
  readonly staticsLeave?: boolean
  launch(orders: MemberOrders): Launch
  /** Produces idempotently, acks=all, to a topic of `partitions`. */
  producer(topic: string, partitions: number): ProducerLaunch
  readonly tool?: Tool
  /** A console consumer as the one member of a group; from it come records alone. */
  console?(orders: MemberOrders): Launch
}

/** As short as the broker's default allows. */
export const SESSION_MS = 6000

/** A client behind a group program (programs/). */
export function programClient(
  o: Omit<GroupClient, 'launch' | 'producer' | 'tool'> & { command: string; args: readonly string[]; bootstrap: string; packages?: string },
): GroupClient {
  const { command, args, bootstrap, packages = '', ...client } = o
  const env = { KAFKAJS_NO_PARTITIONER_WARNING: '1' }
  const all = (orders: object) => [...args, JSON.stringify({ bootstrap, packages, sessionMs: SESSION_MS, ...orders })]
  return {
    ...client,
    launch: orders => ({ command, args: all({ op: 'member', ...orders }), env, parse: parseProgramLine }),
    producer: topic => ({
      ...{ command, args: all({ op: 'producer', group: '', topic, keys: KEYS, paceMs: PACE_MS }), env },
      parse: line => parseProgramLine(line) as unknown as ProducerSaying[],
    }),
    async tool(op, orders) {
      const { stdout, stderr } = await run(command, all({ op, ...orders }), { env, expect: 'any' })
      const line = stdout.toString().trim().split('\n').at(-1)!
      if (!line.startsWith('{')) throw new Error(`${op}: no answer; it said ${stderr.slice(-300)}`)
      const { result, error } = JSON.parse(line) as { result?: unknown; error?: string }
      if (error !== undefined) throw new Error(error)
      return result
    },
  }
}

export const nodeProgram = (name: string): string => built(`test/compat/group/programs/${name}.js`)
export const sourceProgram = (name: string): string => join(ROOT, 'test', 'compat', 'group', 'programs', name)

/** kcat -G: a high-level consumer of librdkafka 2.0 that commits by itself. */
export function kcatClient(version: string, bootstrap: string): GroupClient {
  return {
    name: 'kcat',
    version,
    statics: true,
    cooperative: 'cooperative-sticky',
    commitsWhatItGives: false,
    dropsAtItsEnd: true,
    launch({ group, topic, instance, assignor, sessionMs = SESSION_MS }) {
      const settings = {
        'broker.address.family': 'v4',
        'session.timeout.ms': sessionMs,
        'heartbeat.interval.ms': 500,
        'auto.offset.reset': 'earliest',
        'auto.commit.interval.ms': 200,
        ...(instance === undefined ? {} : { 'group.instance.id': instance }),
        ...(assignor === undefined ? {} : { 'partition.assignment.strategy': assignor }),
      }
      const flags = Object.entries(settings).flatMap(([key, value]) => ['-X', `${key}=${value}`])
      // One pipe for both: what it read comes after the line that gave it the partition.
      const args = ['-c', 'exec kcat "$@" 2>&1', 'kcat', '-b', bootstrap, ...flags, '-u', '-f', 'record %p %o\\n', '-G', group, topic]
      return { command: 'sh', args, parse: parseKcatLine }
    },
    producer(topic, partitions) {
      const settings = [
        'broker.address.family=v4',
        'enable.idempotence=true',
        'topic.partitioner=murmur2_random',
        'topic.produce.offset.report=true',
      ]
      const flags = [...settings.flatMap(setting => ['-X', setting]), '-P', '-t', topic, '-K', ':', '-vvv']
      // What it is acked comes without the record, but in each partition in the order in which it was sent.
      const sent = Array.from({ length: partitions }, (): number[] => [])
      return {
        ...{ command: 'kcat', args: ['-b', bootstrap, ...flags] },
        line(sequence) {
          const key = `key-${sequence % KEYS}`
          sent[partitionForKey(Buffer.from(key), partitions)]!.push(sequence)
          return `${key}:${sequence}`
        },
        parse(line) {
          const at = Date.now()
          const acked = /^% Message delivered to partition (\d+) \(offset (\d+)\)/.exec(line)
          if (acked !== null) return [{ kind: 'acked', at, sequence: sent[Number(acked[1])]!.shift()!, ...placeOf(acked) }]
          return /Delivery failed/.test(line) ? [{ kind: 'refused', sequence: -1, reason: line }] : []
        },
      }
    },
  }
}

const placeOf = (match: RegExpExecArray) => ({ partition: Number(match[1]), offset: Number(match[2]) })

function parseKcatLine(line: string): ReturnType<Launch['parse']> {
  const at = Date.now()
  const record = /^record (\d+) (\d+)$/.exec(line)
  if (record !== null) return [{ kind: 'record', at, partition: Number(record[1]), offset: Number(record[2]) }]
  const rebalanced = /^% Group .* rebalanced.*: (.*)$/.exec(line)
  if (rebalanced === null) return []
  const partitions = [...rebalanced[1]!.matchAll(/\[(\d+)\]/g)].map(([, partition]) => Number(partition))
  // "…: assigned: topic [0]", or "incremental revoke of 1 partition(s) (…): topic [0]"
  return [{ kind: /\brevoke/.test(line) ? 'revoked' : 'assigned', at, partitions }]
}

/** Apache Kafka's VerifiableConsumer. */
export function javaClient(
  version: string,
  bootstrap: string,
  java: (className: string, args: readonly string[]) => readonly string[],
): GroupClient {
  return {
    name: `java ${version}`,
    version,
    statics: true,
    cooperative: 'org.apache.kafka.clients.consumer.CooperativeStickyAssignor',
    commitsWhatItGives: false, // VerifiableConsumer has no listener that commits; a commit may fail while the group rebalances
    launch({ group, topic, instance, assignor, sessionMs = SESSION_MS }) {
      const flags = ['--bootstrap-server', bootstrap, '--topic', topic, '--group-id', group, '--reset-policy', 'earliest']
      flags.push('--session-timeout', String(sessionMs))
      if (instance !== undefined) flags.push('--group-instance-id', instance)
      if (assignor !== undefined) flags.push('--assignment-strategy', assignor)
      return { command: 'java', args: java('org.apache.kafka.tools.VerifiableConsumer', flags), parse: parseVerifiableLine }
    },
    producer(topic) {
      const file = join(tmpdir(), `${topic}.properties`)
      // The tool's own default is no retries.
      writeFileSync(file, 'enable.idempotence=true\nretries=2147483647\n')
      const flags = ['--bootstrap-server', bootstrap, '--topic', topic, '--acks', '-1', '--repeating-keys', String(KEYS)]
      flags.push('--throughput', String(1000 / PACE_MS), version.startsWith('3.') ? '--producer.config' : '--command-config', file)
      return {
        ...{ command: 'java', args: java('org.apache.kafka.tools.VerifiableProducer', flags) },
        parse: parseVerifiableAck,
        ends: [0, 143],
      }
    },
    console: ({ group, topic }) => {
      const flag = version.startsWith('3.') ? '--property' : '--formatter-property'
      const prints = ['partition', 'offset'].flatMap(name => [flag, `print.${name}=true`])
      const flags = ['--bootstrap-server', bootstrap, '--topic', topic, '--group', group, '--from-beginning', ...prints]
      return { command: 'java', args: java('org.apache.kafka.tools.consumer.ConsoleConsumer', flags), parse: parseConsoleLine }
    },
  }
}

interface VerifiableLine {
  readonly timestamp: number
  readonly name: string
  readonly success?: boolean
  readonly partitions?: readonly { partition: number; minOffset: number; maxOffset: number }[]
  readonly offsets?: readonly { partition: number; offset: number }[]
}

/** `Partition:0	Offset:12	…`; it says nothing of what it was given. */
function parseConsoleLine(line: string): ReturnType<Launch['parse']> {
  const record = /^Partition:(\d+)\tOffset:(\d+)\t/.exec(line)
  return record === null ? [] : [{ kind: 'record', at: Date.now(), ...placeOf(record) }]
}

function parseVerifiableAck(line: string): ProducerSaying[] {
  if (!line.startsWith('{"')) return []
  const said = JSON.parse(line) as { name: string; timestamp: number; value: string; message?: string; partition: number; offset: number }
  const sequence = Number(said.value)
  if (said.name === 'producer_send_success')
    return [{ kind: 'acked', at: said.timestamp, sequence, partition: said.partition, offset: said.offset }]
  return said.name === 'producer_send_error' ? [{ kind: 'refused', sequence, reason: said.message ?? '' }] : []
}

function parseVerifiableLine(line: string): ReturnType<Launch['parse']> {
  if (!line.startsWith('{"')) return []
  const { timestamp: at, name, success, partitions = [], offsets = [] } = JSON.parse(line) as VerifiableLine
  if (name === 'partitions_assigned' || name === 'partitions_revoked') {
    const kind = name === 'partitions_assigned' ? 'assigned' : 'revoked'
    return [{ kind, at, partitions: partitions.map(({ partition }) => partition) }]
  }
  if (name === 'records_consumed')
    return partitions.flatMap(({ partition, minOffset, maxOffset }) =>
      Array.from({ length: maxOffset - minOffset + 1 }, (_, i) => ({ kind: 'record' as const, at, partition, offset: minOffset + i })),
    )
  if (name === 'offsets_committed' && success === true)
    return offsets.map(({ partition, offset }) => ({ kind: 'committed', at, partition, offset }))
  return []
}
