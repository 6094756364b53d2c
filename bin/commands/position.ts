// `consume -o`: what a start position may look like.
import { UsageError } from './failure.ts'

export type Position =
  | { readonly type: 'earliest' }
  | { readonly type: 'latest' }
  | { readonly type: 'offset'; readonly offset: number }
  | { readonly type: 'beforeEnd'; readonly count: number }
  | { readonly type: 'time'; readonly timestamp: number }

/** @throws UsageError */
export function parsePosition(text: string): Position {
  if (text === 'beginning' || text === 'earliest') return { type: 'earliest' }
  if (text === 'end' || text === 'latest') return { type: 'latest' }
  if (/^\d+$/.test(text) && Number.isSafeInteger(Number(text))) return { type: 'offset', offset: Number(text) }
  if (/^-\d+$/.test(text)) return { type: 'beforeEnd', count: -Number(text) }
  if (/^@\d+$/.test(text)) return { type: 'time', timestamp: Number(text.slice(1)) }
  const time = /^@?\d{4}-\d\d/.test(text) ? Date.parse(text.replace('@', '')) : Number.NaN
  if (!Number.isNaN(time)) return { type: 'time', timestamp: time }
  throw new UsageError(
    `-o is '${text}': expected an offset (1234), the last so many (-10), beginning, end, or a time (@1700000000000, 2026-01-31T12:00:00Z)`,
  )
}
