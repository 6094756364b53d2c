// How much memory fetched bytes may take at once, node-wide. A client can ask for 50 MiB in a hundred bytes and never take the answer; two thousand
// of them would take all there is. One fetch may take half of what is left, so that those beside it find some. When nothing is left a fetch still
// gives one batch, so that every consumer goes on, slowly; and when those have filled as much again as the rest, it waits for its time and finds
// nothing: consumers ask again. Who takes nothing of his answer while there is no room is cut off in the end (src/net/server.ts).
// What parked fetches watch is counted here too: a request of some hundred bytes may watch the 100,000 partitions of its session.

const ROOM_BYTES = 24 * 1024 * 1024
const LAST_ROOM_BYTES = 36 * 1024 * 1024
/** What one read of a partition brings at most, but for a batch that is larger (src/log/cold-read.ts). */
const LARGEST_READ_BYTES = 4 * 1024 * 1024
/** Partitions watched by all parked fetches together, and by one that may park whatever the others do. */
const MAX_WATCHES = 100_000
const FEW_WATCHES = 100

export class AnswerRoom {
  readonly #unsentBytes: () => number
  #readBytes = 0
  #watches = 0

  /** @param unsentBytes  of the answers that clients are behind with taking */
  constructor(unsentBytes: () => number) {
    this.#unsentBytes = unsentBytes
  }

  /** What all fetches together may still read beyond one batch each. */
  get leftBytes(): number {
    return Math.max(0, ROOM_BYTES - this.#readBytes - this.#unsentBytes())
  }

  /** Whether a fetch may read at all. */
  get hasRoomForBatch(): boolean {
    return this.#readBytes + this.#unsentBytes() < LAST_ROOM_BYTES
  }

  share(): RoomShare {
    return new RoomShare(this, bytes => void (this.#readBytes += bytes))
  }

  /** A fetch wants to park. @returns false when it must be answered with what it found */
  watch(count: number): boolean {
    if (count > FEW_WATCHES && this.#watches + count > MAX_WATCHES) return false
    this.#watches += count
    return true
  }

  unwatch(count: number): void {
    this.#watches -= count
  }
}

/** What one fetch holds while it is not answered. */
export class RoomShare {
  readonly #room: AnswerRoom
  readonly #add: (bytes: number) => void
  #bytes = 0
  /** How often all was given back. */
  #round = 0

  constructor(room: AnswerRoom, add: (bytes: number) => void) {
    this.#room = room
    this.#add = add
  }

  /** What this fetch may still read beyond one batch. */
  get leftBytes(): number {
    return Math.max(0, Math.floor((this.#room.leftBytes - this.#bytes) / 2))
  }

  /** For a read within these bounds. @returns to be called with what it brought */
  reserve(maxBytes: number): (broughtBytes: number) => void {
    const reserved = Math.min(maxBytes, LARGEST_READ_BYTES)
    this.#take(reserved)
    const round = this.#round
    return broughtBytes => {
      if (round === this.#round) this.#take(broughtBytes - reserved)
    }
  }

  /** Reads that are still under way count no longer. */
  giveBack(): void {
    this.#round++
    this.#take(-this.#bytes)
  }

  #take(bytes: number): void {
    this.#bytes += bytes
    this.#add(bytes)
  }
}
