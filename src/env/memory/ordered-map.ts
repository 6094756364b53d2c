// A map in key order, keys as strings of code units 0–255 (latin1), whose order is that of unsigned bytes. Sorted blocks: an insertion moves at most
// one block's entries, a lookup is two binary searches.

const BLOCK_ENTRIES = 256

interface Block<V> {
  readonly keys: string[]
  readonly values: V[]
}

export class OrderedMap<V> {
  #blocks: Block<V>[] = []

  get(key: string): V | undefined {
    const block = this.#blocks[this.#blockOf(key)]
    if (block === undefined) return undefined
    const at = lowerBound(block.keys, key)
    return block.keys[at] === key ? block.values[at] : undefined
  }

  /** @returns what was there */
  set(key: string, value: V): V | undefined {
    const index = this.#blockOf(key)
    const block = this.#blocks[index]
    if (block === undefined) {
      this.#blocks = [{ keys: [key], values: [value] }]
      return undefined
    }
    const at = lowerBound(block.keys, key)
    if (block.keys[at] === key) {
      const previous = block.values[at]
      block.values[at] = value
      return previous
    }
    if (at === block.keys.length) {
      block.keys.push(key)
      block.values.push(value)
    } else {
      block.keys.splice(at, 0, key)
      block.values.splice(at, 0, value)
    }
    // Keys mostly come in order: a full block is split near its end then, else in the middle.
    if (block.keys.length > BLOCK_ENTRIES) {
      const cut = at === block.keys.length - 1 ? at : BLOCK_ENTRIES / 2
      this.#blocks.splice(index + 1, 0, { keys: block.keys.splice(cut), values: block.values.splice(cut) })
    }
    return undefined
  }

  /** @returns what was there */
  delete(key: string): V | undefined {
    const index = this.#blockOf(key)
    const block = this.#blocks[index]
    if (block === undefined) return undefined
    const at = lowerBound(block.keys, key)
    if (block.keys[at] !== key) return undefined
    block.keys.splice(at, 1)
    const [value] = block.values.splice(at, 1)
    if (block.keys.length === 0) this.#blocks.splice(index, 1)
    return value
  }

  /** The entries with gte ≤ key < lt as they are now, in order. */
  range(bounds: {
    gte?: string | undefined
    lt?: string | undefined
    reverse?: boolean
    limit?: number
  }): (readonly [key: string, value: V])[] {
    const { gte, lt, reverse = false, limit = Number.POSITIVE_INFINITY } = bounds
    const entries: (readonly [key: string, value: V])[] = []
    if (reverse) {
      for (let b = lt === undefined ? this.#blocks.length - 1 : this.#blockOf(lt); b >= 0; b--) {
        const { keys, values } = this.#blocks[b] ?? { keys: [], values: [] }
        for (let i = (lt === undefined ? keys.length : lowerBound(keys, lt)) - 1; i >= 0; i--) {
          if ((gte !== undefined && keys[i]! < gte) || entries.length >= limit) return entries
          entries.push([keys[i]!, values[i]!])
        }
      }
      return entries
    }
    const first = gte === undefined ? 0 : this.#blockOf(gte)
    for (let b = first; b < this.#blocks.length; b++) {
      const { keys, values } = this.#blocks[b]!
      for (let i = b === first && gte !== undefined ? lowerBound(keys, gte) : 0; i < keys.length; i++) {
        if ((lt !== undefined && keys[i]! >= lt) || entries.length >= limit) return entries
        entries.push([keys[i]!, values[i]!])
      }
    }
    return entries
  }

  /** The block in which the key is or belongs: the last whose first key is ≤ key, else the first. */
  #blockOf(key: string): number {
    let low = 0
    let high = this.#blocks.length
    while (high - low > 1) {
      const middle = (low + high) >>> 1
      if (this.#blocks[middle]!.keys[0]! <= key) low = middle
      else high = middle
    }
    return low
  }
}

function lowerBound(keys: readonly string[], key: string): number {
  let low = 0
  let high = keys.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (keys[middle]! < key) low = middle + 1
    else high = middle
  }
  return low
}
