// npm run compat: everybody's clients against one broker. By default the broker is ours, started by the command line on a fresh data directory;
// --bootstrap points the same checks at any other broker, which is how the checks themselves are held against Apache Kafka.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Kafka } from '../../src/client/kafka.ts'
import { realEnv } from '../../src/env/real/env.ts'
import { silentLogger } from '../../src/env/real/logger.ts'
import { type Broker, startBroker } from './broker.ts'
import { buildSuites, type Suite } from './checks.ts'
import { type Check, type Client, expectEqual, expectTrue, type World } from './client.ts'
import { dumpLogCheck, openJava } from './clients/java.ts'
import { javaNodesChecks } from './clients/java-nodes.ts'
import { openKcat } from './clients/kcat.ts'
import { type LibraryOptions, openLibrary } from './clients/library.ts'
import { openOttla } from './clients/ottla.ts'
import { FAILOVER_CHECK, failoverChecks } from './failover/checks.ts'
import { foreignNodes, type Nodes, startNodes } from './failover/nodes.ts'
import { killProducers } from './failover/producer.ts'
import { groupChecks } from './group/checks.ts'
import { killMembers } from './group/member.ts'
import { groupClients } from './group/suites.ts'
import { type Installed, install, isMissing, JAVA_VERSIONS } from './install.ts'
import { OTTLA_CLIENT_CHECKS } from './ottla-client.ts'
import { fetchOnce } from './probe.ts'
import { killLeftovers } from './process.ts'
import { EVERYTHING } from './records.ts'
import { ROOT } from './root.ts'

const HELP = `npm run compat [-- options]
  --bootstrap host:port   check this broker instead of starting our own
  --node-command COMMAND  with --bootstrap, for the checks of failover: COMMAND kill|stop|start ID does that to node 1, 2 or 3 of it
  --only a,b              these clients alone: kcat, java (or "java 3.9.1"), librdkafka, kafkajs, platformatic, ottla, franz-go, sarama, kafka-python
  --checks text           those checks alone whose name has this text ("group:", "failover:", "nodes:", "Kafka Connect")
  --install               install the clients into the cache folder, then stop
  --no-install            use what is installed, fetch nothing
  --keep                  leave the data directory
OTTLA_COMPAT_CACHE        the cache folder (default ~/.cache/ottla-compat)
`

const SOURCES = join(ROOT, 'test', 'compat')

/** The last three take part in the checks of consumer groups alone. */
// biome-ignore format: one list
const CLIENTS = ['kcat', ...JAVA_VERSIONS.map(version => `java ${version}`), 'librdkafka', 'kafkajs', 'platformatic', 'ottla', 'franz-go', 'sarama', 'kafka-python']

interface Tally {
  passed: number
  failed: number
  skipped: number
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      bootstrap: { type: 'string' },
      'node-command': { type: 'string' },
      only: { type: 'string' },
      checks: { type: 'string', default: '' },
      install: { type: 'boolean', default: false },
      'no-install': { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) {
    process.stdout.write(HELP)
    return 0
  }
  const only = values.only?.split(',').map(name => name.trim())
  const unknown = only?.filter(name => !CLIENTS.some(client => client === name || client.startsWith(`${name} `))) ?? []
  if (unknown.length > 0) throw new Error(`--only ${unknown.join(',')}: there are ${CLIENTS.join(', ')}`)
  const wanted = (client: string) => only === undefined || only.some(name => client === name || client.startsWith(`${name} `))
  const installed = await install(SOURCES, { fetch: !values['no-install'], wanted })
  if (values.install) return 0

  const data = mkdtempSync(join(tmpdir(), 'ottla-compat-'))
  const broker = values.bootstrap === undefined ? await startBroker(['--port', '0', '--data', data]) : undefined
  const bootstrap = values.bootstrap ?? broker!.bootstrap
  const nodes = await nodesFor(values)
  const tally: Tally = { passed: 0, failed: 0, skipped: 0 }
  const skipped = (client: string, checks: string, why: string) => {
    tally.skipped++
    report(client, checks, `not run  ${why}`)
  }
  try {
    const clients = await openClients(bootstrap, installed, wanted, tally)
    try {
      const world = worldOf(bootstrap, broker === undefined ? undefined : data, clients)
      const suites = buildSuites(clients, world)
      if (wanted('ottla')) suites.push(librarySuite(world))
      for (const client of await groupClients(bootstrap, installed, wanted, skipped))
        suites.push({ client: client.name, checks: groupChecks(client, world) })
      if (nodes !== undefined) suites.push(...(await nodesSuites(nodes, installed, wanted, world)))
      if (broker !== undefined) suites.push(brokerSuite(broker, installed, world))
      for (const { client, checks } of suites)
        await runSuite({ client, checks: checks.filter(({ name }) => name.includes(values.checks)) }, tally)
    } finally {
      killMembers()
      killProducers()
      for (const client of clients) client.close?.()
    }
  } finally {
    await broker?.kill()
    await nodes?.close()
    killLeftovers()
    if (values.keep) process.stdout.write(`data directory: ${data}\n`)
    else rmSync(data, { recursive: true, force: true })
  }
  process.stdout.write(`${tally.passed} passed, ${tally.failed} failed, ${tally.skipped} skipped\n`)
  return tally.failed === 0 && tally.passed > 0 ? 0 : 1
}

/** Three nodes, when a check that is wanted needs them. */
async function nodesFor(values: { bootstrap?: string; checks?: string; 'node-command'?: string }): Promise<Nodes | undefined> {
  const text = values.checks ?? ''
  if (!FAILOVER_CHECK.includes(text) && !text.startsWith('nodes:')) return undefined
  if (values.bootstrap === undefined) return await startNodes()
  return values['node-command'] === undefined ? undefined : foreignNodes(values.bootstrap, values['node-command'])
}

async function nodesSuites(nodes: Nodes, installed: Installed, wanted: (name: string) => boolean, world: World): Promise<Suite[]> {
  // Who is missing was told already.
  const clients = await groupClients(nodes.bootstrap, installed, wanted, () => {})
  const suites: Suite[] = clients.map(client => ({ client: client.name, checks: failoverChecks(client, nodes, world.topicName) }))
  const [version] = JAVA_VERSIONS
  const jars = installed.jars.get(version)!
  if (!isMissing(jars)) suites.push({ client: `java ${version}`, checks: javaNodesChecks(version, jars, nodes, world.topicName) })
  return suites
}

function report(client: string, check: string, outcome: string): void {
  process.stdout.write(`${client.padEnd(13)} ${check.padEnd(62)} ${outcome}\n`)
}

async function runSuite({ client, checks }: Suite, tally: Tally): Promise<void> {
  for (const check of checks) {
    const started = performance.now()
    const seconds = () => `${((performance.now() - started) / 1000).toFixed(1)} s`
    try {
      const told = await check.run()
      tally.passed++
      report(client, check.name, `passed   ${seconds()}${typeof told === 'string' ? `  ${told}` : ''}`)
    } catch (error) {
      tally.failed++
      report(client, check.name, `FAILED   ${seconds()}  ${(error as Error).message.replaceAll('\n', ' | ')}`)
    }
  }
}

/** Opens what is wanted and installed; the others are reported as not run. */
async function openClients(bootstrap: string, installed: Installed, wanted: (name: string) => boolean, tally: Tally): Promise<Client[]> {
  const packageVersion = (name: string) => {
    const file = join(installed.packages, 'node_modules', name, 'package.json')
    return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
  }
  type Options = Pick<LibraryOptions, 'reads' | 'configs' | 'node' | 'speech'> & { package: string }
  const library = (name: LibraryOptions['name'], o: Options) =>
    openLibrary({ ...o, name, version: packageVersion(o.package), packages: installed.packages, bootstrap })
  const { npm, binding, node24, jars } = installed
  const node = process.execPath
  const openers: [string, () => Promise<Client | string>][] = [
    [
      'librdkafka',
      async () => {
        if (isMissing(binding)) return binding.missing
        // The binding hands librdkafka an empty buffer as no value at all.
        const speech = { ...EVERYTHING, emptyValue: false }
        return await library('librdkafka', { package: '@confluentinc/kafka-javascript', reads: true, configs: false, node, speech })
      },
    ],
    ['kcat', () => openKcat(bootstrap)],
    [
      'kafkajs',
      async () => {
        if (isMissing(npm)) return npm.missing
        return await library('kafkajs', { package: 'kafkajs', reads: false, configs: true, node, speech: EVERYTHING })
      },
    ],
    [
      'platformatic',
      async () => {
        if (isMissing(node24)) return node24.missing
        return await library('platformatic', {
          package: '@platformatic/kafka',
          reads: true,
          configs: true,
          node: node24,
          speech: EVERYTHING,
        })
      },
    ],
    ['ottla', () => openOttla(bootstrap)],
    ...JAVA_VERSIONS.map((version): [string, () => Promise<Client | string>] => [
      `java ${version}`,
      async () => {
        const libs = jars.get(version)!
        return isMissing(libs) ? libs.missing : openJava(version, libs, bootstrap)
      },
    ]),
  ]
  const clients: Client[] = []
  for (const [name, open] of openers) {
    if (!wanted(name)) continue
    const client = await open().catch((error: Error) => `could not be opened: ${error.message}`)
    if (typeof client !== 'string') clients.push(client)
    else if (client.startsWith('could not be opened')) {
      tally.failed++
      report(name, '(all checks)', `FAILED   ${client}`)
    } else {
      tally.skipped++
      report(name, '(all checks)', `not run  ${client}`)
    }
  }
  process.stdout.write(`${clients.map(({ name, version }) => (name.endsWith(version) ? name : `${name} ${version}`)).join(', ')}\n\n`)
  return clients
}

function worldOf(bootstrap: string, dataDirectory: string | undefined, clients: readonly Client[]): World {
  const stamp = Date.now().toString(36)
  let count = 0
  const admin = clients.find(client => client.admin !== undefined)?.admin
  return {
    bootstrap,
    dataDirectory,
    topicName: stem => `compat-${stem}-${stamp}-${count++}`,
    async createTopic(topic, partitions, configs = {}) {
      const maker = admin ?? (await openOttla(bootstrap).then(ottla => (typeof ottla === 'string' ? undefined : ottla.admin)))
      if (maker === undefined) throw new Error('no client at hand that creates topics')
      await maker.createTopic(topic, partitions, configs)
    },
  }
}

/** Our own client library, in this process. */
function librarySuite(world: World): Suite {
  const checks = OTTLA_CLIENT_CHECKS.map(check => ({
    name: check.name,
    async run() {
      const kafka = new Kafka(realEnv({ logger: silentLogger }), { bootstrapServers: world.bootstrap, clientId: 'compat-ottla' })
      try {
        await check.run(kafka, world.topicName('library'))
      } finally {
        await kafka.close()
      }
    },
  }))
  return { client: 'ottla client', checks }
}

/** What must hold of our broker after all that. */
function brokerSuite(broker: Broker, installed: Installed, world: World): Suite {
  const jars = installed.jars.get('4.3.1')
  const checks: Check[] = [
    {
      name: 'a topic is served from the moment its creation is answered',
      async run() {
        for (let i = 0; i < 5; i++) {
          const topic = world.topicName('at-once')
          await world.createTopic(topic, 4)
          for (const partition of [0, 1, 2, 3]) {
            expectEqual((await fetchOnce(world.bootstrap, topic, partition, 0)).errorCode, 0, `error code of partition ${partition}`)
          }
        }
      },
    },
    {
      name: 'no error in its log',
      async run() {
        const errors = broker
          .log()
          .split('\n')
          .filter(line => /\berror\b/i.test(line))
        expectEqual(errors, [], 'lines that speak of an error')
      },
    },
    {
      name: 'SIGTERM ends it cleanly',
      async run() {
        expectEqual(await broker.stop(), 0, 'exit code')
        expectTrue(!broker.log().includes('Unhandled'), 'it left an unhandled error behind')
      },
    },
  ]
  if (typeof jars === 'string') checks.push(dumpLogCheck(jars, '4.3.1', world))
  return { client: 'broker', checks }
}

// Timers of our client keep no process alive.
setInterval(() => {}, 2 ** 30)
process.exitCode = await main().catch((error: Error) => {
  process.stderr.write(`compat: ${error.message}\n`)
  return 1
})
process.exit()
