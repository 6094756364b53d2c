// One simulated node: the core, a disk, and what a driver does between them. It lives until it crashes; another one starts from the same disk.
import type { SeededRandom } from '../../env/sim/random.ts'
import type { FetchAnswer, RaftMessage, SnapshotChunk } from '../../raft/messages.ts'
import { createRaft, nextDeadline, type RaftState, step } from '../../raft/raft.ts'
import type { RaftEffect, RaftEvent, Voter } from '../../raft/types.ts'
import type { Checks, Witness } from './checks.ts'
import type { SimulatedDisk, StoredSnapshot } from './disk.ts'
import type { Plan } from './plan.ts'
import type { StoredLog } from './stored-log.ts'

/** What a node asks of the world around it. */
export interface Surroundings {
  readonly now: number
  readonly plan: Plan
  readonly checks: Checks
  /** The voters that there are, for the durability check. */
  readonly voters: () => readonly Witness[]
  /** So many of them have to have on disk what is committed. */
  readonly quorum: number
  /** Disks are as fast as they are meant to be. */
  readonly isHealed: boolean
  send(message: RaftMessage): void
  wakeAt(node: SimulatedNode, at: number): void
  later(node: SimulatedNode, delayMs: number, what: () => void): void
}

const CHUNK_BYTES = 4

export class SimulatedNode implements Witness {
  readonly nodeId: number
  readonly directoryId: string
  readonly state: RaftState
  readonly onDisk: SimulatedDisk
  readonly log: StoredLog
  readonly #around: Surroundings
  readonly #random: SeededRandom
  isAlive = true
  /** It stands still until then. */
  pausedUntil = 0
  /** Its disk is slow until then. */
  slowUntil = 0
  #snapshot: StoredSnapshot | undefined
  #committedOffset: number
  #entriesSinceSnapshot = 0
  #wakeAt = Number.POSITIVE_INFINITY

  constructor(
    o: { readonly voter: Voter; readonly voters: readonly Voter[]; readonly disk: SimulatedDisk; readonly random: SeededRandom },
    around: Surroundings,
  ) {
    this.nodeId = o.voter.nodeId
    this.directoryId = o.voter.directoryId
    this.onDisk = o.disk
    this.log = o.disk.log.copy()
    this.#snapshot = o.disk.snapshot
    this.#committedOffset = o.disk.snapshot?.endOffset ?? 0
    this.#around = around
    this.#random = o.random
    const { epoch, votedFor, snapshot, log } = o.disk
    const { fetchTimeoutMs, electionTimeoutMs } = around.plan
    const { startOffset, startEpoch, batches } = log
    const durable = { epoch, votedFor, snapshot, startOffset, startEpoch, batches }
    this.state = createRaft({ ...o.voter, voters: o.voters, fetchTimeoutMs, electionTimeoutMs, durable })
  }

  get isVoter(): boolean {
    return this.state.isVoter
  }

  run(event: RaftEvent): void {
    if (!this.isAlive) return
    const { now } = this.#around
    for (const effect of step(this.state, event, now, this.#random)) this.#perform(effect)
    if (this.state.log.endOffset !== this.log.endOffset)
      throw new Error(`the core's log ends at ${this.state.log.endOffset}, not ${this.log.endOffset}`)
    if (this.onDisk.maybeStart()) this.#around.later(this, this.#flushTime(), () => this.#finishFlush())
    this.#askToBeWoken()
  }

  /** The world's clock came to the time this node wanted. */
  wake(at: number): void {
    if (at !== this.#wakeAt) return
    this.#wakeAt = Number.POSITIVE_INFINITY
    this.run({ type: 'tick' })
  }

  crash(): void {
    this.isAlive = false
    this.onDisk.crash()
  }

  takeSnapshot(): void {
    const endOffset = this.#committedOffset
    const hash = this.log.hashAt(endOffset)
    if (hash === undefined || endOffset <= (this.#snapshot?.endOffset ?? 0)) return
    this.#entriesSinceSnapshot = 0
    const startOffset = this.log.boundaryAtMost(Math.max(0, endOffset - this.#around.plan.keptEntries))
    this.onDisk.write({ type: 'snapshot', snapshot: { endOffset, epoch: this.log.epochBefore(endOffset), hash }, startOffset })
  }

  #askToBeWoken(): void {
    const at = Math.max(nextDeadline(this.state), this.#around.now)
    if (at >= this.#wakeAt) return
    this.#wakeAt = at
    this.#around.wakeAt(this, at)
  }

  #perform(effect: RaftEffect): void {
    const { checks } = this.#around
    const { generation } = this.state.log
    switch (effect.type) {
      case 'saveVote':
        return void this.onDisk.write({ type: 'vote', epoch: effect.epoch, votedFor: effect.votedFor })
      case 'append': {
        const first = this.log.batches.length
        this.log.append(effect.batches)
        checks.appended(this.nodeId, this.log, first)
        return void this.onDisk.write(...effect.batches.map(batch => ({ type: 'append', batch, generation }) as const))
      }
      case 'truncate':
        checks.counts.truncations++
        this.log.truncate(effect.endOffset)
        return void this.onDisk.write({ type: 'truncate', endOffset: effect.endOffset, generation: effect.generation })
      case 'installSnapshot':
        return void this.#install(effect)
      case 'send':
        return void this.#send(effect.message)
      case 'sendBatches':
        return void this.#sendBatches(effect.answer)
      case 'sendChunk':
        return void this.#around.send(this.#withChunk(effect.answer))
      case 'committed':
        return void this.#commit(effect.endOffset)
      case 'leaderChanged':
        if (effect.isLeader) checks.elected(this, effect.epoch)
    }
  }

  #send(message: RaftMessage): void {
    if (message.type === 'voteAnswer' && message.granted) this.#around.checks.voted(this, { epoch: message.epoch, candidate: message.to })
    this.#around.send(message)
  }

  #sendBatches(answer: FetchAnswer): void {
    const { epoch, log } = this.state
    const { generation } = log
    const read = () => {
      if (this.state.epoch !== epoch || log.generation !== generation || this.log.startOffset > answer.fetchOffset) return
      this.#around.send({ ...answer, batches: this.log.from(answer.fetchOffset, 1 + this.#random.integer(8)) })
    }
    if (this.#around.plan.slowReads && this.#random.chance(0.3)) this.#around.later(this, this.#random.between(0, 40), read)
    else read()
  }

  #withChunk(answer: SnapshotChunk): SnapshotChunk {
    const snapshot = this.#snapshot
    if (snapshot?.endOffset !== answer.snapshot.endOffset || snapshot.epoch !== answer.snapshot.epoch) return answer
    const bytes = Buffer.alloc(8)
    bytes.writeDoubleLE(snapshot.hash)
    const start = answer.index * CHUNK_BYTES
    return { ...answer, chunkCount: bytes.length / CHUNK_BYTES, chunk: bytes.subarray(start, start + CHUNK_BYTES) }
  }

  #install(effect: Extract<RaftEffect, { type: 'installSnapshot' }>): void {
    const { snapshot, chunks, generation } = effect
    const stored = { ...snapshot, hash: Buffer.concat(chunks).readDoubleLE() }
    this.#around.checks.counts.installs++
    this.#around.checks.restored(this.nodeId, stored)
    this.#snapshot = stored
    this.log.restart(stored)
    this.#committedOffset = stored.endOffset
    this.onDisk.write({ type: 'install', snapshot: stored, generation })
  }

  #commit(endOffset: number): void {
    const { checks, plan } = this.#around
    const { role, epoch } = this.state
    const byLeader = role === 'leader'
    checks.committed(this, {
      from: this.#committedOffset,
      endOffset,
      byLeader,
      epoch,
      voters: this.#around.voters(),
      quorum: this.#around.quorum,
    })
    this.#entriesSinceSnapshot += endOffset - this.#committedOffset
    this.#committedOffset = endOffset
    if (this.#entriesSinceSnapshot >= plan.snapshotEveryEntries) this.takeSnapshot()
  }

  #flushTime(): number {
    const { plan, now, isHealed } = this.#around
    if (isHealed) return plan.flushMs
    if (now < this.slowUntil || this.#random.chance(plan.slowFlushChance)) return this.#random.between(0.5, 1) * plan.slowFlushMs
    return this.#random.between(0.2, 1.5) * plan.flushMs
  }

  #finishFlush(): void {
    for (const event of this.onDisk.finish()) {
      if (event.type === 'snapshotSaved') {
        const { snapshot, startOffset } = event
        if (snapshot.endOffset <= (this.#snapshot?.endOffset ?? 0)) continue
        this.#snapshot = snapshot as StoredSnapshot
        this.log.moveStart(startOffset)
      }
      this.run(event)
    }
    if (this.onDisk.maybeStart()) this.#around.later(this, this.#flushTime(), () => this.#finishFlush())
  }
}
