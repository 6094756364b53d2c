// A seeded world of three to five voters and some observers: virtual time, a network that delays, loses, doubles, reorders and cuts, disks that are
// slow and forget, processes that crash and stand still. At the end everything heals, and the quorum has to make progress in bounded time.
import { SeededRandom } from '../../env/sim/random.ts'
import { Trace } from '../../env/sim/trace.ts'
import type { RaftMessage } from '../../raft/messages.ts'
import type { Voter } from '../../raft/types.ts'
import { Broken, Checks, type Witness } from './checks.ts'
import { SimulatedDisk } from './disk.ts'
import { EventQueue } from './event-queue.ts'
import { SimulatedNode, type Surroundings } from './node.ts'
import { type Fault, type Plan, planOf } from './plan.ts'
import { messageText } from './told.ts'

export interface RaftSimulationResult {
  readonly failure: Error | undefined
  readonly hash: string
  readonly virtualMs: number
  readonly events: number
  readonly counts: Checks['counts']
  /** After the world healed, until all had what was proposed then. */
  readonly recoveryMs: number
}

export function simulateRaft(seed: number, o: { readonly trace?: (line: string) => void } = {}): RaftSimulationResult {
  const world = new World(planOf(seed), o.trace)
  let failure: Error | undefined
  try {
    world.run()
  } catch (error) {
    failure = error as Error
  }
  const { checks, trace, now, events, recoveryMs } = world
  return { failure, hash: trace.hash, virtualMs: now, events, counts: checks.counts, recoveryMs }
}

/** Of seeds whose nodes gossip, and how often one of them hears something. */
const HINTS_CHANCE = 0.35
const HINT_EVERY_MS = 30

class World implements Surroundings {
  readonly plan: Plan
  readonly checks = new Checks()
  readonly trace = new Trace()
  now = 0
  events = 0
  recoveryMs = 0
  isHealed = false
  readonly #random: SeededRandom
  readonly #net: SeededRandom
  /** A stream of its own, so that the other seeds keep their stories. */
  readonly #gossip: SeededRandom
  readonly #queue = new EventQueue()
  readonly #voters: readonly Voter[]
  readonly #disks = new Map<number, SimulatedDisk>()
  readonly #nodes = new Map<number, SimulatedNode>()
  /** `from/to`, one way. */
  readonly #cut = new Set<number>()
  readonly #wiped = new Set<number>()
  #proposals = 0

  constructor(plan: Plan, sink: ((line: string) => void) | undefined) {
    this.plan = plan
    this.#random = new SeededRandom(plan.seed, 'faults')
    this.#net = new SeededRandom(plan.seed, 'net')
    this.#gossip = new SeededRandom(plan.seed, 'gossip')
    this.trace.sink = sink
    this.#voters = Array.from({ length: plan.voters }, (_, index) => ({ nodeId: index + 1, directoryId: `d${index + 1}` }))
  }

  run(): void {
    const { plan } = this
    this.#tell(JSON.stringify(plan))
    for (let id = 1; id <= plan.voters + plan.observers; id++) {
      this.#disks.set(id, new SimulatedDisk(new SeededRandom(plan.seed, `disk ${id}`)))
      this.#later(this.#random.chance(0.7) ? 0 : this.#random.between(0, 500), () => this.#start(id))
    }
    this.#later(plan.faultEveryMs, () => this.#breakSomething())
    this.#later(plan.proposeEveryMs, () => this.#propose())
    if (this.#gossip.chance(HINTS_CHANCE)) this.#hint()
    this.#runUntil(() => this.now >= plan.faultyMs)
    this.#heal()
    this.#recover()
  }

  // ------------------------------------------------------------------------------------------------------- what nodes ask for

  /** One whose disk was taken away had on it what it once said. */
  voters = (): readonly Witness[] => {
    const left = this.#voters.filter(({ nodeId }) => !this.#wiped.has(nodeId))
    return left.map(({ nodeId }) => this.#nodes.get(nodeId) ?? this.#absent(nodeId))
  }

  get quorum(): number {
    return Math.floor(this.plan.voters / 2) + 1 - this.#wiped.size
  }

  send(message: RaftMessage): void {
    const { plan } = this
    if (!this.isHealed && this.#net.chance(plan.lossChance)) return
    this.#deliver(message)
    if (!this.isHealed && this.#net.chance(plan.doubleChance)) this.#deliver(message)
  }

  wakeAt(node: SimulatedNode, at: number): void {
    this.#queue.add(at, () => this.#whenAwake(node, () => node.wake(at)))
  }

  later(node: SimulatedNode, delayMs: number, what: () => void): void {
    this.#queue.add(this.now + delayMs, () => this.#whenAwake(node, what))
  }

  // ------------------------------------------------------------------------------------------------------------------- network

  #deliver(message: RaftMessage): void {
    const { plan } = this
    const late = !this.isHealed && this.#net.chance(plan.lateChance) ? this.#net.between(0, plan.lateMs) : 0
    const delay = this.#net.between(0.5, 1.5) * plan.delayMs + late
    this.#queue.add(this.now + delay, () => {
      const node = this.#nodes.get(message.to)
      if (node === undefined || this.#cut.has(message.from * 100 + message.to)) return
      this.#whenAwake(node, () => {
        if (this.trace.sink !== undefined) this.#tell(messageText(message))
        node.run({ type: 'received', message })
      })
    })
  }

  #whenAwake(node: SimulatedNode, what: () => void): void {
    if (!node.isAlive) return
    if (node.pausedUntil > this.now) this.#queue.add(node.pausedUntil, () => this.#whenAwake(node, what))
    else what()
  }

  // --------------------------------------------------------------------------------------------------------------------- nodes

  #start(id: number): void {
    if (this.#nodes.has(id)) return
    const voter = this.#wiped.has(id)
      ? { nodeId: id, directoryId: `d${id} blank` }
      : (this.#voters[id - 1] ?? { nodeId: id, directoryId: `d${id}` })
    const random = new SeededRandom(this.plan.seed, `node ${id} at ${this.now}`)
    const node = new SimulatedNode({ voter, voters: this.#voters, disk: this.#disks.get(id)!, random }, this)
    this.#nodes.set(id, node)
    this.#tell(`start ${id} as ${voter.directoryId} in epoch ${node.state.epoch} with ${node.log.endOffset} entries`)
    node.run({ type: 'start' })
    for (const other of this.#nodes.values()) if (other !== node) this.#connect(node, other)
  }

  #connect(restarted: SimulatedNode, other: SimulatedNode): void {
    const { nodeId } = restarted
    if (!this.plan.noticesLoss) return
    this.later(other, this.#random.between(0, 30), () => {
      if (!restarted.isAlive || this.#cut.has(nodeId * 100 + other.nodeId)) return
      if (this.#random.chance(0.5)) other.run({ type: 'peerLost', nodeId, why: 'restarted' })
      other.run({ type: 'peerConnected', nodeId })
    })
    this.later(restarted, this.#random.between(0, 30), () => restarted.run({ type: 'peerConnected', nodeId: other.nodeId }))
  }

  #crash(id: number): void {
    const node = this.#nodes.get(id)
    if (node === undefined) return
    this.#tell(`crash ${id}`)
    node.crash()
    this.#nodes.delete(id)
    if (!this.plan.noticesLoss) return
    for (const other of this.#nodes.values()) {
      if (this.#cut.has(id * 100 + other.nodeId)) continue
      this.later(other, this.#random.between(0, 10), () => {
        if (!this.#nodes.has(id)) other.run({ type: 'peerLost', nodeId: id, why: 'refused' })
      })
    }
  }

  #absent(nodeId: number): Witness {
    const onDisk = this.#disks.get(nodeId)!
    return { nodeId, isVoter: true, log: onDisk.log, onDisk }
  }

  // -------------------------------------------------------------------------------------------------------------------- faults

  #breakSomething(): void {
    if (this.isHealed) return
    const { faults, faultEveryMs } = this.plan
    if (faults.length > 0) this.#inject(this.#random.pick(faults))
    this.#later(this.#random.between(0.3, 2) * faultEveryMs, () => this.#breakSomething())
  }

  #inject(fault: Fault): void {
    const id = 1 + this.#random.integer(this.plan.voters + this.plan.observers)
    const other = 1 + this.#random.integer(this.plan.voters + this.plan.observers)
    const node = this.#nodes.get(this.#random.chance(0.4) ? (this.#leader()?.nodeId ?? id) : id)
    const forMs =
      this.#random.pick([this.plan.electionTimeoutMs, this.plan.fetchTimeoutMs, 3 * this.plan.fetchTimeoutMs]) *
      this.#random.between(0.2, 1.2)
    if (node === undefined) return
    this.#tell(`fault ${fault} at ${node.nodeId} for ${forMs.toFixed(0)} ms`)
    switch (fault) {
      case 'crash':
        this.#crash(node.nodeId)
        return void this.#later(forMs, () => this.#start(node.nodeId))
      case 'crashAll':
        if (!this.#random.chance(0.3)) return
        for (const { nodeId } of [...this.#nodes.values()]) {
          this.#crash(nodeId)
          this.#later(this.#random.between(0, forMs), () => this.#start(nodeId))
        }
        return
      case 'wipe':
        return void this.#wipe(node.nodeId, forMs)
      case 'cut':
        return void this.#separate(
          [
            [id, other],
            [other, id],
          ],
          forMs,
        )
      case 'oneWay':
        return void this.#separate([[id, other]], forMs)
      case 'isolate':
        return void this.#isolate(node.nodeId, forMs)
      case 'pause':
        node.pausedUntil = this.now + forMs
        return
      case 'resign':
        return void node.run({ type: 'resign' })
      case 'slowDisk':
        node.slowUntil = this.now + forMs
        return
      case 'falseAlarm':
        if (this.plan.falseAlarms) node.run({ type: 'peerLost', nodeId: other, why: this.#random.pick(['refused', 'restarted']) })
        return
      case 'snapshot':
        return void node.takeSnapshot()
    }
  }

  /** It comes back without its data, under its old id. As many as the quorum can do without. */
  #wipe(id: number, forMs: number): void {
    if (id > this.plan.voters || this.#wiped.size >= Math.floor((this.plan.voters - 1) / 2) || this.#wiped.has(id)) return
    this.#crash(id)
    this.#wiped.add(id)
    this.#disks.set(id, new SimulatedDisk(new SeededRandom(this.plan.seed, `disk ${id} anew`)))
    this.#later(forMs, () => this.#start(id))
  }

  #isolate(id: number, forMs: number): void {
    const pairs: [number, number][] = []
    const oneWay = this.#random.pick(['none', 'in', 'out'])
    for (let peer = 1; peer <= this.plan.voters + this.plan.observers; peer++) {
      if (peer === id) continue
      if (oneWay !== 'in') pairs.push([id, peer])
      if (oneWay !== 'out') pairs.push([peer, id])
    }
    this.#separate(pairs, forMs)
  }

  #separate(pairs: readonly (readonly [number, number])[], forMs: number): void {
    for (const [from, to] of pairs) this.#cut.add(from * 100 + to)
    this.#later(forMs, () => {
      for (const [from, to] of pairs) this.#cut.delete(from * 100 + to)
    })
  }

  /** Heard outside the quorum's messages, true or not; also after everything healed. */
  #hint(): void {
    const random = this.#gossip
    const node = random.pick([...this.#nodes.values()])
    const teller = random.pick([...this.#nodes.values()])
    if (node !== undefined && teller !== undefined) {
      const { epoch, leaderId, highWatermark } = teller.state
      const lies = !this.isHealed && random.chance(0.3)
      const hint = lies
        ? { epoch: epoch + random.integer(4), leaderId: random.integer(this.plan.voters + 2), committedOffset: random.integer(100_000) }
        : { epoch, leaderId, committedOffset: highWatermark }
      this.#whenAwake(node, () => node.run({ type: 'hinted', ...hint }))
    }
    this.#later(random.between(0.1, 2) * HINT_EVERY_MS, () => this.#hint())
  }

  // ------------------------------------------------------------------------------------------------------------------ workload

  #leader(): SimulatedNode | undefined {
    return this.#random.pick([...this.#nodes.values()].filter(({ state }) => state.role === 'leader'))
  }

  #propose(): void {
    const leader = this.#leader()
    if (leader !== undefined && leader.pausedUntil <= this.now) {
      const count = 1 + this.#random.integer(2)
      leader.run({ type: 'proposed', proposals: Array.from({ length: count }, () => this.#payloads()) })
    }
    this.#later(this.#random.between(0.2, 2) * this.plan.proposeEveryMs, () => this.#propose())
  }

  #payloads(): Buffer[] {
    return Array.from({ length: 1 + this.#random.integer(3) }, () => {
      const payload = Buffer.alloc(4)
      payload.writeUInt32LE(++this.#proposals)
      return payload
    })
  }

  // ------------------------------------------------------------------------------------------------------------------ recovery

  #heal(): void {
    this.#tell('everything heals')
    this.isHealed = true
    this.#cut.clear()
    for (const node of this.#nodes.values()) {
      node.slowUntil = 0
      node.pausedUntil = Math.min(node.pausedUntil, this.now + 1)
    }
    for (const id of this.#disks.keys()) this.#start(id)
  }

  /** Within a bound all have what is proposed from now on, and then nobody starts an election any more. */
  #recover(): void {
    const { fetchTimeoutMs, electionTimeoutMs, slowFlushMs } = this.plan
    const bound = 6 * fetchTimeoutMs + 8 * electionTimeoutMs + 2 * slowFlushMs
    const healedAt = this.now
    let target: number | undefined
    this.#runUntil(() => {
      if (this.now > healedAt + bound) throw new Broken(`no progress within ${bound} ms after everything healed`)
      if (target === undefined && this.checks.committedOffset > 0 && this.now > healedAt) target = this.#targetOnceLed()
      return target !== undefined && [...this.#nodes.values()].every(({ state }) => state.highWatermark >= target!)
    })
    this.recoveryMs = this.now - healedAt
    const { elections } = this.checks.counts
    this.#runUntil(() => this.now > healedAt + this.recoveryMs + 3 * fetchTimeoutMs)
    if (this.checks.counts.elections !== elections) throw new Broken('an election in a healthy quorum')
  }

  /** One leader whom all follow: what its log has by now and one more. */
  #targetOnceLed(): number | undefined {
    const nodes = [...this.#nodes.values()]
    const leader = nodes.find(({ state }) => state.role === 'leader')
    if (leader === undefined || !nodes.every(({ state }) => state.leaderId === leader.nodeId)) return undefined
    return leader.state.log.endOffset + 1
  }

  #runUntil(isDone: () => boolean): void {
    while (!isDone()) {
      const event = this.#queue.take()
      if (event === undefined) throw new Broken('nothing happens any more')
      this.now = Math.max(this.now, event.at)
      this.events++
      this.trace.number(this.now)
      event.what()
      this.#traceState()
    }
  }

  #traceState(): void {
    for (const { state } of this.#nodes.values()) this.trace.number(state.epoch * 1e6 + state.log.endOffset)
  }

  #later(delayMs: number, what: () => void): void {
    this.#queue.add(this.now + delayMs, what)
  }

  #tell(what: string): void {
    this.trace.sink?.(`${this.now.toFixed(1).padStart(9)}  ${what}`)
  }
}
