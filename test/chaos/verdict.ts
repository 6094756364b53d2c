// What trouble must not do to acknowledged records. Pure: the promises of acks=all with idempotence, over what was acked and what was read.
import type { Contents } from './reader.ts'
import type { Acks } from './writers.ts'

export interface Verdict {
  readonly acked: number
  readonly lost: number
  readonly doubled: number
  readonly reordered: number
  /** Something that was read was something else later, or not there any more. */
  readonly changed: number
  /** Some of them, in words. */
  readonly sentences: readonly string[]
}

const SPELLED_OUT = 5

/**
 * @param o.live  as it was read while it happened
 * @param o.final  as it is at the end
 */
export function judge(topic: string, o: { acks: readonly Acks[]; live: Contents; final: Contents }): Verdict {
  const sentences: string[] = []
  const counts = { acked: 0, lost: 0, doubled: 0, reordered: 0, changed: 0 }
  const complain = (kind: 'lost' | 'doubled' | 'reordered' | 'changed', what: () => string) => {
    if (counts[kind]++ < SPELLED_OUT) sentences.push(`${kind}: ${what()}`)
  }
  for (const [partition, final] of o.final.entries()) {
    const place = `${topic}-${partition}`
    const seen = new Set<number>()
    let last = -1
    for (const [offset, sequence] of final.entries()) {
      if (seen.has(sequence)) complain('doubled', () => `${place}: sequence ${sequence} is there again at offset ${offset}`)
      else if (sequence < last) complain('reordered', () => `${place}: sequence ${sequence} stands behind ${last} at offset ${offset}`)
      seen.add(sequence)
      last = Math.max(last, sequence)
    }
    const { sequences, offsets } = o.acks[partition]!
    for (const [i, sequence] of sequences.entries()) {
      counts.acked++
      const offset = offsets[i]!
      if (final[offset] === sequence || (offset < 0 && seen.has(sequence))) continue
      complain(
        'lost',
        () => `${place}: sequence ${sequence}, acked at offset ${offset}, is ${seen.has(sequence) ? 'elsewhere' : 'nowhere'}`,
      )
    }
    for (const [offset, sequence] of o.live[partition]!.entries()) {
      if (final[offset] !== sequence)
        complain('changed', () => `${place}: offset ${offset} was read as ${sequence}, and is ${final[offset]}`)
    }
  }
  return { ...counts, sentences }
}
