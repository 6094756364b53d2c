// CRC-32C (Castagnoli), the checksum of record batches. @node-rs/crc32 computes it with the processor's own instruction; where its
// prebuilt binary is missing, and for short inputs, where the call across the border costs more than the sum, JavaScript does (slicing by 8).

import { createRequire } from 'node:module'

/** Below this many bytes JavaScript is not slower than the call into native code (measured; see bench/records.ts). */
const NATIVE_FROM_BYTES = 200

type NativeCrc32c = (input: Uint8Array) => number

/** undefined: not tried yet. null: the binary for this platform is missing. */
let native: NativeCrc32c | null | undefined

/** The CRC-32C of bytes start…end (exclusive), as an unsigned 32-bit number. */
export function crc32c(buffer: Uint8Array, start: number, end: number): number {
  if (end - start >= NATIVE_FROM_BYTES) {
    if (native === undefined) native = loadNative()
    if (native !== null) return native(buffer.subarray(start, end))
  }
  return crc32cInJavaScript(buffer, start, end)
}

/** The native function, or null where the platform has no binary. For tests: everyone else calls `crc32c`. */
export function loadNative(): NativeCrc32c | null {
  try {
    const loaded = createRequire(import.meta.url)('@node-rs/crc32') as { crc32c: NativeCrc32c }
    return loaded.crc32c
  } catch {
    return null // optional by design: the package has no binary for this platform, or was installed without optional dependencies
  }
}

const POLYNOMIAL_REVERSED = 0x82f63b78

/** Table k holds the CRC of one byte followed by k zero bytes. */
const [T0, T1, T2, T3, T4, T5, T6, T7] = buildTables()

export function crc32cInJavaScript(buffer: Uint8Array, start: number, end: number): number {
  let crc = -1
  let p = start
  for (const last = end - 8; p <= last; p += 8) {
    crc ^= buffer[p]! | (buffer[p + 1]! << 8) | (buffer[p + 2]! << 16) | (buffer[p + 3]! << 24)
    crc =
      T7[crc & 0xff]! ^
      T6[(crc >>> 8) & 0xff]! ^
      T5[(crc >>> 16) & 0xff]! ^
      T4[crc >>> 24]! ^
      T3[buffer[p + 4]!]! ^
      T2[buffer[p + 5]!]! ^
      T1[buffer[p + 6]!]! ^
      T0[buffer[p + 7]!]!
  }
  for (; p < end; p++) crc = T0[(crc ^ buffer[p]!) & 0xff]! ^ (crc >>> 8)
  return ~crc >>> 0
}

type Tables = [Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array]

function buildTables(): Tables {
  const tables = Array.from({ length: 8 }, () => new Int32Array(256)) as Tables
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL_REVERSED : crc >>> 1
    tables[0][byte] = crc
  }
  for (let k = 1; k < 8; k++) {
    for (let byte = 0; byte < 256; byte++) {
      const shorter = tables[k - 1]![byte]!
      tables[k]![byte] = tables[0][shorter & 0xff]! ^ (shorter >>> 8)
    }
  }
  return tables
}
