// The bytes of a file held in memory: pages, so that appending never copies what is there. A hole reads as zeros.

const PAGE_BYTES = 64 * 1024

export class PagedBytes {
  #size = 0
  readonly #pages: (Buffer | undefined)[] = []

  get size(): number {
    return this.#size
  }

  /** Copies `chunk` in. */
  write(chunk: Uint8Array, position: number): void {
    if (chunk.length === 0) return
    this.#clearTo(position)
    let at = 0
    while (at < chunk.length) {
      const inPage = (position + at) % PAGE_BYTES
      const count = Math.min(PAGE_BYTES - inPage, chunk.length - at)
      this.#page(Math.floor((position + at) / PAGE_BYTES), inPage + count).set(chunk.subarray(at, at + count), inPage)
      at += count
    }
    this.#size = Math.max(this.#size, position + chunk.length)
  }

  /** A copy of up to `length` bytes, in `into` when it is given; fewer only at the end. */
  read(position: number, length: number, into?: Buffer): Buffer {
    const count = Math.max(0, Math.min(length, this.#size - position))
    const out = into === undefined ? Buffer.alloc(count) : into.subarray(0, count).fill(0)
    for (let at = 0; at < count; ) {
      const inPage = (position + at) % PAGE_BYTES
      const part = Math.min(PAGE_BYTES - inPage, count - at)
      const page = this.#pages[Math.floor((position + at) / PAGE_BYTES)]
      if (page !== undefined) out.set(page.subarray(inPage, Math.min(inPage + part, page.length)), at)
      at += part
    }
    return out
  }

  truncate(size: number): void {
    if (size > this.#size) {
      this.#clearTo(size)
      this.#size = size
      return
    }
    this.#size = size
    this.#pages.length = Math.min(this.#pages.length, Math.ceil(size / PAGE_BYTES))
  }

  /** What a truncation left in the last page beyond the end must not come back when the file grows past it. */
  #clearTo(position: number): void {
    if (position <= this.#size) return
    const inPage = this.#size % PAGE_BYTES
    if (inPage > 0) this.#pages[Math.floor(this.#size / PAGE_BYTES)]?.fill(0, inPage)
  }

  #page(index: number, needed: number): Buffer {
    const page = this.#pages[index]
    if (page !== undefined && page.length >= needed) return page
    // Small files stay small: the first page grows by doubling.
    const length = index > 0 ? PAGE_BYTES : Math.min(PAGE_BYTES, Math.max(1024, 2 ** Math.ceil(Math.log2(needed))))
    const grown = Buffer.alloc(length)
    if (page !== undefined) grown.set(page)
    return (this.#pages[index] = grown)
  }
}
