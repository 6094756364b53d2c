// Clients that come before the node can answer wait: it binds its ports before it registers, because the registration names them. Not for long, for
// nobody knows when the controllers will be there: then their connections are closed, and they try again.
import type { Env, Timer } from '../env/env.ts'
import type { IncomingRequest } from '../net/server.ts'

const MAX_WAIT_MS = 3000

export class Gate {
  readonly #env: Env
  readonly #receive: (request: IncomingRequest) => void
  #held: { readonly request: IncomingRequest; readonly until: number }[] = []
  #isOpen = false
  #timer: Timer | undefined

  constructor(env: Env, receive: (request: IncomingRequest) => void) {
    this.#env = env
    this.#receive = receive
  }

  receive(request: IncomingRequest): void {
    if (this.#isOpen) {
      this.#receive(request)
      return
    }
    this.#held.push({ request, until: this.#env.clock.now() + MAX_WAIT_MS })
    this.#timer ??= this.#env.clock.setTimer(MAX_WAIT_MS, () => this.#sendAway())
  }

  open(): void {
    this.#isOpen = true
    this.#timer?.cancel()
    for (const { request } of this.#held.splice(0)) this.#receive(request)
  }

  #sendAway(): void {
    const now = this.#env.clock.now()
    const late = this.#held.filter(({ until }) => until <= now)
    this.#held = this.#held.filter(({ until }) => until > now)
    const [next] = this.#held
    this.#timer = next && this.#env.clock.setTimer(next.until - now, () => this.#sendAway())
    for (const { request } of late) request.close('the node is starting: it waits for its controllers')
  }
}
