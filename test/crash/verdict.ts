// What a crash must not do to acknowledged records. Pure: the promises of acks=all with idempotence, over what was acked and what can be read.

/** Writers number their records per partition: 0, 1, 2, … */
export interface AckedRecord {
  readonly writer: string
  readonly partition: number
  readonly sequence: number
  readonly offset: number
}

export interface ReadRecord {
  readonly writer: string
  readonly partition: number
  readonly sequence: number
  readonly offset: number
}

/**
 * Each a sentence; empty when all promises held. At most `limit` of each kind are spelled out.
 * @param o  starts: by partition, the log start where it is not 0; what lay before it was deleted
 */
export function findViolations(
  acked: readonly AckedRecord[],
  read: readonly ReadRecord[],
  { starts = new Map(), limit = 5 }: { starts?: ReadonlyMap<number, number>; limit?: number } = {},
): string[] {
  const found = new Map<string, string[]>()
  const complain = (kind: string, sentence: string) => {
    const list = found.get(kind)
    if (list === undefined) found.set(kind, [sentence])
    else list.push(sentence)
  }
  const name = (r: { writer: string; partition: number; sequence: number }) => `${r.writer} partition ${r.partition} sequence ${r.sequence}`
  const key = (r: { writer: string; partition: number; sequence: number }) => `${r.writer}/${r.partition}/${r.sequence}`

  const offsets = new Map<string, number>()
  const lastSequence = new Map<string, number>()
  const lastOffset = new Map<number, number>()
  for (const record of read) {
    const before = offsets.get(key(record))
    if (before !== undefined) complain('doubled', `${name(record)} is read at offset ${before} and again at ${record.offset}`)
    else offsets.set(key(record), record.offset)

    const stream = `${record.writer}/${record.partition}`
    const last = lastSequence.get(stream) ?? -1
    if (before === undefined && record.sequence < last) complain('reordered', `${name(record)} is read after sequence ${last}`)
    lastSequence.set(stream, Math.max(last, record.sequence))

    const expected = lastOffset.has(record.partition) ? lastOffset.get(record.partition)! + 1 : (starts.get(record.partition) ?? 0)
    if (record.offset !== expected)
      complain('offsets', `partition ${record.partition}: offset ${record.offset} is read where ${expected} was due`)
    lastOffset.set(record.partition, record.offset)
  }
  for (const record of acked) {
    const offset = offsets.get(key(record))
    if (offset === undefined && record.offset < (starts.get(record.partition) ?? 0)) continue
    if (offset === undefined) complain('lost', `${name(record)} was acked at offset ${record.offset} and cannot be read`)
    else if (offset !== record.offset) complain('moved', `${name(record)} was acked at offset ${record.offset} and is read at ${offset}`)
  }
  return [...found].flatMap(([kind, list]) =>
    list.length <= limit
      ? list.map(s => `${kind}: ${s}`)
      : [...list.slice(0, limit).map(s => `${kind}: ${s}`), `${kind}: and ${list.length - limit} more`],
  )
}
