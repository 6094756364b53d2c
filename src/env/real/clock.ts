// Node's timers as the clock door. Everything one pass of the event loop asks for by `turn` runs in one setImmediate.

import type { Clock, Timer } from '../env.ts'

/** setTimeout's largest delay; longer ones are waited for in pieces. */
const MAX_DELAY_MS = 2 ** 31 - 1

export class RealClock implements Clock {
  #turnCallbacks: (() => void)[] = []
  readonly #runTurn = () => this.#run()

  wallTime(): number {
    return Date.now()
  }

  now(): number {
    return performance.now()
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    // A timeout counts in whole milliseconds from the loop's cached time, so it may fire a fraction early by `now`: it is then waited for again.
    const due = performance.now() + delayMs
    let handle: NodeJS.Timeout
    const wait = (remainingMs: number) => {
      handle = setTimeout(fire, Math.min(Math.ceil(remainingMs), MAX_DELAY_MS))
      handle.unref()
    }
    const fire = () => {
      const remainingMs = due - performance.now()
      if (remainingMs > 0) wait(remainingMs)
      else callback()
    }
    wait(delayMs)
    return { cancel: () => clearTimeout(handle) }
  }

  turn(callback: () => void): void {
    if (this.#turnCallbacks.push(callback) === 1) setImmediate(this.#runTurn)
  }

  #run(): void {
    const callbacks = this.#turnCallbacks
    this.#turnCallbacks = []
    let next = 0
    try {
      while (next < callbacks.length) callbacks[next++]!()
    } finally {
      // One that threw must not take the others with it, should the process outlive the exception.
      for (; next < callbacks.length; next++) this.turn(callbacks[next]!)
    }
  }
}

/** The loop goes round for real once in so many drains, so that a long simulation does not deafen its process. */
const DRAINS_PER_LOOP = 2048
let drains = 0

/**
 * Settles when every microtask queued so far, and all that those queue, has run. For the simulator's loop only: there nothing but microtasks
 * can be under way between two events.
 */
export function drainMicrotasks(): Promise<void> {
  return new Promise(resolve => {
    if (++drains % DRAINS_PER_LOOP === 0) setImmediate(resolve)
    else process.nextTick(resolve)
  })
}
