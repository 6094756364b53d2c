// Where the nodes of a cluster under test live: each in a network namespace of its own with two cards, one for clients and one for its peers, so that a
// cut is what pulling a cable is: packets vanish, nobody is told. Needs the right to make namespaces (Linux, root); without it all nodes live on the
// loopback interface, and cuts are not run.
import { execFileSync } from 'node:child_process'

export type Card = 'client' | 'internal'

export interface Network {
  /** The host's address for clients, or for the other nodes. */
  address(node: number, card: Card): string
  port(node: number, base: number): number
  /** Words before a command line, so that it runs where the node lives. Its process id stays. */
  enter(node: number): readonly string[]
  readonly cuts: boolean
  /** From now on nothing passes: to and from the other nodes, or (`all`) the clients too. */
  cut(node: number, what: 'internal' | 'all'): void
  heal(node: number): void
  close(): void
}

export function openNetwork(nodes: readonly number[], basePort: number): Network {
  try {
    return new Namespaces(nodes)
  } catch {
    return new Loopback(basePort)
  }
}

const CARDS = ['client', 'internal'] as const

class Namespaces implements Network {
  readonly cuts = true
  readonly #tag = String(process.pid % 10_000)
  readonly #net = 64 + (process.pid % 128)
  readonly #nodes: readonly number[]

  constructor(nodes: readonly number[]) {
    this.#nodes = nodes
    try {
      for (const card of CARDS) {
        ip('link', 'add', this.#bridge(card), 'type', 'bridge')
        ip('link', 'set', this.#bridge(card), 'up')
      }
      ip('address', 'add', `${this.#prefix('client')}.254/24`, 'dev', this.#bridge('client'))
      for (const node of nodes) this.#add(node)
    } catch (error) {
      this.close()
      throw error
    }
  }

  address(node: number, card: Card): string {
    return `${this.#prefix(card)}.${node}`
  }

  port(_node: number, base: number): number {
    return base
  }

  enter(node: number): readonly string[] {
    return ['nsenter', `--net=/run/netns/${this.#space(node)}`]
  }

  cut(node: number, what: 'internal' | 'all'): void {
    ip('link', 'set', this.#cable(node, 'internal'), 'nomaster')
    if (what === 'all') ip('link', 'set', this.#cable(node, 'client'), 'nomaster')
  }

  heal(node: number): void {
    for (const card of CARDS) ip('link', 'set', this.#cable(node, card), 'master', this.#bridge(card))
  }

  close(): void {
    for (const node of this.#nodes) quietly('netns', 'del', this.#space(node))
    for (const card of CARDS) quietly('link', 'del', this.#bridge(card))
  }

  #add(node: number): void {
    const space = this.#space(node)
    ip('netns', 'add', space)
    ip('-n', space, 'link', 'set', 'lo', 'up')
    for (const card of CARDS) {
      const cable = this.#cable(node, card)
      ip('link', 'add', cable, 'type', 'veth', 'peer', 'name', card, 'netns', space)
      ip('link', 'set', cable, 'master', this.#bridge(card), 'up')
      ip('-n', space, 'address', 'add', `${this.address(node, card)}/24`, 'dev', card)
      ip('-n', space, 'link', 'set', card, 'up')
    }
  }

  #prefix(card: Card): string {
    return `10.${this.#net}.${card === 'client' ? 1 : 2}`
  }

  #space(node: number): string {
    return `ottla${this.#tag}n${node}`
  }

  #bridge(card: Card): string {
    return `ot${this.#tag}${card[0]}`
  }

  #cable(node: number, card: Card): string {
    return `ot${this.#tag}${card[0]}${node}`
  }
}

class Loopback implements Network {
  readonly cuts = false
  readonly #basePort: number

  constructor(basePort: number) {
    this.#basePort = basePort
  }

  address(): string {
    return '127.0.0.1'
  }

  port(node: number, base: number): number {
    return this.#basePort + (base % 100) * 10 + node
  }

  enter(): readonly string[] {
    return []
  }

  cut(): void {
    throw new Error('a network on the loopback interface cannot be cut')
  }

  heal(): void {}

  close(): void {}
}

function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] })
}

function quietly(...args: string[]): void {
  try {
    ip(...args)
  } catch {
    // It was not there.
  }
}
