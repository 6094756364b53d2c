// Our segment files are Kafka's: its own dump tool reads every record of them, in every codec, and finds each checksum right.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { realEnv } from '../../src/env/real/env.ts'
import { silentLogger } from '../../src/env/real/logger.ts'
import { DEFAULT_LOG_CONFIG } from '../../src/log/config.ts'
import { LogStore } from '../../src/log/log-store.ts'
import { CODEC_NAMES, type Codec } from '../../src/protocol/compression.ts'
import { batchOf, recordOf, TOPIC_ID } from './lab.ts'

const tool = process.env['KAFKA_LOCAL_TOOL'] ?? new URL('../../../shared/tools/kafka-local', import.meta.url).pathname
const home = process.env['KAFKA_LOCAL'] ?? join(homedir(), '.cache/kafka-local')

/** Why Kafka's tool cannot be asked here; undefined if it can. */
function missing(): string | undefined {
  if (!existsSync(tool)) return 'kafka-local is not there'
  if (spawnSync('java', ['-version']).error !== undefined) return 'there is no Java here'
  return existsSync(home) && readdirSync(home).some(name => name.startsWith('libs-')) ? undefined : 'kafka-local has no jars yet'
}

const reason = missing()

describe.skipIf(reason !== undefined)(`Apache Kafka's dump tool${reason === undefined ? '' : ` (skipped: ${reason})`}`, () => {
  test('reads every record of our segment files', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'ottla-dump-'))
    try {
      const env = realEnv({ logger: silentLogger })
      const meta = await env.kv.open(`${directory}/meta`)
      const fail = (error: Error) => {
        throw error
      }
      const store = await LogStore.open(env, { directory, meta, clean: false, fail })
      const config = { ...DEFAULT_LOG_CONFIG, segmentBytes: 20_000 }
      const { log } = await store.openPartition({ topic: 't', topicId: TOPIC_ID, partition: 0, config, onProgress: () => {} })
      for (let i = 0; i < 50; i++) {
        const producer = i % 2 === 0 ? {} : { producerId: 77, producerEpoch: 3, baseSequence: (i >> 1) * 3 }
        const records = Array.from({ length: 3 }, (_, k) => recordOf(`value ${i}.${k} ${'x'.repeat(i * 20)}`, 1_767_225_600_000 + i))
        const result = log.appendAsLeader(batchOf(records, { codec: (i % 5) as Codec, ...producer }), {
          leaderEpoch: i >> 3,
          origin: 'client',
        })
        expect(result).toMatchObject({ ok: true })
      }
      await store.close()
      await meta.close()

      const folder = join(directory, 'logs/t-0')
      const files = readdirSync(folder).filter(name => name.endsWith('.log'))
      expect(files.length).toBeGreaterThan(1)
      const dump = spawnSync(
        tool,
        [
          'run',
          'org.apache.kafka.tools.DumpLogSegments',
          '--deep-iteration',
          '--print-data-log',
          '--files',
          files.map(name => join(folder, name)).join(','),
        ],
        { encoding: 'utf8', timeout: 120_000 },
      )
      expect(dump.status, dump.stderr).toBe(0)
      const lines = dump.stdout.split('\n')
      const batches = lines.filter(line => line.startsWith('baseOffset:'))
      const payloads = lines.filter(line => line.startsWith('|')).map(line => /offset: (\d+).* payload: (value \S+)/.exec(line))
      expect(batches).toHaveLength(50)
      expect(batches.filter(line => !line.includes('isvalid: true'))).toEqual([])
      expect(new Set(batches.map(line => /compresscodec: (\w+)/.exec(line)?.[1]))).toEqual(new Set(CODEC_NAMES))
      expect(payloads.map(match => `${match?.[1]} ${match?.[2]}`)).toEqual(
        Array.from({ length: 150 }, (_, offset) => `${offset} value ${Math.floor(offset / 3)}.${offset % 3}`),
      )
      expect(dump.stdout).not.toMatch(/mismatch|non-consecutive|Found/i)
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  }, 180_000)
})
