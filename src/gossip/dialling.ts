// Who dials whom. Pure. Of two nodes one dials, since two connections between them end badly (libp2p.ts): the one with the lower id. The other one does
// when nothing came for a while, for the first may not know it, or not reach it. In a large cluster each node dials only those that follow it in a ring.

/** Up to so many, everybody is connected with everybody. */
const FULL_MESH_NODES = 32
const RING_NODES = 12
const LATE_MS = 5000
export const REDIAL_MS = 500
const LONGEST_REDIAL_MS = 8000

export interface Candidate {
  readonly nodeId: number
  /** When it was first known, or connected last. */
  readonly waitingSince: number
  /** -Infinity: never. */
  readonly triedAt: number
  /** In a row. */
  readonly failures: number
  readonly isConnected: boolean
}

/** @returns the ids to dial now */
export function toDial(ownId: number, candidates: Iterable<Candidate>, now: number): readonly number[] {
  const all = [...candidates].sort((a, b) => a.nodeId - b.nodeId)
  return wanted(ownId, all)
    .filter(candidate => !candidate.isConnected && isDue(ownId, candidate, all.length, now))
    .map(({ nodeId }) => nodeId)
}

function wanted(ownId: number, sorted: readonly Candidate[]): readonly Candidate[] {
  if (sorted.length < FULL_MESH_NODES) return sorted
  const following = sorted.filter(({ nodeId }) => nodeId > ownId)
  return [...following, ...sorted].slice(0, RING_NODES)
}

function isDue(ownId: number, { nodeId, waitingSince, triedAt, failures }: Candidate, count: number, now: number): boolean {
  if (now < triedAt + Math.min(LONGEST_REDIAL_MS, REDIAL_MS * 2 ** Math.max(0, failures - 1))) return false
  return ownId < nodeId || count >= FULL_MESH_NODES || now >= Math.max(waitingSince, triedAt) + LATE_MS
}
