// The process of one node, as its parent sees it: forked, told what to be, and looked after until it ends. Its output goes to the parent's, with its
// number before each line.
import { type ChildProcess, fork } from 'node:child_process'
import type { Readable } from 'node:stream'
import type { NodeState } from './cluster-file.ts'
import type { FromMember, MemberSettings, ToMember } from './messages.ts'

export interface MemberProcessOptions {
  readonly id: number
  /** Log lines are JSON. */
  readonly json: boolean
  /** After each change of `state`. */
  readonly onChange: (member: MemberProcess) => void
}

export class MemberProcess {
  readonly id: number
  state: NodeState = 'starting'
  /** How it ended: `with exit code 1`, `by SIGKILL`; undefined while it is there. */
  ended: string | undefined
  /** When it ended without a signal. */
  exitCode: number | undefined
  /** Settles when it serves, or has ended. */
  readonly ready: Promise<void>
  readonly gone: Promise<void>
  readonly #child: ChildProcess
  readonly #onChange: (member: MemberProcess) => void

  /** @param child  forked moments ago: nothing of what it says or does is lost before it is taken over here */
  constructor(child: ChildProcess, { id, json, onChange }: MemberProcessOptions) {
    this.id = id
    this.#onChange = onChange
    this.#child = child
    prefixed(this.#child.stdout!, line => process.stderr.write(logLine(id, line, json)))
    prefixed(this.#child.stderr!, line => process.stderr.write(logLine(id, line, json)))
    this.gone = new Promise(resolve => {
      // 'close' and not 'exit': its last lines are out then.
      this.#child.on('close', (code, signal) => {
        this.ended = signal === null ? `with exit code ${code}` : `by ${signal}`
        this.exitCode = code ?? undefined
        if (code === 0) this.#become('stopped')
        else if (this.state !== 'killed') this.#become('failed')
        resolve()
      })
      // There is none: no process, no memory, too many of them.
      if (this.#child.pid !== undefined) return
      setImmediate(() => {
        this.ended = 'before it began: the system gave it no process'
        this.#become('failed')
        resolve()
      })
    })
    this.ready = new Promise(resolve => {
      this.#child.on('message', (message: FromMember) => {
        if (message.type !== 'ready') return
        if (this.state === 'starting') this.#become('running')
        resolve()
      })
      void this.gone.then(resolve)
    })
  }

  get pid(): number | undefined {
    return this.ended === undefined ? this.#child.pid : undefined
  }

  start(settings: MemberSettings): void {
    this.#send({ type: 'start', settings })
  }

  /** It closes its node and ends; see `gone`. */
  stop(): void {
    if (this.ended !== undefined) return
    const wasPaused = this.state === 'paused'
    this.#become('stopping')
    this.#send({ type: 'stop' })
    if (wasPaused) this.#child.kill('SIGCONT')
  }

  kill(): void {
    if (this.ended !== undefined) return
    this.#become('killed')
    this.#child.kill('SIGKILL')
  }

  pause(): void {
    this.#child.kill('SIGSTOP')
    this.#become('paused')
  }

  resume(): void {
    this.#child.kill('SIGCONT')
    this.#become('running')
  }

  #send(message: ToMember): void {
    if (this.#child.connected) this.#child.send(message)
  }

  #become(state: NodeState): void {
    this.state = state
    this.#onChange(this)
  }
}

/** A process that waits to be told which node it is. */
export function forkMember(id: number): ChildProcess {
  const child = fork(process.argv[1]!, ['start', '--member', String(id)], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] })
  // A message to a process that has just ended is no news.
  child.on('error', () => {})
  return child
}

function prefixed(stream: Readable, write: (line: string) => void): void {
  let rest = ''
  stream.setEncoding('utf8')
  stream.on('data', (text: string) => {
    const lines = `${rest}${text}`.split('\n')
    rest = lines.pop()!
    for (const line of lines) write(line)
  })
  stream.on('end', () => rest !== '' && write(rest))
}

/** One line of a node among those of the others. */
export function logLine(id: number, line: string, json: boolean): string {
  if (!json) return `node ${id} | ${line}\n`
  return line.startsWith('{"') ? `{"node":${id},${line.slice(1)}\n` : `${JSON.stringify({ node: id, event: 'said', text: line })}\n`
}
