// Messages as a person reads them, in traces and in text scenarios.
import type { RaftMessage, SnapshotId } from '../../raft/messages.ts'
import type { EntryBatch } from '../../raft/store.ts'

/** `1>2 vote epoch=5 last=4@17`: from, to, what, the sender's epoch; a log is told by its last epoch and its end. */
export function messageText(message: RaftMessage): string {
  const { from, to, type, epoch } = message
  return [`${from}>${to}`, type, `epoch=${epoch}`, ...details(message)].join(' ')
}

function details(message: RaftMessage): string[] {
  switch (message.type) {
    case 'preVote':
    case 'vote':
      return [`last=${message.lastEpoch}@${message.endOffset}`]
    case 'preVoteAnswer':
    case 'voteAnswer':
      return [message.granted ? 'granted' : 'refused', ...leader(message.leaderId)]
    case 'beginQuorumEpoch':
      return []
    case 'endQuorumEpoch':
      return [`successors=${message.successors.join(',')}`]
    case 'fetch':
      return [`last=${message.lastEpoch}@${message.fetchOffset}`, `flushed=${message.flushedOffset}`, `hw=${message.highWatermark}`]
    case 'flushNews':
      return [`last=${message.lastEpoch}@${message.fetchOffset}`, `flushed=${message.flushedOffset}`]
    case 'fetchRefused':
      return leader(message.leaderId)
    case 'fetchAnswer': {
      const { diverging, snapshot, batches } = message
      const verdict =
        diverging !== null
          ? [`diverging=${diverging.epoch}@${diverging.endOffset}`]
          : snapshot !== null
            ? [`snapshot=${idText(snapshot)}`]
            : []
      return [`to=${message.lastEpoch}@${message.fetchOffset}`, `hw=${message.highWatermark}`, ...verdict, ...batches.map(batchText)]
    }
    case 'fetchSnapshot':
      return [idText(message.snapshot), `part=${message.index}`]
    case 'snapshotChunk':
      return [idText(message.snapshot), `part=${message.index}/${message.chunkCount}`]
  }
}

/** `epoch@base+count`. */
export function batchText({ baseOffset, epoch, payloads }: EntryBatch): string {
  return `${epoch}@${baseOffset}+${payloads.length}`
}

export function idText({ epoch, endOffset }: SnapshotId): string {
  return `${epoch}@${endOffset}`
}

function leader(leaderId: number): string[] {
  return leaderId === -1 ? [] : [`leader=${leaderId}`]
}
