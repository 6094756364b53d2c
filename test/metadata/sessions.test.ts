import { expect, test } from 'vitest'
import { emptyImage, type MetadataImage } from '../../src/metadata/image.ts'
import {
  checkIntervalMs,
  contact,
  countSilence,
  expired,
  follow,
  lowestOffset,
  newSessions,
  type Sessions,
} from '../../src/metadata/sessions.ts'

const TIMEOUT_MS = 1500

function imageOf(...brokers: readonly { id: number; epoch?: number; fenced?: boolean }[]): MetadataImage {
  const image = emptyImage()
  for (const { id, epoch = 10 * id, fenced = false } of brokers) {
    image.brokers.set(id, {
      brokerId: id,
      brokerEpoch: epoch,
      incarnationId: `process ${id}`,
      directoryId: `directory ${id}`,
      rack: null,
      fenced,
      listeners: [],
      features: [],
      internalListener: null,
      shuttingDown: false,
    })
  }
  return image
}

function activeAt(now: number, image: MetadataImage): Sessions {
  const sessions = newSessions(TIMEOUT_MS, now)
  follow(sessions, image, now)
  return sessions
}

const beat = (sessions: Sessions, id: number, now: number, metadataOffset = 0) =>
  contact(sessions, { brokerId: id, brokerEpoch: 10 * id, metadataOffset }, now)

/** Asked as often as it is to be asked, from then until then. @returns who expired, and when */
function watch(sessions: Sessions, image: MetadataImage, from: number, to: number, onCheck: (now: number) => void = () => {}): string[] {
  const found: string[] = []
  for (let now = from; now <= to; now += checkIntervalMs(sessions)) {
    onCheck(now)
    for (const { brokerId, brokerEpoch } of expired(sessions, image, { now, exempt: 1 })) {
      found.push(`${brokerId}@${brokerEpoch} at ${now}`)
      image.brokers.set(brokerId, { ...image.brokers.get(brokerId)!, fenced: true })
    }
  }
  return found
}

test('a broker that was not heard of for the session timeout expires, once; the own one never does', () => {
  const image = imageOf({ id: 1 }, { id: 2 }, { id: 3 })
  const sessions = activeAt(1000, image)
  expect(watch(sessions, image, 1000, 6000, now => void beat(sessions, 3, now))).toEqual(['2@20 at 2500'])
})

test('every session starts with the activation of the controller', () => {
  const image = imageOf({ id: 2 })
  expect(watch(activeAt(50_000, image), image, 50_000, 60_000)).toEqual(['2@20 at 51500'])
})

test('a fenced broker has nothing to lose', () => {
  const image = imageOf({ id: 2, fenced: true })
  expect(watch(activeAt(0, image), image, 0, 5000)).toEqual([])
})

test('a new incarnation has a session of its own, and the old one ends', () => {
  const image = imageOf({ id: 2 })
  const sessions = activeAt(0, image)
  watch(sessions, image, 0, 1250)
  const again = imageOf({ id: 2, epoch: 77 })
  follow(sessions, again, 1300)
  expect(watch(sessions, again, 1500, 5000)).toEqual(['2@77 at 3000'])
  follow(sessions, imageOf(), 5000)
  expect(sessions.byBroker.size).toBe(0)
})

test('a long pause of the controller itself starts every session again', () => {
  const image = imageOf({ id: 2 }, { id: 3 })
  const sessions = activeAt(0, image)
  beat(sessions, 2, 200)
  expect(watch(sessions, image, 250, 500)).toEqual([])
  // Nothing ran for two seconds: not their silence.
  expect(watch(sessions, image, 2500, 3900)).toEqual([])
  beat(sessions, 2, 3900)
  expect(watch(sessions, image, 4000, 4250)).toEqual(['3@30 at 4000'])
})

test('a short pause is no excuse', () => {
  const image = imageOf({ id: 2 })
  const sessions = activeAt(0, image)
  watch(sessions, image, 0, 1000)
  expect(watch(sessions, image, 1700, 1700)).toEqual(['2@20 at 1700'])
})

test('what a deposed leader was silent counts, up to half a session', () => {
  const image = imageOf({ id: 2 }, { id: 3 })
  const sessions = activeAt(0, image)
  countSilence(sessions, 2, 1000)
  countSilence(sessions, 9, 1000)
  expect(watch(sessions, image, 0, 3000)).toEqual(['2@20 at 750', '3@30 at 1500'])
})

test('what all others have applied is what the last of them said to this controller', () => {
  const image = imageOf({ id: 1 }, { id: 2 }, { id: 3 }, { id: 4, fenced: true })
  const sessions = activeAt(0, image)
  beat(sessions, 2, 10, 55)
  expect(lowestOffset(sessions, image, [1])).toBe(-1)
  beat(sessions, 3, 10, 44)
  expect(lowestOffset(sessions, image, [1])).toBe(44)
  expect(lowestOffset(sessions, image, [1, 3])).toBe(55)
  // A late heartbeat takes nothing back.
  beat(sessions, 2, 20, 50)
  expect(lowestOffset(sessions, image, [1, 3])).toBe(55)
  expect(lowestOffset(sessions, image, [1, 2, 3])).toBe(Number.MAX_SAFE_INTEGER)
})
