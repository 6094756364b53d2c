// Which brokers the active controller has heard of, and when: a plain table. A broker that is silent for the session timeout is fenced; one whose
// process is known to be gone is fenced at once (session-keeper.ts).
// Facts: KIP-631, org.apache.kafka.controller.BrokerHeartbeatTracker.
// Where we differ from Kafka: after a long pause of our own loop every session starts again, since the silence was ours; the silence of a deposed raft
// leader before the election counts.
import type { BrokerIncarnation } from './brokers.ts'
import type { MetadataImage } from './image.ts'

export interface Session {
  readonly brokerEpoch: number
  heardMs: number
  /** Exclusive: what it said it has applied; -1 before it said so to this controller. */
  metadataOffset: number
  /** Where its leaderships were given away, when it shuts down. */
  shutdownOffset: number | undefined
}

export interface Sessions {
  readonly timeoutMs: number
  readonly byBroker: Map<number, Session>
  /** When `expired` was last asked. */
  checkedMs: number
}

/** How often `expired` is to be asked. */
export function checkIntervalMs({ timeoutMs }: Sessions): number {
  return Math.max(1, timeoutMs / 6)
}

/** Of a controller that becomes active now. */
export function newSessions(timeoutMs: number, now: number): Sessions {
  return { timeoutMs, byBroker: new Map(), checkedMs: now }
}

/** Gives every registered broker a session that it does not have yet, and ends those of other incarnations. */
export function follow(sessions: Sessions, image: MetadataImage, now: number): void {
  for (const id of sessions.byBroker.keys()) if (!image.brokers.has(id)) sessions.byBroker.delete(id)
  for (const { brokerId, brokerEpoch } of image.brokers.values()) begin(sessions, { brokerId, brokerEpoch }, now)
}

/** The broker was heard of. */
export function contact(sessions: Sessions, broker: BrokerIncarnation & { readonly metadataOffset: number }, now: number): Session {
  const session = begin(sessions, broker, now)
  session.heardMs = now
  session.metadataOffset = Math.max(session.metadataOffset, broker.metadataOffset)
  return session
}

/** It was silent before this controller began to count: no more than half a session of that counts, so that it has time to find this one. */
export function countSilence(sessions: Sessions, brokerId: number, silentMs: number): void {
  const session = sessions.byBroker.get(brokerId)
  if (session !== undefined) session.heardMs -= Math.min(silentMs, sessions.timeoutMs / 2)
}

/** Those that serve and were silent too long, `exempt` apart. */
export function expired(
  sessions: Sessions,
  image: MetadataImage,
  o: { readonly now: number; readonly exempt: number },
): BrokerIncarnation[] {
  const { byBroker, timeoutMs } = sessions
  const paused = o.now - sessions.checkedMs > timeoutMs / 2
  sessions.checkedMs = o.now
  if (paused) for (const session of byBroker.values()) session.heardMs = o.now
  return [...byBroker]
    .filter(([id, { brokerEpoch, heardMs }]) => {
      const broker = image.brokers.get(id)
      return id !== o.exempt && broker?.brokerEpoch === brokerEpoch && !broker.fenced && o.now - heardMs >= timeoutMs
    })
    .map(([brokerId, { brokerEpoch }]) => ({ brokerId, brokerEpoch }))
}

/** What all brokers that serve have applied, those in `except` apart. */
export function lowestOffset(sessions: Sessions, image: MetadataImage, except: readonly number[]): number {
  let lowest = Number.MAX_SAFE_INTEGER
  for (const { brokerId, brokerEpoch, fenced } of image.brokers.values()) {
    if (fenced || except.includes(brokerId)) continue
    const session = sessions.byBroker.get(brokerId)
    lowest = Math.min(lowest, session?.brokerEpoch === brokerEpoch ? session.metadataOffset : -1)
  }
  return lowest
}

function begin({ byBroker }: Sessions, { brokerId, brokerEpoch }: BrokerIncarnation, now: number): Session {
  const existing = byBroker.get(brokerId)
  if (existing?.brokerEpoch === brokerEpoch) return existing
  const session: Session = { brokerEpoch, heardMs: now, metadataOffset: -1, shutdownOffset: undefined }
  byBroker.set(brokerId, session)
  return session
}
