// Performs what the quorum's core asks for and brings it the events: the disk (writer.ts), messages, time, and the listener above.
// A quorum of one is the same: it elects itself, has nobody to send to and no timers.
import type { Env, Kv, Timer } from '../env/env.ts'
import { KafkaError, NOT_CONTROLLER } from '../protocol/errors.ts'
import { assert, unreachable } from '../util/assert.ts'
import { decodeMessage, encodeMessage } from './codec.ts'
import { describeQuorum } from './description.ts'
import { epochAt } from './log-index.ts'
import { endOf, LogTail, sizeOf } from './log-tail.ts'
import type { FetchAnswer, RaftMessage, SnapshotChunk } from './messages.ts'
import {
  type CommittedEntry,
  type Leadership,
  MAX_PROPOSAL_BYTES,
  type Quorum,
  type QuorumDescription,
  type QuorumListener,
  type QuorumSnapshot,
} from './quorum.ts'
import { createRaft, nextDeadline, type RaftState, step } from './raft.ts'
import { type EntryBatch, type LoadedLog, QuorumStore, type SnapshotParts } from './store.ts'
import type { RaftEffect, RaftEvent, Voter } from './types.ts'
import { isOnlyVoter, isVoter } from './voters.ts'
import { LogWriter, type Written } from './writer.ts'

/** The method of raft messages on the internal listener (src/net/rpc-methods.ts). */
export const RAFT_NOTICE = 1
/** One answer to a fetch holds about so much. */
const ANSWER_BYTES = 1024 * 1024
const HANDED_OVER_AT_ONCE = 10_000
const SNAPSHOT_EVERY_ENTRIES = 20_000
const SNAPSHOT_EVERY_BYTES = 16 * 1024 * 1024

/** Whoever sent a message: what the connection proved, and the way back. */
export interface RaftSender {
  readonly nodeId: number
  readonly directoryId: string
  notice(method: number, payload: readonly Uint8Array[]): void
  onClose(listener: () => void): () => void
}

/** Delivers to voters what it can; the rest is said again. */
export interface RaftTransport {
  send(to: number, bytes: readonly Uint8Array[]): void
}

export interface RaftDriverOptions {
  /** The node's data directory; the vote file is in it. */
  readonly directory: string
  readonly meta: Kv
  readonly nodeId: number
  readonly directoryId: string
  /** Of the whole quorum. This node is one of them, with its directory, or it is an observer. */
  readonly voters: readonly Voter[]
  readonly transport: RaftTransport
  readonly fetchTimeoutMs: number
  readonly electionTimeoutMs: number
  /** A snapshot of the state replaces the log after so many entries. */
  readonly snapshotEveryEntries?: number
  /** Told once of a failed write, or a mistake of ours: the node must stop, for what is on disk is not known any more. */
  readonly fail: (error: Error) => void
}

export class RaftDriver implements Quorum {
  readonly nodeId: number
  readonly voters: readonly number[]
  readonly #env: Env
  readonly #options: RaftDriverOptions
  readonly #store: QuorumStore
  readonly #state: RaftState
  readonly #tail: LogTail
  readonly #writer: LogWriter
  #loadedSnapshot: QuorumSnapshot | undefined
  #listener: QuorumListener | undefined
  #phase: 'new' | 'running' | 'stopped' = 'new'
  #isBroken = false
  /** As the listener was told. */
  #leadership: Leadership
  #committedOffset = 0
  #committedEpoch = 0
  /** Of this turn; they become entries together. */
  #proposals: (readonly Uint8Array[])[] = []
  #proposedCount = 0
  #events: RaftEvent[] = []
  #isStepping = false
  #timer: Timer | undefined
  #timerAt = Number.POSITIVE_INFINITY
  /** The newest connection of each node that spoke to us. */
  readonly #senders = new Map<number, RaftSender>()
  /** On disk. */
  #snapshot: { readonly endOffset: number; readonly epoch: number; readonly chunkCount: number } | undefined
  #entriesSinceSnapshot = 0
  #bytesSinceSnapshot = 0
  #savingSnapshot: Promise<void> | undefined
  /** Settles `start` of a quorum of one. */
  #elected: { readonly resolve: () => void; readonly reject: (error: Error) => void } | undefined

  /** @throws EnvError ECORRUPT when what is on disk does not fit together */
  static async open(env: Env, options: RaftDriverOptions): Promise<RaftDriver> {
    const { store, log } = await QuorumStore.open(env.disk, options)
    return new RaftDriver(env, store, log, options)
  }

  private constructor(env: Env, store: QuorumStore, log: LoadedLog, options: RaftDriverOptions) {
    this.nodeId = options.nodeId
    this.voters = options.voters.map(({ nodeId }) => nodeId)
    this.#env = env
    this.#options = options
    this.#store = store
    const { vote, snapshot, batches, endOffset } = log
    const startOffset = snapshot?.endOffset ?? 0
    const startEpoch = snapshot?.epoch ?? 0
    const { nodeId, directoryId, voters, fetchTimeoutMs, electionTimeoutMs } = options
    const durable = { epoch: vote.epoch, votedFor: vote.votedFor, snapshot, startOffset, startEpoch, batches }
    this.#state = createRaft({ nodeId, directoryId, voters, fetchTimeoutMs, electionTimeoutMs, durable })
    this.#tail = new LogTail(batches, endOffset)
    if (voters.length > 1) this.#tail.keepSome()
    this.#writer = new LogWriter(store, {
      endOffset,
      written: written => this.#written(written),
      failed: error => this.#fail(error),
    })
    this.#loadedSnapshot = snapshot
    this.#leadership = { epoch: vote.epoch, leaderId: -1, isLeader: false }
  }

  get epoch(): number {
    return this.#leadership.epoch
  }
  get isLeader(): boolean {
    return this.#leadership.isLeader
  }
  get leaderId(): number {
    return this.#leadership.leaderId
  }
  get committedOffset(): number {
    return this.#committedOffset
  }
  get logEndOffset(): number {
    return this.#state.log.endOffset + this.#proposedCount
  }

  /** A quorum of one leads when this has settled; else an election may still have to be held, and what is agreed beyond the snapshot learned. */
  async start(listener: QuorumListener): Promise<void> {
    assert(this.#phase === 'new', `started when ${this.#phase}`)
    this.#phase = 'running'
    this.#listener = listener
    const snapshot = this.#loadedSnapshot
    this.#loadedSnapshot = undefined
    if (snapshot !== undefined) this.#loadSnapshot(snapshot)
    const elected = isOnlyVoter(this.#state)
      ? new Promise<void>((resolve, reject) => (this.#elected = { resolve, reject }))
      : Promise.resolve()
    this.#step({ type: 'start' })
    await elected
  }

  propose(payloads: readonly Uint8Array[]): number {
    const { role, epoch } = this.#state
    if (!this.isLeader || role !== 'leader' || epoch !== this.epoch || this.#phase !== 'running') throw new KafkaError(NOT_CONTROLLER)
    let bytes = 0
    for (const { length } of payloads) {
      assert(length > 0, 'a proposal holds an empty entry')
      bytes += length
    }
    assert(payloads.length > 0, 'a proposal holds no entry')
    assert(bytes <= MAX_PROPOSAL_BYTES, `a proposal of ${bytes} bytes, at most ${MAX_PROPOSAL_BYTES} are allowed`)
    if (this.#proposals.length === 0) this.#env.clock.turn(() => this.#appendProposals(epoch))
    this.#proposals.push(payloads)
    this.#proposedCount += payloads.length
    return this.logEndOffset
  }

  /** A raft message of another node. @throws ProtocolError when it is none */
  receive(bytes: Buffer, from: RaftSender): void {
    const { nodeId, directoryId } = from
    const message = decodeMessage(bytes, { from: nodeId, directoryId, to: this.nodeId })
    if (this.#phase !== 'running') return
    if (this.#senders.get(nodeId) !== from) {
      this.#senders.set(nodeId, from)
      this.#tail.keepSome()
      from.onClose(() => {
        if (this.#senders.get(nodeId) === from) this.#senders.delete(nodeId)
      })
    }
    this.#step({ type: 'received', message })
  }

  /** Its process is gone, or another one is in its place. */
  peerLost(nodeId: number, why: 'refused' | 'restarted'): void {
    this.#step({ type: 'peerLost', nodeId, why })
  }

  /** A connection to it was made: what was said before may be lost. */
  peerConnected(nodeId: number): void {
    this.#step({ type: 'peerConnected', nodeId })
  }

  /** Somebody says who leads, and how far the log is agreed on: looked at, and not believed. */
  hinted(hint: { readonly epoch: number; readonly leaderId: number; readonly committedOffset: number }): void {
    this.#step({ type: 'hinted', epoch: hint.epoch, leaderId: hint.leaderId, committedOffset: hint.committedOffset })
  }

  /** Gives leadership to another voter, if there is both. */
  resign(): void {
    this.#step({ type: 'resign' })
  }

  describe(): QuorumDescription {
    return describeQuorum(this.#state, this.#env.clock)
  }

  async close(): Promise<void> {
    const hasStarted = this.#phase !== 'new'
    this.#stop()
    await this.#writer.stop()
    await this.#savingSnapshot
    if (hasStarted && !this.#isBroken) await this.#store.noteEnd(this.#writer.endOffset)
    await this.#store.close()
    this.#elected?.resolve()
  }

  #appendProposals(epoch: number): void {
    const proposals = this.#proposals
    this.#proposals = []
    this.#proposedCount = 0
    // What a leader proposed and could not append before it lost its epoch was never in any log.
    if (this.#state.role === 'leader' && this.#state.epoch === epoch) this.#step({ type: 'proposed', proposals })
  }

  /** One event after another, also when performing the effects of one brings the next. */
  #step(event: RaftEvent): void {
    if (this.#phase !== 'running') return
    this.#events.push(event)
    if (this.#isStepping) return
    this.#isStepping = true
    try {
      for (let next = this.#events.shift(); next !== undefined && this.#phase === 'running'; next = this.#events.shift()) {
        const effects = step(this.#state, next, this.#env.clock.now(), this.#env.random)
        for (const effect of effects) if (this.#isRunning()) this.#perform(effect)
      }
      if (this.#isRunning()) this.#maybeSnapshot()
    } catch (error) {
      this.#fail(error as Error)
    }
    this.#isStepping = false
    if (!this.#isRunning()) return
    this.#writer.start(() => this.#savingSnapshot)
    this.#setTimer()
  }

  #perform(effect: RaftEffect): void {
    switch (effect.type) {
      case 'saveVote':
        this.#writer.vote(effect)
        break
      case 'append':
        this.#tail.append(effect.batches)
        this.#writer.append(effect.batches)
        break
      case 'truncate': {
        const removed = this.#tail.truncate(effect.endOffset)
        this.#writer.truncate({ ...effect, removed: removed.map(({ baseOffset }) => baseOffset) })
        break
      }
      case 'installSnapshot':
        this.#install(effect)
        break
      case 'send':
        this.#send(effect.message)
        break
      case 'sendBatches':
        this.#sendBatches(effect.answer)
        break
      case 'sendChunk':
        void this.#sendChunk(effect.answer)
        break
      case 'committed':
        this.#handOver(effect.endOffset)
        break
      case 'leaderChanged':
        this.#changeLeader({ epoch: effect.epoch, leaderId: effect.leaderId, isLeader: effect.isLeader })
        break
      default:
        unreachable(effect)
    }
  }

  #written({ vote, endOffset, generation }: Written): void {
    if (vote !== undefined) this.#step({ type: 'voteSaved', ...vote })
    this.#step({ type: 'flushed', endOffset, generation })
  }

  #install({ snapshot, chunks, generation }: RaftEffect & { readonly type: 'installSnapshot' }): void {
    const { endOffset, epoch } = snapshot
    const known =
      this.#tail.endOffset > endOffset ? this.#tail.between(Math.max(endOffset, this.#tail.startOffset), this.#tail.endOffset) : []
    this.#tail.restartAt(endOffset)
    this.#writer.install({ snapshot: { endOffset, epoch, chunks }, generation, removed: known.map(({ baseOffset }) => baseOffset) })
    this.#loadSnapshot({ endOffset, epoch, chunks: chunks.map(chunk => Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)) })
  }

  #loadSnapshot(snapshot: QuorumSnapshot): void {
    const { endOffset, epoch, chunks } = snapshot
    this.#snapshot = { endOffset, epoch, chunkCount: chunks.length }
    this.#committedOffset = endOffset
    this.#committedEpoch = epoch
    this.#entriesSinceSnapshot = this.#bytesSinceSnapshot = 0
    this.#listener!.snapshotLoaded(snapshot)
  }

  /** To a voter over our own connection to it; to anybody else back the way it came. */
  #send(message: RaftMessage): void {
    const { to } = message
    const bytes = [encodeMessage(message)]
    const sender = this.#senders.get(to)
    if (sender !== undefined && !isVoter(this.#options.voters, sender)) sender.notice(RAFT_NOTICE, bytes)
    else if (this.voters.includes(to)) this.#options.transport.send(to, bytes)
  }

  #sendBatches(answer: FetchAnswer): void {
    const batches = this.#tail.from(answer.fetchOffset, ANSWER_BYTES)
    if (batches !== undefined) this.#send({ ...answer, batches })
    else this.#readAndSend(answer).catch(error => this.#fail(error as Error))
  }

  async #readAndSend(answer: FetchAnswer): Promise<void> {
    const { epoch, log } = this.#state
    const { generation } = log
    const batches = await this.#store.readBatches(answer.fetchOffset, { endOffset: this.#tail.startOffset, maxBytes: ANSWER_BYTES })
    // A snapshot may have taken their place meanwhile; who asked asks again.
    const isStale = this.#state.epoch !== epoch || log.generation !== generation || batches[0]?.baseOffset !== answer.fetchOffset
    if (!isStale && this.#isRunning()) this.#send({ ...answer, batches })
  }

  async #sendChunk(answer: SnapshotChunk): Promise<void> {
    const { endOffset, epoch } = answer.snapshot
    const isOurs = this.#snapshot?.endOffset === endOffset && this.#snapshot.epoch === epoch
    const chunkCount = isOurs ? this.#snapshot!.chunkCount : 0
    try {
      const chunk = isOurs ? await this.#store.readChunk(endOffset, answer.index) : undefined
      if (!this.#isRunning()) return
      this.#send(chunk === undefined ? answer : { ...answer, chunk, chunkCount })
    } catch (error) {
      this.#fail(error as Error)
    }
  }

  #handOver(endOffset: number): void {
    if (endOffset <= this.#committedOffset) return
    let entries: CommittedEntry[] = []
    const batches = this.#tail.between(this.#committedOffset, endOffset)
    for (const [index, batch] of batches.entries()) {
      assert(batch.baseOffset === this.#committedOffset, `entries at ${batch.baseOffset} committed after ${this.#committedOffset}`)
      for (const [nth, payload] of batch.payloads.entries()) {
        entries.push({
          offset: batch.baseOffset + nth,
          epoch: batch.epoch,
          payload: Buffer.from(payload.buffer, payload.byteOffset, payload.length),
        })
      }
      this.#committedOffset = endOf(batch)
      this.#committedEpoch = batch.epoch
      this.#bytesSinceSnapshot += sizeOf(batch)
      if (entries.length < HANDED_OVER_AT_ONCE && index < batches.length - 1) continue
      this.#entriesSinceSnapshot += entries.length
      this.#listener!.committed(entries)
      if (!this.#isRunning()) return
      entries = []
    }
    assert(this.#committedOffset === endOffset, `committed up to ${endOffset}, inside a proposal that ends at ${this.#committedOffset}`)
    this.#tail.trim(batch => this.#mayGo(batch))
  }

  /** On disk and agreed; or of before the snapshot on disk, and the core counts on it no more. */
  #mayGo(batch: EntryBatch): boolean {
    if (endOf(batch) > Math.min(this.#committedOffset, this.#writer.endOffset)) return false
    return batch.baseOffset >= this.#store.startOffset || batch.baseOffset < this.#state.log.startOffset
  }

  #changeLeader(leadership: Leadership): void {
    const { epoch, leaderId, isLeader } = leadership
    this.#leadership = leadership
    const offset = this.#state.log.endOffset
    if (isLeader) this.#env.logger.log('info', 'became metadata leader', { nodeId: this.nodeId, epoch, offset })
    else if (leaderId !== -1) this.#env.logger.log('info', 'followed metadata leader', { nodeId: this.nodeId, leaderId, epoch, offset })
    this.#listener!.leaderChanged(leadership)
    if (!isLeader || this.#elected === undefined) return
    this.#elected.resolve()
    this.#elected = undefined
  }

  #setTimer(): void {
    const at = nextDeadline(this.#state)
    // One that is set already fires earlier, which does no harm, and is set anew then.
    if (at >= this.#timerAt) return
    this.#timer?.cancel()
    this.#timerAt = at
    this.#timer = this.#env.clock.setTimer(Math.max(0, at - this.#env.clock.now()), () => {
      this.#timerAt = Number.POSITIVE_INFINITY
      this.#step({ type: 'tick' })
    })
  }

  #maybeSnapshot(): void {
    const every = this.#options.snapshotEveryEntries ?? SNAPSHOT_EVERY_ENTRIES
    if (this.#entriesSinceSnapshot < every && this.#bytesSinceSnapshot < SNAPSHOT_EVERY_BYTES) return
    if (this.#savingSnapshot !== undefined || this.#writer.isInstalling) return
    this.#entriesSinceSnapshot = this.#bytesSinceSnapshot = 0
    const snapshot = { endOffset: this.#committedOffset, epoch: this.#committedEpoch, chunks: this.#listener!.takeSnapshot() }
    if (snapshot.chunks.length === 0) return
    this.#savingSnapshot = this.#saveSnapshot(snapshot)
      .catch(error => this.#fail(error as Error))
      .then(() => void (this.#savingSnapshot = undefined))
  }

  async #saveSnapshot(snapshot: SnapshotParts): Promise<void> {
    const { endOffset, epoch, chunks } = snapshot
    await this.#store.saveSnapshot(snapshot)
    if (endOffset > (this.#snapshot?.endOffset ?? 0)) {
      this.#snapshot = { endOffset, epoch, chunkCount: chunks.length }
      // What is still in memory spares followers that are nearly there the whole snapshot.
      const startOffset = Math.min(endOffset, Math.max(this.#tail.boundedStartOffset, this.#state.log.startOffset))
      const startEpoch = startOffset === endOffset ? epoch : epochAt(this.#state.log, startOffset - 1)
      this.#step({ type: 'snapshotSaved', snapshot: { endOffset, epoch }, startOffset, startEpoch })
    }
    await this.#store.forgetBefore(endOffset)
  }

  #fail(error: Error): void {
    this.#isBroken = true
    if (this.#phase === 'stopped') return
    const wasLeader = this.isLeader
    this.#stop()
    if (this.#elected !== undefined) {
      this.#elected.reject(error)
      this.#elected = undefined
      return
    }
    if (wasLeader) this.#listener?.leaderChanged(this.#leadership)
    this.#options.fail(error)
  }

  #stop(): void {
    this.#phase = 'stopped'
    this.#leadership = { epoch: this.epoch, leaderId: -1, isLeader: false }
    this.#timer?.cancel()
    this.#proposals = []
    this.#proposedCount = 0
    this.#events = []
  }

  /** A method, because the phase changes while others wait. */
  #isRunning(): boolean {
    return this.#phase === 'running'
  }
}
