// One picture of `cluster watch`: as much as fits into the terminal, what is wrong before what is well. Pure.
import { type Change, changeText } from './changes.ts'
import type { ClusterStatus } from './status.ts'
import { type Rates, statusText } from './text.ts'

export interface Seen {
  readonly atMs: number
  readonly change: Change
}

export interface Frame {
  readonly status: ClusterStatus
  readonly rates: Rates
  /** The newest last. */
  readonly history: readonly Seen[]
  /** Said in the last line; undefined: how to leave. */
  readonly note: string | undefined
  readonly width: number
  readonly height: number
  readonly colours: boolean
}

/** What a name of a partition takes, more or less. */
const NAME_WIDTH = 14
const FOOTER = 'q or Ctrl-C ends this'
const FEWEST_EVENTS = 3
const MOST_EVENTS = 12

/** At most `height` lines of at most `width` characters (colours not counted). */
export function frameLines(frame: Frame): string[] {
  const { status, rates, history, height } = frame
  const nameCount = Math.max(1, Math.floor((frame.width - 45) / NAME_WIDTH))
  const textLines = (topicCount: number) => statusText(status, { rates, topicCount, nameCount }).trimEnd().split('\n')
  const least = textLines(0).length
  const heading = history.length === 0 ? 0 : 2
  const wantedEvents = Math.min(history.length, MOST_EVENTS)
  const forTopics = Math.max(0, height - 2 - least - heading - wantedEvents)
  const topicCount = Math.max(0, Math.min(status.topics.length, forTopics + 1))
  const lines = textLines(topicCount)
  const roomForEvents = Math.max(height - 2 - lines.length - heading, Math.min(FEWEST_EVENTS, wantedEvents))
  const events = history.slice(-Math.min(wantedEvents, roomForEvents)).map(({ atMs, change }) => `${timeText(atMs)}  ${changeText(change)}`)
  const top = Math.max(0, height - 2 - heading - events.length)
  const body = [...lines.slice(0, top), ...(events.length === 0 ? [] : ['', 'LATELY']), ...events]
  const all = [...body, ...Array.from({ length: Math.max(0, height - 1 - body.length) }, () => ''), frame.note ?? FOOTER]
  return all.slice(-height).map(line => painted(line.slice(0, frame.width), frame.colours))
}

/** 12:03:04.5, local time. */
export function timeText(atMs: number): string {
  const at = new Date(atMs)
  const two = (value: number) => String(value).padStart(2, '0')
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${Math.floor(at.getMilliseconds() / 100)}`
}

const RED = 31
const YELLOW = 33
const GREEN = 32
const BOLD = 1
const DIM = 2

/** By what the line says: it has one meaning wherever it stands. */
const PAINTS: readonly (readonly [RegExp, number])[] = [
  [/^(NODE|TOPIC|LATELY)\b/, BOLD],
  [/^(Without a leader|Below min|no broker answers)/, RED],
  [/^ *\d+ .* (down|silent) /, RED],
  [/(is down|does not answer|no leader)/, RED],
  [/^(Not all replicas|Quorum: no answer|New topics get|Kept on one|Node \d+ came back)/, YELLOW],
  [/^\d\d:.* (is out of sync|leads)/, YELLOW],
  [/^\d\d:.* (in sync again|is up)/, GREEN],
  [/^All replicas are in sync/, GREEN],
  [/^q or Ctrl-C/, DIM],
]

function painted(line: string, colours: boolean): string {
  const paint = colours ? PAINTS.find(([pattern]) => pattern.test(line))?.[1] : undefined
  return paint === undefined ? line : `\x1b[${paint}m${line}\x1b[0m`
}
