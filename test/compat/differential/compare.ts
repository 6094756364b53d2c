// Two transcripts side by side.
import { isDeepStrictEqual } from 'node:util'
import { ALLOWED, type Allowed } from './allowed.ts'

export interface Difference {
  readonly step: string
  /** Of the field that differs, within the answer. */
  readonly path: string
  readonly kafka: string
  readonly ottla: string
  /** The decision behind it; undefined: nobody decided this. */
  readonly allowed: Allowed | undefined
}

export function compare(kafka: ReadonlyMap<string, unknown>, ottla: ReadonlyMap<string, unknown>): Difference[] {
  const found: Difference[] = []
  for (const step of [...kafka.keys()].filter(each => ottla.has(each))) {
    for (const [path, theirs, ours] of fieldsThatDiffer(kafka.get(step), ottla.get(step), '')) {
      const pair = [shown(theirs), shown(ours)] as const
      const allowed = ALLOWED.find(each => each.step.test(step) && (each.path?.test(path) ?? true) && (each.when?.(...pair) ?? true))
      found.push({ step, path: path || 'the answer', kafka: pair[0], ottla: pair[1], allowed })
    }
  }
  return found
}

function* fieldsThatDiffer(theirs: unknown, ours: unknown, path: string): Generator<[string, unknown, unknown]> {
  if (isDeepStrictEqual(theirs, ours)) return
  if (isOpen(theirs) && isOpen(ours) && Array.isArray(theirs) === Array.isArray(ours)) {
    if (Array.isArray(theirs) && Array.isArray(ours) && theirs.length !== ours.length) {
      yield [path, theirs, ours]
      return
    }
    for (const key of new Set([...Object.keys(theirs), ...Object.keys(ours)])) {
      yield* fieldsThatDiffer(theirs[key], ours[key], path === '' ? key : `${path}.${key}`)
    }
    return
  }
  yield [path, theirs, ours]
}

function isOpen(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

function shown(value: unknown): string {
  const text = value === undefined ? 'nothing' : JSON.stringify(value)
  return text.length > 600 ? `${text.slice(0, 600)}…` : text
}
