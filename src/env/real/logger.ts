// Lines on stderr: text for people, JSON for collectors. One line per event, whatever the fields hold.

import type { Logger, LogLevel } from '../env.ts'

const RANK: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 }

export interface LoggerOptions {
  /** The least level that is written. Default info. */
  readonly level?: LogLevel | 'silent'
  readonly format?: 'text' | 'json'
  /** Takes one line with its end. Default: stderr. */
  readonly write?: (line: string) => void
  /** Milliseconds since 1970. */
  readonly wallTime?: () => number
}

export function realLogger(options: LoggerOptions = {}): Logger {
  const { level = 'info', format = 'text', write = line => void process.stderr.write(line), wallTime = Date.now } = options
  const least = level === 'silent' ? Number.POSITIVE_INFINITY : RANK[level]
  const line = format === 'json' ? jsonLine : textLine
  return {
    log(level, event, fields) {
      if (RANK[level] >= least) write(line(wallTime(), level, event, fields))
    },
  }
}

export const silentLogger: Logger = { log: () => {} }

type Fields = Readonly<Record<string, unknown>>

export function textLine(timeMs: number, level: LogLevel, event: string, fields: Fields = {}): string {
  let line = `${new Date(timeMs).toISOString().slice(11, 23)} ${level.toUpperCase().padEnd(5)} ${event}`
  for (const key of Object.keys(fields)) if (fields[key] !== undefined) line += ` ${key}=${textValue(fields[key])}`
  return `${line}\n`
}

function textValue(value: unknown): string {
  if (value instanceof Error) return JSON.stringify(errorText(value))
  const text = typeof value === 'string' ? value : (JSON.stringify(value, replacer) ?? String(value))
  return typeof value === 'string' && (value === '' || /[\s"=\p{Cc}]/u.test(value)) ? JSON.stringify(value) : text
}

export function jsonLine(timeMs: number, level: LogLevel, event: string, fields: Fields = {}): string {
  return `${JSON.stringify({ time: new Date(timeMs).toISOString(), level, event, ...fields }, replacer)}\n`
}

function replacer(_key: string, value: unknown): unknown {
  if (value instanceof Error) return errorText(value)
  if (typeof value === 'bigint') return value.toString()
  if (value instanceof Map) return Object.fromEntries(value)
  if (value instanceof Set) return [...value]
  return value
}

function errorText(error: Error): string {
  const text = error.stack ?? `${error.name}: ${error.message}`
  return error.cause instanceof Error ? `${text}\ncaused by ${errorText(error.cause)}` : text
}
