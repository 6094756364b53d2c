// CPU seconds per GB of record data for what every produced batch goes through: checksum, validation, codecs. Run it alone on the machine:
//   npm run build && node dist/bench/records.js [filter]
// CPU time, not wall time, so that a busy machine disturbs it less; the median of several rounds.

import { DEFAULT_LOG_CONFIG, type LogConfig } from '../src/log/config.ts'
import { ProducerState, readProducerBatch } from '../src/log/producer-state.ts'
import { validateBatch } from '../src/log/validate.ts'
import * as batch from '../src/protocol/batch.ts'
import { CODEC_NAMES, type Codec, compress, decompress } from '../src/protocol/compression.ts'
import { decodeBatch, encodeBatch } from '../src/protocol/records.ts'
import { crc32c, crc32cInJavaScript } from '../src/util/crc32c.ts'

const NOW = 1_750_000_000_000
const ROUNDS = 5
const ROUND_MS = 150
const filter = process.argv[2] ?? ''

/** Prints CPU seconds per GB, MB per CPU second and microseconds per call, of a call that goes through `bytes`. */
function measure(name: string, bytes: number, call: () => unknown): void {
  if (!name.includes(filter)) return
  const perCall: number[] = []
  for (let round = 0; round <= ROUNDS; round++) {
    let calls = 0
    const start = process.cpuUsage()
    let spent = 0
    while (spent < ROUND_MS * 1000) {
      for (let i = 0; i < 10; i++) call()
      calls += 10
      const { user, system } = process.cpuUsage(start)
      spent = user + system
    }
    if (round > 0) perCall.push(spent / calls) // the first round warms up
  }
  const microseconds = perCall.sort((a, b) => a - b)[ROUNDS >> 1]!
  const perGigabyte = (microseconds / 1e6) * (1e9 / bytes)
  console.log(
    `${name.padEnd(52)} ${perGigabyte.toFixed(3).padStart(8)} CPU-s/GB ${(1000 / perGigabyte).toFixed(0).padStart(7)} MB/s ${microseconds.toFixed(1).padStart(9)} µs`,
  )
}

/** Log lines as JSON: compressible as records often are. */
function lines(length: number): Buffer {
  let state = 12345
  const next = () => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) >>> 8
  const levels = ['info', 'warn', 'error']
  let text = ''
  for (let id = 0; text.length < length; id++) {
    text += JSON.stringify({
      id,
      level: levels[next() % 3],
      user: `user-${next() % 1000}`,
      ms: next() % 900,
      trace: next().toString(16) + next().toString(16),
    })
  }
  return Buffer.from(text.slice(0, length))
}

function batchOf(recordBytes: number, batchBytes: number, codec: Codec): Buffer {
  const data = lines(batchBytes + recordBytes)
  const records = Array.from({ length: Math.max(1, Math.floor(batchBytes / recordBytes)) }, (_, i) => ({
    key: Buffer.from(`key-${i}`),
    value: data.subarray(i * recordBytes, (i + 1) * recordBytes),
    timestamp: NOW + i,
  }))
  return encodeBatch({ records, codec, producerId: 1, producerEpoch: 0, baseSequence: 0 })
}

const config: LogConfig = { ...DEFAULT_LOG_CONFIG, maxMessageBytes: 16 << 20 }
const CLIENT = { now: NOW, origin: 'client' } as const

function accepted(b: Buffer, its: LogConfig): unknown {
  const result = validateBatch(b, its, CLIENT)
  if (!result.ok) throw new Error(result.errorMessage)
  return result
}

for (const size of [64, 128, 256, 512, 1024, 16_384, 1 << 20]) {
  const b = lines(size)
  measure(`crc32c ${size}`, size, () => crc32c(b, 0, size))
  measure(`crc32c in JavaScript ${size}`, size, () => crc32cInJavaScript(b, 0, size))
}

for (const recordBytes of [100, 1024, 10_240]) {
  for (const batchBytes of [16_384, 1 << 20]) {
    const b = batchOf(recordBytes, batchBytes, 0)
    const name = `records of ${recordBytes} in ${b.length}`
    measure(`validate ${name}`, b.length, () => accepted(b, config))
    measure(`checksum ${name}`, b.length, () => batch.crcIsValid(b, 0))
    measure(`validate, new maxTimestamp each time, ${name}`, b.length, () => {
      batch.setMaxTimestamp(b, 0, 0)
      batch.setCrc(b, 0)
      return accepted(b, config)
    })
    measure(`decode ${name}`, b.length, () => decodeBatch(b, 0, { maxBytes: 16 << 20 }))
  }
}

for (const codec of [1, 2, 3, 4] as const) {
  for (const size of [16_384, 1 << 20]) {
    const plain = lines(size)
    const packed = compress(codec, plain)
    measure(`${CODEC_NAMES[codec]} compress ${size} to ${packed.length}`, size, () => compress(codec, plain))
    measure(`${CODEC_NAMES[codec]} decompress ${size}`, size, () => decompress(codec, packed, size))
    const b = batchOf(1024, size, codec)
    measure(`${CODEC_NAMES[codec]} validate records of 1024 in ${size}`, size, () => accepted(b, config))
  }
}

{
  const state = new ProducerState()
  const b = batchOf(1024, 1024, 0)
  let offset = 0
  measure('producer state: read, judge and apply one batch', b.length, () => {
    batch.setBaseOffset(b, 0, offset)
    batch.setBaseSequence(b, 0, offset++ & 0x7fffffff)
    const it = readProducerBatch(b, 0)!
    if (state.judge(it, { origin: 'client' }).type === 'append') state.apply(it)
  })
}
