// One implementation of the doors, for the suites in this folder: every implementation passes the same ones.

import type { Env } from '../../src/env/env.ts'

export interface Subject {
  readonly name: string
  /** Runs the body in a fresh world; `directory` exists and is empty. Whoever has virtual time moves it until the body settles. */
  run(body: (env: Env, directory: string) => Promise<void>): Promise<void>
}

export function turn(env: Env): Promise<void> {
  return new Promise(resolve => env.clock.turn(resolve))
}

/** Rejects as the door did; undefined when it did not. */
export async function codeOf(promise: Promise<unknown>): Promise<string | undefined> {
  try {
    await promise
    return undefined
  } catch (error) {
    return (error as { code?: string }).code
  }
}
