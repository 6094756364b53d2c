import { describe, expect, test } from 'vitest'
import { RPC_RAFT } from '../../src/net/rpc-methods.ts'
import { ProtocolError } from '../../src/protocol/errors.ts'
import { decodeMessage, encodeMessage, MAX_MESSAGE_BYTES } from '../../src/raft/codec.ts'
import { RAFT_NOTICE } from '../../src/raft/driver.ts'
import type { RaftMessage } from '../../src/raft/messages.ts'
import { type Packable, pack, unpack } from '../../src/util/pack.ts'

const ends = { from: 2, directoryId: 'directory-2', to: 1 }
const envelope = { ...ends, epoch: 7 }
const batches = [
  { baseOffset: 40, epoch: 5, payloads: [Buffer.from('a'), Buffer.alloc(0), Buffer.from('ccc')] },
  { baseOffset: 43, epoch: 7, payloads: [Buffer.alloc(0)] },
]
const MESSAGES: readonly RaftMessage[] = [
  { type: 'preVote', ...envelope, lastEpoch: 5, endOffset: 44 },
  { type: 'preVoteAnswer', ...envelope, granted: true, leaderId: -1 },
  { type: 'vote', ...envelope, lastEpoch: 0, endOffset: 0 },
  { type: 'voteAnswer', ...envelope, granted: false, leaderId: 3 },
  { type: 'beginQuorumEpoch', ...envelope },
  { type: 'endQuorumEpoch', ...envelope, successors: [3, 1] },
  { type: 'fetch', ...envelope, fetchOffset: 44, lastEpoch: 5, flushedOffset: 40, highWatermark: 39 },
  { type: 'flushNews', ...envelope, fetchOffset: 44, lastEpoch: 5, flushedOffset: 44 },
  { type: 'fetchRefused', ...envelope, leaderId: -1 },
  { type: 'fetchAnswer', ...envelope, fetchOffset: 40, lastEpoch: 5, highWatermark: 39, diverging: null, snapshot: null, batches },
  {
    type: 'fetchAnswer',
    ...envelope,
    fetchOffset: 40,
    lastEpoch: 5,
    highWatermark: 2 ** 52,
    diverging: { epoch: 4, endOffset: 30 },
    snapshot: { endOffset: 20, epoch: 3 },
    batches: [],
  },
  { type: 'fetchSnapshot', ...envelope, snapshot: { endOffset: 20, epoch: 3 }, index: 0 },
  { type: 'snapshotChunk', ...envelope, snapshot: { endOffset: 20, epoch: 3 }, index: 1, chunkCount: 2, chunk: Buffer.from('part') },
]

test.each(MESSAGES.map(message => [message.type, message] as const))('%s comes out as it went in', (_type, message) => {
  expect(decodeMessage(encodeMessage(message), ends)).toEqual(message)
})

test('who sent it is what the connection says', () => {
  const decoded = decodeMessage(encodeMessage(MESSAGES[0]!), { from: 9, directoryId: 'another', to: 4 })
  expect(decoded).toMatchObject({ from: 9, directoryId: 'another', to: 4, epoch: 7 })
})

test('the driver and the internal listener mean the same method', () => {
  expect(RAFT_NOTICE).toBe(RPC_RAFT)
})

describe('what is none of our messages is the sender’s fault', () => {
  test.each(MESSAGES.map(message => [message.type, message] as const))('%s, cut off anywhere', (_type, message) => {
    const bytes = encodeMessage(message)
    for (let length = 0; length < bytes.length; length++) {
      expect(() => decodeMessage(bytes.subarray(0, length), ends)).toThrow(ProtocolError)
    }
  })

  test.each(MESSAGES.map(message => [message.type, message] as const))('%s, with a field of another kind or missing', (_type, message) => {
    const { type, fields } = unpack(encodeMessage(message), 'test')
    for (let at = 0; at < fields.length; at++) {
      for (const wrong of ['text', -2, 1.5, { not: 'ours' } as unknown as Packable]) {
        const changed = fields.map((field, i) => (i === at ? wrong : (field as Packable)))
        expect(() => decodeMessage(pack(type, 1, changed), ends)).toThrow(ProtocolError)
      }
      expect(() => decodeMessage(pack(type, 1, fields.slice(0, at) as Packable[]), ends)).toThrow(ProtocolError)
    }
  })

  test('a version or a type that is not known here', () => {
    expect(() => decodeMessage(pack(1, 2, [7, 5, 44]), ends)).toThrow(/version 2, this node knows version 1/)
    expect(() => decodeMessage(pack(77, 1, [7]), ends)).toThrow(/type 77, which is not known here/)
  })

  test('one that is too long', () => {
    const chunk = Buffer.alloc(MAX_MESSAGE_BYTES)
    const message: RaftMessage = { ...(MESSAGES.at(-1) as RaftMessage & { type: 'snapshotChunk' }), chunk }
    expect(() => decodeMessage(encodeMessage(message), ends)).toThrow(ProtocolError)
  })
})
