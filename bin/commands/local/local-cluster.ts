// The nodes of a local cluster and what their parent does with them. What each is doing stands in cluster.json at any time.
import type { ChildProcess } from 'node:child_process'
import { UsageError } from '../failure.ts'
import { counted } from '../status/status.ts'
import { type ClusterFile, type Running, writeClusterFile } from './cluster-file.ts'
import type { ControlAnswer, ControlNode, ControlRequest } from './control.ts'
import { forkMember, MemberProcess } from './member-process.ts'
import type { MemberSettings } from './messages.ts'
import type { NodePorts } from './ports.ts'

export interface LocalClusterOptions {
  readonly directory: string
  readonly nodeCount: number
  /** Processes that wait to become its nodes. */
  readonly forked: readonly ChildProcess[]
  readonly json: boolean
  /** For people: what happens to nodes. */
  readonly say: (text: string) => void
}

interface Plan {
  readonly clusterId: string
  readonly ports: readonly NodePorts[]
  readonly running: Running
  readonly settingsOf: (id: number) => MemberSettings
}

/** How long `ottla node start` waits for a node that may lack a majority. */
const READY_TIMEOUT_MS = 15_000

export class LocalCluster {
  readonly #options: LocalClusterOptions
  readonly #members = new Map<number, MemberProcess>()
  #plan: Plan | undefined
  #formed = false
  #started = false
  #stopping = false
  #allGone: (() => void) | undefined
  /** Settles when no node is left and nobody asked for that. */
  readonly abandoned: Promise<void>

  /** Forks the processes that are missing: they load while the rest is made ready. */
  constructor(options: LocalClusterOptions) {
    this.#options = options
    this.abandoned = new Promise(resolve => {
      this.#allGone = resolve
    })
    for (let id = 1; id <= options.nodeCount; id++) this.#take(id, options.forked[id - 1] ?? forkMember(id))
  }

  get members(): readonly MemberProcess[] {
    return [...this.#members.values()]
  }

  /** From now on the cluster file is kept. */
  plan(plan: Plan, formed: boolean): void {
    this.#plan = plan
    this.#formed = formed
    this.#write()
  }

  /** Tells every process what to be. Settles when all serve, or have ended. */
  async start(): Promise<void> {
    this.#formed = true
    this.#write()
    for (const member of this.members) member.start(this.#plan!.settingsOf(member.id))
    await Promise.all(this.members.map(({ ready }) => ready))
    this.#started = true
  }

  nodes(): ControlNode[] {
    return this.members.map(({ id, state, pid }) => ({ id, state, pid: pid ?? null, port: this.#plan!.ports[id - 1]!.port }))
  }

  /** Settles when all have ended, with those that were there. */
  async stop(): Promise<readonly MemberProcess[]> {
    this.#stopping = true
    const there = this.members.filter(({ ended }) => ended === undefined)
    for (const member of there) member.stop()
    await Promise.all(there.map(({ gone }) => gone))
    if (this.#plan !== undefined) this.#write()
    return there
  }

  killAll(): void {
    this.#stopping = true
    for (const member of this.members) member.kill()
  }

  /** What `ottla node …` asks for. */
  async control({ action, nodes: ids }: ControlRequest): Promise<ControlAnswer> {
    if (this.#stopping) return { error: 'The cluster is being stopped. Start it again: ottla start -n …' }
    const known = this.nodes().map(({ id }) => id)
    const unknown = ids.find(id => !known.includes(id))
    if (unknown !== undefined) return { error: `There is no node ${unknown}. The nodes are ${known.join(', ')}.` }
    const refusal = ids.map(id => this.#whyNot(action, this.#members.get(id)!)).find(why => why !== undefined)
    if (refusal !== undefined) return { error: refusal }
    await Promise.all(ids.map(id => this.#act(action, id)))
    return { nodes: this.nodes().filter(({ id }) => ids.includes(id) || action === 'list') }
  }

  #whyNot(action: ControlRequest['action'], { id, state, pid, ended }: MemberProcess): string | undefined {
    const there = ended === undefined
    if (action === 'start') {
      if (state === 'paused') return `Node ${id} is paused. Let it go on: ottla node resume ${id}`
      return there ? `Node ${id} runs already (pid ${pid}).` : undefined
    }
    if (action === 'list') return undefined
    if (!there) return `Node ${id} does not run (${state}). Start it: ottla node start ${id}`
    if (action === 'pause' && state === 'paused') return `Node ${id} is paused already. Let it go on: ottla node resume ${id}`
    if (action === 'resume' && state !== 'paused') return `Node ${id} is not paused.`
    return undefined
  }

  async #act(action: ControlRequest['action'], id: number): Promise<void> {
    const member = this.#members.get(id)!
    switch (action) {
      case 'kill':
        member.kill()
        return member.gone
      case 'stop':
        member.stop()
        return member.gone
      case 'pause':
        return member.pause()
      case 'resume':
        return member.resume()
      case 'start': {
        const again = this.#take(id, forkMember(id))
        again.start(this.#plan!.settingsOf(id))
        let timer: NodeJS.Timeout | undefined
        const late = new Promise<void>(resolve => {
          timer = setTimeout(resolve, READY_TIMEOUT_MS)
        })
        await Promise.race([again.ready, late])
        clearTimeout(timer)
      }
    }
  }

  #take(id: number, child: ChildProcess): MemberProcess {
    const member = new MemberProcess(child, { id, json: this.#options.json, onChange: changed => this.#changed(changed) })
    this.#members.set(id, member)
    return member
  }

  #changed({ id, state, ended }: MemberProcess): void {
    if (this.#plan === undefined || !this.#formed) return
    this.#write()
    if (this.#stopping || ended === undefined) return
    const left = this.members.filter(member => member.ended === undefined).length
    if (state === 'failed') {
      const others = `${counted(left, 'node')} ${left === 1 ? 'goes' : 'go'} on. Start it again: ottla node start ${id}`
      this.#options.say(`Node ${id} ended ${ended}.${this.#started && left > 0 ? ` ${others}` : ''}`)
    }
    if (left === 0 && this.members.some(member => member.state === 'failed')) this.#allGone!()
  }

  #write(): void {
    const { clusterId, ports, running } = this.#plan!
    const alive = this.members.some(({ ended }) => ended === undefined)
    const file: ClusterFile = {
      format: 1,
      clusterId,
      formed: this.#formed,
      nodes: this.members.map(({ id, state, pid }) => ({ id, ...ports[id - 1]!, state, ...(pid === undefined ? {} : { pid }) })),
      ...(this.#stopping && !alive ? {} : { running }),
    }
    writeClusterFile(this.#options.directory, file)
  }
}

/** A majority of so many. */
export function majorityOf(count: number): number {
  return Math.floor(count / 2) + 1
}

/** Settings of one node alone: `2:broker.rack=b`. @throws UsageError for a node that there is not */
export function splitByNode(texts: readonly string[], nodeCount: number): { all: string[]; byNode: Map<number, string[]> } {
  const all: string[] = []
  const byNode = new Map<number, string[]>()
  for (const text of texts) {
    const [, id, setting] = /^(\d+):(.*)$/s.exec(text) ?? []
    if (id === undefined) all.push(text)
    else if (Number(id) < 1 || Number(id) > nodeCount)
      throw new UsageError(`-X is '${text}': expected a node from 1 to ${nodeCount} before the colon`)
    else byNode.set(Number(id), [...(byNode.get(Number(id)) ?? []), setting!])
  }
  return { all, byNode }
}
