import { describe, expect, test } from 'vitest'
import { FOLLOWER_FETCH_VERSION } from '../../../src/broker/follower-fetches.ts'
import { encodePromises } from '../../../src/broker/promises.ts'
import { Fetch } from '../../../src/protocol/api/01-fetch.ts'
import {
  errorName,
  FENCED_LEADER_EPOCH,
  FETCH_SESSION_ID_NOT_FOUND,
  INVALID_FETCH_SESSION_EPOCH,
  NONE,
  OFFSET_OUT_OF_RANGE,
  STALE_BROKER_EPOCH,
} from '../../../src/protocol/errors.ts'
import { Writer } from '../../../src/protocol/writer.ts'
import { inLab, type ReplicationLab, TOPIC_ID } from './lab.ts'

interface Wish {
  readonly offset: number
  readonly epoch?: number
  readonly lastFetchedEpoch?: number
}

/** Broker 2 is only a peer that asks by hand. */
async function ask(
  lab: ReplicationLab,
  o: { wish?: Wish; sessionId?: number; sessionEpoch?: number; brokerEpoch?: number; maxWaitMs?: number; replicaId?: number },
) {
  const w = new Writer()
  w.int16(FOLLOWER_FETCH_VERSION)
  const partitions =
    o.wish === undefined
      ? []
      : [
          {
            partition: 0,
            currentLeaderEpoch: o.wish.epoch ?? 0,
            fetchOffset: o.wish.offset,
            lastFetchedEpoch: o.wish.lastFetchedEpoch ?? -1,
            logStartOffset: 0,
            partitionMaxBytes: 1 << 20,
          },
        ]
  Fetch.req(FOLLOWER_FETCH_VERSION).encode(
    {
      replicaState: { replicaId: o.replicaId ?? 2, replicaEpoch: o.brokerEpoch ?? lab.image.brokers.get(2)!.brokerEpoch },
      maxWaitMs: o.maxWaitMs ?? 0,
      minBytes: 1,
      maxBytes: 1 << 20,
      sessionId: o.sessionId ?? 0,
      sessionEpoch: o.sessionEpoch ?? 0,
      topics: partitions.length === 0 ? [] : [{ topicId: TOPIC_ID, partitions }],
      forgottenTopicsData: [],
      rackId: '',
    },
    w,
  )
  const peer = { nodeId: 2, onClose: () => () => {} }
  const { chunks, sent } = await lab.broker(1).replicas.answerFollower(Buffer.concat(w.done()), peer)
  const bytes = Buffer.concat(chunks)
  sent()
  const { errorCode, sessionId, responses } = Fetch.res(FOLLOWER_FETCH_VERSION).decode(bytes, 0, bytes.length)
  return { errorCode, sessionId, partition: responses[0]?.partitions[0] }
}

async function leading(body: (lab: ReplicationLab) => Promise<void>): Promise<void> {
  await inLab({ brokers: 2 }, async lab => {
    lab.isolate(2)
    await lab.createTopic([[1, 2]])
    lab.append(lab.replica(1), 'a')
    await lab.until(() => lab.replica(1).log.flushedOffset === 1)
    await body(lab)
  })
}

describe('a session of a follower', () => {
  test('goes on by the epoch that is due, and no other', () =>
    leading(async lab => {
      const first = await ask(lab, { wish: { offset: 0 } })
      expect([first.errorCode, first.partition!.errorCode, first.partition!.records!.length > 0]).toEqual([NONE, NONE, true])
      const { sessionId } = first
      expect((await ask(lab, { sessionId, sessionEpoch: 2 })).errorCode).toBe(INVALID_FETCH_SESSION_EPOCH)
      expect((await ask(lab, { sessionId, sessionEpoch: 1, wish: { offset: 1 } })).errorCode).toBe(NONE)
      expect((await ask(lab, { sessionId, sessionEpoch: 1, wish: { offset: 1 } })).errorCode).toBe(INVALID_FETCH_SESSION_EPOCH)
      expect((await ask(lab, { sessionId: sessionId + 1, sessionEpoch: 2 })).errorCode).toBe(FETCH_SESSION_ID_NOT_FOUND)
    }))

  test('is over when a new one begins', () =>
    leading(async lab => {
      const { sessionId } = await ask(lab, { wish: { offset: 0 } })
      await ask(lab, { wish: { offset: 0 } })
      expect((await ask(lab, { sessionId, sessionEpoch: 1 })).errorCode).toBe(FETCH_SESSION_ID_NOT_FOUND)
    }))

  test('of an earlier incarnation is refused, and so is another id than the connection proved (KIP-903)', () =>
    leading(async lab => {
      expect((await ask(lab, { wish: { offset: 0 }, brokerEpoch: 0 })).errorCode).toBe(STALE_BROKER_EPOCH)
      await expect(ask(lab, { wish: { offset: 0 }, replicaId: 3 })).rejects.toThrow('fetches as replica 3')
    }))

  test('has its waiting fetch answered by the next one', () =>
    leading(async lab => {
      const { sessionId } = await ask(lab, { wish: { offset: 0 } })
      const waiting = ask(lab, { sessionId, sessionEpoch: 1, wish: { offset: 1 }, maxWaitMs: 60_000 })
      const from = lab.clock.now()
      const next = ask(lab, { sessionId, sessionEpoch: 2, maxWaitMs: 10 })
      expect((await waiting).errorCode).toBe(NONE)
      expect(lab.clock.now() - from).toBeLessThan(1)
      expect((await next).errorCode).toBe(NONE)
    }))
})

describe('a fetch of a follower', () => {
  test('of an older leader epoch is fenced, and says nothing about its log (KIP-320)', () =>
    leading(async lab => {
      await lab.elect(1)
      const { partition } = await ask(lab, { wish: { offset: 1, epoch: 0 } })
      expect(errorName(partition!.errorCode)).toBe(errorName(FENCED_LEADER_EPOCH))
      expect(lab.replica(1).leader!.followers.get(2)!.fetchOffset).toBe(-1)
    }))

  test('of a later leader epoch waits until that is led here', () =>
    leading(async lab => {
      const { sessionId } = await ask(lab, { wish: { offset: 1, epoch: 1 } })
      const answered = ask(lab, { sessionId, sessionEpoch: 1, maxWaitMs: 60_000 })
      await lab.elect(1)
      expect((await answered).partition!.errorCode).toBe(NONE)
    }))

  test('behind the place where the logs part is told where (KIP-279), beyond the bounds where the log begins', () =>
    leading(async lab => {
      await lab.elect(1)
      const diverging = await ask(lab, { wish: { offset: 5, epoch: 1, lastFetchedEpoch: 0 } })
      expect(diverging.partition!.divergingEpoch).toEqual({ epoch: 0, endOffset: 1 })
      expect(diverging.partition!.records!.length).toBe(0)
      await lab.replica(1).log.setLogStartOffset(1)
      const early = await ask(lab, { wish: { offset: 0, epoch: 1, lastFetchedEpoch: 0 } })
      expect([early.partition!.errorCode, early.partition!.logStartOffset]).toEqual([OFFSET_OUT_OF_RANGE, 1])
      expect(lab.replica(1).leader!.followers.get(2)!.fetchOffset).toBe(-1)
    }))

  test('reads what is written and not flushed; only promises move the high watermark', () =>
    leading(async lab => {
      await ask(lab, { wish: { offset: 1 } })
      const leader = lab.replica(1)
      expect(leader.leader!.highWatermark).toBe(0)
      const brokerEpoch = lab.image.brokers.get(2)!.brokerEpoch
      const promise = (ackableOffset: number, epoch = brokerEpoch) =>
        lab
          .broker(1)
          .replicas.promised(encodePromises(epoch, [{ topicId: TOPIC_ID, partition: 0, leaderEpoch: 0, ackableOffset }]), { nodeId: 2 })
      promise(1, brokerEpoch - 1)
      expect(leader.leader!.highWatermark).toBe(0)
      promise(7)
      expect(leader.leader!.highWatermark).toBe(1)
      expect(() => lab.broker(1).replicas.promised(Buffer.from('junk'), { nodeId: 2 })).toThrow()
    }))
})
