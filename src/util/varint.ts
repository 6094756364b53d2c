// Variable-length integers, 7 bits a byte, lowest first; the signed ones zig-zag (0, -1, 1, -2 …). Writing lives here; reading is done where
// the bytes are walked, because a reader must answer for what it does with damage.

/** Bytes of `value` as an unsigned varint; value is an unsigned 32-bit number. */
export function sizeOfUnsignedVarint(value: number): number {
  return ((38 - Math.clz32(value | 1)) / 7) | 0
}

/** Bytes of `value` as a zig-zag varint; value is a signed 32-bit number. */
export function sizeOfVarint(value: number): number {
  return sizeOfUnsignedVarint(((value << 1) ^ (value >> 31)) >>> 0)
}

/** Bytes of `value` as a zig-zag varint of 64 bits; value is a safe integer. */
export function sizeOfVarlong(value: number): number {
  if (value === (value | 0)) return sizeOfVarint(value)
  let rest = zigZagHalf(value)
  let size = 1
  for (rest = Math.floor(rest / 64); rest > 0; rest = Math.floor(rest / 128)) size++
  return size
}

/** @returns the position after the last byte written. */
export function writeUnsignedVarint(b: Uint8Array, p: number, value: number): number {
  while (value > 0x7f) {
    b[p++] = (value & 0x7f) | 0x80
    value >>>= 7
  }
  b[p++] = value
  return p
}

/** @returns the position after the last byte written. */
export function writeVarint(b: Uint8Array, p: number, value: number): number {
  return writeUnsignedVarint(b, p, ((value << 1) ^ (value >> 31)) >>> 0)
}

/** @returns the position after the last byte written. */
export function writeVarlong(b: Uint8Array, p: number, value: number): number {
  if (value === (value | 0)) return writeVarint(b, p, value)
  // The zig-zag number is twice `half` plus the sign bit, and may need 54 bits: it is never formed.
  const half = zigZagHalf(value)
  const sign = value < 0 ? 1 : 0
  let rest = Math.floor(half / 64)
  b[p++] = ((half % 64) << 1) | sign | (rest > 0 ? 0x80 : 0)
  while (rest > 0) {
    const low = rest % 128
    rest = Math.floor(rest / 128)
    b[p++] = low | (rest > 0 ? 0x80 : 0)
  }
  return p
}

/** n for n ≥ 0, and -n - 1 for n < 0: the zig-zag number without its lowest bit. */
function zigZagHalf(value: number): number {
  return value < 0 ? -value - 1 : value
}
