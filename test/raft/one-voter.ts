// A quorum of one for the tests of this folder.
import type { Env, Kv } from '../../src/env/env.ts'
import { RaftDriver } from '../../src/raft/driver.ts'

export interface OneVoterOptions {
  readonly meta: Kv
  readonly snapshotEveryEntries?: number
  readonly fail: (error: Error) => void
}

export function openOneVoter(env: Env, o: OneVoterOptions): Promise<RaftDriver> {
  const voters = [{ nodeId: 1, directoryId: 'alone' }]
  const transport = {
    send: (to: number) => {
      throw new Error(`a quorum of one says something to ${to}`)
    },
  }
  const times = { fetchTimeoutMs: 1000, electionTimeoutMs: 300 }
  return RaftDriver.open(env, { ...o, ...times, directory: '/data', nodeId: 1, directoryId: 'alone', voters, transport })
}
