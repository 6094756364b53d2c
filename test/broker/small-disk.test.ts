// A disk that is really full: a file system of 96 MiB in memory, where this process may mount one.
import { spawnSync } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { realEnv } from '../../src/env/real/env.ts'
import { silentLogger } from '../../src/env/real/logger.ts'
import { type RunningNode, startNode } from '../../src/index/start-node.ts'
import { Connection } from '../../src/net/connection.ts'
import { Produce } from '../../src/protocol/api/00-produce.ts'
import { Fetch } from '../../src/protocol/api/01-fetch.ts'
import { CreateTopics } from '../../src/protocol/api/19-create-topics.ts'
import { DeleteRecords } from '../../src/protocol/api/21-delete-records.ts'
import { KAFKA_STORAGE_ERROR, NONE } from '../../src/protocol/errors.ts'
import { encodeBatch } from '../../src/protocol/records.ts'

const MIB = 1024 * 1024
const mountPoint = mkdtempSync(join(tmpdir(), 'ottla-small-disk-'))
const isMounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=96m', 'tmpfs', mountPoint]).status === 0
const data = join(mountPoint, 'data')
const junk = join(mountPoint, 'junk')

afterAll(() => {
  if (isMounted) spawnSync('umount', [mountPoint])
  rmSync(mountPoint, { recursive: true, force: true })
})

const env = realEnv({ logger: silentLogger })
const start = (config: Record<string, string> = {}) => startNode({ dataDirectory: data, port: 0, config, logger: silentLogger })
const connect = (node: RunningNode) => Connection.open(env, { host: '127.0.0.1', port: node.port, clientId: 'test', timeoutMs: 5000 })

async function topic(connection: Connection, name: string): Promise<number> {
  const wish = { name, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [{ name: 'segment.bytes', value: `${4 * MIB}` }] }
  return (await connection.request(CreateTopics, { topics: [wish], timeoutMs: 5000 }, { timeoutMs: 10_000 })).topics[0]!.errorCode
}

async function produce(connection: Connection, name: string): Promise<number> {
  const records = encodeBatch({ records: [{ key: null, value: Buffer.alloc(512 * 1024, 7), timestamp: Date.now() }], codec: 0 })
  const request = { acks: -1, timeoutMs: 5000, topicData: [{ name, partitionData: [{ index: 0, records }] }] }
  return (await connection.request(Produce, request, { timeoutMs: 10_000, version: 9 })).responses[0]!.partitionResponses[0]!.errorCode
}

async function fetchAt(connection: Connection, name: string, fetchOffset: number): Promise<number> {
  const partitions = [{ partition: 0, fetchOffset, partitionMaxBytes: MIB }]
  const request = { maxWaitMs: 0, minBytes: 1, topics: [{ topic: name, partitions }] }
  const answer = await connection.request(Fetch, request, { timeoutMs: 10_000, version: 11 })
  return answer.responses[0]!.partitions[0]!.errorCode
}

/** @returns how many were taken before it */
async function produceUntilRefused(connection: Connection, name: string): Promise<number> {
  for (let count = 0; count < 400; count++) {
    const code = await produce(connection, name)
    if (code === KAFKA_STORAGE_ERROR) return count
    expect(code).toBe(NONE)
  }
  throw new Error('never refused')
}

async function eventually(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`not true in time: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

/** Takes all that is left. */
function fillDisk(): void {
  const file = openSync(junk, 'w')
  const chunk = Buffer.alloc(MIB, 1)
  for (let size = chunk.length; size >= 4096; ) {
    try {
      writeSync(file, chunk, 0, size)
    } catch {
      size /= 2
    }
  }
  closeSync(file)
}

const freeBytes = () => statfsSync(mountPoint).bavail * statfsSync(mountPoint).bsize

describe.skipIf(!isMounted)('on a disk of 96 MiB', () => {
  test('produce stops at the floor, all else goes on, and deleted records make room', async () => {
    mkdirSync(data)
    await using node = await start()
    const connection = await connect(node)
    expect(await topic(connection, 'a')).toBe(NONE)
    const count = await produceUntilRefused(connection, 'a')
    expect(count).toBeGreaterThan(40)
    expect(freeBytes()).toBeGreaterThan(24 * MIB)
    expect(await fetchAt(connection, 'a', 0)).toBe(NONE)
    expect(await topic(connection, 'b')).toBe(NONE)
    const everything = { topics: [{ name: 'a', partitions: [{ partitionIndex: 0, offset: -1 }] }], timeoutMs: 5000 }
    const { topics } = await connection.request(DeleteRecords, everything, { timeoutMs: 10_000 })
    expect(topics[0]!.partitions[0]).toMatchObject({ errorCode: NONE, lowWatermark: count })
    await eventually('produce is accepted again', async () => (await produce(connection, 'a')) === NONE)
    connection.close()
  })

  test('a log that met the end of the disk comes back by itself when there is room', async () => {
    await using node = await start({ 'log.dir.free.bytes.min': '0' })
    const connection = await connect(node)
    expect(await topic(connection, 'c')).toBe(NONE)
    expect(await produce(connection, 'c')).toBe(NONE)
    fillDisk()
    const count = 1 + (await produceUntilRefused(connection, 'c'))
    expect(await fetchAt(connection, 'c', 0)).toBe(NONE)
    rmSync(junk)
    await eventually('produce is accepted again', async () => (await produce(connection, 'c')) === NONE)
    expect(await fetchAt(connection, 'c', count)).toBe(NONE)
    connection.close()
  })

  test('a node starts on a full disk, serves reads, and takes records when there is room', async () => {
    {
      await using node = await start()
      const connection = await connect(node)
      expect(await topic(connection, 'd')).toBe(NONE)
      expect(await produce(connection, 'd')).toBe(NONE)
      connection.close()
      await eventually('there is a reserve', async () => existsSync(join(data, 'reserve')))
    }
    fillDisk()
    expect(freeBytes()).toBeLessThan(16 * 1024)
    await using node = await start()
    const connection = await connect(node)
    expect(await fetchAt(connection, 'd', 0)).toBe(NONE)
    await eventually('produce is refused', async () => (await produce(connection, 'd')) === KAFKA_STORAGE_ERROR)
    rmSync(junk)
    await eventually('produce is accepted again', async () => (await produce(connection, 'd')) === NONE)
    await eventually('there is a reserve again', async () => existsSync(join(data, 'reserve')))
    connection.close()
  })
})
