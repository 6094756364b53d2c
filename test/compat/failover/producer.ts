// A producer under test: somebody's client in a process of its own, and what it says it was acked.
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { lastLines } from '../process.ts'
import { type Ack, longestGap } from './verdict.ts'

/** So many keys take turns. */
export const KEYS = 12
/** Between two records. */
export const PACE_MS = 20

export type ProducerSaying =
  | ({ readonly kind: 'acked' } & Ack)
  | { readonly kind: 'refused'; readonly sequence: number; readonly reason: string }

/** How a client's producer is started, and how its lines are read. */
export interface ProducerLaunch {
  readonly command: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  parse(line: string): readonly ProducerSaying[]
  /** For a tool that takes its records from stdin: the line of a record. */
  line?(sequence: number): string
  /** Exit codes after SIGTERM, or after the end of its input; default 0 alone. */
  readonly ends?: readonly number[]
}

const alive = new Set<ProducerProcess>()

/** For the end of a run. */
export function killProducers(): void {
  for (const producer of alive) producer.kill()
}

export class ProducerProcess {
  readonly acks: Ack[] = []
  readonly refusals: string[] = []
  readonly #launch: ProducerLaunch
  readonly #child: ChildProcess
  readonly #exit: Promise<number>
  readonly #feed: NodeJS.Timeout | undefined
  readonly #lastAck = new Map<number, number>()
  #said = ''
  #ended: number | undefined

  constructor(launch: ProducerLaunch) {
    this.#launch = launch
    const { command, args, env, parse } = launch
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...env } })
    this.#child = child
    alive.add(this)
    child.stdin.on('error', () => {})
    const line = (text: string) => {
      const sayings = parse(text)
      if (sayings.length === 0) this.#said = `${this.#said}${text}\n`.slice(-3000)
      for (const saying of sayings) this.#take(saying)
    }
    createInterface({ input: child.stdout }).on('line', line)
    createInterface({ input: child.stderr }).on('line', line)
    this.#exit = new Promise(resolve => {
      const over = (code: number) => {
        this.#ended = code
        clearInterval(this.#feed)
        alive.delete(this)
        resolve(code)
      }
      child.on('error', error => {
        this.#said += error.message
        over(-1)
      })
      child.on('close', code => over(code ?? -1))
    })
    if (launch.line !== undefined) {
      let next = 0
      this.#feed = setInterval(() => child.stdin.write(`${launch.line!(next++)}\n`), PACE_MS)
    }
  }

  /** Every key has been acked after this wall time. */
  ackedSince(time: number): boolean {
    if (this.#ended !== undefined) throw new Error(`the producer ended: ${this}`)
    for (let key = 0; key < KEYS; key++) if ((this.#lastAck.get(key) ?? 0) <= time) return false
    return true
  }

  get longestGap(): number {
    return longestGap(this.acks, KEYS)
  }

  /** Sends nothing more; settles when it has told of all that it sent. */
  async stop(timeoutMs: number): Promise<void> {
    clearInterval(this.#feed)
    if (this.#feed === undefined) this.#child.kill('SIGTERM')
    else this.#child.stdin!.end()
    const late = setTimeout(() => this.kill(), timeoutMs)
    const code = await this.#exit
    clearTimeout(late)
    if (!(this.#launch.ends ?? [0]).includes(code)) throw new Error(`the producer did not end well: ${this}`)
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }

  toString(): string {
    const late = [...this.#lastAck].map(([key, at]) => `${key}: ${Date.now() - at} ms ago`).join(', ')
    const state = this.#ended === undefined ? `last acks by key ${late}` : `ended with code ${this.#ended}`
    const refused = this.refusals.length === 0 ? '' : `, ${this.refusals.length} given up (${this.refusals[0]} … ${this.refusals.at(-1)})`
    return `the producer ${state}, ${this.acks.length} acks${refused}, said: ${lastLines(this.#said, 300)}`
  }

  #take(saying: ProducerSaying): void {
    if (saying.kind === 'refused') this.refusals.push(`${saying.sequence}: ${saying.reason}`)
    else {
      this.acks.push(saying)
      this.#lastAck.set(saying.sequence % KEYS, saying.at)
    }
  }
}
