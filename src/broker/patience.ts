// A node that waits for others says so after a while, and again, so that nobody has to guess why it does not start.
import type { Env, Timer } from '../env/env.ts'

const PATIENCE_MS = 5000

/** Settles as `promise` does; until then `event` is logged now and then. */
export async function patiently<T>(env: Env, promise: Promise<T>, event: string): Promise<T> {
  const since = env.clock.now()
  let timer: Timer
  const wait = () => {
    timer = env.clock.setTimer(PATIENCE_MS, () => {
      env.logger.log('warn', event, { seconds: Math.round((env.clock.now() - since) / 1000) })
      wait()
    })
  }
  wait()
  try {
    return await promise
  } finally {
    timer!.cancel()
  }
}
