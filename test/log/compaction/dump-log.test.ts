// Apache Kafka's own dump tool reads what compaction leaves: gaps, rewritten batches of every codec, delete horizons, batches without records.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { realEnv } from '../../../src/env/real/env.ts'
import { silentLogger } from '../../../src/env/real/logger.ts'
import { DEFAULT_LOG_CONFIG } from '../../../src/log/config.ts'
import { LogStore } from '../../../src/log/log-store.ts'
import type { Codec } from '../../../src/protocol/compression.ts'
import { batchOf, TOPIC_ID } from '../lab.ts'

const tool = process.env['KAFKA_LOCAL_TOOL'] ?? new URL('../../../../shared/tools/kafka-local', import.meta.url).pathname
const home = process.env['KAFKA_LOCAL'] ?? join(homedir(), '.cache/kafka-local')

/** Why Kafka's tool cannot be asked here; undefined if it can. */
function missing(): string | undefined {
  if (!existsSync(tool)) return 'kafka-local is not there'
  if (spawnSync('java', ['-version']).error !== undefined) return 'there is no Java here'
  return existsSync(home) && readdirSync(home).some(name => name.startsWith('libs-')) ? undefined : 'kafka-local has no jars yet'
}

const reason = missing()
const NOON = 1_767_225_600_000

describe.skipIf(reason !== undefined)(`Apache Kafka's dump tool${reason === undefined ? '' : ` (skipped: ${reason})`}`, () => {
  test('reads a compacted log', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'ottla-dump-'))
    try {
      const env = realEnv({ logger: silentLogger })
      const meta = await env.kv.open(`${directory}/meta`)
      const fail = (error: Error) => {
        throw error
      }
      const store = await LogStore.open(env, { directory, meta, clean: false, fail })
      const config = { ...DEFAULT_LOG_CONFIG, segmentBytes: 8000, cleanupPolicy: ['compact' as const] }
      const { log } = await store.openPartition({ topic: 't', topicId: TOPIC_ID, partition: 0, config, onProgress: () => {} })
      const newest = new Map<string, string>()
      for (let i = 0; i < 200; i++) {
        const records = Array.from({ length: 4 }, (_, k) => {
          const key = `key ${(i * 7 + k * 3) % 50}`
          const value = (i + k) % 5 === 0 ? null : Buffer.from(`${i}.${k} ${'x'.repeat(i % 60)}`)
          newest.set(key, `${i * 4 + k} ${value ?? 'null'}`)
          return { key: Buffer.from(key), value, timestamp: NOON + i }
        })
        const producer = i < 150 ? { producerId: 77 + (i % 3), producerEpoch: 3, baseSequence: Math.floor(i / 3) * 4 } : {}
        const result = log.appendAsLeader(batchOf(records, { codec: (i % 5) as Codec, ...producer }), {
          leaderEpoch: i >> 6,
          origin: 'client',
        })
        expect(result).toMatchObject({ ok: true })
      }
      await log.flush()
      const before = log.sizeBytes
      const limits = { mapBytes: 1 << 20, mapLoadFactor: 0.9, maxBytesPerSecond: Number.MAX_SAFE_INTEGER, leaveFreeBytes: 0 }
      expect(await log.compaction.clean({ ...limits, highWatermark: log.flushedOffset })).toMatchObject({ outcome: 'done', keyCount: 50 })
      expect(log.sizeBytes).toBeLessThan(before / 3)
      await store.close()
      await meta.close()

      const folder = join(directory, 'logs/t-0')
      const files = readdirSync(folder).filter(name => name.endsWith('.log'))
      const paths = files.map(name => join(folder, name)).join(',')
      const dump = spawnSync(
        tool,
        ['run', 'org.apache.kafka.tools.DumpLogSegments', '--deep-iteration', '--print-data-log', '--files', paths],
        { encoding: 'utf8', timeout: 120_000 },
      )
      expect(dump.status, dump.stderr).toBe(0)
      const lines = dump.stdout.split('\n')
      const batches = lines.filter(line => line.startsWith('baseOffset:'))
      expect(batches.filter(line => !line.includes('isvalid: true'))).toEqual([])
      expect(batches.some(line => line.includes('count: 0'))).toBe(true)
      expect(batches.some(line => /deleteHorizonMs: \w*\[?\d+/.test(line))).toBe(true)
      expect(dump.stdout).not.toMatch(/mismatch|Found/i)
      const left = new Map<string, string>()
      for (const line of lines) {
        const match = /^\| offset: (\d+).* key: (key \d+)(?: payload: (.*))?$/.exec(line)
        if (match !== null) left.set(match[2]!, `${match[1]} ${match[3] ?? 'null'}`)
      }
      expect(left).toEqual(newest)
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  }, 180_000)
})
