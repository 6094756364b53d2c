// Compaction: the same records on both sides, three of each key on average, written before the cleaner may begin; then min.cleanable.dirty.ratio allows it.
// Clean is when the log has got smaller and stays as it is. Kafka rests 15 s between two looks at its logs; both sides look every 200 ms here.
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Kafka } from '../src/index.ts'
import { type Bench, withAdmin } from './bench.ts'
import { cpuSeconds, NEVER, type Peer, pause, residentMegabytes } from './peers.ts'

const TOPIC = 'compaction'
const SEGMENT_BYTES = 32 * 1024 * 1024
const VALUE = Buffer.alloc(100, 'v')
const RECORDS_AT_ONCE = 20_000
const QUIET_MS = 3000
const LIMIT_MS = 180_000
const SETTINGS = ['log.cleaner.backoff.ms=200', 'log.cleaner.threads=1']

export async function benchCompaction(bench: Bench): Promise<void> {
  const count = bench.quick ? 600_000 : 3_000_000
  const settings = { ottla: [SETTINGS[0]!, `log.flush.interval.messages=${NEVER}`], kafka: SETTINGS }
  for (let round = 0; round < bench.rounds(2); round++) {
    await bench.withPeers(settings, async peers => {
      for (const peer of peers) {
        await fill(peer, count)
        await pause(QUIET_MS)
        await measure(bench, peer, round)
      }
    })
  }
}

async function fill(peer: Peer, count: number): Promise<void> {
  const configs = { 'cleanup.policy': 'compact', 'segment.bytes': String(SEGMENT_BYTES), 'min.cleanable.dirty.ratio': '1' }
  await withAdmin(peer, admin => admin.createTopics([{ name: TOPIC, numPartitions: 1, configs }]))
  const kafka = new Kafka({ bootstrapServers: peer.bootstrap })
  const producer = kafka.producer({ acks: 1, idempotent: false, lingerMs: 5, batchBytes: 131_072 })
  for (let sent = 0; sent < count; ) {
    const sending: Promise<unknown>[] = []
    for (let i = 0; i < RECORDS_AT_ONCE; i++, sent++) {
      // Every key three times, spread over the log.
      const key = Buffer.from(`account-${(sent * 7_919) % Math.floor(count / 3)}`)
      sending.push(producer.send({ topic: TOPIC, partition: 0, key, value: VALUE }))
    }
    await Promise.all(sending)
  }
  await kafka.close()
}

async function measure(bench: Bench, peer: Peer, round: number): Promise<void> {
  const bytesBefore = storedBytes(peer)
  const cpuBefore = cpuSeconds(peer.pid)
  const restingMegabytes = residentMegabytes(peer.pid)
  const operation = { operation: 'set', name: 'min.cleanable.dirty.ratio', value: '0.01' } as const
  await withAdmin(peer, admin => admin.incrementalAlterConfigs([{ type: 'topic', name: TOPIC, operations: [operation] }]))
  const begun = performance.now()
  let changedAt = begun
  let cpu = cpuBefore
  let bytes = bytesBefore
  let megabytes = restingMegabytes
  while (bytes === bytesBefore || performance.now() - changedAt < QUIET_MS) {
    if (performance.now() - begun > LIMIT_MS) throw new Error(`${peer.name} is not clean after ${LIMIT_MS} ms`)
    await pause(50)
    megabytes = Math.max(megabytes, residentMegabytes(peer.pid))
    const now = storedBytes(peer)
    if (now === bytes) continue
    bytes = now
    changedAt = performance.now()
    cpu = cpuSeconds(peer.pid)
  }
  const seconds = (changedAt - begun) / 1000
  const gigabytes = bytesBefore / 1e9
  bench.results.add('compaction.rate', peer.name, bytesBefore / 1e6 / seconds)
  bench.results.add('compaction.cpu', peer.name, (cpu - cpuBefore) / gigabytes)
  bench.results.add('compaction.rss', peer.name, megabytes)
  bench.results.add('compaction.grown', peer.name, megabytes - restingMegabytes)
  bench.say(
    `round ${round + 1}, ${peer.name}: ${(bytesBefore / 1e6).toFixed(0)} MB → ${(bytes / 1e6).toFixed(0)} MB in ${seconds.toFixed(2)} s, ${((cpu - cpuBefore) / gigabytes).toFixed(2)} CPU-s/GB, ${megabytes.toFixed(0)} MB (${restingMegabytes.toFixed(0)} before)`,
  )
}

/** Of the log as it is now: neither what is being written nor what waits to be deleted. */
function storedBytes({ dataDirectory }: Peer): number {
  let bytes = 0
  for (const entry of readdirSync(dataDirectory, { recursive: true, withFileTypes: true })) {
    const folder = entry.parentPath ?? entry.path
    if (!entry.isFile() || !entry.name.endsWith('.log') || !folder.endsWith(`${TOPIC}-0`)) continue
    bytes += statSync(join(folder, entry.name), { throwIfNoEntry: false })?.size ?? 0
  }
  return bytes
}
