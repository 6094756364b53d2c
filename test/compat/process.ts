// Child processes of the compatibility run: a command with a deadline, and an agent that answers one JSON line per JSON line.
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

export interface Finished {
  /** Exit code, or -1 when a signal ended it. */
  readonly code: number
  readonly stdout: Buffer
  readonly stderr: string
}

export interface RunOptions {
  readonly stdin?: string | Buffer
  readonly timeoutMs?: number
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** Exit codes taken for success; default 0 alone. `any` leaves the judgement to the caller. */
  readonly expect?: readonly number[] | 'any'
}

/** What a child process did wrong, with the end of what it said. */
export class ProcessError extends Error {}

const alive = new Set<ChildProcess>()

/** Kills whatever this run started and is still there; for the end of the run. */
export function killLeftovers(): void {
  for (const child of alive) child.kill('SIGKILL')
}

export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const { timeoutMs = 60_000, expect = [0] } = options
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    })
    alive.add(child)
    const out: Buffer[] = []
    const err: Buffer[] = []
    let late = false
    const deadline = setTimeout(() => {
      late = true
      child.kill('SIGKILL')
    }, timeoutMs)
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk))
    child.stdin.on('error', () => {}) // it may end without reading its input: its exit code tells
    child.on('error', error => {
      clearTimeout(deadline)
      alive.delete(child)
      reject(new ProcessError(`${command} could not be started: ${error.message}`, { cause: error }))
    })
    child.on('close', code => {
      clearTimeout(deadline)
      alive.delete(child)
      const finished = { code: code ?? -1, stdout: Buffer.concat(out), stderr: Buffer.concat(err).toString() }
      const said = lastLines(`${finished.stdout.subarray(-2000).toString()}\n${finished.stderr}`)
      if (late) reject(new ProcessError(`no end after ${timeoutMs} ms; it said: ${said}`))
      else if (expect !== 'any' && !expect.includes(finished.code)) reject(new ProcessError(`exit code ${finished.code}: ${said}`))
      else resolve(finished)
    })
    child.stdin.end(options.stdin ?? '')
  })
}

/** The end of an output, on one line, for a reason in the table. */
export function lastLines(text: string, maxLength = 400): string {
  const lines = text
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '' && !line.startsWith('at '))
  return lines.slice(-4).join(' | ').slice(-maxLength)
}

/** A long-lived child that answers `{ id, op, … }` lines with `{ id, result }` or `{ id, error }` lines. */
export class AgentProcess {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>()
  #nextId = 1
  #stderr = ''
  #ended: string | undefined

  constructor(command: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.#child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...env } })
    alive.add(this.#child)
    createInterface({ input: this.#child.stdout! }).on('line', line => this.#line(line))
    this.#child.stderr!.on('data', (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk.toString()).slice(-4000)
    })
    this.#child.stdin!.on('error', () => {})
    const over = (why: string) => {
      alive.delete(this.#child)
      this.#ended ??= why
      for (const { reject } of this.#waiting.values()) reject(new ProcessError(`${why}; it said: ${lastLines(this.#stderr)}`))
      this.#waiting.clear()
    }
    this.#child.on('error', error => over(error.message))
    this.#child.on('close', code => over(`the agent ended with code ${code}`))
  }

  call(op: string, fields: object, timeoutMs = 40_000): Promise<unknown> {
    const id = this.#nextId++
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) {
        reject(new ProcessError(`${this.#ended}; it said: ${lastLines(this.#stderr)}`))
        return
      }
      const deadline = setTimeout(() => {
        this.#waiting.delete(id)
        reject(new ProcessError(`no answer to '${op}' after ${timeoutMs} ms; it said: ${lastLines(this.#stderr)}`))
      }, timeoutMs)
      this.#waiting.set(id, {
        resolve: value => {
          clearTimeout(deadline)
          resolve(value)
        },
        reject: error => {
          clearTimeout(deadline)
          reject(error)
        },
      })
      this.#child.stdin!.write(`${JSON.stringify({ id, op, ...fields })}\n`)
    })
  }

  close(): void {
    this.#child.kill('SIGKILL')
  }

  #line(line: string): void {
    let answer: { id?: number; result?: unknown; error?: string }
    try {
      answer = JSON.parse(line)
    } catch {
      this.#stderr = `${this.#stderr}${line}\n`.slice(-4000) // a client's log line on stdout
      return
    }
    const waiting = answer.id === undefined ? undefined : this.#waiting.get(answer.id)
    if (waiting === undefined) return
    this.#waiting.delete(answer.id!)
    if (answer.error === undefined) waiting.resolve(answer.result)
    else waiting.reject(new Error(answer.error))
  }
}
