// One LZ4 block, unpacked into memory of the caller's. The library is faster, but hands out memory of its own for every block, which stays until the
// event loop goes round: what unpacks to much would be in memory twice.
//
//   { token u8: literals (4 bits), match − 4 (4 bits) · more literals 255… · literals · distance u16 LE · more match 255… }… the last without match

export type BlockFault = 'damaged' | 'more than there is room for'

const LONG = 15
const SHORTEST_MATCH = 4
/** From here on a copy is cheaper than a loop. */
const COPIED_FROM = 24

/**
 * @param at  where it goes in `out`; matches reach back to here at most
 * @param end  of the room
 * @returns the end of what was written, or what is wrong
 */
export function unpackBlock(block: Buffer, out: Buffer, at: number, end: number): number | BlockFault {
  const n = block.length
  let p = 0
  let o = at
  while (p < n) {
    const token = block[p++]!
    let literals = token >>> 4
    if (literals === LONG) {
      let more = 255
      while (more === 255) {
        if (p >= n) return 'damaged'
        more = block[p++]!
        literals += more
      }
    }
    if (literals > n - p) return 'damaged'
    if (literals > end - o) return 'more than there is room for'
    if (literals >= COPIED_FROM) {
      block.copy(out, o, p, p + literals)
      p += literals
      o += literals
    } else {
      for (let i = 0; i < literals; i++) out[o++] = block[p++]!
    }
    if (p === n) return o

    if (n - p < 2) return 'damaged'
    const distance = block[p]! | (block[p + 1]! << 8)
    p += 2
    if (distance === 0 || distance > o - at) return 'damaged'
    let length = token & 15
    if (length === LONG) {
      let more = 255
      while (more === 255) {
        if (p >= n) return 'damaged'
        more = block[p++]!
        length += more
      }
    }
    length += SHORTEST_MATCH
    if (length > end - o) return 'more than there is room for'
    repeat(out, o, distance, length)
    o += length
  }
  return 'damaged'
}

/** What a block unpacks to, without unpacking it: a fiftieth of the time, and no memory. Of a damaged one any number. */
export function unpackedBytes(block: Buffer): number {
  const n = block.length
  let total = 0
  for (let p = 0; p < n; ) {
    const token = block[p++]!
    let literals = token >>> 4
    if (literals === LONG) {
      for (let more = 255; more === 255 && p < n; ) {
        more = block[p++]!
        literals += more
      }
    }
    p += literals
    total += literals
    if (p >= n) break
    p += 2
    let length = token & 15
    if (length === LONG) {
      for (let more = 255; more === 255 && p < n; ) {
        more = block[p++]!
        length += more
      }
    }
    total += length + SHORTEST_MATCH
  }
  return total
}

/** Writes `length` bytes at `o`, each as the one `distance` before it. */
function repeat(out: Buffer, o: number, distance: number, length: number): void {
  if (length < COPIED_FROM) {
    for (let i = o; i < o + length; i++) out[i] = out[i - distance]!
  } else if (distance === 1) {
    out.fill(out[o - 1]!, o, o + length)
  } else {
    // What was copied can be copied from: always a whole number of periods.
    for (let done = 0; done < length; ) {
      const part = Math.min(length - done, distance + done)
      out.copyWithin(o + done, o - distance, o - distance + part)
      done += part
    }
  }
}
