// Nodes with nothing but an internal listener and connections to each other, for the tests of this folder.
import type { Env } from '../../src/env/env.ts'
import { type LossReason, Peers } from '../../src/net/peers.ts'
import { type RpcHandler, type RpcIdentity, type RpcSender, RpcServer } from '../../src/net/rpc.ts'

export const SECRET = Buffer.from('a secret of the whole cluster')
export const ECHO = 21
export const PARK = 22
export const FAIL = 23
export const SAY = 24
export const KIB = 1024

export interface NodeOptions {
  readonly nodeId: number
  readonly secret?: Uint8Array
  readonly clusterId?: string
  readonly directoryId?: string
  readonly incarnationId?: string
  readonly host?: string
  readonly port?: number
  readonly maxFrameBytes?: number
  readonly request?: RpcHandler['request']
}

export interface TestNode {
  readonly server: RpcServer
  readonly peers: Peers
  readonly senders: RpcSender[]
  /** "nodeId method text" of notices that came, either way. */
  readonly notices: string[]
  /** "nodeId why" */
  readonly lost: string[]
  /** "nodeId incarnation" */
  readonly connected: string[]
  readonly parked: { readonly release: () => void; readonly from: RpcSender }[]
  close(): Promise<void>
}

export async function openNode(env: Env, o: NodeOptions): Promise<TestNode> {
  const identity: RpcIdentity = {
    clusterId: o.clusterId ?? 'the-cluster',
    nodeId: o.nodeId,
    directoryId: o.directoryId ?? `directory-${o.nodeId}`,
    incarnationId: o.incarnationId ?? `incarnation-${o.nodeId}`,
  }
  const secret = o.secret ?? SECRET
  const maxFrameBytes = o.maxFrameBytes ?? 1024 * KIB
  const senders: RpcSender[] = []
  const notices: string[] = []
  const parked: TestNode['parked'] = []
  const notice = (method: number, payload: Buffer, from: RpcSender) => {
    if (!senders.includes(from)) senders.push(from)
    notices.push(`${from.nodeId} ${method} ${payload.toString()}`)
  }
  const request: RpcHandler['request'] = async (method, payload, from) => {
    if (!senders.includes(from)) senders.push(from)
    if (method === PARK) await new Promise<void>(release => parked.push({ release, from }))
    if (method === FAIL) throw new Error(payload.toString())
    return [payload.subarray(0, 1), payload.subarray(1)]
  }
  const handler = { request: o.request ?? request, notice }
  const server = await RpcServer.open(env, {
    host: o.host ?? '127.0.0.1',
    port: o.port ?? 0,
    secret,
    self: () => identity,
    handler,
    maxFrameBytes,
  })
  const peers = new Peers(env, { self: () => identity, secret, handler, connectTimeoutMs: 1000, maxFrameBytes })
  const lost: string[] = []
  const connected: string[] = []
  peers.onLost((nodeId, why: LossReason) => void lost.push(`${nodeId} ${why}`))
  peers.onConnected((nodeId, { incarnationId }) => void connected.push(`${nodeId} ${incarnationId}`))
  const close = async () => {
    await Promise.all([peers.close(), server.close()])
  }
  return { server, peers, senders, notices, lost, connected, parked, close }
}
