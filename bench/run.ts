// npm run bench: what stands in docs as a figure. Ours and Apache Kafka take turns in one run (A B A B …), so a machine that drifts drifts for both;
// medians and ratios are what to quote.
import { parseArgs } from 'node:util'
import { kafkaLocal } from './peers.ts'
import { benchProduce } from './produce.ts'
import { Results } from './results.ts'
import { benchStart } from './start.ts'

const HELP = `npm run bench [-- options]
  --only start,produce   these alone
  --rounds N             counted rounds of each (default 5)
  --records N            records of a produce run (default 500000)
Results are printed, and written to bench/results/. Apache Kafka needs kafka-local (KAFKA_LOCAL_TOOL, default ../shared/tools/kafka-local) and java.
`

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: 'start,produce' },
    rounds: { type: 'string', default: '5' },
    records: { type: 'string', default: '500000' },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
if (values.help) {
  process.stdout.write(HELP)
  process.exit(0)
}

const only = values.only.split(',')
const unknown = only.filter(name => !['start', 'produce'].includes(name))
if (unknown.length > 0) {
  process.stderr.write(`--only ${unknown.join(',')}: there are start and produce\n`)
  process.exit(2)
}
const tool = kafkaLocal()
if (typeof tool !== 'string') process.stdout.write(`Apache Kafka: not run, ${tool.missing}\n`)

const results = new Results()
if (only.includes('start')) await benchStart(results, Number(values.rounds), typeof tool === 'string' ? tool : undefined)
if (only.includes('produce')) {
  // The load comes from Apache Kafka's own tool.
  if (typeof tool === 'string') await benchProduce(results, { rounds: Number(values.rounds), records: Number(values.records), tool })
  else process.stdout.write('produce: not run, its load is made by ProducerPerformance\n')
}
process.stdout.write(`\n${results.table()}\nwritten to ${results.save()}\n`)
process.exit(0)
