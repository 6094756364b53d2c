// What a consumer may see of transactions (KIP-98): everything below the high watermark, or what is decided.
import { INVALID_REQUEST, KafkaError } from '../protocol/errors.ts'

export const READ_UNCOMMITTED = 0
export const READ_COMMITTED = 1

/** @throws KafkaError INVALID_REQUEST: whoever means something else must not be taken for read_uncommitted */
export function checkIsolationLevel(level: number): void {
  if (level !== READ_UNCOMMITTED && level !== READ_COMMITTED)
    throw new KafkaError(INVALID_REQUEST, `Isolation level ${level} is not known.`)
}
