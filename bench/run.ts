// npm run bench: what stands in docs as a figure. Ours and Apache Kafka take turns in one run (A B A B …), so a machine that drifts drifts for both;
// medians and ratios are what to quote.
import { parseArgs } from 'node:util'
import { Bench } from './bench.ts'
import { benchCatchUp } from './catch-up.ts'
import { benchClusterPartitions } from './cluster-partitions.ts'
import { benchCommits } from './commits.ts'
import { benchCompaction } from './compaction.ts'
import { benchConsume } from './consume.ts'
import { benchGroups } from './groups.ts'
import { benchClusterIdle, benchIdle } from './idle.ts'
import { benchClusterLatency, benchLatency } from './latency.ts'
import { benchPartitions } from './partitions.ts'
import { stopAll } from './peers.ts'
import { benchClusterProduce, benchClusterProduceSmall, benchProduce, benchProduceSmall } from './produce.ts'
import { report } from './report.ts'
import { savedFigures, table } from './results.ts'
import { benchSessions } from './sessions.ts'
import { benchClusterStart, benchStart } from './start.ts'
import { benchClusterInProcess, benchStartInProcess } from './start-in-process.ts'
import { benchTail } from './tail.ts'

const CELLS: Readonly<Record<string, (bench: Bench) => Promise<void>>> = {
  start: benchStart,
  'start-in-process': benchStartInProcess,
  produce: benchProduce,
  'produce-small': benchProduceSmall,
  latency: benchLatency,
  'catch-up': benchCatchUp,
  tail: benchTail,
  sessions: benchSessions,
  consume: benchConsume,
  groups: benchGroups,
  commits: benchCommits,
  compaction: benchCompaction,
  partitions: benchPartitions,
  idle: benchIdle,
  'cluster-start': benchClusterStart,
  'cluster-in-process': benchClusterInProcess,
  'cluster-produce': benchClusterProduce,
  'cluster-produce-small': benchClusterProduceSmall,
  'cluster-latency': benchClusterLatency,
  'cluster-partitions': benchClusterPartitions,
  'cluster-idle': benchClusterIdle,
}
const NAMES = Object.keys(CELLS)

const HELP = `npm run bench [-- options]
  --only CELL,CELL   these alone: ${NAMES.join(', ')}
  --rounds N         counted rounds of each cell (default: as many as it needs)
  --quick            one short round of each: a trial, kept out of the report
  --report           afterwards, write docs/PERFORMANCE.md and its picture from the newest figures
  --report-only      the same without measuring
Results are printed, and written to bench/results/. All of it takes an hour. Apache Kafka needs kafka-local (KAFKA_LOCAL_TOOL, default
../shared/tools/kafka-local) and java; latency, catch-up and tail need gcc and librdkafka.
`

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: NAMES.join(',') },
    rounds: { type: 'string' },
    quick: { type: 'boolean', default: false },
    report: { type: 'boolean', default: false },
    'report-only': { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
if (values.help) {
  process.stdout.write(HELP)
  process.exit(0)
}
const wanted = values.only.split(',')
const unknown = wanted.filter(name => CELLS[name] === undefined)
if (unknown.length > 0) {
  process.stderr.write(`--only ${unknown.join(',')}: there are ${NAMES.join(', ')}\n`)
  process.exit(2)
}
const rounds = values.rounds === undefined ? undefined : Number(values.rounds)
if (rounds !== undefined && !(Number.isInteger(rounds) && rounds > 0)) {
  process.stderr.write(`--rounds ${values.rounds}: a number from 1 on\n`)
  process.exit(2)
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void stopAll().finally(() => process.exit(130)))

let failures = 0
if (!values['report-only']) {
  const bench = new Bench({ quick: values.quick, rounds })
  for (const name of NAMES.filter(name => wanted.includes(name))) {
    bench.enter(name)
    try {
      await CELLS[name]!(bench)
    } catch (error) {
      // The other cells are worth having.
      bench.say(`not run to its end: ${(error as Error).message}`)
      failures++
    }
  }
  if (values.quick) process.stdout.write('\nA trial: loads are smaller than the rows say.\n')
  process.stdout.write(`\n${table(bench.results.figures())}\nwritten to ${bench.results.save()}\n`)
}
if (values.report || values['report-only']) for (const file of report(savedFigures())) process.stdout.write(`written: ${file}\n`)
process.exit(failures > 0 ? 1 : 0)
