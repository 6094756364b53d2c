// The leaders that this broker follows: a fetcher for each, and the promises to all of them.
import type { Env } from '../env/env.ts'
import { Fetcher } from './fetcher.ts'
import type { Following, LocalReplica } from './local-replica.ts'
import { encodePromises, Gathering, type PartitionPromise } from './promises.ts'
import type { FollowerSettings, IsrMember, ReplicationWorld } from './replication.ts'

interface Options {
  readonly world: ReplicationWorld
  readonly settings: FollowerSettings
  /** Of the registration in force. */
  readonly self: () => IsrMember
  readonly fail: (error: Error) => void
}

export class FollowedLeaders {
  readonly #env: Env
  readonly #o: Options
  readonly #fetchers = new Map<number, Fetcher>()
  /** Of which replica. */
  readonly #fetcherOf = new Map<LocalReplica, Fetcher>()
  readonly #promises: Gathering<LocalReplica>
  #closed = false

  constructor(env: Env, o: Options) {
    this.#env = env
    this.#o = o
    this.#promises = new Gathering(env.clock, (leaderId, replicas) => this.#promise(leaderId, replicas))
  }

  follow(replica: LocalReplica, { leaderId, leaderEpoch }: Following): void {
    if (this.#closed) return
    const fetcher = this.#fetcherFor(leaderId)
    this.#fetcherOf.set(replica, fetcher)
    fetcher.follow(replica, leaderEpoch)
  }

  unfollow(replica: LocalReplica): void {
    this.#fetcherOf.get(replica)?.unfollow(replica)
    this.#fetcherOf.delete(replica)
  }

  progressed(replica: LocalReplica): void {
    this.#fetcherOf.get(replica)?.progressed(replica)
  }

  /** The metadata log names that broker as live. */
  isBack(brokerId: number): void {
    this.#fetchers.get(brokerId)?.retryNow()
  }

  close(): void {
    this.#closed = true
    for (const fetcher of this.#fetchers.values()) fetcher.close()
  }

  #fetcherFor(leaderId: number): Fetcher {
    let fetcher = this.#fetchers.get(leaderId)
    if (fetcher === undefined) {
      const { world, settings, self, fail } = this.#o
      const promise = (replica: LocalReplica) => this.#promises.add(leaderId, replica)
      fetcher = new Fetcher(this.#env, { leaderId, world, settings, self, fail, promise })
      this.#fetchers.set(leaderId, fetcher)
    }
    return fetcher
  }

  #promise(leaderId: number, replicas: ReadonlySet<LocalReplica>): void {
    if (this.#closed) return
    const promises: PartitionPromise[] = []
    for (const replica of replicas) {
      const fetcher = this.#fetcherOf.get(replica)
      const promise = fetcher?.leaderId === leaderId ? fetcher.takePromise(replica) : undefined
      if (promise !== undefined) promises.push({ topicId: replica.topicId, partition: replica.partition, ...promise })
    }
    if (promises.length > 0) this.#o.world.sendPromise(leaderId, [encodePromises(this.#o.self().brokerEpoch, promises)])
  }
}
