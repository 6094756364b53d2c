// The built command line as its users run it: processes, their output, their exit codes.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { type Broker, CLI, startBroker } from '../compat/broker.ts'
import { type Finished, run } from '../compat/process.ts'

export { type Broker, startBroker }

export interface Ended {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** Runs `ottla ARGS` to its end. */
export async function ottla(args: readonly string[], o: { stdin?: string | Buffer; env?: Record<string, string> } = {}): Promise<Ended> {
  const { code, stdout, stderr }: Finished = await run(process.execPath, [CLI, ...args], { ...o, expect: 'any', timeoutMs: 20_000 })
  return { code, out: stdout.toString(), err: stderr }
}

/** A command that goes on until it is told to stop. */
export class Running {
  out = ''
  err = ''
  readonly exit: Promise<number>
  readonly child: ChildProcessWithoutNullStreams

  constructor(args: readonly string[]) {
    this.child = spawn(process.execPath, [CLI, ...args])
    this.child.stdout.on('data', (chunk: Buffer) => {
      this.out += chunk.toString()
    })
    this.child.stderr.on('data', (chunk: Buffer) => {
      this.err += chunk.toString()
    })
    this.child.stdin.on('error', () => {})
    this.exit = new Promise(resolve => this.child.on('close', (code, signal) => resolve(code ?? (signal === null ? -1 : -2))))
  }

  /** Waits until the standard output holds `text`. */
  async prints(text: string, timeoutMs = 15_000): Promise<void> {
    const deadline = Date.now() + timeoutMs
    while (!this.out.includes(text)) {
      if (Date.now() > deadline) throw new Error(`no ${JSON.stringify(text)} within ${timeoutMs} ms; out: ${this.out}; err: ${this.err}`)
      await new Promise(resolve => setTimeout(resolve, 10))
    }
  }
}
