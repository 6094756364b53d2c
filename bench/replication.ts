// What replication costs, without clients: three brokers in one process, as far as logs, replicas and the internal listener go. The first leads every
// partition and appends batches, the others follow; a batch counts when it is acknowledged by all. CPU seconds per GB are those of all three together.
//   npm run build && node dist/bench/replication.js --dir /path [--batch 16384] [--partitions 1,16] [--flush 1,none] [--mb 512] [--window 16]
import { parseArgs } from 'node:util'
import type { LocalReplica } from '../src/broker/local-replica.ts'
import { Replicas } from '../src/broker/replicas.ts'
import { DEFAULT_FOLLOWER_SETTINGS } from '../src/broker/replication.ts'
import { realEnv } from '../src/env/real/env.ts'
import { silentLogger } from '../src/env/real/logger.ts'
import { DEFAULT_LOG_CONFIG } from '../src/log/config.ts'
import { LogStore } from '../src/log/log-store.ts'
import { applyRecord, emptyImage, type MetadataImage } from '../src/metadata/image.ts'
import type { MetadataRecord } from '../src/metadata/records.ts'
import { Peers } from '../src/net/peers.ts'
import { RpcServer } from '../src/net/rpc.ts'
import { RPC_FETCH, RPC_PROMISE } from '../src/net/rpc-methods.ts'
import { setBaseOffset } from '../src/protocol/batch.ts'
import { encodeBatch } from '../src/protocol/records.ts'
import { BufferPool } from '../src/util/buffer-pool.ts'
import { uuidFromBytes } from '../src/util/uuid.ts'

const { values } = parseArgs({
  options: {
    dir: { type: 'string', default: 'bench-data' },
    batch: { type: 'string', default: '16384' },
    partitions: { type: 'string', default: '1,16' },
    flush: { type: 'string', default: '1,none' },
    mb: { type: 'string', default: '512' },
    window: { type: 'string', default: '16' },
  },
})

const IDS = [1, 2, 3]
const MAX_FRAME_BYTES = 64 * 1024 * 1024
const SECRET = Buffer.from('replication bench')
const env = realEnv({ logger: silentLogger })
const memory = new BufferPool({ smallestBytes: 0, maxIdleBytes: 64 * 1024 * 1024, poisons: false })
const clusterId = uuidFromBytes(env.random.bytes(16))
const fail = (error: Error) => {
  throw error
}

interface Member {
  readonly id: number
  readonly image: MetadataImage
  readonly replicas: Replicas
  readonly incarnationId: string
  close(): Promise<void>
}

async function open(
  id: number,
  directory: string,
  o: { flush: string; ports: Map<number, number>; peersOf: Map<number, Peers> },
): Promise<Member> {
  const image = emptyImage()
  const incarnationId = uuidFromBytes(env.random.bytes(16))
  await env.disk.makeDirectory(directory)
  const meta = await env.kv.open(`${directory}/meta`)
  const store = await LogStore.open(env, { directory, meta, clean: false, fail })
  const config = { ...DEFAULT_LOG_CONFIG, flushMessages: o.flush === 'none' ? Number.MAX_SAFE_INTEGER : Number(o.flush) }
  const self = () => ({ clusterId, nodeId: id, directoryId: uuidFromBytes(Buffer.alloc(16, id)), incarnationId })
  const handler = {
    request: (method: number, payload: Buffer, from: Parameters<Replicas['answerFollower']>[1]) =>
      method === RPC_FETCH ? replicas.answerFollower(payload, from) : Promise.reject(new Error('unknown method')),
    notice: (method: number, payload: Buffer, from: { readonly nodeId: number }) => {
      if (method === RPC_PROMISE) replicas.promised(payload, from)
    },
  }
  const peers = new Peers(env, { self, secret: SECRET, handler, connectTimeoutMs: 1000, maxFrameBytes: MAX_FRAME_BYTES })
  o.peersOf.set(id, peers)
  const server = await RpcServer.open(env, { host: '127.0.0.1', port: 0, secret: SECRET, self, handler, maxFrameBytes: MAX_FRAME_BYTES })
  o.ports.set(id, server.port)
  const replicas: Replicas = new Replicas(env, {
    nodeId: id,
    incarnationId,
    store,
    settingsOf: () => ({ log: config, minInsyncReplicas: 2 }),
    room: { refusal: undefined, appended: () => {}, metFullDisk: () => {} },
    ruin: () => {},
    world: {
      image: () => image,
      leaseUntil: () => Number.POSITIVE_INFINITY,
      alterPartition: () => Promise.reject(new Error('nobody decides')),
      fetchFrom: (leaderId, payload, timeoutMs) => peers.requestLeased(leaderId, 'data', RPC_FETCH, payload, { timeoutMs }),
      sendPromise: (leaderId, payload) => peers.notice(leaderId, 'control', RPC_PROMISE, payload),
    },
    follower: { ...DEFAULT_FOLLOWER_SETTINGS, lagTimeMaxMs: 60_000 },
    fail,
  })
  await replicas.openAll(image)
  const close = async () => {
    await replicas.close()
    await peers.close()
    await server.close()
    await store.close()
    await meta.close()
  }
  return { id, image, replicas, incarnationId, close }
}

async function run(batchBytes: number, partitions: number, flush: string, bytes: number): Promise<void> {
  const directory = `${values.dir}/${process.pid}-${batchBytes}-${partitions}-${flush}`
  const o = { flush, ports: new Map<number, number>(), peersOf: new Map<number, Peers>() }
  const members: Member[] = []
  for (const id of IDS) members.push(await open(id, `${directory}/${id}`, o))
  for (const [id, peers] of o.peersOf)
    for (const [other, port] of o.ports) if (other !== id) peers.setAddress(other, { host: '127.0.0.1', port })
  const topicId = uuidFromBytes(env.random.bytes(16))
  const records: MetadataRecord[] = [
    ...members.map(
      ({ id, incarnationId }): MetadataRecord => ({
        type: 'brokerRegistered',
        brokerId: id,
        brokerEpoch: id,
        incarnationId,
        directoryId: uuidFromBytes(Buffer.alloc(16, id)),
        rack: null,
        fenced: false,
        listeners: [],
        features: [],
        internalListener: null,
        shuttingDown: false,
      }),
    ),
    { type: 'topicCreated', name: 'bench', topicId },
    ...Array.from({ length: partitions }, (_, partition): MetadataRecord => {
      const state = { partition, replicas: IDS, isr: IDS, elr: [], lastKnownElr: [], leader: 1, leaderEpoch: 0, partitionEpoch: 0 }
      return { type: 'partitionCreated', topicId, state: { ...state, addingReplicas: [], removingReplicas: [] } }
    }),
  ]
  for (const { image, replicas } of members) replicas.apply(records.flatMap(record => applyRecord(image, record)))
  for (const { replicas } of members) await replicas.allSettled()

  const leaders = [...members[0]!.replicas.all()].sort((a, b) => a.partition - b.partition)
  const recordCount = Math.max(1, Math.round(batchBytes / 1100))
  const record = { key: null, value: env.random.bytes(1024), timestamp: Date.now() }
  const template = encodeBatch({ codec: 0, records: Array.from({ length: recordCount }, () => record) })
  const count = Math.floor(bytes / template.length)
  await produce(leaders, template, Math.min(count, 2000))
  const cpu = process.cpuUsage()
  const startedAt = env.clock.now()
  await produce(leaders, template, count)
  const seconds = (env.clock.now() - startedAt) / 1000
  const { user, system } = process.cpuUsage(cpu)
  const gigabytes = (count * template.length) / 1e9
  const row = [template.length, partitions, flush, (gigabytes * 1000) / seconds, (user + system) / 1e6 / gigabytes, user / 1e6 / gigabytes]
  process.stdout.write(`${row.map(cell => (typeof cell === 'number' ? Math.round(cell * 100) / 100 : cell)).join('\t')}\n`)
  for (const member of members) await member.close()
  await env.disk.remove(directory)
}

/** So many bytes are appended and not acknowledged. */
async function produce(leaders: readonly LocalReplica[], template: Buffer, count: number): Promise<void> {
  const window = Number(values.window) * 1024 * 1024
  let underWay = 0
  let wake = () => {}
  for (let i = 0; i < count; i++) {
    const replica = leaders[i % leaders.length]!
    // As a request's memory is used again once it is written.
    const lease = memory.take(template.length)!
    const b = lease.bytes.subarray(0, template.length)
    template.copy(b)
    setBaseOffset(b, 0, 0)
    const result = replica.append(b, undefined, lease)
    lease.release()
    if (!result.ok) throw new Error(result.errorMessage)
    underWay += b.length
    const settle = () => {
      underWay -= b.length
      wake()
    }
    replica.highWatermarkWaits.add(result.lastOffset + 1, { settle }, 0)
    if (underWay >= window) await new Promise<void>(resolve => (wake = resolve))
    else if (i % 64 === 63) await new Promise<void>(resolve => env.clock.turn(resolve))
  }
  while (underWay > 0) await new Promise<void>(resolve => (wake = resolve))
}

process.stdout.write('batch\tpartitions\tflush\tMB/s\tCPU-s/GB\tuser\n')
for (const batchBytes of values.batch.split(',').map(Number)) {
  for (const partitions of values.partitions.split(',').map(Number)) {
    for (const flush of values.flush.split(',')) await run(batchBytes, partitions, flush, Number(values.mb) * 1e6)
  }
}
