// HMAC-SHA256 and a comparison that takes as long for a wrong value as for a right one. Synchronous, and the same in every world: the only
// use of node:crypto outside the real doors.
import { createHmac, timingSafeEqual } from 'node:crypto'

export function hmacSha256(key: Uint8Array, parts: readonly Uint8Array[]): Buffer {
  const hmac = createHmac('sha256', key)
  for (const part of parts) hmac.update(part)
  return hmac.digest()
}

export function equalInConstantTime(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}
