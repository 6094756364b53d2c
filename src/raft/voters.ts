// Who counts. The voters are fixed here; every question about them is asked in this file.
import type { RaftState } from './state.ts'
import type { Voter } from './types.ts'

export function isVoter(voters: readonly Voter[], o: { readonly nodeId: number; readonly directoryId: string }): boolean {
  return voters.some(({ nodeId, directoryId }) => nodeId === o.nodeId && directoryId === o.directoryId)
}

export function majorityOf(voters: readonly Voter[]): number {
  return Math.floor(voters.length / 2) + 1
}

export function isOnlyVoter(state: RaftState): boolean {
  return state.isVoter && state.voters.length === 1
}

/** The other voters. */
export function peersOf(state: RaftState): readonly Voter[] {
  return state.voters.filter(({ nodeId }) => nodeId !== state.nodeId)
}

/** This node's place among the voters that survived, in cyclic order of their ids after the lost leader. */
export function placeAfter(state: RaftState, lostId: number): number {
  const survivors = state.voters.map(({ nodeId }) => nodeId).filter(id => id !== lostId && (id === state.nodeId || !state.gone.has(id)))
  const inOrder = survivors.sort((a, b) => (a > lostId ? 0 : 1) - (b > lostId ? 0 : 1) || a - b)
  return inOrder.indexOf(state.nodeId)
}
