// What the nodes said last, for whoever has to understand a failure.
import type { Logger, LogLevel } from '../../env/env.ts'
import { RealClock } from '../../env/real/clock.ts'
import { textLine } from '../../env/real/logger.ts'

/** Of each node. */
const KEPT_LINES = 12

interface Line {
  readonly timeMs: number
  readonly level: LogLevel
  readonly event: string
  readonly fields: Readonly<Record<string, unknown>> | undefined
}

export class Told {
  readonly #logger: Logger
  readonly #lines = new Map<number, Line[]>()
  readonly #clock = new RealClock()

  constructor(logger: Logger) {
    this.#logger = logger
  }

  /** Of one node. */
  logger(id: number): Logger {
    const lines: Line[] = []
    this.#lines.set(id, lines)
    return {
      log: (level, event, fields) => {
        if (level !== 'debug') lines.push({ timeMs: this.#clock.wallTime(), level, event, fields })
        if (lines.length > KEPT_LINES) lines.shift()
        this.#logger.log(level, event, { node: id, ...fields })
      },
    }
  }

  last(id: number): string[] {
    return (this.#lines.get(id) ?? []).map(({ timeMs, level, event, fields }) => textLine(timeMs, level, event, fields).trimEnd())
  }
}
