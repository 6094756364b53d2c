// `ottla cluster watch`: a live screen on a terminal, a line an event elsewhere.
import { type ClientOptions, withAdmin } from './connection.ts'
import { whole } from './failure.ts'
import { print, printJson } from './output.ts'
import { changeText } from './status/changes.ts'
import { frameLines, type Seen, timeText } from './status/frame.ts'
import { Observer } from './status/observer.ts'
import { statusText } from './status/text.ts'

export interface WatchOptions extends ClientOptions {
  readonly intervalMs: string
}

/** A broker that needs longer may be paused: another one is asked while there is time for a look (status/observer.ts). */
const ANSWER_TIMEOUT_MS = 800
const KEPT = 200
const TOPICS_SHOWN = 50

export async function watch(options: WatchOptions): Promise<void> {
  const intervalMs = whole('--interval-ms', options.intervalMs, 100, 60_000)
  await withAdmin(
    options,
    async admin => {
      const shown = options.json ? new JsonLines() : process.stdout.isTTY ? new Screen() : new PlainLines()
      const observer = new Observer(admin, { intervalMs, onLook: seen => shown.show(observer, seen) })
      const end = () => observer.close()
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, end)
      shown.open(observer)
      try {
        await observer.run()
      } finally {
        shown.close()
      }
    },
    { answerTimeoutMs: ANSWER_TIMEOUT_MS },
  )
}

interface Shown {
  open(observer: Observer): void
  show(observer: Observer, seen: readonly Seen[]): void
  close(): void
}

/** The status once, then what happens. */
class PlainLines implements Shown {
  #known = false
  #failing = false

  open(): void {}

  show({ status, failure }: Observer, seen: readonly Seen[]): void {
    if (failure !== undefined && !this.#failing) void print(`${timeText(Date.now())}  no broker answers: ${failure.message}\n`)
    if (failure === undefined && this.#failing && this.#known) void print(`${timeText(Date.now())}  brokers answer again\n`)
    this.#failing = failure !== undefined
    if (status === undefined) return
    if (!this.#known) void print(`${statusText(status, { topicCount: TOPICS_SHOWN })}\n`)
    this.#known = true
    for (const { atMs, change } of seen) void print(`${timeText(atMs)}  ${changeText(change)}\n`)
  }

  close(): void {}
}

/** The same for programs. */
class JsonLines implements Shown {
  #known = false
  #failing = false

  open(): void {}

  show({ status, failure }: Observer, seen: readonly Seen[]): void {
    const time = new Date().toISOString()
    if (failure !== undefined && !this.#failing) void printJson({ time, event: 'unreachable', error: failure.message })
    if (failure === undefined && this.#failing && this.#known) void printJson({ time, event: 'reachable' })
    this.#failing = failure !== undefined
    if (status === undefined) return
    if (!this.#known) void printJson({ time, event: 'status', ...status })
    this.#known = true
    for (const { atMs, change } of seen) void printJson({ time: new Date(atMs).toISOString(), ...change })
  }

  close(): void {}
}

const ENTER = '\x1b[?1049h\x1b[?25l'
const LEAVE = '\x1b[?25h\x1b[?1049l'
const HOME = '\x1b[H'
const TO_LINE_END = '\x1b[K'
const TO_SCREEN_END = '\x1b[J'
const CTRL_C = '\x03'

/** Drawn in place, in the terminal's second screen: what was there before comes back. */
class Screen implements Shown {
  readonly #history: Seen[] = []
  #leave = () => {}

  open(observer: Observer): void {
    const { stdin, stdout } = process
    const redraw = () => this.#draw(observer)
    const key = (text: Buffer) => {
      if (text.includes('q') || text.includes(CTRL_C)) observer.close()
    }
    stdout.write(ENTER)
    stdout.on('resize', redraw)
    if (stdin.isTTY) {
      stdin.setRawMode(true)
      stdin.on('data', key)
    }
    this.#leave = () => {
      this.#leave = () => {}
      stdout.off('resize', redraw)
      stdout.write(LEAVE)
      if (stdin.isTTY) {
        stdin.off('data', key)
        stdin.setRawMode(false)
        stdin.pause()
      }
    }
    // However the process ends, the terminal is left as it was.
    process.on('exit', () => this.#leave())
    this.#draw(observer)
  }

  show(observer: Observer, seen: readonly Seen[]): void {
    this.#history.push(...seen)
    this.#history.splice(0, this.#history.length - KEPT)
    this.#draw(observer)
  }

  close(): void {
    this.#leave()
  }

  #draw({ status, rates, failure }: Observer): void {
    const { columns: width = 80, rows: height = 24 } = process.stdout
    const note = failure === undefined ? undefined : `no broker answers: ${failure.message}`
    const colours = process.env['NO_COLOR'] === undefined && process.stdout.hasColors()
    const lines =
      status === undefined ? [note ?? 'Looking …'] : frameLines({ status, rates, history: this.#history, note, width, height, colours })
    process.stdout.write(`${HOME}${lines.map(line => `${line}${TO_LINE_END}`).join('\r\n')}${TO_SCREEN_END}`)
  }
}
