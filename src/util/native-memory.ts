// Memory that V8 does not hurry to free. Some libraries hand out memory that it does not see: it is freed with the Buffer that refers to it, and nothing but
// the few bytes of those makes V8 look for them. And what a busy time left behind stays for as long as nothing more is allocated.

/** Handed out between two collections: a millisecond each, where what is young has little room (`stayLean`). */
const COLLECT_BYTES = 8 * 1024 * 1024

/** What frees objects that died young, and all that died. */
interface Collector {
  young(): void
  all(): void
  /** Frees what stands behind this Buffer, which is empty from then on. */
  free(bytes: Buffer): void
}

let collector: Collector | undefined
let sinceBytes = 0

/** Set by the world that can. */
export function collectBy(own: Collector): void {
  collector = own
}

/** So many bytes were handed out by a library, or taken for what came to nothing. */
export function handedOutNatively(bytes: number): void {
  sinceBytes += bytes
  if (sinceBytes < COLLECT_BYTES) return
  sinceBytes = 0
  collector?.young()
}

/** For a time in which nobody waits: it takes tens of milliseconds. */
export function collectAll(): void {
  sinceBytes = 0
  collector?.all()
}

/** Nobody looks at these bytes again, all of an allocation of their own. */
export function freeNow(bytes: Buffer): void {
  collector?.free(bytes)
}
