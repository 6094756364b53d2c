// What a seed decides before anything happens: how many nodes, how slow and how faulty the world is. Most seeds leave most faults out, so that
// each is met alone as well as with others.
import { SeededRandom } from '../../env/sim/random.ts'

export interface Plan {
  readonly seed: number
  readonly voters: number
  readonly observers: number
  readonly fetchTimeoutMs: number
  readonly electionTimeoutMs: number
  /** Of faults; then everything heals. */
  readonly faultyMs: number
  readonly proposeEveryMs: number
  readonly snapshotEveryEntries: number
  /** Entries that the log keeps behind its snapshot. */
  readonly keptEntries: number
  /** A message takes this long, most of the time. */
  readonly delayMs: number
  /** Some take up to this much longer, and are overtaken. */
  readonly lateMs: number
  readonly lateChance: number
  readonly lossChance: number
  readonly doubleChance: number
  readonly flushMs: number
  readonly slowFlushMs: number
  readonly slowFlushChance: number
  /** Reading entries for a fetch takes a moment, in which the reader may lose its role. */
  readonly slowReads: boolean
  /** A closed connection is noticed: the others hear of a crash. */
  readonly noticesLoss: boolean
  /** A healthy node is taken for gone now and then. */
  readonly falseAlarms: boolean
  readonly faults: readonly Fault[]
  readonly faultEveryMs: number
}

export type Fault =
  | 'crash'
  | 'crashAll'
  | 'wipe'
  | 'cut'
  | 'oneWay'
  | 'isolate'
  | 'pause'
  | 'resign'
  | 'slowDisk'
  | 'falseAlarm'
  | 'snapshot'

const FAULTS: readonly Fault[] = [
  'crash',
  'crashAll',
  'wipe',
  'cut',
  'oneWay',
  'isolate',
  'pause',
  'resign',
  'slowDisk',
  'falseAlarm',
  'snapshot',
]

export function planOf(seed: number): Plan {
  const random = new SeededRandom(seed, 'plan')
  const sometimes = (chance: number, value: () => number) => (random.chance(chance) ? value() : 0)
  const isFast = random.chance(0.6)
  return {
    seed,
    voters: random.pick([3, 3, 3, 4, 5, 5]),
    observers: random.pick([0, 0, 1, 2]),
    fetchTimeoutMs: isFast ? 300 : 1000,
    electionTimeoutMs: isFast ? 100 : 300,
    faultyMs: isFast ? random.between(1500, 4000) : random.between(4000, 8000),
    proposeEveryMs: random.pick([15, 40, 120]),
    snapshotEveryEntries: random.pick([15, 50, 1_000_000]),
    keptEntries: random.pick([0, 0, 5]),
    delayMs: random.pick([0.5, 2, 10]),
    lateMs: random.pick([20, 100, 600]),
    lateChance: sometimes(0.5, () => random.between(0, 0.2)),
    lossChance: sometimes(0.4, () => random.between(0, 0.15)),
    doubleChance: sometimes(0.5, () => random.between(0, 0.2)),
    flushMs: random.pick([0.2, 2, 15]),
    slowFlushMs: random.pick([100, 500, 2000]),
    slowFlushChance: sometimes(0.4, () => random.between(0, 0.1)),
    slowReads: random.chance(0.3),
    noticesLoss: random.chance(0.6),
    falseAlarms: random.chance(0.2),
    faults: FAULTS.filter(() => random.chance(0.55)),
    faultEveryMs: isFast ? random.between(60, 500) : random.between(150, 1200),
  }
}
