// What the owner of a log is told of it, and asked.

import type { PartitionLog } from './partition-log.ts'

/** From events of their own, never from within a call. */
export interface LogEvents {
  /** The written or flushed offset moved, or the log gave up what was not written. */
  readonly onProgress: (log: PartitionLog) => void
  /** Asked: somebody waits for the next bytes and will read them, so they are worth keeping in memory; `from`: followers alone, who have what is below. */
  readonly isAwaited?: (() => boolean | { readonly from: number }) | undefined
  /** A read met damage: the log takes no records any more, and is to be opened again to see what is left. May come more than once. */
  readonly onDamage?: ((log: PartitionLog, error: Error) => void) | undefined
}
