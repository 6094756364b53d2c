// What must be true of any run, looked at after every event that could break it. Raft §5, figure 3.
import type { StoredLog } from './stored-log.ts'

/** A broken promise: the seed has failed. */
export class Broken extends Error {
  override readonly name = 'Broken'
}

export interface Witness {
  readonly nodeId: number
  readonly isVoter: boolean
  readonly log: StoredLog
  readonly onDisk: { readonly log: StoredLog; readonly epoch: number; readonly votedFor: number }
}

export class Checks {
  readonly #leaders = new Map<number, number>()
  readonly #votes = new Map<string, number>()
  /** By where a batch ends and its epoch: the hash of the log up to there. */
  readonly #logs = new Map<number, Map<number, number>>()
  /** By offset: the hash of what is agreed up to there. */
  readonly #agreed = new Map<number, number>()
  /** By epoch: up to where its leader committed. */
  readonly #committedIn = new Map<number, number>()
  /** The largest offset that a leader called committed. */
  committedOffset = 0
  readonly counts = { elections: 0, commits: 0, truncations: 0, installs: 0 }

  /** Election safety and leader completeness. */
  elected(node: Witness, epoch: number): void {
    const other = this.#leaders.get(epoch)
    if (other !== undefined) throw new Broken(`election safety: epoch ${epoch} is led by ${other} and by ${node.nodeId}`)
    this.#leaders.set(epoch, node.nodeId)
    this.counts.elections++
    if (!node.isVoter) throw new Broken(`${node.nodeId} leads epoch ${epoch} and is no voter`)
    // A node that stood still may learn late that it was elected, long after a newer epoch began.
    let committed = 0
    for (const [earlier, offset] of this.#committedIn) if (earlier < epoch) committed = Math.max(committed, offset)
    if (committed === 0 || node.log.startOffset > committed || node.log.hashAt(committed) === this.#agreed.get(committed)) return
    throw new Broken(`leader completeness: ${node.nodeId} leads epoch ${epoch} without what is committed up to ${committed}`)
  }

  /** One vote an epoch, and on disk before it is told. */
  voted(node: Witness, o: { readonly epoch: number; readonly candidate: number }): void {
    const key = `${node.nodeId}/${o.epoch}`
    const other = this.#votes.get(key)
    if (other !== undefined && other !== o.candidate)
      throw new Broken(`${node.nodeId} votes in epoch ${o.epoch} for ${other} and for ${o.candidate}`)
    this.#votes.set(key, o.candidate)
    const { epoch, votedFor } = node.onDisk
    if (epoch !== o.epoch || votedFor !== o.candidate)
      throw new Broken(`${node.nodeId} votes for ${o.candidate} in ${o.epoch}, but on disk is ${votedFor} in ${epoch}`)
  }

  /** Log matching: two logs with an entry of one epoch at one offset are equal up to there. */
  appended(nodeId: number, log: StoredLog, firstBatch: number): void {
    for (let i = firstBatch; i < log.batches.length; i++) {
      const { baseOffset, epoch, payloads } = log.batches[i]!
      const endOffset = baseOffset + payloads.length
      let byEpoch = this.#logs.get(endOffset)
      if (byEpoch === undefined) this.#logs.set(endOffset, (byEpoch = new Map()))
      const known = byEpoch.get(epoch)
      if (known === undefined) byEpoch.set(epoch, log.hashes[i]!)
      else if (known !== log.hashes[i])
        throw new Broken(`log matching: ${nodeId} has another log up to ${endOffset}, where its epoch is ${epoch}`)
    }
  }

  /** State-machine safety, and durability: a majority has on disk what a leader calls committed. */
  committed(
    node: Witness,
    o: {
      readonly from: number
      readonly endOffset: number
      readonly byLeader: boolean
      readonly epoch: number
      readonly voters: readonly Witness[]
      readonly quorum: number
    },
  ) {
    const { log, nodeId } = node
    if (o.endOffset > log.endOffset) throw new Broken(`${nodeId} commits up to ${o.endOffset} and has ${log.endOffset}`)
    for (const [endOffset, hash] of log.endsWithin(o.from, o.endOffset)) this.#agree(nodeId, { endOffset, hash, byLeader: o.byLeader })
    this.counts.commits++
    if (o.byLeader) this.#committedIn.set(o.epoch, o.endOffset)
    if (!o.byLeader || o.endOffset <= this.committedOffset) return
    this.committedOffset = o.endOffset
    const hash = log.hashAt(o.endOffset)
    const having = o.voters.filter(({ onDisk }) => onDisk.log.startOffset > o.endOffset || onDisk.log.hashAt(o.endOffset) === hash)
    if (having.length >= o.quorum) return
    throw new Broken(
      `durability: ${nodeId} commits up to ${o.endOffset}, on disk at ${having.map(voter => voter.nodeId).join(', ') || 'nobody'}`,
    )
  }

  /** A snapshot holds what is agreed up to its end. */
  restored(nodeId: number, o: { readonly endOffset: number; readonly hash: number }): void {
    this.#agree(nodeId, { ...o, byLeader: false })
  }

  #agree(nodeId: number, o: { readonly endOffset: number; readonly hash: number; readonly byLeader: boolean }): void {
    const agreed = this.#agreed.get(o.endOffset)
    if (agreed === o.hash) return
    if (agreed !== undefined) throw new Broken(`state-machine safety: ${nodeId} commits another log up to ${o.endOffset}`)
    if (!o.byLeader) throw new Broken(`${nodeId} commits up to ${o.endOffset}, which no leader did`)
    this.#agreed.set(o.endOffset, o.hash)
  }
}
