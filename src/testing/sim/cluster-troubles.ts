// Makes the troubles of a plan happen, each in its moment, and ends them all.

import type { SeededRandom } from '../../env/sim/random.ts'
import type { SimWorld } from '../../env/sim/world.ts'
import { type ClusterNode, hostOf } from './cluster-node.ts'
import type { Aim, ClusterPlan, ClusterTrouble, Parted } from './cluster-plan.ts'

export class ClusterTroubles {
  readonly counts: Record<string, number> = {}
  readonly #world: SimWorld
  readonly #nodes: readonly ClusterNode[]
  readonly #clients: readonly string[]
  readonly #plan: ClusterPlan['troubles']
  readonly #random: SeededRandom
  #next: number | undefined
  /** Events of the world when the last one came. */
  #eventCount = 0
  #rolling = false

  constructor(world: SimWorld, o: { nodes: readonly ClusterNode[]; clients: readonly string[]; plan: ClusterPlan['troubles'] }) {
    this.#world = world
    this.#nodes = o.nodes
    this.#clients = o.clients
    this.#plan = o.plan
    this.#random = world.stream('troubles')
  }

  begin(): void {
    this.#next = 0
    this.#eventCount = this.#world.eventCount
  }

  get over(): boolean {
    return this.#next !== undefined && this.#next >= this.#plan.length
  }

  afterEvent(): void {
    if (this.#next === undefined) return
    const next = this.#plan[this.#next]
    if (next === undefined || this.#world.eventCount - this.#eventCount < next.afterEvents) return
    this.#next++
    this.#eventCount = this.#world.eventCount
    this.#do(next.trouble)
  }

  /** Nothing happens any more; what was cut, slow or down comes back. */
  heal(): void {
    this.#next = undefined
    this.#world.network.healAll()
    for (const node of this.#nodes) {
      node.healDisk()
      node.host.wallOffsetMs = 0
    }
  }

  #do(trouble: ClusterTrouble): void {
    this.counts[trouble.type] = (this.counts[trouble.type] ?? 0) + 1
    const victim = 'aim' in trouble ? this.#victim(trouble.aim) : this.#nodes[0]!
    this.#world.trace.sink?.(`${this.#world.now.toFixed(3)} world ${hostOf(victim.id)} ${JSON.stringify(trouble)}`)
    this.#world.trace.number(victim.id)
    const { host } = victim
    switch (trouble.type) {
      case 'kill':
        victim.kill(trouble)
        break
      case 'blackout':
        for (const node of this.#nodes) node.kill({ power: true, silent: false, downMs: trouble.downMs * this.#random.fraction() })
        break
      case 'restart':
        void victim.restart(trouble.downMs)
        break
      case 'roll':
        void this.#roll()
        break
      case 'pause':
        host.pausedUntil = this.#world.now + trouble.ms
        break
      case 'cut':
        this.#cut(victim, trouble)
        break
      case 'disconnect':
        this.#disconnect(victim, trouble.way)
        break
      case 'slowLink':
        this.#slow(victim, trouble)
        break
      case 'slowDisk':
        host.diskSlowness = trouble.factor
        this.#world.schedule(trouble.ms, 'heal', () => {
          host.diskSlowness = 1
        })
        break
      case 'brokenDisk':
        victim.breakDisk(trouble)
        break
      case 'crowdedDisk':
        victim.crowdDisk(trouble.ms)
        break
      case 'clockJump':
        host.wallOffsetMs = trouble.offsetMs
    }
  }

  #victim(aim: Aim): ClusterNode {
    const running = this.#nodes.filter(({ host }) => host.running)
    const anybody = this.#random.pick(running.length > 0 ? running : this.#nodes)
    switch (aim) {
      case 'controller':
        return this.#nodes.find(({ node }) => node?.quorum.isLeader === true) ?? anybody
      case 'leader':
        return this.#nodes.find(node => leads(node)) ?? anybody
      case 'starting':
        return this.#nodes.find(({ starting }) => starting) ?? anybody
      case 'any':
        return anybody
    }
  }

  #others(victim: ClusterNode, from: Parted): string[] {
    const nodes = this.#nodes.filter(node => node !== victim).map(({ id }) => hostOf(id))
    return from === 'nodes' ? nodes : from === 'clients' ? [...this.#clients] : [...nodes, ...this.#clients]
  }

  #cut(victim: ClusterNode, trouble: ClusterTrouble & { type: 'cut' }): void {
    const { network } = this.#world
    const name = hostOf(victim.id)
    const links: [string, string][] = []
    for (const other of this.#others(victim, trouble.from)) {
      if (trouble.inward) links.push([other, name])
      if (trouble.outward) links.push([name, other])
    }
    for (const [from, to] of links) network.cut(from, to, trouble.refusing ? 'refusing' : 'silent')
    this.#world.schedule(trouble.ms, 'heal', () => {
      for (const [from, to] of links) network.heal(from, to, { resendMs: trouble.resendMs })
    })
  }

  #disconnect(victim: ClusterNode, way: 'reset' | 'forget' | 'half-open'): void {
    const { network } = this.#world
    for (const other of this.#others(victim, 'nodes')) {
      if (way === 'reset') network.reset(hostOf(victim.id), other)
      else network.forget(hostOf(victim.id), other, { resets: way === 'forget' })
    }
  }

  #slow(victim: ClusterNode, { delayMs, jitterMs, ms }: ClusterTrouble & { type: 'slowLink' }): void {
    const { network } = this.#world
    const name = hostOf(victim.id)
    const others = this.#others(victim, 'nodes')
    for (const other of others) {
      network.slow(name, other, { delayMs, jitterMs })
      network.slow(other, name, { delayMs, jitterMs })
    }
    this.#world.schedule(ms, 'heal', () => {
      for (const other of others) {
        network.slow(name, other, undefined)
        network.slow(other, name, undefined)
      }
    })
  }

  /** Each in good order, the next when the one before serves again. */
  async #roll(): Promise<void> {
    if (this.#rolling) return
    this.#rolling = true
    for (const node of this.#nodes) {
      await node.restart(this.#random.fraction() * 100)
      await this.#serving(node)
    }
    this.#rolling = false
  }

  #serving(node: ClusterNode): Promise<void> {
    return new Promise(resolve => {
      const look = () => {
        if (node.serves || this.#next === undefined) resolve()
        else this.#world.schedule(20, 'look', look)
      }
      look()
    })
  }
}

function leads({ node }: ClusterNode): boolean {
  for (const { leader, topic } of node?.broker.replicas.all() ?? []) if (leader !== undefined && topic === 'topic-0') return true
  return false
}
