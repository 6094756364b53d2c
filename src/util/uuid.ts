// Kafka prints a UUID as 22 characters of URL-safe base64; inside Ottla it is that string everywhere (keys of maps, fields of messages).

export type Uuid = string

export const ZERO_UUID: Uuid = 'AAAAAAAAAAAAAAAAAAAAAA'

/** 16 random bytes → a version 4 UUID that does not start with '-', which command line tools would take for an option (as Kafka does). */
export function uuidFromBytes(bytes: Uint8Array): Uuid {
  const copy = Buffer.from(bytes.subarray(0, 16))
  copy[6] = (copy[6]! & 0x0f) | 0x40
  copy[8] = (copy[8]! & 0x3f) | 0x80
  if (copy[0]! >>> 2 === 62) copy[0] = copy[0]! & 0x7f
  return copy.toString('base64url')
}

export function uuidToBytes(uuid: Uuid): Buffer {
  return Buffer.from(uuid, 'base64url')
}

export function isUuid(text: string): boolean {
  return /^[A-Za-z0-9_-]{21}[AQgw]$/.test(text)
}
