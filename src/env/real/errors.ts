// Node's system errors → EnvError, by their POSIX name.

import { EnvError } from '../env.ts'

/** @param doing what was attempted, for the message: "open /data/meta" */
export function envError(cause: unknown, doing: string): EnvError {
  if (cause instanceof EnvError) return cause
  const code = codeOf(cause) ?? 'EIO'
  const message = cause instanceof Error ? cause.message || code : String(cause)
  return new EnvError(code, message.includes(doing) ? message : `${doing}: ${message}`, { cause })
}

function codeOf(cause: unknown): string | undefined {
  if (typeof cause !== 'object' || cause === null || !('code' in cause)) return undefined
  return typeof cause.code === 'string' ? cause.code : undefined
}
