// The broker under test, started the way its users start it: by the command line.
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { lastLines } from './process.ts'
import { built } from './root.ts'

export const CLI: string = built('bin/ottla.js')

export interface Broker {
  readonly bootstrap: string
  readonly pid: number
  /** What it logged so far. */
  log(): string
  /** SIGTERM; settles with its exit code. */
  stop(): Promise<number>
  kill(): Promise<void>
}

export function startBroker(args: readonly string[], timeoutMs = 30_000): Promise<Broker> {
  const child = spawn(process.execPath, [CLI, 'start', '--json', ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let log = ''
  child.stderr.on('data', (chunk: Buffer) => {
    log = (log + chunk.toString()).slice(-1_000_000)
  })
  const exit = new Promise<number>(resolve => child.on('close', code => resolve(code ?? -1)))
  return new Promise((resolve, reject) => {
    const fail = (why: string) => {
      child.kill('SIGKILL')
      reject(new Error(`the broker ${why}; it said: ${lastLines(log)}`))
    }
    const deadline = setTimeout(() => fail(`was not ready after ${timeoutMs} ms`), timeoutMs)
    child.on('error', error => fail(`could not be started: ${error.message}`))
    void exit.then(code => fail(`ended with code ${code} before it was ready`))
    createInterface({ input: child.stdout }).on('line', line => {
      const message = parse(line)
      if (message?.event !== 'ready') return
      clearTimeout(deadline)
      resolve({
        bootstrap: message.bootstrap,
        pid: child.pid!,
        log: () => log,
        stop: () => ended(child, 'SIGTERM', exit),
        kill: async () => void (await ended(child, 'SIGKILL', exit)),
      })
    })
  })
}

async function ended(child: ChildProcess, signal: NodeJS.Signals, exit: Promise<number>): Promise<number> {
  child.kill(signal)
  const late = setTimeout(() => child.kill('SIGKILL'), 15_000)
  const code = await exit
  clearTimeout(late)
  return code
}

function parse(line: string): { event: string; bootstrap: string } | undefined {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
