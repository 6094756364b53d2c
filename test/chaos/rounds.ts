// Rounds of trouble under load: the cluster is whole, something is done to it, writes go on, it is made whole again. In the end everything that was acked
// must be there once and in order.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Kafka } from '../../src/index.ts'
import { type Network, openNetwork } from './network.ts'
import { Nodes } from './nodes.ts'
import { type Contents, read } from './reader.ts'
import { judge, type Verdict } from './verdict.ts'
import { look, lookUntil, preferLeaders, type View } from './view.ts'
import { Writer, type WriterName } from './writers.ts'

export const KINDS = ['kill-leader', 'kill-leader-controller', 'kill-controller', 'pause', 'cut', 'cut-internal', 'roll'] as const
export type Kind = (typeof KINDS)[number]

export interface ChaosOptions {
  /** In this order. */
  readonly rounds: readonly Kind[]
  readonly nodes: number
  readonly writers: readonly WriterName[]
  /** Of every node. */
  readonly settings: readonly string[]
  /** The folder of Apache Kafka's jars, to try it instead. */
  readonly kafka: string | undefined
  readonly packages: string
  readonly jars: string
  readonly onRound: (report: RoundReport) => void
}

export interface RoundReport {
  readonly round: number
  readonly kind: Kind
  readonly victim: number
  /** By writer: the longest time in which a partition acknowledged nothing. */
  readonly gaps: ReadonlyMap<WriterName, number>
  /** From the end of the trouble (the restart, the resumption, the heal) to every replica in sync. */
  readonly healMs: number
}

export interface ChaosReport {
  readonly verdicts: ReadonlyMap<WriterName, Verdict>
  readonly refusals: readonly string[]
  readonly failures: readonly string[]
}

const PARTITIONS = 3
const BASE_PORT = 44_010
const SILENCE_MS = 5000
/** A killed node stays away, beyond the first acks without it. */
const AWAY_MS = 300
const WHOLE_MS = 180_000
const ACK_MS = 120_000
const SETTLED_MS = 500

export async function runChaos(o: ChaosOptions): Promise<ChaosReport> {
  const folder = mkdtempSync(join(tmpdir(), 'ottla-chaos-'))
  const network = openNetwork(
    Array.from({ length: o.nodes }, (_, i) => i + 1),
    BASE_PORT,
  )
  const nodes = new Nodes({ count: o.nodes, network, folder, settings: o.settings, kafka: o.kafka })
  const run = new Run(o, { folder, network, nodes })
  let clean = false
  // Namespaces outlive the process that made them.
  const interrupted = async () => {
    run.killWriters()
    await nodes.close()
    network.close()
    process.exit(130)
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void interrupted())
  try {
    const report = await run.play()
    clean = report.failures.length === 0
    return report
  } finally {
    run.killWriters()
    await nodes.close()
    network.close()
    if (clean) rmSync(folder, { recursive: true, force: true })
    else process.stderr.write(`data and logs are left in ${folder}\n`)
  }
}

class Run {
  readonly #o: ChaosOptions
  readonly #folder: string
  readonly #network: Network
  readonly #nodes: Nodes
  readonly #writers: Writer[] = []
  readonly #failures: string[] = []
  readonly #topics: readonly string[]
  #reading = true

  constructor(o: ChaosOptions, { folder, network, nodes }: { folder: string; network: Network; nodes: Nodes }) {
    this.#o = o
    this.#folder = folder
    this.#network = network
    this.#nodes = nodes
    this.#topics = o.writers.map(topicOf)
  }

  async play(): Promise<ChaosReport> {
    for (const id of this.#nodes.ids) this.#nodes.start(id)
    await this.#createTopics()
    const { bootstrap } = this.#nodes
    const places = this.#o.writers.map(name => ({ writer: name, topic: topicOf(name), bootstrap, partitions: PARTITIONS }))
    for (const { writer, ...place } of places) {
      this.#writers.push(new Writer({ ...place, name: writer, folder: this.#folder, packages: this.#o.packages, jars: this.#o.jars }))
    }
    const fail = (reason: string) => {
      this.#failures.push(reason)
    }
    const live = Promise.all(places.map(place => read(place, { until: () => !this.#reading, fail })))
    live.catch(() => {}) // Awaited below.

    for (const [i, kind] of this.#o.rounds.entries()) {
      if ((kind === 'cut' || kind === 'cut-internal') && !this.#network.cuts) continue
      this.#o.onRound(await this.#round(i + 1, kind))
    }

    for (const writer of this.#writers) await writer.stop()
    this.#reading = false
    const seen = await live
    const verdicts = new Map<WriterName, Verdict>()
    for (const [i, place] of places.entries()) {
      const final: Contents = await read(place, { until: () => true, fail })
      const writer = this.#writers[i]!
      const verdict = judge(place.topic, { acks: writer.acks, live: seen[i]!, final })
      verdicts.set(place.writer, verdict)
      this.#failures.push(...verdict.sentences)
    }
    return {
      verdicts,
      refusals: this.#writers.flatMap(({ name, refusals }) => refusals.map(each => `${name} ${each}`)),
      failures: this.#failures,
    }
  }

  killWriters(): void {
    for (const writer of this.#writers) writer.kill()
  }

  async #createTopics(): Promise<void> {
    const kafka = new Kafka({ bootstrapServers: this.#nodes.bootstrap })
    const configs = { 'min.insync.replicas': String(Math.min(2, this.#o.nodes)) }
    const replicationFactor = Math.min(3, this.#o.nodes)
    const deadline = performance.now() + WHOLE_MS
    for (const name of this.#topics) {
      for (;;) {
        try {
          await kafka.admin().createTopics([{ name, numPartitions: PARTITIONS, replicationFactor, configs }])
          break
        } catch (error) {
          if ((error as { codeName?: string }).codeName === 'TOPIC_ALREADY_EXISTS') break
          if (performance.now() > deadline) throw new Error(`${(error as Error).message}; ${this.#lastWords()}`)
          await pause(200)
        }
      }
    }
    await kafka.close()
  }

  async #round(round: number, kind: Kind): Promise<RoundReport> {
    const view = await this.#settled()
    const victim = pickVictim(kind, view, round)
    const startedAt = Date.now()
    let troubleOverAt = await this.#strike(kind, victim)
    await this.#acksSince(troubleOverAt, `in round ${round} (${kind} of ${victim})`)
    if (kind.startsWith('kill')) {
      await pause(AWAY_MS)
      this.#nodes.start(victim)
      troubleOverAt = Date.now()
    }
    await this.#whole()
    const healedAt = Date.now()
    await this.#acksSince(healedAt, `after round ${round}`)
    const gaps = new Map(this.#writers.map(writer => [writer.name, writer.longestGap(startedAt, Date.now())]))
    return { round, kind, victim, gaps, healMs: healedAt - troubleOverAt }
  }

  /** @returns when it was done: a kill at once, silence at its end */
  async #strike(kind: Kind, victim: number): Promise<number> {
    switch (kind) {
      case 'pause':
        this.#nodes.signal(victim, 'SIGSTOP')
        await pause(SILENCE_MS)
        this.#nodes.signal(victim, 'SIGCONT')
        break
      case 'cut':
      case 'cut-internal':
        this.#network.cut(victim, kind === 'cut' ? 'all' : 'internal')
        await pause(SILENCE_MS)
        this.#network.heal(victim)
        break
      case 'roll':
        for (const id of this.#nodes.ids) {
          await this.#nodes.end(id, 'SIGTERM')
          this.#nodes.start(id)
          await this.#whole()
        }
        break
      default:
        await this.#nodes.end(victim, 'SIGKILL')
    }
    return Date.now()
  }

  /** Whole, every partition where it is preferred, everybody writes. */
  async #settled(): Promise<View> {
    await this.#whole()
    await preferLeaders(this.#nodes.address(this.#nodes.ids[0]!))
    const view = await this.#whole()
    await pause(SETTLED_MS)
    await this.#acksSince(Date.now(), 'between two rounds')
    return view
  }

  #whole(): Promise<View> {
    const isWhole = ({ controller, partitions }: View) =>
      controller > 0 &&
      partitions.length === this.#topics.length * PARTITIONS &&
      partitions.every(p => p.leader > 0 && p.isr.length === p.replicas.length)
    return lookUntil(this.#addresses(), this.#topics, { holds: isWhole, timeoutMs: WHOLE_MS, what: 'every replica in sync' }).catch(
      error => {
        throw new Error(`${(error as Error).message}; ${this.#lastWords()}`)
      },
    )
  }

  async #acksSince(time: number, when: string): Promise<void> {
    const deadline = performance.now() + ACK_MS
    for (const writer of this.#writers) {
      while (!writer.ackedSince(time)) {
        if (performance.now() > deadline) {
          const view = await look(this.#addresses()[0]!, [writer.topic]).catch(String)
          throw new Error(`no ack ${when} within ${ACK_MS} ms from ${writer}; ${JSON.stringify(view)}; ${this.#lastWords()}`)
        }
        await pause(5)
      }
    }
  }

  #addresses(): string[] {
    return this.#nodes.ids.filter(id => this.#nodes.running(id)).map(id => this.#nodes.address(id))
  }

  #lastWords(): string {
    return this.#nodes.ids.map(id => `node ${id}${this.#nodes.running(id) ? '' : ' (down)'}: ${this.#nodes.lastWords(id)}`).join('; ')
  }
}

const topicOf = (writer: WriterName): string => `chaos-${writer}`

/** A leader that is, or is not, the active controller; of several one after the other. */
function pickVictim(kind: Kind, { controller, partitions }: View, round: number): number {
  const leaders = [...new Set(partitions.map(({ leader }) => leader))].sort((a, b) => a - b)
  const others = leaders.filter(leader => leader !== controller)
  if (kind === 'kill-controller' || kind === 'kill-leader-controller') return controller
  return others.length > 0 ? others[round % others.length]! : leaders[0]!
}

const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))
