// Some libraries hand out memory that V8 does not see: it is freed with the Buffer that refers to it, and nothing but the few bytes of those
// makes V8 look for them. Who uses such a library counts here, and the young objects are collected once in a while.

/** Handed out between two collections: three milliseconds each. */
const COLLECT_BYTES = 48 * 1024 * 1024

let collect: (() => void) | undefined
let sinceBytes = 0

/** Set by the world that can: what frees objects that died young. */
export function collectNativeMemoryBy(collectYoung: () => void): void {
  collect = collectYoung
}

/** So many bytes were handed out by a library. */
export function handedOutNatively(bytes: number): void {
  sinceBytes += bytes
  if (sinceBytes < COLLECT_BYTES) return
  sinceBytes = 0
  collect?.()
}
