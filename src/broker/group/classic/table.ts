// What each event meets in each state of a classic group. A number is the error that its sender gets (NONE: nothing stands against it), a name is what
// the group does then, `never` cannot happen. The rows ending in `Arrives` are asked first; the others after the checks that are the same in every
// state: is the member known and not fenced, is the generation the group's, do the protocols fit.
// Facts: Kafka's GroupMetadataManager (classicGroupJoin …, Sync …, Heartbeat …, Leave …, their timers), ClassicGroup.validateOffsetCommit …,
// ClassicGroupState.
import {
  COORDINATOR_NOT_AVAILABLE,
  GROUP_ID_NOT_FOUND,
  NON_EMPTY_GROUP,
  NONE,
  REBALANCE_IN_PROGRESS,
  UNKNOWN_MEMBER_ID,
} from '../../../protocol/errors.ts'
import type { GroupState } from './types.ts'

export type Row<R extends string | number> = { readonly [S in GroupState]: R }

/** State → the states that it is entered from. Nothing follows Dead. */
export const ENTERED_FROM: { readonly [S in GroupState]: readonly GroupState[] } = {
  Empty: ['PreparingRebalance'],
  PreparingRebalance: ['Empty', 'CompletingRebalance', 'Stable'],
  CompletingRebalance: ['PreparingRebalance'],
  Stable: ['CompletingRebalance'],
  Dead: ['Empty', 'PreparingRebalance', 'CompletingRebalance', 'Stable'],
}

/**
 * The group's own doings, where they need a word: `rebalance`: those who wait for their assignment are sent back, and all members have to join anew.
 * `park`: the request waits, and its member counts as rejoined. `finishIfAllRejoined`: the join phase ends if nobody is missing, except in the delay
 * of a first rebalance; `finishIfAllJoined`: even then. `answerGeneration`: the current generation, at once.
 */
// biome-ignore format: a table
export const TABLE = {
  //                              Empty              PreparingRebalance     CompletingRebalance  Stable              Dead
  joinArrives:                row(NONE,              NONE,                  NONE,                NONE,               COORDINATOR_NOT_AVAILABLE),
  syncArrives:                row(UNKNOWN_MEMBER_ID, NONE,                  NONE,                NONE,               COORDINATOR_NOT_AVAILABLE),
  heartbeatArrives:           row(UNKNOWN_MEMBER_ID, NONE,                  NONE,                NONE,               COORDINATOR_NOT_AVAILABLE),
  leaveArrives:               row(NONE,              NONE,                  NONE,                NONE,               COORDINATOR_NOT_AVAILABLE),
  commitArrives:              row(NONE,              NONE,                  NONE,                NONE,               COORDINATOR_NOT_AVAILABLE),
  deleteArrives:              row(NONE,              NON_EMPTY_GROUP,       NON_EMPTY_GROUP,     NON_EMPTY_GROUP,    GROUP_ID_NOT_FOUND),
  offsetDeleteArrives:        row(NONE,              'ifConsumers',         'ifConsumers',       'ifConsumers',      GROUP_ID_NOT_FOUND),

  // Joining. Whom the room is counted by: all are taken, those who wait for the next generation, or the members.
  room:                       row('all',             'waiting',             'members',           'members',          'never'),
  newcomerJoins:              row('rebalance',       'finishIfAllRejoined', 'rebalance',         'rebalance',        'never'),
  leaderRejoins:              row('never',           'park',                'answerGeneration',  'rebalance',        'never'),
  followerRejoins:            row('never',           'park',                'answerGeneration',  'answerGeneration', 'never'),
  memberRejoinsChanged:       row('never',           'park',                'rebalance',         'rebalance',        'never'),
  instanceReturns:            row('never',           'finishIfAllRejoined', 'rebalance',         'keepOrRebalance',  'never'),
  instanceStored:             row('stay',            'stay',                'stay',              'answerGeneration', 'stay'),
  instanceLost:               row('stay',            'stay',                'stay',              'revert',           'stay'),
  joinPhaseEnds:              row('never',           'finish',              'never',             'never',            'never'),

  // The assignment.
  leaderSyncs:                row('never',           REBALANCE_IN_PROGRESS, 'assign',            'answerAssignment', 'never'),
  followerSyncs:              row('never',           REBALANCE_IN_PROGRESS, 'park',              'answerAssignment', 'never'),
  assignmentStored:           row('stay',            'stay',                'becomeStable',      'stay',             'stay'),
  assignmentLost:             row('stay',            'stay',                'rebalance',         'stay',             'stay'),
  syncPhaseEnds:              row('never',           'never',               'removeUnsynced',    'removeUnsynced',   'never'),

  // Living and leaving.
  memberBeats:                row('never',           REBALANCE_IN_PROGRESS, NONE,                NONE,               'never'),
  membersLeft:                row('stay',            'finishIfAllRejoined', 'rebalance',         'rebalance',        'never'),
  memberFailed:               row('never',           'finishIfAllJoined',   'rebalance',         'rebalance',        'never'),
  pendingMemberFailed:        row('stay',            'finishIfAllJoined',   'stay',              'stay',             'never'),

  // Commits: of a member in a generation, of somebody who names neither, and both within a transaction.
  memberCommits:              row('never',           NONE,                  REBALANCE_IN_PROGRESS, NONE,             'never'),
  strangerCommits:            row(NONE,              UNKNOWN_MEMBER_ID,     UNKNOWN_MEMBER_ID,   UNKNOWN_MEMBER_ID,  'never'),
  memberCommitsInTransaction: row('never',           NONE,                  NONE,                NONE,               'never'),
  strangerCommitsInTransaction: row(NONE,            NONE,                  NONE,                NONE,               'never'),
}

function row<
  const E extends string | number,
  const P extends string | number,
  const C extends string | number,
  const S extends string | number,
  const D extends string | number,
>(empty: E, preparing: P, completing: C, stable: S, dead: D): Row<E | P | C | S | D> {
  return { Empty: empty, PreparingRebalance: preparing, CompletingRebalance: completing, Stable: stable, Dead: dead }
}
