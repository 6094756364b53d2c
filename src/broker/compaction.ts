// One log at a time is compacted, the dirtiest first, on leaders and followers alike. One timer for the node; when it rings, the logs whose policy says so are looked at, and cleaned until
// none is worth it. Where we differ from Kafka: one cleaner, on the event loop, in slices of a millisecond or two (Kafka: log.cleaner.threads); a cleaning
// leaves log.dir.free.bytes.min of the disk free.
import type { Config } from '../config.ts'
import type { Env, Timer } from '../env/env.ts'
import { isWorthCleaning } from '../log/compaction/eligibility.ts'
import { UnreadableError } from '../log/compaction/scan.ts'
import { DamagedLogError } from '../log/walk.ts'
import type { LocalReplica } from './local-replica.ts'

/** A log that could not be read, or found no room, is left alone for so long. */
const REST_MS = 10 * 60_000

interface CompactionOptions {
  /** With its dynamic part. */
  readonly config: () => Config
  readonly replicas: () => Iterable<LocalReplica>
  readonly fail: (error: Error) => void
}

export class CompactionTask {
  readonly #env: Env
  readonly #o: CompactionOptions
  /** Until when which log is left alone. */
  readonly #resting = new Map<LocalReplica, number>()
  #timer: Timer | undefined
  #running: Promise<void> | undefined
  #underWay: LocalReplica | undefined
  #closed = false

  constructor(env: Env, o: CompactionOptions) {
    this.#env = env
    this.#o = o
    if (o.config()['log.cleaner.enable']) this.#wait()
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#timer?.cancel()
    await this.#underWay?.log.compaction.stop()
    await this.#running
  }

  #wait(): void {
    this.#timer = this.#env.clock.setTimer(this.#o.config()['log.cleaner.backoff.ms'], () => {
      this.#running = this.#run().then(
        () => {
          if (!this.#closed) this.#wait()
        },
        error => this.#o.fail(error instanceof Error ? error : new Error(String(error))),
      )
    })
  }

  async #run(): Promise<void> {
    for (let next = this.#dirtiest(); next !== undefined && !this.#closed; next = this.#dirtiest()) {
      this.#underWay = next
      await this.#clean(next)
      this.#underWay = undefined
    }
  }

  #dirtiest(): LocalReplica | undefined {
    const now = this.#env.clock.now()
    for (const [replica, until] of this.#resting) if (until <= now) this.#resting.delete(replica)
    let dirtiest: LocalReplica | undefined
    let most = -1
    for (const replica of this.#o.replicas()) {
      const { highWatermark, log } = replica
      if (!log.config.cleanupPolicy.includes('compact') || this.#resting.has(replica)) continue
      const dirtiness = log.compaction.dirtiness(highWatermark)
      if (dirtiness.ratio > most && isWorthCleaning(dirtiness, log.config)) [dirtiest, most] = [replica, dirtiness.ratio]
    }
    return dirtiest
  }

  async #clean(replica: LocalReplica): Promise<void> {
    const { topic, partition, highWatermark, log } = replica
    const { clock, logger } = this.#env
    const config = this.#o.config()
    const startedAt = clock.now()
    try {
      const { outcome, ...counts } = await log.compaction.clean({
        highWatermark,
        mapBytes: config['log.cleaner.dedupe.buffer.size'],
        mapLoadFactor: config['log.cleaner.io.buffer.load.factor'],
        maxBytesPerSecond: config['log.cleaner.io.max.bytes.per.second'],
        leaveFreeBytes: config['log.dir.free.bytes.min'],
      })
      if (outcome === 'no room' || (outcome === 'interrupted' && !this.#closed)) this.#rest(replica)
      const durationMs = Math.round(clock.now() - startedAt)
      if (outcome === 'done') logger.log('info', 'compacted a log', { topic, partition, ...counts, durationMs })
      if (outcome === 'no room') logger.log('warn', 'found no room to compact a log', { topic, partition })
    } catch (error) {
      if (!(error instanceof UnreadableError || error instanceof DamagedLogError)) throw error
      logger.log('error', 'failed to compact a log', { topic, partition, error })
      this.#rest(replica)
    }
  }

  #rest(replica: LocalReplica): void {
    this.#resting.set(replica, this.#env.clock.now() + REST_MS)
  }
}
