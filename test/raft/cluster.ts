// Conversations with a whole quorum on virtual time: messages take 1 ms, flushes take 1 ms, random numbers are an eighth of their range times the node's id.
//   cluster voters=1,2,3 [observers=4] [noticing]   all blank; noticing: closed connections are noticed
//   start 1 2 3 · crash 1 · wipe 1 (crashes, loses its disk) · run MS · propose 1 N (one proposal of N entries) · resign 1 · snapshot 1
//   cut 1>2 1<>3 … · heal · pause 1 MS · disk 3 MS (its next flushes take so long; 0: as before)
//   messages on|off                 prints every message that arrives, but for fetches and what answers them
//   show [1 …]
// Prints who becomes candidate or leader, who follows whom, what is committed (by leaders), cut off and installed.
import { SeededRandom } from '../../src/env/sim/random.ts'
import type { RaftMessage } from '../../src/raft/messages.ts'
import type { Voter } from '../../src/raft/types.ts'
import { Checks, type Witness } from '../../src/testing/raft-sim/checks.ts'
import { SimulatedDisk } from '../../src/testing/raft-sim/disk.ts'
import { EventQueue } from '../../src/testing/raft-sim/event-queue.ts'
import { SimulatedNode, type Surroundings } from '../../src/testing/raft-sim/node.ts'
import { type Plan, planOf } from '../../src/testing/raft-sim/plan.ts'
import { messageText } from '../../src/testing/raft-sim/told.ts'

/** Node 1 always draws an eighth, node 2 two eighths, and so on. */
class SteadyRandom extends SeededRandom {
  readonly #fraction: number
  constructor(nodeId: number) {
    super(0, '')
    this.#fraction = nodeId / 8
  }
  override next(): number {
    return this.#fraction * 2 ** 32
  }
  override fraction(): number {
    return this.#fraction
  }
}

const PLAN: Plan = {
  ...planOf(1),
  fetchTimeoutMs: 1000,
  electionTimeoutMs: 300,
  snapshotEveryEntries: 1_000_000,
  keptEntries: 0,
  flushMs: 1,
  slowFlushChance: 0,
  slowReads: false,
}

export class Cluster implements Surroundings {
  readonly plan = PLAN
  readonly checks = new Checks()
  readonly isHealed = false
  now = 0
  #voters: Voter[] = []
  #noticing = false
  #printed: RegExp | undefined
  #told: string[] = []
  readonly #queue = new EventQueue()
  readonly #disks = new Map<number, SimulatedDisk>()
  readonly #nodes = new Map<number, SimulatedNode>()
  readonly #wiped = new Set<number>()
  readonly #cut = new Set<string>()
  readonly #flushMs = new Map<SimulatedNode, number>()
  readonly #seen = new Map<number, { role: string; text: string; highWatermark: number; generation: number }>()

  say(line: string): string[] {
    const [verb = '', ...words] = line.split(/\s+/)
    this.#told = []
    const id = Number(words[0])
    switch (verb) {
      case 'cluster':
        this.#open(words)
        break
      case 'start':
        for (const word of words) this.#start(Number(word))
        break
      case 'crash':
        this.#crash(id)
        break
      case 'wipe':
        if (this.#nodes.has(id)) this.#crash(id)
        this.#wiped.add(id)
        this.#disks.set(id, new SimulatedDisk(new SteadyRandom(id)))
        break
      case 'run':
        this.#run(Number(words[0]))
        break
      case 'propose':
        this.#node(id).run({ type: 'proposed', proposals: [Array.from({ length: Number(words[1]) }, () => Buffer.from(`${this.now}`))] })
        break
      case 'resign':
        this.#node(id).run({ type: 'resign' })
        break
      case 'snapshot':
        this.#node(id).takeSnapshot()
        break
      case 'cut':
        for (const word of words) {
          const [from, to] = word.split(/<?>/)
          this.#cut.add(`${from}>${to}`)
          if (word.includes('<>')) this.#cut.add(`${to}>${from}`)
        }
        break
      case 'heal':
        this.#cut.clear()
        break
      case 'pause':
        this.#node(id).pausedUntil = this.now + Number(words[1])
        break
      case 'disk':
        this.#flushMs.set(this.#node(id), Number(words[1]))
        break
      case 'messages':
        this.#printed = words[0] === 'on' ? /vote|quorum|snapshot/i : undefined
        break
      case 'show':
        for (const nodeId of words.length > 0 ? words.map(Number) : [...this.#nodes.keys()].sort()) this.#told.push(this.#show(nodeId))
        break
      default:
        throw new Error(`no such event: ${line}`)
    }
    this.#look()
    return this.#told
  }

  // ------------------------------------------------------------------------------------------------------- what nodes ask for

  voters = (): readonly Witness[] =>
    this.#voters
      .filter(({ nodeId }) => !this.#wiped.has(nodeId))
      .map(({ nodeId }) => {
        const onDisk = this.#disks.get(nodeId)!
        return this.#nodes.get(nodeId) ?? { nodeId, isVoter: true, log: onDisk.log, onDisk }
      })

  get quorum(): number {
    return Math.floor(this.#voters.length / 2) + 1 - this.#wiped.size
  }

  send(message: RaftMessage): void {
    this.#queue.add(this.now + 1, () => {
      const node = this.#nodes.get(message.to)
      if (node === undefined || this.#cut.has(`${message.from}>${message.to}`)) return
      this.#whenAwake(node, () => {
        if (this.#printed?.test(message.type)) this.#told.push(`${Math.round(this.now)}: ${messageText(message)}`)
        node.run({ type: 'received', message })
      })
    })
  }

  wakeAt(node: SimulatedNode, at: number): void {
    this.#queue.add(at, () => this.#whenAwake(node, () => node.wake(at)))
  }

  /** Only flushes are asked for here. */
  later(node: SimulatedNode, _delayMs: number, what: () => void): void {
    this.#queue.add(this.now + (this.#flushMs.get(node) || 1), () => this.#whenAwake(node, what))
  }

  #whenAwake(node: SimulatedNode, what: () => void): void {
    if (!node.isAlive) return
    if (node.pausedUntil > this.now) this.#queue.add(node.pausedUntil, () => this.#whenAwake(node, what))
    else what()
  }

  // -------------------------------------------------------------------------------------------------------------------- events

  #open(words: readonly string[]): void {
    const ids = (name: string) =>
      words
        .find(word => word.startsWith(`${name}=`))
        ?.slice(name.length + 1)
        .split(',')
        .map(Number) ?? []
    this.#voters = ids('voters').map(nodeId => ({ nodeId, directoryId: `d${nodeId}` }))
    this.#noticing = words.includes('noticing')
    for (const id of [...ids('voters'), ...ids('observers')]) this.#disks.set(id, new SimulatedDisk(new SteadyRandom(id)))
  }

  #start(nodeId: number): void {
    const voter = { nodeId, directoryId: this.#wiped.has(nodeId) ? 'blank' : `d${nodeId}` }
    const node = new SimulatedNode({ voter, voters: this.#voters, disk: this.#disks.get(nodeId)!, random: new SteadyRandom(nodeId) }, this)
    this.#nodes.set(nodeId, node)
    node.run({ type: 'start' })
    if (this.#noticing) for (const other of this.#nodes.values()) if (other !== node) other.run({ type: 'peerConnected', nodeId })
  }

  #crash(nodeId: number): void {
    this.#node(nodeId).crash()
    this.#nodes.delete(nodeId)
    this.#seen.delete(nodeId)
    if (this.#noticing) for (const other of this.#nodes.values()) other.run({ type: 'peerLost', nodeId, why: 'refused' })
  }

  #run(ms: number): void {
    const until = this.now + ms
    let event = this.#queue.take()
    for (; event !== undefined && event.at <= until; event = this.#queue.take()) {
      this.now = Math.max(this.now, event.at)
      event.what()
      this.#look()
    }
    if (event !== undefined) this.#queue.add(event.at, event.what)
    this.now = until
  }

  #look(): void {
    for (const [id, { state }] of this.#nodes) {
      const { role, epoch, leaderId, highWatermark } = state
      const { generation, endOffset } = state.log
      const text =
        role === 'leader' ? `leads epoch ${epoch}` : leaderId !== -1 ? `follows ${leaderId} in epoch ${epoch}` : `${role} in epoch ${epoch}`
      const seen = this.#seen.get(id)
      this.#seen.set(id, { role, text, highWatermark, generation })
      const at = `${Math.round(this.now)}: ${id}`
      if (seen?.text !== text) this.#told.push(`${at} ${text}`)
      if (seen !== undefined && seen.generation !== generation) {
        this.#told.push(
          state.log.startOffset === endOffset && endOffset > 0
            ? `${at} takes a snapshot over, up to ${endOffset}`
            : `${at} cuts its log at ${endOffset}`,
        )
      }
      if (role === 'leader' && highWatermark > (seen?.highWatermark ?? 0)) this.#told.push(`${at} commits ${highWatermark}`)
    }
  }

  #node(id: number): SimulatedNode {
    const node = this.#nodes.get(id)
    if (node === undefined) throw new Error(`${id} is not running`)
    return node
  }

  #show(id: number): string {
    const { role, epoch, leaderId, log, highWatermark } = this.#node(id).state
    return `${id} ${role} epoch=${epoch} leader=${leaderId} log=${log.startOffset}..${log.endOffset} flushed=${log.flushedOffset} hw=${highWatermark}`
  }
}
