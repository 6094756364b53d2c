// What a producer was promised, judged from what it was acked and from the log as it lies there at the end. Pure.
//   Nothing acked is lost: the record is there, at the offset that was told if one was.
//   An idempotent producer's record stands once, and the records of a key in the order in which they were sent.

export interface Ack {
  readonly at: number
  readonly sequence: number
  /** Not every client tells them for each record. */
  readonly partition?: number | undefined
  readonly offset?: number | undefined
}

export interface StoredRecord {
  readonly partition: number
  readonly offset: number
  readonly key: string
  readonly sequence: number
}

export interface LogVerdict {
  readonly acked: number
  readonly lost: number
  readonly doubled: number
  readonly reordered: number
  /** Some of them, in words. */
  readonly sentences: readonly string[]
}

const SPELLED_OUT = 5

/** @param stored  by partition and then by offset, ascending */
export function judgeLog(acks: readonly Ack[], stored: readonly StoredRecord[]): LogVerdict {
  const sentences: string[] = []
  const counts = { lost: 0, doubled: 0, reordered: 0 }
  const complain = (kind: keyof typeof counts, what: string) => {
    if (counts[kind]++ < SPELLED_OUT) sentences.push(`${kind}: ${what}`)
  }
  const places = new Map<number, StoredRecord>()
  const last = new Map<string, number>()
  for (const record of stored) {
    const { partition, offset, key, sequence } = record
    const before = places.get(sequence)
    const previous = last.get(key) ?? -1
    if (before !== undefined) complain('doubled', `record ${sequence} stands at ${placeOf(before)} and again at ${placeOf(record)}`)
    else if (sequence < previous)
      complain('reordered', `${key}: ${sequence} stands behind ${previous}, at offset ${offset} of ${partition}`)
    if (before === undefined) places.set(sequence, record)
    last.set(key, Math.max(previous, sequence))
  }
  for (const { sequence, partition, offset } of acks) {
    const found = places.get(sequence)
    if (found === undefined) complain('lost', `record ${sequence} was acked and is nowhere`)
    else if (offset !== undefined && offset >= 0 && (found.offset !== offset || found.partition !== partition))
      complain('lost', `record ${sequence} was acked at offset ${offset} of ${partition} and stands at ${placeOf(found)}`)
  }
  return { acked: acks.length, ...counts, sentences }
}

const placeOf = ({ partition, offset }: StoredRecord): string => `offset ${offset} of ${partition}`

/** The longest time without an ack of one key. */
export function longestGap(acks: readonly Ack[], keys: number): number {
  const last = new Map<number, number>()
  let longest = 0
  for (const { at, sequence } of acks) {
    const key = sequence % keys
    longest = Math.max(longest, at - (last.get(key) ?? at))
    last.set(key, at)
  }
  return longest
}
