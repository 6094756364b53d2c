// One life of a node's process inside this one. Whatever comes back from a door comes as an event of that life: when it is over, nothing happens any more,
// and while it is paused everything waits. What has begun before (the microtasks of an event) comes to its end, and reaches no door.
import type { Clock } from '../../env/env.ts'

export interface LifeListener {
  /** Paused, or going on. */
  changed(): void
  over(): void
}

export class Life {
  readonly #clock: Clock
  readonly #afterEvent: () => void
  readonly #listeners = new Set<LifeListener>()
  #state: 'running' | 'paused' | 'over' = 'running'
  /** What came while it was paused, or while that is being caught up with; as in Node, timers are first. */
  readonly #timers: (() => void)[] = []
  readonly #arrivals: (() => void)[] = []
  #catchingUp = false

  /** @param afterEvent  called after each event, before what it brought about by microtasks */
  constructor(clock: Clock, afterEvent: () => void) {
    this.#clock = clock
    this.#afterEvent = afterEvent
  }

  get isOver(): boolean {
    return this.#state === 'over'
  }

  get isPaused(): boolean {
    return this.#state === 'paused'
  }

  /** Events happen as they come. */
  get isCurrent(): boolean {
    return this.#state === 'running' && !this.#catchingUp
  }

  /** @returns ends the listening */
  listen(listener: LifeListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Something came from a door. */
  arrived(run: () => void): void {
    if (this.isCurrent) this.#live(run)
    else if (this.#state !== 'over') this.#arrivals.push(run)
  }

  timerFired(run: () => void): void {
    if (this.isCurrent) this.#live(run)
    else if (this.#state !== 'over') this.#timers.push(run)
  }

  /** Settles by an event of this life, when `outcome` has; never, when it is over before. */
  settles<T>(outcome: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      outcome.then(
        value => this.arrived(() => resolve(value)),
        (error: unknown) => this.arrived(() => reject(error)),
      )
    })
  }

  pause(): void {
    this.#state = 'paused'
    for (const listener of this.#listeners) listener.changed()
  }

  resume(): void {
    this.#state = 'running'
    if (!this.#catchingUp) {
      this.#catchingUp = true
      this.#clock.turn(() => this.#catchUp())
    }
    for (const listener of this.#listeners) listener.changed()
  }

  end(): void {
    this.#state = 'over'
    this.#timers.length = 0
    this.#arrivals.length = 0
    for (const listener of this.#listeners) listener.over()
    this.#listeners.clear()
  }

  #live(run: () => void): void {
    run()
    this.#afterEvent()
  }

  /** One event a turn, in the order they came. */
  #catchUp(): void {
    if (this.#state === 'paused') {
      this.#catchingUp = false
      return
    }
    const next = this.#timers.shift() ?? this.#arrivals.shift()
    if (next === undefined || this.#state === 'over') {
      this.#catchingUp = false
      for (const listener of this.#listeners) listener.changed()
      return
    }
    this.#live(next)
    this.#clock.turn(() => this.#catchUp())
  }
}
