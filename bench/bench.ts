// What a cell gets to work with.
import { Kafka } from '../src/index.ts'
import { Probe } from './native.ts'
import { kafkaLocal, type Peer, startKafka, startOttla } from './peers.ts'
import { Results } from './results.ts'

/** The one port Apache Kafka listens on, cell after cell (its controller: 733 above); of several nodes the first. */
const KAFKA_PORT = 19_451

export interface BenchOptions {
  readonly quick: boolean
  /** Counted rounds of each cell; undefined: as many as the cell needs. */
  readonly rounds: number | undefined
}

export class Bench {
  readonly results: Results
  readonly quick: boolean
  readonly #rounds: number | undefined
  readonly #begun = performance.now()
  #probe: Probe | undefined
  #cell = ''

  constructor({ quick, rounds }: BenchOptions) {
    this.results = new Results(quick)
    this.quick = quick
    this.#rounds = rounds
  }

  enter(cell: string): void {
    this.#cell = cell
    this.say('begins')
  }

  /** A line of progress. */
  say(line: string): void {
    const seconds = Math.round((performance.now() - this.#begun) / 1000)
    process.stderr.write(
      `${String(Math.floor(seconds / 60)).padStart(3)}:${String(seconds % 60).padStart(2, '0')}  ${this.#cell}: ${line}\n`,
    )
  }

  rounds(usual: number): number {
    return this.#rounds ?? (this.quick ? 1 : usual)
  }

  async probe(): Promise<Probe> {
    return (this.#probe ??= await Probe.build())
  }

  /** The path of kafka-local. @throws where there is none */
  kafkaTool(): string {
    const tool = kafkaLocal()
    if (typeof tool !== 'string') throw new Error(`Apache Kafka: ${tool.missing}`)
    return tool
  }

  /** Ours and Apache Kafka, started; stopped, and their data deleted, when the work is done. */
  async withPeers(
    settings: { ottla?: readonly string[]; kafka?: readonly string[]; nodeCount?: number },
    work: (peers: Peer[]) => Promise<void>,
  ): Promise<void> {
    const peers: Peer[] = []
    const { ottla, kafka = [], nodeCount = 1 } = settings
    // As Ottla has it by itself.
    const minIsr = nodeCount >= 3 ? ['min.insync.replicas=2'] : []
    try {
      peers.push(await startOttla(ottla, nodeCount))
      const tool = kafkaLocal()
      if (typeof tool === 'string') peers.push(await startKafka(tool, KAFKA_PORT, [...minIsr, ...kafka], nodeCount))
      else this.say(`not compared, ${tool.missing}`)
      await work(peers)
    } finally {
      for (const peer of peers) await peer.stop()
    }
  }
}

/** Runs with a client of ours: for topics, not for load. */
export async function withAdmin<T>(peer: Peer, work: (admin: ReturnType<Kafka['admin']>) => Promise<T>): Promise<T> {
  const kafka = new Kafka({ bootstrapServers: peer.bootstrap, requestTimeoutMs: 120_000 })
  try {
    return await work(kafka.admin())
  } finally {
    await kafka.close()
  }
}
