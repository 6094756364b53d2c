// Judges a history: what a log must never do, whoever wrote it and however often it crashed. The anomalies are those of Jepsen's Kafka workload as far
// as they concern single records, and our own promises about epochs, high watermarks and producer ids.

import type { Final, HistoryEvent, HistoryFacts, PartitionName, Read, SeenRecord, Sent } from './history.ts'

export type AnomalyKind =
  /** Acknowledged, and not there at the end. */
  | 'lost'
  /** Sent once by an idempotent producer, and there more than once. */
  | 'duplicated'
  /** Two records of one idempotent producer stand in the other order than they were sent. */
  | 'reordered'
  /** Two observers saw different records at one offset. */
  | 'inconsistent offset'
  /** Its bytes are not those that were sent. */
  | 'corrupted'
  /** Nobody sent it, or it was certainly refused, or it was sent to another partition. */
  | 'phantom'
  /** A reader went back or skipped an offset. */
  | 'skipped'
  /** The final pass does not hold what its offsets say. */
  | 'incomplete'
  /** Deleted by request, and there again. */
  | 'undeleted'
  | 'high watermark went back'
  | 'leader epoch did not rise'
  | 'producer id given twice'

export interface Anomaly {
  readonly kind: AnomalyKind
  readonly what: string
}

/** @returns everything that is wrong; nothing when all promises were kept */
export function check(events: readonly HistoryEvent[], facts: HistoryFacts): Anomaly[] {
  const judge = new Judge(facts)
  for (const event of events) judge.see(event)
  judge.conclude()
  return judge.anomalies
}

/** What became of one record that was sent. */
interface Fate {
  readonly sent: Sent
  /** Its place among what its producer sent to this partition. */
  readonly order: number
  /** How many power cuts may have cut its partition back before it was sent. Its answer may arrive later than a cut that undoes it. */
  readonly sentInEra: number
  ackedOffset: number | undefined
  certainlyRefused: string | undefined
}

interface PartitionState {
  readonly name: string
  readonly flushesFirst: boolean
  /** Offsets may be missing: compaction took them. */
  readonly hasGaps: boolean
  /** Power cuts and damages so far that may have cut this partition back. */
  era: number
  /** Records may lie among what was set aside: whether all do is judged by who knows what was damaged. */
  damaged: boolean
  /** Records before it are deleted. */
  deletedBefore: number
  /** What was seen at each offset. */
  readonly seenAt: Map<number, string>
  readonly nextOffsetOf: Map<string, number>
  readonly highWatermarkOf: Map<number, number>
  incarnation: number
  leaderEpoch: number
  final: Final | undefined
}

const UNNAMED = '(unnamed)'

class Judge {
  readonly anomalies: Anomaly[] = []
  readonly #facts: HistoryFacts
  readonly #fates = new Map<string, Fate>()
  readonly #partitions = new Map<string, PartitionState>()
  readonly #sentCount = new Map<string, number>()
  readonly #producerIds = new Set<string>()

  constructor(facts: HistoryFacts) {
    this.#facts = facts
  }

  see(event: HistoryEvent): void {
    switch (event.type) {
      case 'sent':
        this.#sent(event)
        break
      case 'acked':
        this.#acked(event.id, event.offset)
        break
      case 'refused': {
        const fate = this.#fates.get(event.id)
        if (fate !== undefined && event.certain) fate.certainlyRefused = event.reason
        break
      }
      case 'read':
        this.#read(event)
        break
      case 'final':
        this.#final(event)
        break
      case 'highWatermark': {
        const { highWatermarkOf, name } = this.#partition(event)
        const before = highWatermarkOf.get(event.leaderEpoch) ?? 0
        if (event.offset < before)
          this.#report('high watermark went back', `${name}: from ${before} to ${event.offset} in leader epoch ${event.leaderEpoch}`)
        highWatermarkOf.set(event.leaderEpoch, Math.max(before, event.offset))
        break
      }
      case 'led': {
        const state = this.#partition(event)
        if (event.incarnation > state.incarnation && event.leaderEpoch <= state.leaderEpoch)
          this.#report(
            'leader epoch did not rise',
            `${state.name}: ${event.leaderEpoch} in incarnation ${event.incarnation}, ${state.leaderEpoch} before`,
          )
        state.incarnation = Math.max(state.incarnation, event.incarnation)
        state.leaderEpoch = Math.max(state.leaderEpoch, event.leaderEpoch)
        break
      }
      case 'damaged': {
        const state = this.#partition(event)
        state.era++
        state.damaged = true
        break
      }
      case 'deletedRecords': {
        const state = this.#partition(event)
        state.deletedBefore = Math.max(state.deletedBefore, event.lowWatermark)
        break
      }
      case 'powerCut':
        this.#powerCut()
        break
      case 'producerId': {
        const given = `${event.producerId}/${event.producerEpoch}`
        if (this.#producerIds.has(given)) this.#report('producer id given twice', `${event.producerId} with epoch ${event.producerEpoch}`)
        this.#producerIds.add(given)
      }
    }
  }

  conclude(): void {
    const places = new Map<string, { state: PartitionState; offsets: number[] }>()
    for (const state of this.#partitions.values()) {
      for (const { id, offset } of state.final?.records ?? []) {
        if (id === undefined) continue
        const place = places.get(id)
        if (place === undefined) places.set(id, { state, offsets: [offset] })
        else place.offsets.push(offset)
      }
    }
    for (const [id, { state, offsets }] of places) {
      if (offsets.length > 1 && this.#fates.get(id)?.sent.idempotent === true)
        this.#report('duplicated', `${id} stands at offsets ${offsets.join(', ')} of ${state.name}`)
    }
    this.#checkLosses(places)
    for (const state of this.#partitions.values()) this.#checkOrder(state)
  }

  #sent(event: Sent): void {
    const lane = `${event.producer} ${nameOf(event)}`
    const order = this.#sentCount.get(lane) ?? 0
    this.#sentCount.set(lane, order + 1)
    const sentInEra = this.#partition(event).era
    this.#fates.set(event.id, { sent: event, order, sentInEra, ackedOffset: undefined, certainlyRefused: undefined })
  }

  #acked(id: string, offset: number): void {
    const fate = this.#fates.get(id)
    if (fate === undefined) return
    const state = this.#partition(fate.sent)
    fate.ackedOffset = offset
    if (offset >= 0 && this.#isPromise(fate.sent)) this.#note(state, offset, id)
  }

  #read(event: Read): void {
    const state = this.#partition(event)
    for (const record of event.records) {
      const expected = state.nextOffsetOf.get(event.reader)
      const isNext = record.offset === expected || (state.hasGaps && record.offset > (expected ?? 0))
      if (expected !== undefined && !isNext && isSteady(state))
        this.#report('skipped', `${event.reader} got offset ${record.offset} of ${state.name}, expected ${expected}`)
      state.nextOffsetOf.set(event.reader, record.offset + 1)
      this.#seen(state, record)
    }
  }

  #final(event: Final): void {
    const state = this.#partition(event)
    state.final = event
    if (event.logStartOffset < state.deletedBefore)
      this.#report(
        'undeleted',
        `${state.name} starts at ${event.logStartOffset}, though records before ${state.deletedBefore} were deleted`,
      )
    let expected = event.logStartOffset
    for (const record of event.records) {
      const isNext = record.offset === expected || (state.hasGaps && record.offset > expected)
      if (!isNext) this.#report('incomplete', `${state.name} holds offset ${record.offset} where ${expected} should be`)
      expected = record.offset + 1
      this.#seen(state, record)
    }
    if (expected !== event.endOffset && !(state.hasGaps && expected < event.endOffset))
      this.#report('incomplete', `${state.name} can be read up to ${expected}, though its end is said to be ${event.endOffset}`)
  }

  #seen(state: PartitionState, record: SeenRecord): void {
    this.#note(state, record.offset, record.id ?? UNNAMED)
    const fate = record.id === undefined ? undefined : this.#fates.get(record.id)
    if (fate === undefined)
      this.#report('phantom', `${record.id ?? UNNAMED} at offset ${record.offset} of ${state.name} was sent by nobody`)
    else if (nameOf(fate.sent) !== state.name)
      this.#report('phantom', `${record.id} was sent to ${nameOf(fate.sent)} and stands in ${state.name}`)
    else if (fate.certainlyRefused !== undefined)
      this.#report(
        'phantom',
        `${record.id} stands at offset ${record.offset} of ${state.name}, though it was refused: ${fate.certainlyRefused}`,
      )
    else if (!record.intact) this.#report('corrupted', `${record.id} at offset ${record.offset} of ${state.name}`)
  }

  #note(state: PartitionState, offset: number, id: string): void {
    if (!isSteady(state)) return
    const before = state.seenAt.get(offset)
    if (before !== undefined && before !== id) this.#report('inconsistent offset', `${state.name} offset ${offset}: ${before}, later ${id}`)
    state.seenAt.set(offset, id)
  }

  #powerCut(): void {
    for (const state of this.#partitions.values()) {
      if (state.flushesFirst) continue
      state.era++
    }
  }

  #checkLosses(places: ReadonlyMap<string, unknown>): void {
    for (const [id, fate] of this.#fates) {
      const { sent, ackedOffset } = fate
      const state = this.#partition(sent)
      if (ackedOffset === undefined || !this.#isPromise(sent) || state.final === undefined || state.damaged || places.has(id)) continue
      if (ackedOffset >= 0 && ackedOffset < state.final.logStartOffset) continue
      if (fate.sentInEra === state.era)
        this.#report('lost', `${id}, acknowledged at offset ${ackedOffset} of ${state.name} with acks=${sent.acks}`)
    }
  }

  /** Its acknowledgement means that it stays where it is. */
  #isPromise({ acks }: Sent): boolean {
    return acks === -1 || (acks === 1 && this.#facts.leadersDie !== true)
  }

  /** What one idempotent producer sent to a partition stands there in the order in which it was sent. */
  #checkOrder(state: PartitionState): void {
    const last = new Map<string, Fate>()
    for (const { id, offset } of state.final?.records ?? []) {
      const fate = id === undefined ? undefined : this.#fates.get(id)
      if (fate === undefined || !fate.sent.idempotent) continue
      const before = last.get(fate.sent.producer)
      if (before !== undefined && before.order > fate.order)
        this.#report('reordered', `${id} at offset ${offset} of ${state.name} stands behind ${before.sent.id}, which was sent after it`)
      if (before === undefined || before.order < fate.order) last.set(fate.sent.producer, fate)
    }
  }

  #partition(name: PartitionName): PartitionState {
    const key = nameOf(name)
    let state = this.#partitions.get(key)
    if (state === undefined) {
      state = {
        name: key,
        flushesFirst: this.#facts.flushesFirst(name.topic),
        hasGaps: this.#facts.compacts?.(name.topic) ?? false,
        era: 0,
        damaged: false,
        deletedBefore: 0,
        seenAt: new Map(),
        nextOffsetOf: new Map(),
        highWatermarkOf: new Map(),
        incarnation: -1,
        leaderEpoch: -1,
        final: undefined,
      }
      this.#partitions.set(key, state)
    }
    return state
  }

  #report(kind: AnomalyKind, what: string): void {
    this.anomalies.push({ kind, what })
  }
}

/** No offset can have been given a second time. */
function isSteady(state: PartitionState): boolean {
  return state.era === 0
}

function nameOf({ topic, partition }: PartitionName): string {
  return `${topic}-${partition}`
}
