// Drivers over the internal listener in the simulated world: a quorum whose members can be killed, cut off and slowed down between any two events.
import { expect } from 'vitest'
import type { Kv } from '../../src/env/env.ts'
import { SimWorld } from '../../src/env/sim/world.ts'
import { Peers } from '../../src/net/peers.ts'
import { RpcServer } from '../../src/net/rpc.ts'
import { RPC_RAFT } from '../../src/net/rpc-methods.ts'
import { RaftDriver } from '../../src/raft/driver.ts'
import { payloads, Recorder } from './recorder.ts'

const PORT = 19093

export interface MemberOptions {
  readonly snapshotEveryEntries?: number
  /** Another one than the quorum knows: a blank node under an old id. */
  readonly directoryId?: string
}

export interface Member {
  readonly nodeId: number
  readonly host: string
  readonly recorder: Recorder
  driver: RaftDriver
  readonly peers: Peers
  readonly close: () => Promise<void>
}

export class QuorumWorld {
  readonly world: SimWorld
  readonly voterIds: readonly number[]
  /** By node id, the present life; undefined: it is down, or still starting. */
  readonly members: (Member | undefined)[] = []
  /** By epoch: who was told to lead it, over all lives. */
  readonly leaders = new Map<number, number>()
  /** By offset: what any member was told to be agreed. */
  readonly agreed: string[] = []
  readonly acknowledged: string[] = []
  readonly #recorders = new Map<Recorder, number>()
  readonly #options: MemberOptions
  #lives = 0
  #proposed = 0

  constructor(seed: number, voterCount: number, options: MemberOptions = {}) {
    this.world = new SimWorld(seed)
    this.voterIds = Array.from({ length: voterCount }, (_, i) => i + 1)
    this.#options = options
    this.world.afterEvent = () => this.#check()
  }

  get up(): Member[] {
    return this.members.filter(member => member !== undefined)
  }
  get leader(): Member | undefined {
    return this.up.filter(({ driver }) => driver.isLeader).sort((a, b) => b.driver.epoch - a.driver.epoch)[0]
  }

  /** Starts in the background: it is among the members when it takes part. */
  start(nodeId: number, options: MemberOptions = {}): void {
    this.#open(nodeId, { ...this.#options, ...options }).catch(error => void this.world.failures.push({ host: `n${nodeId}`, error }))
  }

  startAll(): void {
    for (const nodeId of this.voterIds) this.start(nodeId)
  }

  kill(nodeId: number, options: { readonly power: boolean; readonly silent?: boolean } = { power: false }): void {
    this.world.crash(`n${nodeId}`, options)
    this.members[nodeId] = undefined
  }

  restart(nodeId: number, options: MemberOptions = {}): void {
    this.world.restart(`n${nodeId}`)
    this.start(nodeId, options)
  }

  /** Links between the two groups let nothing through, either way. */
  separate(some: readonly number[], others: readonly number[]): void {
    for (const a of some) {
      for (const b of others) {
        this.world.network.cut(`n${a}`, `n${b}`)
        this.world.network.cut(`n${b}`, `n${a}`)
      }
    }
  }

  async until(condition: () => boolean, maxMs: number): Promise<number> {
    const startedAt = this.world.now
    await this.world.runFor(0)
    while (!condition()) {
      if (this.world.now > startedAt + maxMs) throw new Error(`not so after ${maxMs} ms: ${condition}\n${this.#told()}`)
      if (!(await this.world.step())) throw new Error(`nothing is left to happen, and not so: ${condition}`)
    }
    return this.world.now - startedAt
  }

  untilLeader(maxMs = 3000): Promise<number> {
    return this.until(() => this.leader !== undefined, maxMs)
  }

  /** One proposal of some entries, if anybody leads. */
  propose(entryCount = 1): string[] {
    const texts = Array.from({ length: entryCount }, (_, nth) => `${this.#proposed}.${nth}`)
    this.#proposed++
    this.leader?.driver.propose(payloads(...texts))
    return texts
  }

  /** Proposes until it is agreed, whoever leads meanwhile. */
  async commit(entryCount = 1, maxMs = 5000): Promise<number> {
    const startedAt = this.world.now
    for (;;) {
      await this.untilLeader(maxMs)
      const { driver, recorder } = this.leader!
      const { epoch } = driver
      const texts = this.propose(entryCount)
      const isAgreed = () =>
        texts.every(text => this.agreed.includes(`${epoch}:${text}`)) && recorder.log.includes(`${epoch}:${texts.at(-1)}`)
      await this.until(() => isAgreed() || driver.epoch !== epoch || !driver.isLeader, maxMs)
      if (!isAgreed()) continue
      this.acknowledged.push(...texts)
      return this.world.now - startedAt
    }
  }

  /** All that are up have been given all that is agreed. */
  async settle(maxMs = 5000): Promise<void> {
    await this.until(() => this.up.every(({ recorder }) => recorder.log.length === this.agreed.length), maxMs)
  }

  /** Everything that was agreed is there, each acknowledged entry once, and nothing was thrown. */
  done(): void {
    for (const { recorder } of this.up) expect(recorder.log).toEqual(this.agreed.slice(0, recorder.log.length))
    const texts = this.agreed.map(entry => entry.slice(entry.indexOf(':') + 1))
    for (const text of this.acknowledged) expect(texts.filter(other => other === text)).toHaveLength(1)
    expect(this.world.failures.map(({ error }) => (error instanceof Error ? error.stack : String(error)))).toEqual([])
  }

  async #open(nodeId: number, options: MemberOptions): Promise<void> {
    const host = `n${nodeId}`
    const env = this.world.env(host)
    const life = ++this.#lives
    const directoryId = options.directoryId ?? `directory-${nodeId}`
    const self = () => ({ clusterId: 'c', nodeId, directoryId, incarnationId: `${nodeId}/${life}` })
    const meta: Kv = await env.kv.open('/data/meta', { urgent: true })
    const secret = Buffer.from('secret')
    let driver: RaftDriver | undefined
    const handler = {
      request: () => Promise.resolve([]),
      notice: (method: number, payload: Buffer, from: Parameters<RaftDriver['receive']>[1]) => {
        if (method === RPC_RAFT) driver?.receive(payload, from)
      },
    }
    const maxFrameBytes = 64 * 1024 * 1024
    const server = await RpcServer.open(env, { host: '0.0.0.0', port: PORT, secret, self, handler, maxFrameBytes })
    const peers = new Peers(env, { self, secret, handler, connectTimeoutMs: 500, maxFrameBytes })
    peers.onLost((lost, why) => driver?.peerLost(lost, why))
    peers.onConnected(connected => driver?.peerConnected(connected))
    for (const id of this.voterIds) {
      if (id === nodeId) continue
      peers.setAddress(id, { host: `n${id}`, port: PORT })
      peers.watch(id)
    }
    driver = await RaftDriver.open(env, {
      directory: '/data',
      meta,
      nodeId,
      directoryId,
      voters: this.voterIds.map(id => ({ nodeId: id, directoryId: `directory-${id}` })),
      transport: { send: (to, bytes) => peers.notice(to, 'control', RPC_RAFT, bytes) },
      fetchTimeoutMs: 1000,
      electionTimeoutMs: 300,
      fail: error => void this.world.failures.push({ host, error }),
      ...(options.snapshotEveryEntries === undefined ? {} : { snapshotEveryEntries: options.snapshotEveryEntries }),
    })
    const recorder = new Recorder()
    this.#recorders.set(recorder, nodeId)
    const close = async () => {
      await driver.close()
      await Promise.all([peers.close(), server.close()])
      await meta.close()
      this.members[nodeId] = undefined
    }
    this.members[nodeId] = { nodeId, host, recorder, driver, peers, close }
    await driver.start(recorder)
  }

  /** Election safety, and the same entries at the same offsets, as anybody was ever told. */
  #check(): void {
    for (const [recorder, nodeId] of this.#recorders) {
      for (const { epoch, isLeader } of recorder.leaderships.splice(0)) {
        if (!isLeader) continue
        const other = this.leaders.get(epoch)
        if (other !== undefined) throw new Error(`epoch ${epoch} is led by ${other} and by ${nodeId}`)
        this.leaders.set(epoch, nodeId)
      }
      const seen = recorder.checked
      for (let offset = seen; offset < recorder.log.length; offset++) {
        const known = this.agreed[offset]
        if (known !== undefined && known !== recorder.log[offset])
          throw new Error(`entry ${offset} is ${known} and, at ${nodeId}, ${recorder.log[offset]}`)
        this.agreed[offset] = recorder.log[offset]!
      }
      recorder.checked = recorder.log.length
    }
  }

  #told(): string {
    const lines = this.up.map(({ nodeId, driver, recorder }) => {
      const { epoch, leaderId, isLeader, committedOffset, logEndOffset } = driver
      return JSON.stringify({ nodeId, epoch, leaderId, isLeader, committedOffset, logEndOffset, given: recorder.log.length })
    })
    return [...lines, ...this.world.failures.map(({ host, error }) => `${host}: ${(error as Error).stack}`)].join('\n')
  }
}
