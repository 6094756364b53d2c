// Offset commits: a million of them, each of one partition, pipelined over raw sockets by a client that costs next to nothing; the same on both sides.
// Every group is a simple one (no members), so that nothing but the commits is measured. Then the brokers start again: how long until the last group's
// offsets are told.
import { readdirSync, statSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { OffsetCommit } from '../src/protocol/api/08-offset-commit.ts'
import { OffsetFetch } from '../src/protocol/api/09-offset-fetch.ts'
import { FindCoordinator } from '../src/protocol/api/10-find-coordinator.ts'
import { decodeResponse, encodeRequest } from '../src/protocol/message.ts'
import type { Api, RequestIn, ResponseOut } from '../src/protocol/schema.ts'
import { type Bench, withAdmin } from './bench.ts'
import { cpuSeconds, MODES, type Peer, pause } from './peers.ts'

const TOPIC = 'commits'
const PARTITIONS = 100
const CONNECTIONS = 50
/** Requests of one connection that are under way at once. */
const DEPTH = 20
const COMMIT_VERSION = 8
const FETCH_VERSION = 8
const FIND_VERSION = 4
const LIMIT_MS = 300_000

export async function benchCommits(bench: Bench): Promise<void> {
  for (const mode of MODES) {
    // Flushing is what takes time there, on both sides: fewer say as much.
    const count = (bench.quick ? 100_000 : 1_000_000) / (mode.id === 'flushed' ? 4 : 1)
    for (let round = 0; round < bench.rounds(1); round++) {
      await bench.withPeers(mode, async peers => {
        for (const peer of peers) {
          await withAdmin(peer, admin => admin.createTopics([{ name: TOPIC, numPartitions: PARTITIONS }]))
          // Warms it up, and is not counted.
          await commit(peer, Math.min(100_000, count / 4))
        }
        for (const peer of peers) await measure(bench, { peer, mode: mode.id, count, round })
      })
    }
  }
}

async function measure(bench: Bench, { peer, mode, count, round }: { peer: Peer; mode: string; count: number; round: number }) {
  const bytesBefore = storedBytes(peer)
  const cpuBefore = cpuSeconds(peer.pid)
  const { seconds } = await commit(peer, count)
  const micros = ((cpuSeconds(peer.pid) - cpuBefore) / count) * 1e6
  const bytesEach = (storedBytes(peer) - bytesBefore) / count
  bench.results.add(`commits.${mode}.rate`, peer.name, count / seconds)
  bench.results.add(`commits.${mode}.cpu`, peer.name, micros)
  bench.results.add(`commits.${mode}.size`, peer.name, bytesEach)
  let line = `${mode}, round ${round + 1}, ${peer.name}: ${(count / seconds).toFixed(0)}/s, ${micros.toFixed(1)} µs of CPU, ${bytesEach.toFixed(0)} bytes each`
  if (mode === 'paged') {
    await peer.halt()
    const begun = performance.now()
    await peer.start()
    await allLoaded(peer)
    const restartSeconds = (performance.now() - begun) / 1000
    const restartCpu = cpuSeconds(peer.pid)
    bench.results.add('commits.restart.time', peer.name, restartSeconds)
    bench.results.add('commits.restart.cpu', peer.name, restartCpu)
    line += `, restart until loaded ${restartSeconds.toFixed(2)} s, ${restartCpu.toFixed(2)} CPU-s`
  }
  bench.say(line)
}

const groupOf = (i: number) => `commits-group-${i}`

/** @throws when anything but success is answered */
async function commit(peer: Peer, count: number): Promise<{ seconds: number }> {
  const connections = await Promise.all(Array.from({ length: CONNECTIONS }, () => RawConnection.open(peer.bootstrap)))
  await Promise.all(connections.map((connection, i) => coordinatorFound(connection, groupOf(i))))
  const begun = performance.now()
  await Promise.all(connections.map((connection, i) => connection.commit(groupOf(i), Math.ceil(count / CONNECTIONS))))
  const seconds = (performance.now() - begun) / 1000
  for (const connection of connections) connection.close()
  return { seconds }
}

async function coordinatorFound(connection: RawConnection, groupId: string): Promise<void> {
  const deadline = performance.now() + 60_000
  for (;;) {
    const { coordinators } = await connection.request(FindCoordinator, FIND_VERSION, { keyType: 0, coordinatorKeys: [groupId] })
    const isThere = coordinators[0]?.errorCode === 0 && (await told(connection, groupId)) !== undefined
    if (isThere) return
    if (performance.now() > deadline) throw new Error(`no coordinator of ${groupId} after 60 s`)
    await pause(20)
  }
}

/** What is committed for the first partition; undefined: it cannot be told yet. */
async function told(connection: RawConnection, groupId: string): Promise<number | undefined> {
  const body = { groups: [{ groupId, topics: [{ name: TOPIC, partitionIndexes: [0] }] }], requireStable: true }
  const { groups } = await connection.request(OffsetFetch, FETCH_VERSION, body)
  const { errorCode, topics } = groups[0]!
  return errorCode === 0 ? topics[0]!.partitions[0]!.committedOffset : undefined
}

async function allLoaded(peer: Peer): Promise<void> {
  const connection = await RawConnection.open(peer.bootstrap)
  for (let i = 0; i < CONNECTIONS; i++) {
    await coordinatorFound(connection, groupOf(i))
    if (((await told(connection, groupOf(i))) ?? -1) < 0) throw new Error(`${peer.name} lost the commits of ${groupOf(i)}`)
  }
  connection.close()
}

/** Of all partitions of __consumer_offsets. */
function storedBytes({ dataDirectory }: Peer): number {
  let bytes = 0
  for (const entry of readdirSync(dataDirectory, { recursive: true, withFileTypes: true })) {
    const folder = entry.parentPath ?? entry.path
    if (entry.isFile() && entry.name.endsWith('.log') && folder.includes('__consumer_offsets-'))
      bytes += statSync(join(folder, entry.name)).size
  }
  return bytes
}

/** A socket that has frames: everything goes out and comes in without a promise per request. */
class RawConnection {
  readonly #socket: Socket
  #rest: Buffer = Buffer.alloc(0)
  #answered: (frame: Buffer) => void = () => {}
  #failed: (error: Error) => void = () => {}

  static open(bootstrap: string): Promise<RawConnection> {
    const [host, port] = bootstrap.split(':')
    return new Promise((resolve, reject) => {
      const socket = connect({ host: host!, port: Number(port), noDelay: true })
      socket.once('error', reject)
      socket.once('connect', () => resolve(new RawConnection(socket)))
    })
  }

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', chunk => this.#read(chunk))
    socket.on('error', error => this.#failed(error))
    socket.on('close', () => this.#failed(new Error('the broker closed the connection')))
  }

  close(): void {
    this.#failed = () => {}
    this.#socket.destroy()
  }

  request<A extends Api>(api: A, version: number, body: RequestIn<A>): Promise<ResponseOut<A>> {
    return new Promise((resolve, reject) => {
      this.#failed = reject
      this.#answered = frame => resolve(decodeResponse(api, version, frame).body as ResponseOut<A>)
      for (const chunk of encodeRequest(api, version, 0, 'bench', body)) this.#socket.write(chunk)
    })
  }

  /** The same request over and over, but for the partition and the offset. Settles when all are answered. */
  commit(groupId: string, count: number): Promise<void> {
    const { frame, offsetAt, partitionAt } = commitFrame(groupId)
    let sent = 0
    let answers = 0
    const sendUpTo = (end: number) => {
      const from = sent
      sent = Math.min(count, end)
      if (sent === from) return
      const bytes = Buffer.allocUnsafe((sent - from) * frame.length)
      for (let i = from, p = 0; i < sent; i++, p += frame.length) {
        frame.copy(bytes, p)
        bytes.writeInt32BE(i, p + CORRELATION_AT)
        bytes.writeInt32BE(i % PARTITIONS, p + partitionAt)
        bytes.writeBigInt64BE(BigInt(i), p + offsetAt)
      }
      this.#socket.write(bytes)
    }
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`${answers} of ${count} commits are answered after ${LIMIT_MS} ms`)), LIMIT_MS)
      this.#failed = reject
      this.#answered = answer => {
        // The error code stands before the tags of its partition, its topic and the message.
        if (answer.readInt32BE(0) !== answers || answer.readInt16BE(answer.length - 5) !== 0) {
          const { body } = decodeResponse(OffsetCommit, COMMIT_VERSION, answer)
          reject(new Error(`commit ${answers} was answered by ${JSON.stringify(body)}`))
          return
        }
        if (++answers < count) {
          // Half of the depth at once: a client that fills its socket one by one would be measured, not the broker.
          if (sent - answers <= DEPTH / 2) sendUpTo(answers + DEPTH)
          return
        }
        clearTimeout(late)
        resolve()
      }
      sendUpTo(DEPTH)
    })
  }

  #read(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    let p = 0
    while (bytes.length - p >= 4 && bytes.length - p >= 4 + bytes.readInt32BE(p)) {
      const end = p + 4 + bytes.readInt32BE(p)
      this.#answered(bytes.subarray(p + 4, end))
      p = end
    }
    this.#rest = bytes.subarray(p)
  }
}

const CORRELATION_AT = 8
const SOME_OFFSET = 0x1122_3344_5566
const SOME_PARTITION = 0x1234_5678

function commitFrame(groupId: string): { frame: Buffer; offsetAt: number; partitionAt: number } {
  const partition = { partitionIndex: SOME_PARTITION, committedOffset: SOME_OFFSET, committedLeaderEpoch: 0, committedMetadata: '' }
  const body = {
    groupId,
    generationIdOrMemberEpoch: -1,
    memberId: '',
    groupInstanceId: null,
    topics: [{ name: TOPIC, partitions: [partition] }],
  }
  const frame = Buffer.concat(encodeRequest(OffsetCommit, COMMIT_VERSION, 0, 'bench', body))
  const offset = Buffer.alloc(8)
  offset.writeBigInt64BE(BigInt(SOME_OFFSET))
  const index = Buffer.alloc(4)
  index.writeInt32BE(SOME_PARTITION)
  return { frame, offsetAt: frame.indexOf(offset), partitionAt: frame.indexOf(index) }
}
