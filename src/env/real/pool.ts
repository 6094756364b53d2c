// Who may use libuv's thread pool, and when. The pool is one FIFO for the whole process: without a rule, a retention run of unlinks (250 ms of a
// thread each) or two hundred flushes would stand before the synced vote or metadata write that everything waits for.
//
// Lanes, over a pool of N threads: `urgent` starts at once; `data` (write, flush, index) and `unlink` together hold at most N − 2 threads,
// `unlink` one of them; `read` also at most N − 2; all three together at most N − 1. So cold reads and flushes never shut each other out, and
// `urgent` always finds a thread.

export type Lane = 'urgent' | 'read' | 'data' | 'unlink'

/** Starts the job; calls `finished` once, later, when its thread is free again. */
export type Job = (finished: () => void) => void

export class Pool {
  /** Of `data` and `unlink` together, and of `read`. */
  readonly #laneLimit: number
  readonly #totalLimit: number
  #dataRunning = 0
  #readsRunning = 0
  #totalRunning = 0
  #unlinkRunning = 0
  readonly #reads = new Fifo<Job>()
  readonly #data = new Fifo<Job>()
  readonly #unlinks = new Fifo<Job>()

  constructor(options: { readonly threads: number }) {
    this.#laneLimit = Math.max(1, options.threads - 2)
    this.#totalLimit = Math.max(2, options.threads - 1)
  }

  run(lane: Lane, job: Job): void {
    switch (lane) {
      case 'urgent':
        job(() => {})
        return
      case 'read':
        this.#reads.push(job)
        break
      case 'data':
        this.#data.push(job)
        break
      case 'unlink':
        this.#unlinks.push(job)
        break
    }
    this.#start()
  }

  /** The same for a job that is a promise. */
  call<T>(lane: Lane, job: () => Promise<T>): Promise<T> {
    if (lane === 'urgent') return job()
    return new Promise((resolve, reject) => {
      this.run(lane, finished => {
        job().then(
          value => {
            finished()
            resolve(value)
          },
          (error: unknown) => {
            finished()
            reject(error)
          },
        )
      })
    })
  }

  #start(): void {
    while (this.#totalRunning < this.#totalLimit) {
      const read = this.#readsRunning < this.#laneLimit ? this.#reads.shift() : undefined
      if (read !== undefined) {
        this.#readsRunning++
        this.#launch(read, () => this.#readsRunning--)
        continue
      }
      if (this.#dataRunning >= this.#laneLimit) return
      const data = this.#data.shift()
      if (data !== undefined) {
        this.#dataRunning++
        this.#launch(data, () => this.#dataRunning--)
        continue
      }
      if (this.#unlinkRunning > 0) return
      const unlink = this.#unlinks.shift()
      if (unlink === undefined) return
      this.#dataRunning++
      this.#unlinkRunning++
      this.#launch(unlink, () => {
        this.#dataRunning--
        this.#unlinkRunning--
      })
    }
  }

  #launch(job: Job, release: () => void): void {
    this.#totalRunning++
    job(() => {
      this.#totalRunning--
      release()
      this.#start()
    })
  }
}

/** A queue whose shift is O(1) however long it grows. */
export class Fifo<T> {
  #items: T[] = []
  #head = 0

  get length(): number {
    return this.#items.length - this.#head
  }

  push(item: T): void {
    this.#items.push(item)
  }

  peek(): T | undefined {
    return this.#items[this.#head]
  }

  shift(): T | undefined {
    if (this.#head === this.#items.length) return undefined
    const item = this.#items[this.#head++]
    if (this.#head === this.#items.length) {
      this.#items = []
      this.#head = 0
    } else if (this.#head >= 1024 && this.#head * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
    return item
  }
}

let shared: Pool | undefined

/** The one of this process: all real environments share libuv's threads, so they share the rule. */
export function sharedPool(): Pool {
  const configured = Number(process.env['UV_THREADPOOL_SIZE'])
  return (shared ??= new Pool({ threads: Number.isInteger(configured) && configured > 0 ? configured : 4 }))
}
