// Lets V8 compile what a first start uses, and keeps it beside the bundle (bin/bundled.ts): `ottla start`, a topic, a record written and read, a node
// in memory, three nodes that are a cluster, on disk and in a test, an orderly end, all in this process. `npm run build` runs it; what it makes is worth about a tenth of a second a start, not more.
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

type Library = typeof import('../src/index.ts')
type Testing = typeof import('../src/index/testing.ts')
interface Bundle {
  library(): Library
  testing(): Testing
  commandLine(): { run(): Promise<void> }
}

const { load }: { load(o: { keepCode: boolean }): Bundle } = createRequire(import.meta.url)('../bin/bundled.js')
const bundle = load({ keepCode: true })
const { Kafka, startNode } = bundle.library()
const directory = mkdtempSync(join(tmpdir(), 'ottla-build-'))
process.on('exit', () => rmSync(directory, { recursive: true, force: true }))

async function roundTrip(bootstrapServers: string): Promise<void> {
  const kafka = new Kafka({ bootstrapServers })
  try {
    const admin = kafka.admin()
    await admin.createTopics([{ name: 'warm', numPartitions: 1 }])
    const producer = kafka.producer()
    await producer.send({ topic: 'warm', key: 'key', value: 'value' })
    await producer.close()
    const consumer = kafka.consumer()
    await consumer.assign([{ topic: 'warm', partition: 0, position: 'earliest' }])
    while ((await consumer.poll({ maxWaitMs: 1000 })).length === 0);
    await consumer.close()
  } finally {
    await kafka.close()
  }
}

/** Of the command that is started next: what it prints is not for the terminal. */
function readyLine(): Promise<{ bootstrap: string }> {
  return new Promise(resolve => {
    process.stdout.write = (text: string | Uint8Array, done?: unknown) => {
      if (String(text).startsWith('{')) resolve(JSON.parse(String(text)))
      if (typeof done === 'function') done()
      return true
    }
  })
}

/** What `ottla start -n 3` has in three processes. */
async function cluster(): Promise<void> {
  const ports = await freePorts(3)
  const voters = ports.map((port, i) => `${i + 1}@127.0.0.1:${port}`).join()
  const nodes = await Promise.all(
    ports.map((port, i) => {
      const own = { 'node.id': String(i + 1), 'internal.port': String(port) }
      const config = { ...own, 'controller.quorum.voters': voters, 'cluster.secret': 'only for this build' }
      return startNode({ dataDirectory: join(directory, `node-${i + 1}`), port: 0, config })
    }),
  )
  await roundTrip(nodes.map(({ bootstrapServers }) => bootstrapServers).join())
  await Promise.all(nodes.map(node => node.close()))
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  await Promise.all(servers.map(server => new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))))
  const ports = servers.map(server => (server.address() as { port: number }).port)
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))))
  return ports
}

await cluster()
const tested = await bundle.testing().startCluster()
await roundTrip(tested.bootstrapServers)
await tested.close()
const memory = await startNode({ memory: true })
await roundTrip(memory.bootstrapServers)
await memory.close()

const ready = readyLine()
process.argv = [process.execPath, 'ottla', 'start', '--data', join(directory, 'data'), '--port', '0', '--json']
const ended = bundle.commandLine().run()
await roundTrip((await ready).bootstrap)
process.emit('SIGTERM')
await ended
