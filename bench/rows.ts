// Everything that is measured, in the order of the table, with its goal. A goal is either a ratio of the medians, Ottla / Apache Kafka, or a
// figure of Ottla's alone.

export interface Row {
  readonly id: string
  readonly what: string
  readonly unit: string
  readonly better: 'lower' | 'higher'
  /** Ottla / Apache Kafka. */
  readonly ratio?: number
  /** Ottla's own figure. */
  readonly limit?: number
}

const modes = [
  ['flushed', 'flushed before the ack'],
  ['paged', 'page cache'],
] as const

function load(cell: string, what: string): Row[] {
  return modes.flatMap(([mode, how]): Row[] => [
    { id: `${cell}.${mode}.rate`, what: `${what}, ${how}`, unit: 'MB/s', better: 'higher', ratio: 1.2 },
    { id: `${cell}.${mode}.cpu`, what: `${what}, ${how}`, unit: 'broker CPU-s/GB', better: 'lower', ratio: 0.5 },
    { id: `${cell}.${mode}.p99`, what: `${what}, ${how}`, unit: 'p99 ms', better: 'lower' },
    { id: `${cell}.${mode}.rss`, what: `${what}, ${how}`, unit: 'RSS MB then', better: 'lower' },
  ])
}

function catchUp(id: string, what: string): Row[] {
  return [
    { id: `catch-up.${id}.rate`, what, unit: 'MB/s', better: 'higher', ratio: 0.9 },
    { id: `catch-up.${id}.cpu`, what, unit: 'broker CPU-s/GB', better: 'lower', ratio: 1.5 },
    { id: `catch-up.${id}.rss`, what, unit: 'RSS MB then', better: 'lower' },
  ]
}

function inProcess(id: string, what: string): Row[] {
  return [
    {
      id: `start-in-process.${id}.first`,
      what: `start in process, ${what} → first record acked and read`,
      unit: 'ms',
      better: 'lower',
      limit: 15,
    },
    {
      id: `start-in-process.${id}.again`,
      what: `start in process, ${what}, another node in that process`,
      unit: 'ms',
      better: 'lower',
      limit: 15,
    },
  ]
}

function groups(id: string, how: string, ratio?: number): Row[] {
  const goal = ratio === undefined ? {} : { ratio }
  return [
    { id: `groups.${id}.join`, what: `8 members join a group → stable, ${how}`, unit: 'ms', better: 'lower', ...goal },
    { id: `groups.${id}.leave`, what: `one leaves → stable, ${how}`, unit: 'ms', better: 'lower', ...goal },
    { id: `groups.${id}.rolling`, what: `7 members restarted one by one, ${how}`, unit: 'ms', better: 'lower', ...goal },
    { id: `groups.${id}.cpu`, what: `all of it, ${how}`, unit: 'broker CPU ms', better: 'lower' },
  ]
}

export const ROWS: readonly Row[] = [
  { id: 'start.time', what: 'cold start of a process → first record acked and read', unit: 'ms', better: 'lower', ratio: 0.06 },
  { id: 'start.rss', what: 'cold start of a process → first record acked and read', unit: 'RSS MB then', better: 'lower' },
  { id: 'start-in-process.import', what: 'loading the package', unit: 'ms', better: 'lower' },
  ...inProcess('memory', 'in memory'),
  ...inProcess('disk', 'on disk'),
  ...load('produce', 'produce 1 KiB × 16 partitions, acks=1'),
  ...load('produce-small', 'produce 100 B × 16 partitions, acks=1'),
  ...modes.flatMap(([mode, how]): Row[] => [
    { id: `latency.${mode}.p50`, what: `one in flight, 100 B, acks=all, ${how}`, unit: 'p50 ms', better: 'lower', ratio: 0.5 },
    { id: `latency.${mode}.p99`, what: `one in flight, 100 B, acks=all, ${how}`, unit: 'p99 ms', better: 'lower', ratio: 0.33 },
    { id: `latency.${mode}.p999`, what: `one in flight, 100 B, acks=all, ${how}`, unit: 'p99.9 ms', better: 'lower' },
  ]),
  ...catchUp('warm', 'catch-up read, 1 KiB × 16 partitions, page cache warm'),
  ...catchUp('cold', 'catch-up read, 1 KiB × 16 partitions, page cache cold'),
  { id: 'tail.without', what: 'produce at 40 MB/s, nobody reads', unit: 'broker CPU-s/GB', better: 'lower' },
  { id: 'tail.with', what: 'produce at 40 MB/s, one consumer at the tail', unit: 'broker CPU-s/GB', better: 'lower' },
  { id: 'sessions.incremental', what: 'fetch of 1,000 partitions, one with data, in a session', unit: 'broker CPU µs', better: 'lower' },
  { id: 'sessions.full', what: 'fetch of 1,000 partitions, one with data, without a session', unit: 'broker CPU µs', better: 'lower' },
  { id: 'consume.rate', what: 'consume in a group, 1 KiB × 16 partitions', unit: 'MB/s', better: 'higher', ratio: 0.9 },
  { id: 'consume.cpu', what: 'consume in a group, 1 KiB × 16 partitions', unit: 'broker CPU-s/GB', better: 'lower' },
  { id: 'consume.rss', what: 'consume in a group, 1 KiB × 16 partitions', unit: 'RSS MB then', better: 'lower' },
  ...groups('quick', 'heartbeats every 20 ms', 0.6),
  ...groups('usual', 'heartbeats every 3 s'),
  ...modes.flatMap(([mode, how]): Row[] => [
    { id: `commits.${mode}.rate`, what: `offset commits, 50 connections, ${how}`, unit: 'commits/s', better: 'higher' },
    { id: `commits.${mode}.cpu`, what: `offset commits, 50 connections, ${how}`, unit: 'broker CPU µs each', better: 'lower' },
    { id: `commits.${mode}.size`, what: `offset commits, 50 connections, ${how}`, unit: 'bytes of log each', better: 'lower' },
  ]),
  { id: 'commits.restart.time', what: 'process start → a log of 1.1 million commits is loaded', unit: 's', better: 'lower' },
  { id: 'commits.restart.cpu', what: 'process start → a log of 1.1 million commits is loaded', unit: 'CPU-s', better: 'lower' },
  { id: 'compaction.rate', what: 'compaction, 100 B values, 3 records a key', unit: 'MB/s', better: 'higher' },
  { id: 'compaction.cpu', what: 'compaction, 100 B values, 3 records a key', unit: 'broker CPU-s/GB', better: 'lower' },
  { id: 'compaction.rss', what: 'compaction, 100 B values, 3 records a key', unit: 'RSS MB at most', better: 'lower' },
  { id: 'compaction.grown', what: 'compaction, 100 B values, 3 records a key', unit: 'RSS MB more than before', better: 'lower' },
  { id: 'partitions.create', what: '10,000 partitions: created → all have a leader', unit: 's', better: 'lower', ratio: 0.2 },
  { id: 'partitions.rss', what: '10,000 partitions', unit: 'RSS MB', better: 'lower', ratio: 0.5 },
  { id: 'partitions.restart', what: '10,000 partitions: process start → all have a leader', unit: 's', better: 'lower', ratio: 0.1 },
  { id: 'idle.rss', what: 'idle, no topic', unit: 'RSS MB', better: 'lower', limit: 80 },
  { id: 'idle.cpu', what: 'idle, no topic', unit: 'CPU % of a core', better: 'lower' },
]

export const rowOf = (id: string): Row => {
  const row = ROWS.find(row => row.id === id)
  if (row === undefined) throw new Error(`no row '${id}' in bench/rows.ts`)
  return row
}
