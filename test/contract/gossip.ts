import { describe, expect, test } from 'vitest'
import { type Env, sleep } from '../../src/env/env.ts'
import type { GossipNetwork, GossipNetworkOptions, OpenGossipNetwork } from '../../src/gossip/gossip.ts'

export interface GossipSubject {
  readonly name: string
  /** Runs the body in a fresh world. Whoever has virtual time moves it until the body settles. */
  run(body: (env: Env, open: OpenGossipNetwork) => Promise<void>): Promise<void>
}

const PATIENCE_MS = 60_000
export const TEST_TIMEOUT_MS = 120_000
/** Long enough for what must not come. */
const A_WHILE_MS = 1500

export class GossipMember {
  readonly nodeId: number
  readonly heard: string[] = []
  joins = 0
  network!: GossipNetwork

  constructor(nodeId: number) {
    this.nodeId = nodeId
  }

  get address() {
    return { nodeId: this.nodeId, host: '127.0.0.1', port: this.network.port }
  }
}

/** Members that are closed in the end, whatever happens. */
export class GossipMesh implements AsyncDisposable {
  readonly env: Env
  readonly #open: OpenGossipNetwork
  readonly #members: GossipMember[] = []

  constructor(env: Env, open: OpenGossipNetwork) {
    this.env = env
    this.#open = open
  }

  async join(nodeId: number, o: Partial<GossipNetworkOptions> = {}): Promise<GossipMember> {
    const member = new GossipMember(nodeId)
    member.network = await this.#open(this.env, {
      nodeId,
      clusterId: 'one cluster',
      secret: Buffer.from('the same for all of them'),
      host: '127.0.0.1',
      port: 0,
      received: payload => void member.heard.push(Buffer.from(payload).toString()),
      joined: () => void member.joins++,
      ...o,
    })
    this.#members.push(member)
    return member
  }

  /** Everybody is told where everybody is, and hears everybody when this settles. */
  async introduce(members: readonly GossipMember[]): Promise<void> {
    for (const member of members) for (const other of members) if (other !== member) member.network.know(other.address)
    await this.until('all hear all', () => members.every(({ network }) => network.peerCount === members.length - 1))
  }

  async until(what: string, condition: () => boolean): Promise<void> {
    const deadline = this.env.clock.now() + PATIENCE_MS
    while (!condition()) {
      if (this.env.clock.now() > deadline) {
        const state = this.#members.map(({ nodeId, network, heard }) => `${nodeId}: ${network.peerCount} peers, heard ${heard}`)
        throw new Error(`not within ${PATIENCE_MS} ms: ${what}\n${state.join('\n')}`)
      }
      await sleep(this.env.clock, 5)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#members.map(({ network }) => network.close()))
  }
}

export function gossipContract({ name, run }: GossipSubject): void {
  describe(`gossip: ${name}`, { timeout: TEST_TIMEOUT_MS }, () => {
    test('everybody hears what one says, once, and the one does not', async () => {
      await run(async (env, open) => {
        await using mesh = new GossipMesh(env, open)
        const [one, two, three] = [await mesh.join(1), await mesh.join(2), await mesh.join(3)]
        await mesh.introduce([one, two, three])
        await mesh.until('all were told of all', () => [one, two, three].every(({ joins }) => joins >= 2))
        one.network.publish(Buffer.from('a'))
        one.network.publish(Buffer.from('a'))
        await mesh.until('both heard both', () => two.heard.length === 2 && three.heard.length === 2)
        three.network.publish(Buffer.from('b'))
        await mesh.until('both heard it', () => one.heard.length === 1 && two.heard.length === 3)
        await sleep(env.clock, A_WHILE_MS)
        expect([one.heard, two.heard, three.heard]).toEqual([['b'], ['a', 'a', 'b'], ['a', 'a']])
      })
    })

    test('what nobody hears is lost, and whoever comes later is announced', async () => {
      await run(async (env, open) => {
        await using mesh = new GossipMesh(env, open)
        const one = await mesh.join(1)
        one.network.publish(Buffer.from('lost'))
        expect(one.network.peerCount).toBe(0)
        const two = await mesh.join(2)
        await mesh.introduce([one, two])
        await mesh.until('the first was told of it', () => one.joins > 0)
        one.network.publish(Buffer.from('heard'))
        await mesh.until('heard', () => two.heard.length > 0)
        expect(two.heard).toEqual(['heard'])
      })
    })

    test('a node that is gone is missed, and heard again when it is back at another address', async () => {
      await run(async (env, open) => {
        await using mesh = new GossipMesh(env, open)
        const [one, two] = [await mesh.join(1), await mesh.join(2)]
        await mesh.introduce([one, two])
        await two.network.close()
        await mesh.until('missed', () => one.network.peerCount === 0)
        const again = await mesh.join(2)
        await mesh.introduce([one, again])
        again.network.publish(Buffer.from('back'))
        one.network.publish(Buffer.from('welcome'))
        await mesh.until('heard', () => one.heard.includes('back') && again.heard.includes('welcome'))
        await again.network.close()
        await again.network.close()
        again.network.publish(Buffer.from('not any more'))
        again.network.know(one.address)
        expect(again.network.peerCount).toBe(0)
      })
    })

    test.each([
      ['another secret', { secret: Buffer.from('something else') }],
      ['another cluster', { clusterId: 'another cluster' }],
    ])('whoever has %s hears nothing, and is not heard', async (_, stranger) => {
      await run(async (env, open) => {
        await using mesh = new GossipMesh(env, open)
        const [one, two, other] = [await mesh.join(1), await mesh.join(2), await mesh.join(3, stranger)]
        for (const member of [one, two]) {
          member.network.know(other.address)
          other.network.know(member.address)
        }
        await mesh.introduce([one, two])
        other.network.publish(Buffer.from('let me in'))
        one.network.publish(Buffer.from('between us'))
        await mesh.until('heard', () => two.heard.length > 0)
        await sleep(env.clock, A_WHILE_MS)
        expect([one.heard, two.heard, other.heard]).toEqual([[], ['between us'], []])
        expect([one.network.peerCount, two.network.peerCount, other.network.peerCount]).toEqual([1, 1, 0])
      })
    })
  })
}
