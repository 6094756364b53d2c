// What an API's handler is: it answers a decoded request, and it knows the shape of its own failure, so that no response is ever missing.

import type { ServerConnection } from '../net/server.ts'
import type { Api, RequestOf, ResponseOf } from '../protocol/schema.ts'
import type { Lease } from '../util/buffer-pool.ts'
import type { Broker } from './broker.ts'
import type { Slices } from './slices.ts'

/** The client asked for no answer (Produce with acks=0). */
export const NO_RESPONSE = Symbol('no response')

/** The only answer the protocol leaves us is to hang up. */
export class CloseConnection {
  readonly reason: string
  constructor(reason: string) {
    this.reason = reason
  }
}

export type Answer<A extends Api> = ResponseOf<A> | typeof NO_RESPONSE | CloseConnection

/** The client at the other end of one request. */
export interface RequestContext {
  readonly version: number
  /** '' when the client gave none. */
  readonly clientId: string
  /** A request that parks must listen to its `onClose`, or a client could park requests without end. */
  readonly connection: ServerConnection
  /** For lists: in parts, with others in between. Only after, or before, what must be one. */
  readonly slices: Slices
  /** Of the memory that the request's bytes lie in. Whoever keeps some beyond the answer retains it (see `keepsNothing`). */
  readonly lease: Lease | undefined
  /** Set by the handler: of the memory that its answer refers to, released once the socket has taken it. */
  answerLeases?: readonly Lease[] | undefined
}

export interface Handler<A extends Api = Api> {
  readonly api: A
  answer(broker: Broker, request: RequestOf<A>, context: RequestContext): Answer<A> | Promise<Answer<A>>
  /** Once the request is answered nothing refers to its bytes but what has retained their lease: the memory is used again. */
  readonly keepsNothing?: true
  /** The answer when the request failed as a whole. */
  failed(request: RequestOf<A>, error: { readonly errorCode: number; readonly errorMessage: string }, context: RequestContext): Answer<A>
}

export function handler<A extends Api>(api: A, parts: Omit<Handler<A>, 'api'>): Handler {
  // One list holds the handlers of all APIs; dispatch gives each the request that its own codec decoded.
  return { api, ...parts } as unknown as Handler
}
