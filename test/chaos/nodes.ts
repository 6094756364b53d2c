// The nodes of a cluster under test, each a process of its own: Ottla's by its command line, or Apache Kafka's from its jars.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CLI } from '../compat/broker.ts'
import { lastLines } from '../compat/process.ts'
import type { Network } from './network.ts'

const CLIENT_PORT = 44_000
const INTERNAL_PORT = 44_001
const CONTROLLER_PORT = 44_002

export interface NodesOptions {
  readonly count: number
  readonly network: Network
  /** For data, configuration and logs. */
  readonly folder: string
  /** Of every node, beyond what makes the cluster. */
  readonly settings: readonly string[]
  /** The folder of Apache Kafka's jars; undefined: Ottla. */
  readonly kafka: string | undefined
}

export class Nodes {
  readonly ids: readonly number[]
  readonly bootstrap: string
  readonly #o: NodesOptions
  readonly #running = new Map<number, { child: ChildProcess; exit: Promise<number> }>()
  readonly #clusterId: string

  constructor(o: NodesOptions) {
    this.#o = o
    this.ids = Array.from({ length: o.count }, (_, i) => i + 1)
    this.bootstrap = this.ids.map(id => this.address(id)).join(',')
    this.#clusterId =
      o.kafka === undefined
        ? ''
        : execFileSync('java', [...java(o.kafka), 'kafka.tools.StorageTool', 'random-uuid'], { encoding: 'utf8' }).trim()
  }

  address(id: number): string {
    const { network } = this.#o
    return `${network.address(id, 'client')}:${network.port(id, CLIENT_PORT)}`
  }

  running(id: number): boolean {
    return this.#running.has(id)
  }

  start(id: number): void {
    const { network, folder, kafka } = this.#o
    const words = [...network.enter(id), ...(kafka === undefined ? this.#ottla(id) : this.#kafka(id, kafka))]
    const log = openSync(join(folder, `${id}.log`), 'a')
    const child = spawn(words[0]!, words.slice(1), { stdio: ['ignore', log, log] })
    closeSync(log)
    const exit = new Promise<number>(resolve =>
      child.on('close', code => {
        if (this.#running.get(id)?.child === child) this.#running.delete(id)
        resolve(code ?? -1)
      }),
    )
    this.#running.set(id, { child, exit })
  }

  signal(id: number, signal: NodeJS.Signals): void {
    this.#running.get(id)?.child.kill(signal)
  }

  /** Settles when it is gone. */
  async end(id: number, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const node = this.#running.get(id)
    if (node === undefined) return
    node.child.kill(signal)
    const late = setTimeout(() => node.child.kill('SIGKILL'), 60_000)
    await node.exit
    clearTimeout(late)
  }

  lastWords(id: number): string {
    return lastLines(readFileSync(join(this.#o.folder, `${id}.log`), 'utf8').slice(-4000))
  }

  async close(): Promise<void> {
    await Promise.all(
      this.ids.map(id => {
        this.signal(id, 'SIGCONT')
        return this.end(id, 'SIGKILL')
      }),
    )
  }

  #ottla(id: number): string[] {
    const { network, folder, settings } = this.#o
    const all = [
      `node.id=${id}`,
      `listeners=PLAINTEXT://${this.address(id)}`,
      `internal.host=${network.address(id, 'internal')}`,
      `internal.port=${network.port(id, INTERNAL_PORT)}`,
      `controller.quorum.voters=${this.ids.map(voter => `${voter}@${network.address(voter, 'internal')}:${network.port(voter, INTERNAL_PORT)}`).join(',')}`,
      'cluster.secret=of the chaos run',
      ...settings,
    ]
    return [
      process.execPath,
      CLI,
      'start',
      '--json',
      '--log-level',
      'info',
      '--data',
      join(folder, `data-${id}`),
      ...all.flatMap(setting => ['-X', setting]),
    ]
  }

  #kafka(id: number, jars: string): string[] {
    const { network, folder, settings } = this.#o
    const [host, inside] = [network.address(id, 'client'), network.address(id, 'internal')]
    const file = join(folder, `${id}.properties`)
    const data = join(folder, `data-${id}`)
    if (!existsSync(file)) {
      const port = (base: number) => network.port(id, base)
      const listeners = `CLIENT://${host}:${port(CLIENT_PORT)},INTERNAL://${inside}:${port(INTERNAL_PORT)}`
      const replication = String(Math.min(3, this.ids.length))
      const lines = [
        'process.roles=broker,controller',
        `node.id=${id}`,
        `controller.quorum.voters=${this.ids.map(voter => `${voter}@${network.address(voter, 'internal')}:${network.port(voter, CONTROLLER_PORT)}`).join(',')}`,
        `listeners=${listeners},CONTROLLER://${inside}:${port(CONTROLLER_PORT)}`,
        `advertised.listeners=${listeners}`,
        'inter.broker.listener.name=INTERNAL',
        'controller.listener.names=CONTROLLER',
        'listener.security.protocol.map=CLIENT:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT',
        `log.dirs=${data}`,
        `offsets.topic.replication.factor=${replication}`,
        `transaction.state.log.replication.factor=${replication}`,
        'transaction.state.log.min.isr=1',
        `default.replication.factor=${replication}`,
        ...settings,
      ]
      mkdirSync(data, { recursive: true })
      writeFileSync(file, `${lines.join('\n')}\n`)
      execFileSync('java', [...java(jars), 'kafka.tools.StorageTool', 'format', '-t', this.#clusterId, '-c', file], { stdio: 'ignore' })
    }
    return ['java', '-Xms512m', '-Xmx512m', '-XX:+UseG1GC', '-Djava.awt.headless=true', ...java(jars), 'kafka.Kafka', file]
  }
}

export const java = (jars: string): string[] => ['-cp', join(jars, '*')]
