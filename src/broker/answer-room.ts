// How much memory fetched bytes may take at once, node-wide. A client can ask for 50 MiB in a hundred bytes and never take the answer; two thousand
// of them would take all there is. When the room is used up a fetch still gives one batch, so that every consumer goes on, slowly.

const ROOM_BYTES = 512 * 1024 * 1024
/** What one read of a partition brings at most, but for a batch that is larger (src/log/cold-read.ts). */
const LARGEST_READ_BYTES = 4 * 1024 * 1024

export class AnswerRoom {
  readonly #unsentBytes: () => number
  #readBytes = 0

  /** @param unsentBytes  of the answers that clients are behind with taking */
  constructor(unsentBytes: () => number) {
    this.#unsentBytes = unsentBytes
  }

  /** What a read may bring beyond one batch. */
  get leftBytes(): number {
    return Math.max(0, ROOM_BYTES - this.#readBytes - this.#unsentBytes())
  }

  share(): RoomShare {
    return new RoomShare(bytes => void (this.#readBytes += bytes))
  }
}

/** What one fetch holds while it is not answered. */
export class RoomShare {
  readonly #add: (bytes: number) => void
  #bytes = 0

  constructor(add: (bytes: number) => void) {
    this.#add = add
  }

  /** For a read within these bounds. @returns to be called with what it brought */
  reserve(maxBytes: number): (broughtBytes: number) => void {
    const reserved = Math.min(maxBytes, LARGEST_READ_BYTES)
    this.#take(reserved)
    return broughtBytes => this.#take(broughtBytes - reserved)
  }

  giveBack(): void {
    this.#take(-this.#bytes)
  }

  #take(bytes: number): void {
    this.#bytes += bytes
    this.#add(bytes)
  }
}
