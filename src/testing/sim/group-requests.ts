// Requests about groups that members and others of a simulation send.

import { type Env, sleep } from '../../env/env.ts'
import type { Connection } from '../../net/connection.ts'
import { ListOffsets } from '../../protocol/api/02-list-offsets.ts'
import { OffsetFetch } from '../../protocol/api/09-offset-fetch.ts'
import { FindCoordinator } from '../../protocol/api/10-find-coordinator.ts'
import { NONE } from '../../protocol/errors.ts'
import type { History } from '../history.ts'

export interface Place {
  readonly topic: string
  readonly partition: number
}

export const GROUP_TIMEOUT_MS = 2000
const RETRY_MS = 30

export function nameOf({ topic, partition }: Place): string {
  return `${topic}-${partition}`
}

export function placeOf(name: string): Place {
  const at = name.lastIndexOf('-')
  return { topic: name.slice(0, at), partition: Number(name.slice(at + 1)) }
}

/** What requests name per topic. */
export function byTopic<P extends Place, T>(places: readonly P[], item: (place: P) => T): { name: string; items: T[] }[] {
  const topics = new Map<string, T[]>()
  for (const place of places) {
    const items = topics.get(place.topic)
    if (items === undefined) topics.set(place.topic, [item(place)])
    else items.push(item(place))
  }
  return [...topics].map(([name, items]) => ({ name, items }))
}

export const EARLIEST = -2
export const LATEST = -1

/** @returns for each place, -1 where it could not be told */
export async function listOffsets(connection: Connection, places: readonly Place[], timestamp: number): Promise<number[]> {
  const topics = byTopic(places, ({ partition }) => ({ partitionIndex: partition, currentLeaderEpoch: -1, timestamp })).map(
    ({ name, items }) => ({ name, partitions: items }),
  )
  const request = { replicaId: -1, isolationLevel: 0, topics, timeoutMs: GROUP_TIMEOUT_MS }
  const answer = await connection.request(ListOffsets, request, { timeoutMs: GROUP_TIMEOUT_MS })
  const found = new Map<string, number>()
  for (const { name, partitions } of answer.topics) {
    for (const { partitionIndex, errorCode, offset } of partitions)
      found.set(nameOf({ topic: name, partition: partitionIndex }), errorCode === NONE ? offset : -1)
  }
  return places.map(place => found.get(nameOf(place))!)
}

/** Asks until there is one. */
export async function findCoordinator(env: Env, connection: Connection, group: string): Promise<void> {
  for (;;) {
    const request = { key: group, keyType: 0, coordinatorKeys: [group] }
    const answer = await connection.request(FindCoordinator, request, { timeoutMs: GROUP_TIMEOUT_MS })
    if (answer.coordinators[0]!.errorCode === NONE) return
    await sleep(env.clock, RETRY_MS)
  }
}

/** @returns what is committed for each place, -1 for nothing; undefined: it could not be told */
export async function fetchOffsets(
  connection: Connection,
  o: { group: string; places: readonly Place[]; stable: boolean; history: History },
): Promise<number[] | undefined> {
  const { group, places, stable, history } = o
  const since = history.events.length
  const topics = byTopic(places, ({ partition }) => partition).map(({ name, items }) => ({ name, partitionIndexes: items }))
  const groups = [{ groupId: group, memberId: null, memberEpoch: -1, topics }]
  const request = { groups, requireStable: stable }
  const answer = await connection.request(OffsetFetch, request, { version: 9, timeoutMs: GROUP_TIMEOUT_MS })
  const found = answer.groups[0]!
  if (found.errorCode !== NONE) return undefined
  const offsets = new Map<string, number>()
  for (const { name, partitions } of found.topics) {
    for (const { partitionIndex, committedOffset, errorCode } of partitions) {
      if (errorCode !== NONE) return undefined
      const partition = nameOf({ topic: name, partition: partitionIndex })
      offsets.set(partition, committedOffset)
      history.add({ type: 'groupSaw', group, since, partition, offset: committedOffset })
    }
  }
  return places.map(place => offsets.get(nameOf(place))!)
}
