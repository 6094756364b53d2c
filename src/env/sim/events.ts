// What will happen, in the order of (time, sequence): a binary heap.

import type { SimProcess } from './host.ts'

/** One thing that will happen at a host, or to the world. */
export interface SimEvent {
  time: number
  /** When it was to happen at first: among those that a pause held back, the earlier comes first. */
  readonly due: number
  readonly sequence: number
  readonly kind: string
  /** The life of a process it belongs to: when that is over, it never happens. */
  readonly process: SimProcess | undefined
  /** Undefined once cancelled. */
  run: (() => void) | undefined
}

export class EventQueue {
  readonly #heap: SimEvent[] = []

  get length(): number {
    return this.#heap.length
  }

  push(event: SimEvent): void {
    const heap = this.#heap
    let at = heap.length
    heap.push(event)
    while (at > 0) {
      const parent = (at - 1) >>> 1
      if (!before(event, heap[parent]!)) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = event
  }

  peek(): SimEvent | undefined {
    return this.#heap[0]
  }

  pop(): SimEvent | undefined {
    const heap = this.#heap
    const first = heap[0]
    const last = heap.pop()
    if (first === undefined || last === undefined || heap.length === 0) return first
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++
      if (!before(heap[child]!, last)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last
    return first
  }
}

function before(a: SimEvent, b: SimEvent): boolean {
  if (a.time !== b.time) return a.time < b.time
  return a.due < b.due || (a.due === b.due && a.sequence < b.sequence)
}
