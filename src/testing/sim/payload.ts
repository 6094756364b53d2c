// Records that say who they are: the value begins with a unique name, and the rest follows from the name, so that any reader can tell whether what it
// got is what was sent.

import { hashText } from '../../env/sim/random.ts'

/** @param size  of the filling, in bytes */
export function recordId(producer: string, number: number, size: number): string {
  return `${producer}.${number}.${size}`
}

export function payloadOf(id: string): Buffer {
  const size = Number(id.slice(id.lastIndexOf('.') + 1))
  const name = Buffer.from(`${id}\n`)
  const value = Buffer.allocUnsafe(name.length + size)
  name.copy(value)
  // Runs of equal bytes of changing length: compressible, though not to nothing.
  let state = hashText(id)
  for (let at = name.length; at < value.length; ) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    const run = 1 + (state >>> 28)
    value.fill(state >>> 16, at, Math.min(at + run, value.length))
    at += run
  }
  return value
}

/** Who a value says it is, and whether it is that. */
export function identify(value: Uint8Array | null): { readonly id: string | undefined; readonly intact: boolean } {
  if (value === null) return { id: undefined, intact: false }
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  const end = bytes.indexOf(10)
  if (end < 0) return { id: undefined, intact: false }
  const id = bytes.toString('latin1', 0, end)
  if (!/^[\w-]+(\.\d+){2}$/.test(id)) return { id: undefined, intact: false }
  return { id, intact: payloadOf(id).equals(bytes) }
}
