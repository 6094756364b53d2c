// What the log alone costs, without sockets and protocol: appends through the whole produce path of the log (validation, sequence, write, flush),
// and reads. CPU seconds per GB and microseconds per batch are the sturdy columns; run it alone on the machine, on the disk that matters:
//   npm run build && node dist/bench/log.js --dir /path [--size 150,16384] [--partitions 1,200] [--flush 1,none] [--mb 512] [--read]

import { parseArgs } from 'node:util'
import { realEnv } from '../src/env/real/env.ts'
import { silentLogger } from '../src/env/real/logger.ts'
import { DEFAULT_LOG_CONFIG } from '../src/log/config.ts'
import { LogStore } from '../src/log/log-store.ts'
import type { PartitionLog } from '../src/log/partition-log.ts'
import { setBaseOffset } from '../src/protocol/batch.ts'
import { encodeBatch } from '../src/protocol/records.ts'
import { uuidFromBytes } from '../src/util/uuid.ts'

const { values } = parseArgs({
  options: {
    dir: { type: 'string', default: 'bench-data' },
    size: { type: 'string', default: '150,1024,16384,102400' },
    partitions: { type: 'string', default: '1,16,200' },
    flush: { type: 'string', default: '1,none' },
    mb: { type: 'string', default: '512' },
    read: { type: 'boolean', default: false },
  },
})

/** What may be appended and not yet ackable, as a node bounds it. */
const WINDOW_BYTES = 16 * 1024 * 1024
const WINDOW_BATCHES = 4000
const NOW = Date.now()

const env = realEnv({ logger: silentLogger })

async function run(size: number, partitions: number, flush: string, bytes: number): Promise<void> {
  const directory = `${values.dir}/${process.pid}-${size}-${partitions}-${flush}`
  await env.disk.makeDirectory(directory)
  const meta = await env.kv.open(`${directory}/meta`)
  const fail = (error: Error) => {
    throw error
  }
  const store = await LogStore.open(env, { directory, meta, clean: false, fail, hotTailBytes: 0 })
  const config = { ...DEFAULT_LOG_CONFIG, flushMessages: flush === 'none' ? Number.MAX_SAFE_INTEGER : Number(flush) }
  const topicId = uuidFromBytes(env.random.bytes(16))
  const logs: PartitionLog[] = []
  const acked: number[] = []
  let batchesUnderWay = 0
  let wake = () => {}
  for (let partition = 0; partition < partitions; partition++) {
    acked.push(0)
    const onProgress = (log: PartitionLog) => {
      const ackable = log.ackableOffset
      batchesUnderWay -= ackable - acked[partition]!
      acked[partition] = ackable
      wake()
    }
    logs.push((await store.openPartition({ topic: 'bench', topicId, partition, config, onProgress })).log)
  }

  const template = encodeBatch({ codec: 0, records: [{ key: null, value: env.random.bytes(size - 80), timestamp: NOW }] })
  const count = Math.floor(bytes / template.length)
  const window = Math.max(1, Math.min(WINDOW_BATCHES, Math.floor(WINDOW_BYTES / template.length)))
  // Buffers are used again once their bytes are written, so that the cost of fresh memory, which is the receiver's, stays out.
  const buffers = Array.from({ length: 2 * window + partitions }, () => Buffer.from(template))
  const append = async (from: number, to: number) => {
    for (let i = from; i < to; ) {
      while (i < to && batchesUnderWay < window) {
        const buffer = buffers[i % buffers.length]!
        setBaseOffset(buffer, 0, 0)
        logs[i++ % partitions]!.appendAsLeader(buffer, { leaderEpoch: 0, origin: 'client' })
        batchesUnderWay++
      }
      await new Promise<void>(resolve => {
        wake = resolve
      })
    }
    while (batchesUnderWay > 0) {
      await new Promise<void>(resolve => {
        wake = resolve
      })
    }
  }
  await append(0, Math.min(count, window * 4))
  report(`append ${size} B × ${partitions} flush=${flush}`, count, template.length, await measure(() => append(0, count)))

  if (values.read) {
    const readAll = async () => {
      for (const log of logs) {
        for (let offset = 0; offset < log.logEndOffset; ) {
          offset = (await log.read({ offset, maxBytes: 1024 * 1024, endOffset: log.logEndOffset, minOneBatch: true })).nextOffset
        }
      }
    }
    const stored = logs.reduce((sum, log) => sum + log.logEndOffset, 0)
    report(`read   ${size} B × ${partitions}`, stored, template.length, await measure(readAll))
  }
  const closing = await measure(() => store.close())
  await meta.close()
  await env.disk.remove(directory)
  console.log(`  closed in ${closing.ms.toFixed(0)} ms`)
}

interface Cost {
  readonly ms: number
  readonly cpuSeconds: number
}

async function measure(work: () => Promise<void>): Promise<Cost> {
  const started = performance.now()
  const cpu = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(cpu)
  return { ms: performance.now() - started, cpuSeconds: (user + system) / 1e6 }
}

function report(name: string, batches: number, batchBytes: number, { ms, cpuSeconds }: Cost): void {
  const bytes = batches * batchBytes
  const cells = [
    `${(bytes / 1e3 / ms).toFixed(0).padStart(6)} MB/s`,
    `${((batches / ms) * 1000).toFixed(0).padStart(9)} batches/s`,
    `${(cpuSeconds / (bytes / 1e9)).toFixed(2).padStart(7)} CPU-s/GB`,
    `${((cpuSeconds / batches) * 1e6).toFixed(2).padStart(8)} µs/batch`,
  ]
  console.log(`${name.padEnd(36)} ${cells.join(' ')}`)
}

for (const flush of values.flush.split(',')) {
  for (const size of values.size.split(',').map(Number)) {
    for (const partitions of values.partitions.split(',').map(Number)) await run(size, partitions, flush, Number(values.mb) * 1e6)
  }
}
