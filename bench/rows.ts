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

function load(cell: string, what: string, ratio = 1.2): Row[] {
  return modes.flatMap(([mode, how]): Row[] => [
    { id: `${cell}.${mode}.rate`, what: `${what}, ${how}`, unit: 'MB/s', better: 'higher', ratio },
    { id: `${cell}.${mode}.cpu`, what: `${what}, ${how}`, unit: 'broker CPU-s/GB', better: 'lower', ratio: 0.5 },
    { id: `${cell}.${mode}.p99`, what: `${what}, ${how}`, unit: 'p99 ms', better: 'lower' },
    { id: `${cell}.${mode}.rss`, what: `${what}, ${how}`, unit: 'RSS MB then', better: 'lower' },
  ])
}

function latency(cell: string, what: string): Row[] {
  return modes.flatMap(([mode, how]): Row[] => [
    { id: `${cell}.${mode}.p50`, what: `${what}, ${how}`, unit: 'p50 ms', better: 'lower', ratio: 0.5 },
    { id: `${cell}.${mode}.p99`, what: `${what}, ${how}`, unit: 'p99 ms', better: 'lower', ratio: 0.33 },
    { id: `${cell}.${mode}.p999`, what: `${what}, ${how}`, unit: 'p99.9 ms', better: 'lower' },
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
  ...latency('latency', 'one in flight, 100 B, acks=all'),
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
  { id: 'cluster-start.time', what: 'start of 3 nodes → first record acked by all and read', unit: 'ms', better: 'lower', ratio: 0.06 },
  { id: 'cluster-start.rss', what: 'start of 3 nodes → first record acked by all and read', unit: 'RSS MB then', better: 'lower' },
  {
    id: 'cluster-in-process.first',
    what: '3 nodes in process, in memory → first record acked and read',
    unit: 'ms',
    better: 'lower',
    limit: 50,
  },
  { id: 'cluster-in-process.again', what: '3 nodes in process, another cluster in that process', unit: 'ms', better: 'lower', limit: 50 },
  ...load('cluster-produce', '3 nodes: produce 1 KiB × 16 partitions, RF 3, acks=all', 1.5),
  ...load('cluster-produce-small', '3 nodes: produce 100 B × 16 partitions, RF 3, acks=all', 1.5),
  ...latency('cluster-latency', '3 nodes: one in flight, 100 B, RF 3, acks=all'),
  { id: 'cluster-partitions.create', what: '3,000 partitions RF 3: created → all replicas in sync', unit: 's', better: 'lower' },
  { id: 'cluster-partitions.rss', what: '3,000 partitions RF 3', unit: 'RSS MB of 3 nodes', better: 'lower' },
  { id: 'cluster-partitions.restart', what: '3,000 partitions RF 3: start of a node → all replicas in sync', unit: 's', better: 'lower' },
  { id: 'cluster-idle.rss', what: '3 nodes idle, no topic', unit: 'RSS MB of 3 nodes', better: 'lower' },
  { id: 'cluster-idle.cpu', what: '3 nodes idle, no topic', unit: 'CPU % of a core a node', better: 'lower', limit: 1 },
]

export const rowOf = (id: string): Row => {
  const row = ROWS.find(row => row.id === id)
  if (row === undefined) throw new Error(`no row '${id}' in bench/rows.ts`)
  return row
}
