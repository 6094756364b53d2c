/** A broken promise of our own code. It is never caught to go on: the node that meets one stops. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError'
}

/** Stays on in production. The message names both numbers. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message)
}

/** For the default branch of a switch over a closed union. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${JSON.stringify(value)}`)
}
