import { expect, test } from 'vitest'
import type { ImageChange } from '../../src/metadata/image.ts'
import { applyRecord, emptyImage } from '../../src/metadata/image.ts'
import { MetadataPublisher } from '../../src/metadata/publisher.ts'
import { encodeRecord, type MetadataRecord } from '../../src/metadata/records.ts'
import { encodeSnapshot } from '../../src/metadata/snapshot.ts'
import type { Quorum, QuorumListener } from '../../src/raft/quorum.ts'
import { pack } from '../../src/util/pack.ts'

/** A quorum that says what the test says. */
async function publisherWithQuorum() {
  const failures: Error[] = []
  const publisher = new MetadataPublisher({ fail: error => void failures.push(error) })
  const seen: string[] = []
  publisher.subscribe({
    applied: (changes, image) => void seen.push(`${image.offset}: ${changes.map(name).join(' ')}`),
    leaderChanged: ({ epoch }) => void seen.push(`leader of ${epoch}`),
  })
  let listener: QuorumListener | undefined
  await publisher.start({
    start: (it: QuorumListener) => {
      listener = it
      return Promise.resolve()
    },
  } as unknown as Quorum)
  const commit = (offset: number, ...records: (MetadataRecord | undefined)[]) =>
    listener!.committed(
      records.map((record, nth) => ({
        offset: offset + nth,
        epoch: 1,
        payload: record === undefined ? Buffer.alloc(0) : encodeRecord(record),
      })),
    )
  return { publisher, failures, seen, listener: listener!, commit }
}

const name = (change: ImageChange) =>
  change.type === 'topicCreated' || change.type === 'topicDeleted' ? `${change.type} ${change.topic.name}` : change.type
const topic = (name: string): MetadataRecord => ({ type: 'topicCreated', name, topicId: `id ${name}` })

test('listeners are told once for entries agreed on together, and of entries without a record too', async () => {
  const { seen, commit, listener } = await publisherWithQuorum()
  commit(0, undefined)
  commit(1, topic('a'), topic('b'))
  listener.leaderChanged({ epoch: 2, leaderId: 1, isLeader: true })
  expect(seen).toEqual(['1: ', '3: topicCreated a topicCreated b', 'leader of 2'])
})

test('whenApplied waits for its offset, in any order', async () => {
  const { publisher, commit } = await publisherWithQuorum()
  const order: string[] = []
  const waiting = [3, 1, 2, 1].map(offset => publisher.whenApplied(offset).then(() => order.push(`${offset}`)))
  commit(0, undefined)
  await Promise.resolve()
  commit(1, undefined, undefined)
  await Promise.all(waiting)
  await publisher.whenApplied(3)
  expect(order).toEqual(['1', '1', '2', '3'])
  const never = publisher.whenApplied(4)
  publisher.close()
  await expect(never).rejects.toThrow('closing')
  await expect(publisher.whenApplied(1)).rejects.toThrow('closing')
})

test('a snapshot is told as the difference to what was known', async () => {
  const { publisher, seen, commit, listener } = await publisherWithQuorum()
  commit(0, topic('a'), topic('b'))
  const later = emptyImage()
  for (const each of ['b', 'c']) applyRecord(later, topic(each))
  listener.snapshotLoaded({ endOffset: 9, epoch: 4, chunks: encodeSnapshot(later) })
  expect(seen.at(-1)).toBe('9: topicDeleted a topicCreated c')
  expect([publisher.image.offset, publisher.image.epoch]).toEqual([9, 4])
})

test.each([
  ['of a newer kind', pack(99, 1, []), /type 99 version 1 is not known here: it was written by a newer Ottla/],
  ['of a newer version', pack(5, 2, ['a', 'id']), /type 5 version 2 is not known here/],
  ['with a field too many', pack(5, 1, ['a', 'id', 7]), /3 fields, expected 2/],
  ['with a field of another kind', pack(5, 1, ['a', 7]), /field 1 is not a string/],
  ['that is garbage', Buffer.from('garbage'), /metadata record/],
  ['that contradicts the image', encodeRecord({ type: 'topicDeleted', topicId: 'nobody' }), /topic id nobody is not in the image/],
])('an entry %s stops the node, and nothing after it is applied', async (_name, payload, message) => {
  const { publisher, failures, seen, listener, commit } = await publisherWithQuorum()
  const waiting = publisher.whenApplied(5)
  listener.committed([{ offset: 0, epoch: 1, payload }])
  expect(failures.map(error => error.message)).toEqual([expect.stringMatching(message)])
  await expect(waiting).rejects.toBe(failures[0])
  commit(1, topic('a'))
  expect(seen).toEqual([])
  expect(() => listener.takeSnapshot()).toThrow()
})
