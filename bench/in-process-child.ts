// One process that embeds a node, or a cluster of three in memory: what loading costs, the first one, and others after it. Prints InProcessFigures as JSON.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { InProcessFigures } from './start-in-process.ts'

const isCluster = process.argv[2] === 'cluster'
const inMemory = process.argv[2] === 'memory'
const loading = performance.now()
// The package's entry as it is shipped: one script with its compiled code.
const { Kafka, startNode } = (await import(new URL('../index.js', import.meta.url).href)) as typeof import('../src/index.ts')
const importMs = performance.now() - loading
const { startCluster } = isCluster
  ? ((await import(new URL('../testing.js', import.meta.url).href)) as typeof import('../src/index/testing.ts'))
  : {}
const { roundTrip } = await import('./round-trip.ts')

/** Acknowledged by all three. */
async function startAndUseCluster(): Promise<number> {
  const begun = performance.now()
  const cluster = await startCluster!()
  await roundTrip(new Kafka({ bootstrapServers: cluster.bootstrapServers }), 'first', { replicationFactor: 3 })
  const took = performance.now() - begun
  await cluster.close()
  return took
}

async function startAndUse(): Promise<number> {
  const dataDirectory = inMemory ? undefined : mkdtempSync(join(tmpdir(), 'ottla-bench-'))
  const begun = performance.now()
  const node = await startNode({ port: 0, memory: inMemory, ...(dataDirectory === undefined ? {} : { dataDirectory }) })
  await roundTrip(new Kafka({ bootstrapServers: node.bootstrapServers }), 'first')
  const took = performance.now() - begun
  await node.close()
  if (dataDirectory !== undefined) rmSync(dataDirectory, { recursive: true, force: true })
  return took
}

const use = isCluster ? startAndUseCluster : startAndUse
const firstMs = await use()
const againMs: number[] = []
for (let i = 0; i < 5; i++) againMs.push(await use())
process.stdout.write(JSON.stringify({ importMs, firstMs, againMs } satisfies InProcessFigures))
process.exit(0)
