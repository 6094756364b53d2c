import { collectBy } from '../../util/native-memory.ts'
import type { Env, Logger } from '../env.ts'
import { RealClock } from './clock.ts'
import { collector } from './collector.ts'
import { RealDisk } from './disk.ts'
import { RealKvStore } from './kv.ts'
import { realLogger } from './logger.ts'
import { RealNet } from './net.ts'
import { sharedPool } from './pool.ts'
import { realRandom } from './random.ts'

/** The world as it is: Node's timers and sockets, the file system, LevelDB. */
export function realEnv(options: { readonly logger?: Logger } = {}): Env {
  collectBy(collector)
  const clock = new RealClock()
  const logger = options.logger ?? realLogger()
  const pool = sharedPool()
  return {
    clock,
    random: realRandom,
    net: new RealNet(clock, logger),
    disk: new RealDisk(clock, pool),
    kv: new RealKvStore(pool),
    logger,
    poisonsMemory: false,
  }
}
