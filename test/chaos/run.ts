// npm run chaos: a cluster of real processes in trouble, under load (rounds.ts).
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { cacheDirectory } from '../compat/install.ts'
import { addRun, type Ledger, readLedger, table, writeLedger } from './ledger.ts'
import { KINDS, type Kind, type RoundReport, runChaos } from './rounds.ts'
import type { Verdict } from './verdict.ts'
import { WRITERS, type WriterName } from './writers.ts'

const HELP = `npm run chaos [-- options]
  --rounds a=N,b   ${KINDS.join(', ')}, each so many times, mixed
                   (default: kill-leader=4,kill-leader-controller=2,kill-controller=2,pause=2,cut=2,cut-internal=1,roll=1)
  --nodes N        (default 3)
  --writers a,b    ${WRITERS.join(', ')} (default: ours, and librdkafka and java where they are installed)
  --kafka DIR      instead of Ottla: Apache Kafka, whose jars are in this folder
  --jars DIR       the jars of Apache Kafka's tools for the Java producer (default: --kafka, or those of npm run compat)
  -X key=value     a setting of every node; repeatable
  --ledger NAME    add the run to test/chaos/ledger.json, under this name
  --table          print what the ledger amounts to, and do nothing else
Cuts need the right to make network namespaces (Linux, root). librdkafka's Node binding comes with: npm run compat -- --install
`
const DEFAULT_ROUNDS = 'kill-leader=4,kill-leader-controller=2,kill-controller=2,pause=2,cut=2,cut-internal=1,roll=1'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: DEFAULT_ROUNDS },
    nodes: { type: 'string', default: '3' },
    writers: { type: 'string' },
    kafka: { type: 'string' },
    jars: { type: 'string' },
    set: { type: 'string', short: 'X', multiple: true, default: [] },
    ledger: { type: 'string' },
    table: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
if (values.help) {
  process.stdout.write(HELP)
  process.exit(0)
}
if (values.table) {
  process.stdout.write(`${table(readLedger())}\n`)
  process.exit(0)
}

const packages = join(cacheDirectory(), 'npm')
const hasBinding = existsSync(join(packages, 'node_modules/@confluentinc/kafka-javascript/build/Release/confluent-kafka-javascript.node'))
const compatJars = join(cacheDirectory(), 'kafka-4.3.1', 'libs')
const jars = values.jars ?? values.kafka ?? compatJars
const wanted = values.writers?.split(',') ?? ['ours', 'librdkafka', 'java']
const writers: WriterName[] = []
for (const word of wanted) {
  const name = WRITERS.find(known => known === word)
  if (name === undefined) throw new Error(`no writer is called ${word}: ${WRITERS.join(', ')}`)
  const missing = name.startsWith('librdkafka') ? !hasBinding : name.startsWith('java') ? !existsSync(jars) : false
  if (missing) process.stdout.write(`${name}: not run, it is not installed\n`)
  else writers.push(name)
}

const rounds: RoundReport[] = []
let verdicts: ReadonlyMap<WriterName, Verdict> = new Map()
const failures: string[] = []
try {
  const report = await runChaos({
    rounds: mix(values.rounds),
    nodes: Number(values.nodes),
    writers,
    settings: values.set,
    kafka: values.kafka,
    packages,
    jars,
    onRound(round) {
      rounds.push(round)
      const gaps = [...round.gaps].map(([name, gap]) => `${name} ${gap} ms`).join(', ')
      process.stdout.write(
        `round ${String(round.round).padStart(3)}: ${round.kind.padEnd(22)} node ${round.victim}: no acks for ${gaps}; in sync again after ${round.healMs} ms\n`,
      )
    },
  })
  verdicts = report.verdicts
  failures.push(...report.failures, ...report.refusals.slice(0, 10).map(each => `given up: ${each}`))
} catch (error) {
  failures.push((error as Error).message)
}
const run = { rounds, verdicts: verdicts.values(), failures }
const only: Ledger = {}
addRun(only, values.kafka === undefined ? 'Ottla' : 'Apache Kafka', { ...run, verdicts: [...verdicts.values()] })
process.stdout.write(`${table(only)}\n`)
if (values.ledger !== undefined) {
  const ledger = readLedger()
  addRun(ledger, values.ledger, run)
  writeLedger(ledger)
}
for (const failure of failures) process.stdout.write(`${failure}\n`)
process.stdout.write(`${rounds.length} rounds, ${failures.length} failures\n`)
process.exit(failures.length === 0 ? 0 : 1)

/** Every kind spread over the whole run. */
function mix(text: string): Kind[] {
  const placed: { kind: Kind; at: number }[] = []
  for (const word of text.split(',')) {
    const [name, number = '1'] = word.split('=')
    const kind = KINDS.find(known => known === name)
    if (kind === undefined) throw new Error(`no kind of round is called ${name}: ${KINDS.join(', ')}`)
    const count = Number(number)
    for (let i = 0; i < count; i++) placed.push({ kind, at: (i + 0.5) / count })
  }
  return placed.sort((a, b) => a.at - b.at).map(({ kind }) => kind)
}
