// `ottla quorum …`
import type { QuorumReplica } from '../../src/index.ts'
import { type ClientOptions, withAdmin } from './connection.ts'
import { print, printJson, table } from './output.ts'
import { counted } from './status/status.ts'
import { durationText } from './status/text.ts'

/** The one that answers must find the leader. */
const ANSWER_TIMEOUT_MS = 5000

export async function describe(options: ClientOptions): Promise<void> {
  await withAdmin(options, async admin => {
    const { leaderId, leaderEpoch, highWatermark, voters, observers } = await admin
      .describeMetadataQuorum({ timeoutMs: ANSWER_TIMEOUT_MS })
      .catch((cause: Error) => {
        throw new Error(
          `the metadata quorum: ${cause.message}\nPerhaps a majority of its voters is away. See who is there: ottla cluster status`,
          { cause },
        )
      })
    const leader = voters.find(({ nodeId }) => nodeId === leaderId)
    const member = (role: 'voter' | 'observer') => (replica: QuorumReplica) => ({
      node: replica.nodeId,
      directoryId: replica.directoryId,
      role: replica.nodeId === leaderId ? 'leader' : role,
      logEndOffset: known(replica.logEndOffset),
      lag: leader === undefined || replica.logEndOffset < 0 ? null : Math.max(0, leader.logEndOffset - replica.logEndOffset),
      lastFetchMs: ago(leader, replica.lastFetchTimestamp),
      lastCaughtUpMs: ago(leader, replica.lastCaughtUpTimestamp),
    })
    const members = [...sorted(voters).map(member('voter')), ...sorted(observers).map(member('observer'))]
    if (options.json) {
      await printJson({ leader: leaderId, epoch: leaderEpoch, highWatermark, members })
      return
    }
    const facts = [
      leaderId < 0 ? 'No leader' : `Node ${leaderId} leads`,
      `epoch ${leaderEpoch}`,
      `high watermark ${highWatermark}`,
      counted(voters.length, 'voter'),
      counted(observers.length, 'observer'),
    ]
    await print(`${facts.join(', ')}\n`)
    const rows = members.map(({ node, directoryId, role, logEndOffset, lag, lastFetchMs, lastCaughtUpMs }) => [
      String(node),
      role,
      directoryId ?? '',
      String(logEndOffset ?? ''),
      String(lag ?? ''),
      role === 'leader' ? '' : agoText(lastFetchMs),
      role === 'leader' ? '' : agoText(lastCaughtUpMs),
    ])
    await print(`\n${table(['NODE', 'ROLE', 'DIRECTORY', 'LOG END', 'LAG', 'LAST FETCH', 'CAUGHT UP'], rows)}`)
  })
}

function sorted(replicas: readonly QuorumReplica[]): QuorumReplica[] {
  return [...replicas].sort((a, b) => a.nodeId - b.nodeId)
}

function known(value: number): number | null {
  return value < 0 ? null : value
}

/** By the leader's clock, as all these times are. */
function ago(leader: QuorumReplica | undefined, timestamp: number): number | null {
  return leader === undefined || timestamp < 0 ? null : Math.max(0, leader.lastFetchTimestamp - timestamp)
}

function agoText(ms: number | null): string {
  return ms === null ? '' : `${durationText(ms)} ago`
}
