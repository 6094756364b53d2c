// What goes into a classic group's core and what comes out of it. Facts: KIP-62, KIP-345, KIP-394, KIP-814; Kafka's GroupMetadataManager.

import type { JoinGroup } from '../../../protocol/api/11-join-group.ts'
import type { Heartbeat } from '../../../protocol/api/12-heartbeat.ts'
import type { LeaveGroup } from '../../../protocol/api/13-leave-group.ts'
import type { SyncGroup } from '../../../protocol/api/14-sync-group.ts'
import type { Out, RequestOf, ResponseOf } from '../../../protocol/schema.ts'
import type { GroupMetadata } from '../../../protocol/stored/classic-group.ts'

/** Names a request that waits for its answer. The caller gives it out, and never twice in a group's life. */
export type RequestToken = number

/** Kafka's names, as they stand in DescribeGroups and ListGroups. */
export type GroupState = 'Empty' | 'PreparingRebalance' | 'CompletingRebalance' | 'Stable' | 'Dead'

/** The value of a group's record in __consumer_offsets. */
export type GroupMetadataValue = Out<(typeof GroupMetadata)['value']['fields']>

export interface GroupSettings {
  /** group.min.session.timeout.ms, group.max.session.timeout.ms */
  readonly minSessionTimeoutMs: number
  readonly maxSessionTimeoutMs: number
  /** group.max.size */
  readonly maxSize: number
  /** group.initial.rebalance.delay.ms */
  readonly initialRebalanceDelayMs: number
  /** max.message.bytes of __consumer_offsets: what a group may keep is bounded by it. */
  readonly maxRecordBytes: number
}

/** Both clocks at the time of an event. */
export interface Instant {
  /** Monotonic milliseconds: everything is timed by it. */
  readonly now: number
  /** Milliseconds since 1970: what records tell. */
  readonly wallTime: number
}

export type GroupEvent =
  | {
      readonly type: 'join'
      readonly request: RequestToken
      readonly apiVersion: number
      readonly clientId: string
      /** As Kafka writes it: "/127.0.0.1". */
      readonly clientHost: string
      /** Fresh, used if the member has none: see newMemberId. */
      readonly newMemberId: string
      readonly body: RequestOf<typeof JoinGroup>
    }
  | { readonly type: 'sync'; readonly request: RequestToken; readonly body: RequestOf<typeof SyncGroup> }
  | { readonly type: 'heartbeat'; readonly request: RequestToken; readonly body: RequestOf<typeof Heartbeat> }
  | { readonly type: 'leave'; readonly request: RequestToken; readonly apiVersion: number; readonly body: RequestOf<typeof LeaveGroup> }
  /** Time has passed; due at `deadline`. */
  | { readonly type: 'tick' }
  /**
   * What `persist` asked for is committed (errorCode 0) or will never be. The error is the append's own, MESSAGE_TOO_LARGE for a record that
   * no log takes; the group translates it for its members. Every `persist` gets one `persisted` or an `unload`, in the order they were asked.
   */
  | { readonly type: 'persisted'; readonly id: number; readonly errorCode: number }
  /** The client of a waiting request has gone. Its member stays until its session ends, and the answer is still given (to nobody), as in Kafka. */
  | { readonly type: 'gone'; readonly request: RequestToken }
  /** Only after judgeDelete said NONE. The group is Dead; until its last `persist` is settled it still may have answers to give. */
  | { readonly type: 'delete' }
  /** The group leaves this coordinator: whoever waits gets the error, and the group is Dead. */
  | { readonly type: 'unload'; readonly errorCode: number }

export type GroupAnswer =
  | { readonly type: 'answer'; readonly request: RequestToken; readonly api: 'JoinGroup'; readonly body: ResponseOf<typeof JoinGroup> }
  | { readonly type: 'answer'; readonly request: RequestToken; readonly api: 'SyncGroup'; readonly body: ResponseOf<typeof SyncGroup> }
  | { readonly type: 'answer'; readonly request: RequestToken; readonly api: 'Heartbeat'; readonly body: ResponseOf<typeof Heartbeat> }
  | { readonly type: 'answer'; readonly request: RequestToken; readonly api: 'LeaveGroup'; readonly body: ResponseOf<typeof LeaveGroup> }

export type GroupEffect =
  /** Each token is answered exactly once. */
  | GroupAnswer
  /** Append the group's record; a null value is its tombstone. */
  | { readonly type: 'persist'; readonly id: number; readonly value: GroupMetadataValue | null }
  /** A line for the log: an event in the past tense and its facts. */
  | { readonly type: 'log'; readonly event: string; readonly fields: Readonly<Record<string, string | number>> }

/** What OffsetCommit and TxnOffsetCommit say about their sender. */
export interface Committer {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly generationId: number
  readonly transactional: boolean
}

/** The fields of DescribeGroups that the group knows. */
export interface GroupDescription {
  readonly groupState: GroupState
  readonly protocolType: string
  readonly protocolData: string
  readonly members: readonly {
    readonly memberId: string
    readonly groupInstanceId: string | null
    readonly clientId: string
    readonly clientHost: string
    readonly memberMetadata: Buffer
    readonly memberAssignment: Buffer
  }[]
}

/**
 * Which of the group's committed offsets age, and from when on: `sinceEmpty`: all, from currentStateSinceMs (where that is unknown, from their
 * commit); `sinceCommit`: each from its commit, but for topics that isSubscribedTo names; `never`: none now.
 */
export type OffsetExpiry = 'sinceEmpty' | 'sinceCommit' | 'never'
