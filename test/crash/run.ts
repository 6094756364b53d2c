// npm run crash: kill -9 under load, round after round (rounds.ts).
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { cacheDirectory } from '../compat/install.ts'
import { runCrashRounds, type WriterName } from './rounds.ts'

const HELP = `npm run crash [-- options]
  --rounds N       kills (default 20)
  --partitions N   (default 4)
  --writers a,b    ours, librdkafka (default: both, the second when it is installed)
  -X key=value     a setting of the broker; repeatable
librdkafka's Node binding comes with: npm run compat -- --install
`

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '20' },
    partitions: { type: 'string', default: '4' },
    writers: { type: 'string', default: 'ours,librdkafka' },
    set: { type: 'string', short: 'X', multiple: true, default: [] },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
if (values.help) {
  process.stdout.write(HELP)
  process.exit(0)
}

const packages = join(cacheDirectory(), 'npm')
const hasBinding = existsSync(join(packages, 'node_modules/@confluentinc/kafka-javascript/build/Release/confluent-kafka-javascript.node'))
const wanted = values.writers.split(',').filter((name): name is WriterName => name === 'ours' || name === 'librdkafka')
const writers = wanted.filter(name => name === 'ours' || hasBinding)
process.stdout.write(
  `writers: ${writers.join(', ')}${writers.length === wanted.length ? '' : ' (librdkafka: not run, its binding is not installed)'}\n`,
)

let rounds = 0
let failures: readonly string[]
try {
  const report = await runCrashRounds({
    rounds: Number(values.rounds),
    partitions: Number(values.partitions),
    writers,
    packages,
    brokerArgs: values.set.flatMap(setting => ['-X', setting]),
    onRound({ round, loadMs, acked, readyMs, outageMs }) {
      rounds = round
      const ms = (value: number) => `${Math.round(value)} ms`.padStart(8)
      process.stdout.write(
        `round ${String(round).padStart(3)}: ${String(acked).padStart(7)} acked in ${ms(loadMs)}, killed, ready after ${ms(readyMs)}, acks again after ${ms(outageMs)}\n`,
      )
    },
  })
  process.stdout.write(`${report.acked} acked, ${report.read} read back\n`)
  failures = report.violations
} catch (error) {
  failures = [(error as Error).message]
}
for (const failure of failures) process.stdout.write(`${failure}\n`)
process.stdout.write(`${rounds} passed, ${failures.length} failed\n`)
process.exit(failures.length === 0 ? 0 : 1)
