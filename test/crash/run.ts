// npm run crash: kill -9 under load, round after round (rounds.ts).
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { cacheDirectory } from '../compat/install.ts'
import { AIMS, type AimName } from './aims.ts'
import { runGroupCrashRounds } from './groups.ts'
import { measureRestarts } from './restart.ts'
import { runCrashRounds, type WriterName } from './rounds.ts'

const HELP = `npm run crash [-- options]
  --rounds N       kills (default 20)
  --partitions N   (default 4)
  --aims a,b       ${AIMS.join(', ')} (default: all, in turn)
  --data 1GB       instead: how long a killed broker with so much data takes until it serves; --rounds, --partitions and -X count
  --writers a,b    ours, librdkafka (default: both, the second when it is installed)
  --groups         instead: five groups of kafkajs, librdkafka and ours consume and commit all the while (groups.ts); --rounds and -X count
  -X key=value     a setting of the broker; repeatable
librdkafka's Node binding comes with: npm run compat -- --install
`

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '20' },
    partitions: { type: 'string', default: '4' },
    aims: { type: 'string', default: AIMS.join(',') },
    data: { type: 'string' },
    groups: { type: 'boolean', default: false },
    writers: { type: 'string', default: 'ours,librdkafka' },
    set: { type: 'string', short: 'X', multiple: true, default: [] },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
if (values.help) {
  process.stdout.write(HELP)
  process.exit(0)
}

if (values.data !== undefined) {
  const [, number = '', unit = ''] = /^([\d.]+)(MB|GB)$/.exec(values.data) ?? []
  const dataBytes = Number(number) * (unit === 'GB' ? 1e9 : 1e6)
  if (!(dataBytes > 0)) throw new Error('--data takes an amount like 1GB')
  const brokerArgs = values.set.flatMap(setting => ['-X', setting])
  const times = await measureRestarts({ dataBytes, partitions: Number(values.partitions), rounds: Number(values.rounds), brokerArgs })
  for (const what of ['ready', 'acked', 'read'] as const) {
    const sorted = times.map(time => Math.round(time[what])).sort((a, b) => a - b)
    const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]
    process.stdout.write(
      `${what.padEnd(6)} p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, max ${sorted.at(-1)} ms after the start of the process\n`,
    )
  }
  process.exit(0)
}

if (values.groups) process.exit(await crashUnderGroups())

const aims = values.aims.split(',').map(name => {
  const aim = AIMS.find(known => known === name)
  if (aim === undefined) throw new Error(`no aim is called ${name}: ${AIMS.join(', ')}`)
  return aim
})
const tally = new Map<AimName, { rounds: number; hit: number; acked: number; worstReadyMs: number }>()
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
    aims,
    partitions: Number(values.partitions),
    writers,
    packages,
    brokerArgs: values.set.flatMap(setting => ['-X', setting]),
    onRound({ round, aim, hit, acked, readyMs, outageMs }) {
      rounds = round
      const sum = tally.get(aim) ?? { rounds: 0, hit: 0, acked: 0, worstReadyMs: 0 }
      tally.set(aim, {
        rounds: sum.rounds + 1,
        hit: sum.hit + (hit ? 1 : 0),
        acked: sum.acked + acked,
        worstReadyMs: Math.max(sum.worstReadyMs, readyMs),
      })
      const ms = (value: number) => `${Math.round(value)} ms`.padStart(8)
      process.stdout.write(
        `round ${String(round).padStart(3)}: ${aim.padEnd(13)} ${String(acked).padStart(7)} acked, killed, ready after ${ms(readyMs)}, acks again after ${ms(outageMs)}\n`,
      )
    },
  })
  for (const [aim, sum] of tally)
    process.stdout.write(
      `${aim.padEnd(13)} ${sum.rounds} kills, ${sum.hit} in their moment, ${sum.acked} acked before, slowest start ${Math.round(sum.worstReadyMs)} ms\n`,
    )
  process.stdout.write(`${report.acked} acked, ${report.read} read back\n`)
  failures = report.violations
} catch (error) {
  failures = [(error as Error).message]
}
for (const failure of failures) process.stdout.write(`${failure}\n`)
process.stdout.write(`${rounds} passed, ${failures.length} failed\n`)
process.exit(failures.length === 0 ? 0 : 1)

async function crashUnderGroups(): Promise<number> {
  let rounds = 0
  let failures: readonly string[]
  try {
    const report = await runGroupCrashRounds({
      rounds: Number(values.rounds),
      brokerArgs: values.set.flatMap(setting => ['-X', setting]),
      onRound({ round, readyMs, resumedMs }) {
        rounds = round
        const resumed = [...resumedMs].map(([name, ms]) => `${name} ${ms} ms`).join(', ')
        process.stdout.write(
          `round ${String(round).padStart(3)}: killed, ready after ${readyMs} ms; groups committed on after: ${resumed}\n`,
        )
      },
    })
    for (const absent of report.absent) process.stdout.write(`not at hand, ours in its place: ${absent}\n`)
    for (const { name, records, doubled, slowestMs } of report.groups)
      process.stdout.write(`${name.padEnd(24)} ${records} records seen, ${doubled} of them twice, slowest to go on ${slowestMs} ms\n`)
    failures = report.violations
  } catch (error) {
    failures = [(error as Error).message]
  }
  for (const failure of failures) process.stdout.write(`${failure}\n`)
  process.stdout.write(`${rounds} passed, ${failures.length} failed\n`)
  return failures.length === 0 ? 0 : 1
}
