// npm run differential [-- KAFKA OTTLA]: the same raw requests to Apache Kafka and to Ottla, and a list of every answer that differs.
// With two addresses (host:port) they are asked as they are. Without, both are started: Kafka by ../shared/tools/kafka-local where that is there.
// What must differ is normalised away (differential/normalise.ts); what differs on purpose stands in differential/allowed.ts, with its reason.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { realEnv } from '../../src/env/real/env.ts'
import { silentLogger } from '../../src/env/real/logger.ts'
import { ApiVersions } from '../../src/protocol/api/18-api-versions.ts'
import { startBroker } from './broker.ts'
import { ADMIN } from './differential/admin.ts'
import { ALLOWED } from './differential/allowed.ts'
import { compare, type Difference } from './differential/compare.ts'
import { CONFIGS } from './differential/configs.ts'
import { CONNECTIONS } from './differential/connections.ts'
import { FETCH } from './differential/fetch.ts'
import { GROUPS } from './differential/groups.ts'
import { METADATA } from './differential/metadata.ts'
import { OFFSETS } from './differential/offsets.ts'
import { Peer, type Setting, type VersionRange } from './differential/peer.ts'
import { PRODUCE } from './differential/produce.ts'
import { QUORUM } from './differential/quorum.ts'
import type { Scenario } from './differential/scenario.ts'
import { TOPICS } from './differential/topics.ts'
import { ROOT } from './root.ts'

const SCENARIOS: readonly Scenario[] = [
  ...CONNECTIONS,
  ...PRODUCE,
  ...FETCH,
  ...OFFSETS,
  ...METADATA,
  ...TOPICS,
  ...CONFIGS,
  ...GROUPS,
  ...ADMIN,
  ...QUORUM,
]
const KAFKA_LOCAL = join(ROOT, '..', 'shared', 'tools', 'kafka-local')
const CLUSTER = 'ottla-differential'
const KAFKA_PORT = 29792
const HOUR_MS = 3_600_000

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { only: { type: 'string' }, all: { type: 'boolean', default: false } },
  })
  const chosen = SCENARIOS.filter(({ name }) => values.only === undefined || name.includes(values.only))
  const how = { all: values.all, complete: values.only === undefined }
  const [kafka, ottla] = positionals
  if (kafka !== undefined && ottla !== undefined) return report(await differences(kafka, ottla, chosen), how)
  if (positionals.length > 0) throw new Error('give two addresses, of Kafka and of Ottla, or none')
  if (!existsSync(KAFKA_LOCAL))
    throw new Error('there is no Apache Kafka to start here: give two addresses, host:port of Kafka and of Ottla')
  return withBoth(async (both, ours) => report(await differences(both, ours, chosen), how))
}

/** Starts both on fresh data, and cleans up. */
async function withBoth(work: (kafka: string, ottla: string) => Promise<number>): Promise<number> {
  const env = { ...process.env, KAFKA_HEAP: process.env['KAFKA_HEAP'] ?? '512m' }
  const kafkaLocal = (...args: string[]) => {
    if (spawnSync(KAFKA_LOCAL, args, { env, stdio: 'inherit' }).status !== 0) throw new Error(`kafka-local ${args[0]} failed`)
  }
  kafkaLocal('clean', CLUSTER)
  kafkaLocal('start', CLUSTER, '1', String(KAFKA_PORT), 'group.initial.rebalance.delay.ms=0')
  const data = mkdtempSync(join(tmpdir(), 'ottla-differential-'))
  try {
    const broker = await startBroker(['--port', '0', '--data', data])
    try {
      return await work(`127.0.0.1:${KAFKA_PORT}`, broker.bootstrap)
    } finally {
      await broker.stop()
    }
  } finally {
    rmSync(data, { recursive: true, force: true })
    kafkaLocal('clean', CLUSTER)
  }
}

interface Outcome {
  readonly compared: number
  readonly found: readonly Difference[]
  readonly failures: readonly string[]
}

async function differences(kafka: string, ottla: string, scenarios: readonly Scenario[]): Promise<Outcome> {
  const baseTimeMs = Math.floor(Date.now() / HOUR_MS) * HOUR_MS - 2 * HOUR_MS
  const served = new Map<number, VersionRange>()
  const [theirs, ours] = await Promise.all([kafka, ottla].map(address => open(address, baseTimeMs, served)))
  const failures: string[] = []
  for (const scenario of scenarios) {
    const outcomes = await Promise.allSettled([theirs!, ours!].map(setting => play(scenario, setting)))
    outcomes.forEach((outcome, i) => {
      if (outcome.status === 'rejected')
        failures.push(`${i === 0 ? 'Kafka' : 'Ottla'}, ${scenario.name}: ${(outcome.reason as Error).stack}`)
    })
  }
  return { compared: theirs!.steps.size, found: compare(theirs!.steps, ours!.steps), failures }
}

async function play(scenario: Scenario, setting: Setting): Promise<void> {
  const peer = new Peer(scenario.name, setting)
  try {
    await scenario.run(peer)
  } finally {
    peer.close()
  }
}

async function open(address: string, baseTimeMs: number, served: Map<number, VersionRange>): Promise<Setting> {
  const [host, port] = address.split(':')
  const setting: Setting = {
    env: realEnv({ logger: silentLogger }),
    host: host!,
    port: Number(port),
    served,
    baseTimeMs,
    steps: new Map(),
  }
  const peer = new Peer('versions', setting)
  const answer = await peer.quietly(ApiVersions, 0, {})
  peer.close()
  for (const { apiKey, minVersion, maxVersion } of answer!.apiKeys) {
    const known = served.get(apiKey)
    served.set(apiKey, { first: Math.max(known?.first ?? 0, minVersion), last: Math.min(known?.last ?? maxVersion, maxVersion) })
  }
  return setting
}

function report({ compared, found, failures }: Outcome, { all, complete }: { all: boolean; complete: boolean }): number {
  const unexpected = found.filter(({ allowed }) => allowed === undefined)
  const shown = all ? unexpected : unexpected.slice(0, 200)
  for (const { step, path, kafka, ottla } of shown) process.stdout.write(`${step}\n    ${path}: Kafka ${kafka} · Ottla ${ottla}\n`)
  if (shown.length < unexpected.length) process.stdout.write(`… and ${unexpected.length - shown.length} more (--all)\n`)
  for (const failure of failures) process.stdout.write(`FAILED ${failure}\n`)
  const byReason = new Map<string, number>()
  for (const { allowed } of found) if (allowed !== undefined) byReason.set(allowed.reason, (byReason.get(allowed.reason) ?? 0) + 1)
  const unused = ALLOWED.filter(each => !found.some(({ allowed }) => allowed === each))
  if (complete) for (const { step, reason } of unused) process.stdout.write(`No longer needed in allowed.ts: ${step} (${reason})\n`)
  process.stdout.write('\nDifferent on purpose:\n')
  for (const [reason, count] of byReason) process.stdout.write(`  ${String(count).padStart(5)}  ${reason}\n`)
  process.stdout.write(`\n${compared} answers compared, ${unexpected.length} differences, ${failures.length} scenarios broken off\n`)
  return unexpected.length === 0 && failures.length === 0 && !(complete && unused.length > 0) ? 0 : 1
}

process.exitCode = await main()
process.exit()
