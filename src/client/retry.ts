// What a client does after a failure. Pure.
// Facts: retry.backoff.ms 100 … retry.backoff.max.ms 1000, doubling, ±20 % (KIP-580). An error that speaks of a stale leader or a missing
// topic asks for new metadata as well (Kafka's InvalidMetadataException).
import * as errors from '../protocol/errors.ts'

export interface Backoff {
  readonly initialMs: number
  readonly maxMs: number
}

/** Before try number `attempts` + 1, `attempts` ≥ 1; `fraction` in [0, 1) spreads clients that failed together. */
export function backoffMs(backoff: Backoff, attempts: number, fraction: number): number {
  const base = Math.min(backoff.maxMs, backoff.initialMs * 2 ** Math.min(attempts - 1, 20))
  return base * (0.8 + 0.4 * fraction)
}

/** A topic or partition that no broker knows of may have been made a moment ago. */
export const UNKNOWN_GRACE_MS = 1500

const STALE_METADATA: ReadonlySet<number> = new Set([
  errors.UNKNOWN_TOPIC_OR_PARTITION,
  errors.LEADER_NOT_AVAILABLE,
  errors.NOT_LEADER_OR_FOLLOWER,
  errors.REPLICA_NOT_AVAILABLE,
  errors.NETWORK_EXCEPTION,
  errors.NOT_CONTROLLER,
  errors.KAFKA_STORAGE_ERROR,
  errors.LISTENER_NOT_FOUND,
  errors.FENCED_LEADER_EPOCH,
  errors.UNKNOWN_LEADER_EPOCH,
  errors.UNKNOWN_TOPIC_ID,
  errors.INCONSISTENT_TOPIC_ID,
])

/** The answer shows that what we believe about leaders or topics is old. */
export function asksForMetadata(code: number): boolean {
  return STALE_METADATA.has(code)
}

const COORDINATOR_AWAY: ReadonlySet<number> = new Set([
  errors.NETWORK_EXCEPTION,
  errors.REQUEST_TIMED_OUT,
  errors.COORDINATOR_NOT_AVAILABLE,
  errors.NOT_COORDINATOR,
])

/** Who coordinates the group has to be asked anew. */
export function coordinatorIsAway(code: number): boolean {
  return COORDINATOR_AWAY.has(code)
}
