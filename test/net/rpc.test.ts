// The internal listener over real sockets: what is refused, what is bounded, and many answers in any order.
import { expect, test } from 'vitest'
import type { Env, LogLevel, Socket } from '../../src/env/env.ts'
import { memoryEnv } from '../../src/env/memory/env.ts'
import { frameHead, HELLO, NOTICE, PING, REQUEST } from '../../src/net/rpc-frames.ts'
import { RPC_CLUSTER_INFO } from '../../src/net/rpc-methods.ts'
import { KafkaError, NOT_CONTROLLER, REQUEST_TIMED_OUT } from '../../src/protocol/errors.ts'
import { pack } from '../../src/util/pack.ts'
import { ECHO, FAIL, KIB, type NodeOptions, openNode, PARK, SAY, type TestNode } from './rpc-nodes.ts'

interface Line {
  readonly level: LogLevel
  readonly event: string
  readonly fields: Readonly<Record<string, unknown>>
}

/** Nodes on one machine who know each other's addresses. */
async function withNodes(options: readonly NodeOptions[], body: (nodes: TestNode[], env: Env, lines: Line[]) => Promise<void>) {
  const lines: Line[] = []
  const env = memoryEnv({ logger: { log: (level, event, fields = {}) => void lines.push({ level, event, fields }) } })
  const nodes: TestNode[] = []
  try {
    for (const option of options) nodes.push(await openNode(env, option))
    for (const node of nodes) {
      for (const [i, { nodeId }] of options.entries()) node.peers.setAddress(nodeId, { host: '127.0.0.1', port: nodes[i]!.server.port })
    }
    await body(nodes, env, lines)
  } finally {
    await Promise.all(nodes.map(node => node.close()))
  }
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; !condition(); i++) {
    if (i > 2000) throw new Error(`not so after ${i} looks: ${condition}`)
    await new Promise(resolve => setTimeout(resolve, 2))
  }
}

const OPTIONS = { timeoutMs: 5000 }
const text = (from: string) => [Buffer.from(from)]

test('a request is answered on both lanes, and the handler learns who asks', () =>
  withNodes([{ nodeId: 1 }, { nodeId: 2, directoryId: 'over-there' }], async ([one, two]) => {
    expect((await one!.peers.request(2, 'control', ECHO, text('hello'), OPTIONS)).toString()).toBe('hello')
    const large = Buffer.alloc(700 * KIB, 'large')
    expect(
      (await two!.peers.request(1, 'data', ECHO, [large, Buffer.from('end')], OPTIONS)).equals(Buffer.concat([large, Buffer.from('end')])),
    ).toBe(true)
    expect(one!.senders).toMatchObject([{ nodeId: 2, directoryId: 'over-there', incarnationId: 'incarnation-2', clusterId: 'the-cluster' }])
    expect(one!.connected).toEqual(['2 incarnation-2'])
  }))

test('notices travel both ways over a connection that one side dialled', () =>
  withNodes([{ nodeId: 1 }, { nodeId: 2 }], async ([one, two]) => {
    one!.peers.notice(2, 'control', SAY, text('a'))
    one!.peers.notice(2, 'control', SAY, text('b'))
    await until(() => two!.notices.length === 2)
    two!.senders[0]!.notice(SAY, text('back'))
    await until(() => one!.notices.length === 1)
    expect([two!.notices, one!.notices]).toEqual([[`1 ${SAY} a`, `1 ${SAY} b`], [`2 ${SAY} back`]])
    expect(two!.connected).toEqual([])
  }))

test('answers come in any order: a parked request holds nobody up', () =>
  withNodes([{ nodeId: 1 }, { nodeId: 2 }], async ([one, two]) => {
    const answers: string[] = []
    const parked = Array.from({ length: 300 }, (_, i) =>
      one!.peers.request(2, 'data', PARK, text(`parked ${i}`), OPTIONS).then(answer => answers.push(answer.toString())),
    )
    await until(() => two!.parked.length === 300)
    expect((await one!.peers.request(2, 'data', ECHO, text('through'), OPTIONS)).toString()).toBe('through')
    for (const { release } of two!.parked.toReversed()) release()
    await Promise.all(parked)
    expect(answers).toEqual(Array.from({ length: 300 }, (_, i) => `parked ${299 - i}`))
  }))

test('a request that is not answered in time is rejected, and the connection goes on', () =>
  withNodes([{ nodeId: 1 }, { nodeId: 2 }], async ([one, two]) => {
    const late = one!.peers.request(2, 'data', PARK, text('late'), { timeoutMs: 30 })
    await expect(late).rejects.toMatchObject({ code: REQUEST_TIMED_OUT })
    two!.parked[0]!.release()
    expect((await one!.peers.request(2, 'data', ECHO, text('next'), OPTIONS)).toString()).toBe('next')
    expect(two!.senders).toHaveLength(1)
  }))

test('a KafkaError travels with its code and text; any other error ends the connection', () =>
  withNodes(
    [
      { nodeId: 1 },
      {
        nodeId: 2,
        request: async (method, payload) => {
          if (method === FAIL) throw new Error('a mistake')
          throw new KafkaError(NOT_CONTROLLER, `ask another, not ${payload}`)
        },
      },
    ],
    async ([one], _env, lines) => {
      const refused = one!.peers.request(2, 'control', ECHO, text('me'), OPTIONS)
      await expect(refused).rejects.toMatchObject({ code: NOT_CONTROLLER, message: 'ask another, not me' })
      await expect(one!.peers.request(2, 'control', FAIL, [], OPTIONS)).rejects.toMatchObject({ code: 'ECONNRESET' })
      expect(lines).toContainEqual(expect.objectContaining({ level: 'error', event: 'failed to answer another node' }))
    },
  ))

test('who answers learns when nobody looks at the chunks any more', async () => {
  let sent = 0
  const request = async () => ({ chunks: [Buffer.from('kept')], sent: () => void sent++ })
  await withNodes([{ nodeId: 1 }, { nodeId: 2, request }], async ([one]) => {
    await one!.peers.request(2, 'data', ECHO, [], OPTIONS)
    await until(() => sent === 1)
  })
  expect(sent).toBe(1)
})

test('a node that nobody knows yet asks at an address', () =>
  withNodes([{ nodeId: 1 }, { nodeId: 2 }], async ([one, two]) => {
    const address = { host: '127.0.0.1', port: two!.server.port }
    const answer = await one!.peers.requestAt(address, RPC_CLUSTER_INFO, text('who?'), OPTIONS)
    expect(answer.payload.toString()).toBe('who?')
    expect(answer.identity).toEqual({ clusterId: 'the-cluster', nodeId: 2, directoryId: 'directory-2', incarnationId: 'incarnation-2' })
  }))

test('a node without an address, and one that is not there', () =>
  withNodes([{ nodeId: 1 }, { nodeId: 2 }], async ([one, two]) => {
    await expect(one!.peers.request(7, 'control', ECHO, [], OPTIONS)).rejects.toMatchObject({ code: 'ENOTFOUND' })
    one!.peers.notice(7, 'control', SAY, [])
    await two!.close()
    await expect(one!.peers.request(2, 'control', ECHO, [], OPTIONS)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    expect(one!.lost).toEqual([])
  }))

test.each([
  ['another secret', { nodeId: 2, secret: Buffer.from('guessed') }, /does not know the cluster secret/],
  ['another cluster', { nodeId: 2, clusterId: 'elsewhere' }, /belongs to cluster elsewhere, this node to cluster the-cluster/],
  ['the same node id', { nodeId: 1, incarnationId: 'twin' }, /same node id as this node, 1/],
] as const)('%s is refused with a reason, told once on each side', (_name, other, reason) =>
  withNodes([{ nodeId: 1 }, other], async ([one], _env, lines) => {
    for (let i = 0; i < 3; i++) {
      await expect(one!.peers.request(other.nodeId, 'control', ECHO, [], OPTIONS)).rejects.toMatchObject({
        code: 'EACCES',
        message: expect.stringMatching(reason),
      })
    }
    await until(() => lines.filter(({ level }) => level === 'error').length >= 2)
    const told = lines.filter(({ level }) => level === 'error').map(({ event }) => event)
    expect(told.sort()).toEqual(['could not join another node', 'refused a node on the internal listener'])
  }),
)

test('another node at the address of the one that was meant is refused', () =>
  withNodes([{ nodeId: 1 }, { nodeId: 2 }], async ([one, two]) => {
    one!.peers.setAddress(3, { host: '127.0.0.1', port: two!.server.port })
    const refused = one!.peers.request(3, 'control', ECHO, [], OPTIONS)
    await expect(refused).rejects.toThrow('node 2 listens where node 3 is expected')
  }))

test('of two live nodes with one id and two directories the one that was there first stays', () =>
  withNodes([{ nodeId: 1 }, { nodeId: 2 }, { nodeId: 2, directoryId: 'another', incarnationId: 'another' }], async ([one, two, twin]) => {
    one!.peers.setAddress(2, { host: '127.0.0.1', port: two!.server.port })
    await two!.peers.request(1, 'control', ECHO, text('first'), OPTIONS)
    const refused = twin!.peers.request(1, 'control', ECHO, text('second'), OPTIONS)
    await expect(refused).rejects.toThrow('another node 2 with another data directory is connected')
    expect((await two!.peers.request(1, 'control', ECHO, text('still'), OPTIONS)).toString()).toBe('still')
  }))

test('a newer process of the same directory replaces the older one', () =>
  withNodes(
    [{ nodeId: 1 }, { nodeId: 2 }, { nodeId: 2, directoryId: 'directory-2', incarnationId: 'newer' }],
    async ([one, two, newer]) => {
      await two!.peers.request(1, 'control', ECHO, text('first'), OPTIONS)
      let isOver = false
      one!.senders[0]!.onClose(() => (isOver = true))
      await newer!.peers.request(1, 'control', ECHO, text('second'), OPTIONS)
      await until(() => isOver)
    },
  ))

test('nodes without a cluster id yet may talk to those that have one', () =>
  withNodes([{ nodeId: 1, clusterId: '' }, { nodeId: 2 }], async ([one]) => {
    expect((await one!.peers.request(2, 'control', ECHO, text('hi'), OPTIONS)).toString()).toBe('hi')
  }))

/** A raw connection to the first node; resolves with what came back when it was closed. */
async function rawTalk(env: Env, node: TestNode, talk: (socket: Socket) => void): Promise<Buffer> {
  const socket = await env.net.connect({ host: '127.0.0.1', port: node.server.port, timeoutMs: 1000 })
  const received: Buffer[] = []
  return new Promise(resolve => {
    socket.handle({ data: chunk => void received.push(Buffer.from(chunk)), close: () => resolve(Buffer.concat(received)) })
    talk(socket)
  })
}

test.each([
  ['a frame longer than an unproven node may send', [frameHead({ kind: HELLO, id: 0, method: 0 }, 100_000)]],
  ['a length below its own head', [Buffer.from([0, 0, 0, 5, 1, 0, 0, 0, 0, 0])]],
  ['a length of 4 GiB', [Buffer.from([0xff, 0xff, 0xff, 0xff])]],
  ['a request before the handshake', [frameHead({ kind: REQUEST, id: 1, method: ECHO }, 0)]],
  ['a notice before the handshake', [frameHead({ kind: NOTICE, id: 0, method: SAY }, 0)]],
  ['something that is no hello', [frameHead({ kind: HELLO, id: 0, method: 0 }, 5), Buffer.from('hello')]],
  ['a Kafka request', [Buffer.from('0000000a00120003000000010000', 'hex')]],
])('%s closes the connection', (_name, bytes) =>
  withNodes([{ nodeId: 1 }], async ([one], env) => {
    await rawTalk(env, one!, socket => socket.write(bytes))
    expect(one!.notices).toEqual([])
    expect(one!.senders).toEqual([])
  }),
)

test('a hello of a later version is refused with what to do', () =>
  withNodes([{ nodeId: 1 }], async ([one], env) => {
    const hello = pack(1, 9, ['fields', 'of', 'tomorrow'])
    const answer = await rawTalk(env, one!, socket => {
      socket.write([frameHead({ kind: PING, id: 0, method: 0 }, 0), frameHead({ kind: HELLO, id: 0, method: 0 }, hello.length), hello])
    })
    expect(answer.toString()).toMatch(/version 9 of the internal protocol, this node version 1: run one release everywhere/)
  }))

test('a frame longer than agreed closes a connection that is proven', () =>
  withNodes([{ nodeId: 1, maxFrameBytes: 64 * KIB }, { nodeId: 2 }], async ([one, two]) => {
    expect((await two!.peers.request(1, 'data', ECHO, [Buffer.alloc(64 * KIB)], OPTIONS)).length).toBe(64 * KIB)
    await expect(two!.peers.request(1, 'data', ECHO, [Buffer.alloc(64 * KIB + 1)], OPTIONS)).rejects.toMatchObject({
      code: expect.stringMatching(/ECONNRESET|EPIPE/),
    })
    expect(one!.senders).toHaveLength(1)
  }))

test('the memory of a long answer is used again once it is released, never before', () =>
  withNodes([{ nodeId: 1 }, { nodeId: 2 }], async ([one]) => {
    const ask = (fill: string) => one!.peers.requestLeased(2, 'data', ECHO, [Buffer.alloc(100 * KIB, fill)], OPTIONS)
    const whole = (fill: string) => Buffer.alloc(100 * KIB, fill)
    const [first, second] = [await ask('a'), await ask('b')]
    expect(first.payload.equals(whole('a')) && second.payload.equals(whole('b'))).toBe(true)
    first.lease!.release()
    expect(first.payload.equals(whole('a'))).toBe(false)
    const third = await ask('c')
    expect(third.payload.buffer).toBe(first.payload.buffer)
    expect(second.payload.equals(whole('b'))).toBe(true)
    third.lease!.release()
    const plain = await one!.peers.request(2, 'data', ECHO, [whole('d')], OPTIONS)
    for (const fill of ['e', 'f', 'g']) (await ask(fill)).lease!.release()
    expect(plain.equals(whole('d'))).toBe(true)
    expect((await one!.peers.requestLeased(2, 'data', ECHO, [Buffer.from('short')], OPTIONS)).lease).toBeUndefined()
  }))
