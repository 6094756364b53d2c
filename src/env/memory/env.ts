import type { Clock, Env, Logger, Net } from '../env.ts'
import { RealClock } from '../real/clock.ts'
import { realLogger } from '../real/logger.ts'
import { RealNet } from '../real/net.ts'
import { realRandom } from '../real/random.ts'
import { MemoryDisk } from './disk.ts'
import { MemoryKvStore } from './kv.ts'

export interface MemoryEnvOptions {
  readonly logger?: Logger
  readonly clock?: Clock
  readonly net?: Net
  /** From an earlier environment: what its node left on the disk. */
  readonly disk?: MemoryDisk
}

export interface MemoryEnv extends Env {
  readonly disk: MemoryDisk
  readonly kv: MemoryKvStore
}

/** Everything durable in memory, in real time and on real sockets: for embedding and for `--memory`. `level` is never loaded. */
export function memoryEnv(options: MemoryEnvOptions = {}): MemoryEnv {
  const clock = options.clock ?? new RealClock()
  const logger = options.logger ?? realLogger()
  const disk = options.disk ?? memoryDisk(clock)
  const net = options.net ?? new RealNet(clock, logger)
  return { clock, random: realRandom, net, disk, kv: memoryKv(clock, disk), logger, poisonsMemory: true }
}

export function memoryDisk(clock: Clock = new RealClock()): MemoryDisk {
  return new MemoryDisk(clock)
}

/** @param disk  the disk whose folders the stores live in; without one they have folders of their own */
export function memoryKv(clock: Clock = new RealClock(), disk?: MemoryDisk): MemoryKvStore {
  return new MemoryKvStore(clock, disk?.tree)
}
