// What the logs of a node share.

import type { Env } from '../env/env.ts'
import type { CheckpointPace } from './checkpoints.ts'
import type { HotTailBudget } from './hot-tail.ts'
import type { ProducerBudget } from './producer-budget.ts'

export interface LogWorld {
  readonly env: Env
  readonly hotTails: HotTailBudget
  readonly pace: CheckpointPace
  readonly producers: ProducerBudget
  /** The node stops. */
  fail(error: Error): void
}
