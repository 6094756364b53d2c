// A member of a consumer group: somebody's client in a process of its own, and what it says of itself.
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { lastLines } from '../process.ts'
import type { Event, Saying } from './verdict.ts'

/** How a client's member is started, and how its lines are read. */
export interface Launch {
  readonly command: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** What a line of its output says; kcat also says it on stderr. */
  parse(line: string): readonly Saying[]
}

const alive = new Set<Member>()

/** For the end of a run. */
export function killMembers(): void {
  for (const member of alive) member.kill()
}

export class Member {
  readonly name: string
  /** In the order they were read; times are the member's own. */
  readonly events: Event[] = []
  readonly owned: Set<number> = new Set()
  /** By partition: the last commit that was answered, and when. */
  readonly committed: Map<number, { readonly offset: number; readonly at: number }> = new Map()
  readonly #child: ChildProcess
  readonly #exit: Promise<void>
  #said = ''
  #ended = false
  #code: number | null = null

  constructor(name: string, launch: Launch) {
    this.name = name
    this.#child = spawn(launch.command, launch.args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...launch.env } })
    alive.add(this)
    const line = (text: string) => {
      const events = launch.parse(text)
      if (events.length === 0) this.#said = `${this.#said}${text}\n`.slice(-3000)
      for (const event of events) this.#take({ ...event, member: name })
    }
    createInterface({ input: this.#child.stdout! }).on('line', line)
    createInterface({ input: this.#child.stderr! }).on('line', line)
    this.#exit = new Promise(resolve => {
      const over = (code: number | null) => {
        this.#ended = true
        this.#code = code
        alive.delete(this)
        resolve()
      }
      this.#child.on('error', error => {
        this.#said += error.message
        over(-1)
      })
      this.#child.on('close', over)
    })
  }

  get ended(): boolean {
    return this.#ended
  }

  /** SIGTERM: it leaves its group, if it is one that does. */
  async leave(timeoutMs = 20_000): Promise<void> {
    this.#child.kill('SIGTERM')
    const late = setTimeout(() => this.kill(), timeoutMs)
    await this.#exit
    clearTimeout(late)
    this.owned.clear()
    if (this.#code === null)
      throw new Error(`${this.name} did not end within ${timeoutMs} ms of SIGTERM; it said: ${lastLines(this.#said)}`)
  }

  /** SIGKILL: its group has to notice by itself. */
  async die(): Promise<void> {
    this.kill()
    await this.#exit
    this.owned.clear()
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }

  toString(): string {
    const state = this.#ended ? `ended with code ${this.#code}` : `owns [${[...this.owned]}]`
    const records = this.events.filter(event => event.kind === 'record').length
    return `${this.name} ${state}, ${records} records${this.#said === '' ? '' : `, said: ${lastLines(this.#said, 200)}`}`
  }

  #take(event: Event): void {
    this.events.push(event)
    if (event.kind === 'assigned') {
      if (event.whole) this.owned.clear()
      for (const partition of event.partitions) this.owned.add(partition)
    } else if (event.kind === 'revoked') {
      for (const partition of event.partitions ?? [...this.owned]) this.owned.delete(partition)
    } else if (event.kind === 'committed') {
      this.committed.set(event.partition, event)
    }
  }
}

/** Lines of the group programs (programs/program.ts). */
export function parseProgramLine(line: string): Saying[] {
  if (!line.startsWith('{"')) return []
  try {
    const { event, ...rest } = JSON.parse(line) as { event?: Saying['kind'] }
    return event === undefined ? [] : [{ kind: event, ...rest } as Saying]
  } catch {
    return []
  }
}
