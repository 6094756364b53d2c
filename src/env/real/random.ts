import { randomBytes } from 'node:crypto'
import type { Random } from '../env.ts'

/** Numbers from Math.random, bytes (identities, nonces) from the system's generator. */
export const realRandom: Random = {
  integer: bound => Math.floor(Math.random() * bound),
  fraction: () => Math.random(),
  bytes: length => randomBytes(length),
}
