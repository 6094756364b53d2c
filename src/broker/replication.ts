// What replication needs of the node around it, and what the node hands it: the world that a broker's replicas live in.
// Out of it: fetches and promises to leaders, changes of in-sync sets to the controller. Into it: fetches and promises of followers
// (Replicas.answerFollower, Replicas.promised), the lease (Replicas.leaseRenewed, with every new one) and the metadata log (Replicas.apply).
import type { MetadataImage } from '../metadata/image.ts'
import type { Lease } from '../util/buffer-pool.ts'
import type { Uuid } from '../util/uuid.ts'

/** One incarnation of a broker, as in-sync sets are proposed in (KIP-903). */
export interface IsrMember {
  readonly brokerId: number
  readonly brokerEpoch: number
}

/** What leaders of this broker want their in-sync sets to be. */
export interface IsrRequest {
  readonly brokerId: number
  readonly brokerEpoch: number
  readonly topics: readonly {
    readonly topicId: Uuid
    readonly partitions: readonly {
      readonly partition: number
      readonly leaderEpoch: number
      readonly partitionEpoch: number
      readonly newIsr: readonly IsrMember[]
    }[]
  }[]
}

/** NONE is no news: what was agreed on comes with the metadata log. */
export interface IsrAnswer {
  readonly errorCode: number
  readonly topics: readonly {
    readonly topicId: Uuid
    readonly partitions: readonly { readonly partition: number; readonly errorCode: number }[]
  }[]
}

export interface ReplicationWorld {
  /** What is agreed and applied here. */
  image(): MetadataImage
  /** Until when (clock.now()) this broker may acknowledge for its partitions; infinite for a quorum of one. */
  leaseUntil(): number
  /** To the active controller, wherever it is. Rejects with anything when the outcome is not known: it is asked again. */
  alterPartition(request: IsrRequest): Promise<IsrAnswer>
  /**
   * Method 4 (fetch), data lane. Rejects with anything when there is no answer in time, or the connection ended. Whoever takes the answer
   * releases its lease.
   */
  fetchFrom(
    leaderId: number,
    payload: readonly Uint8Array[],
    timeoutMs: number,
  ): Promise<{ readonly payload: Buffer; readonly lease: Lease | undefined }>
  /** Method 5 (promise), control lane. May be lost: it is repeated. */
  sendPromise(leaderId: number, payload: readonly Uint8Array[]): void
}

/** A broker at the other end of an internal connection (an RpcSender is one). */
export interface FollowerPeer {
  readonly nodeId: number
  /** @returns stops listening */
  onClose(listener: () => void): () => void
}

/** How followers fetch. */
export interface FollowerSettings {
  readonly lagTimeMaxMs: number
  readonly fetchWaitMaxMs: number
  /** 1 when not given. */
  readonly fetchMinBytes?: number
  /** Of one partition in one answer; a larger batch comes alone. */
  readonly fetchMaxBytes: number
  readonly fetchResponseMaxBytes: number
  readonly fetchBackoffMs: number
}

/** A broker that has no others: what it leads it leads alone. */
export const ALONE: Omit<ReplicationWorld, 'image'> = {
  leaseUntil: () => Number.POSITIVE_INFINITY,
  alterPartition: () => Promise.reject(new Error('this broker is alone')),
  fetchFrom: () => Promise.reject(new Error('this broker is alone')),
  sendPromise: () => {},
}

export const DEFAULT_FOLLOWER_SETTINGS: FollowerSettings = {
  lagTimeMaxMs: 1500,
  fetchWaitMaxMs: 500,
  fetchMinBytes: 1,
  fetchMaxBytes: 1024 * 1024,
  fetchResponseMaxBytes: 10 * 1024 * 1024,
  fetchBackoffMs: 100,
}
