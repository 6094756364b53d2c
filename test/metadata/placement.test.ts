import { expect, test } from 'vitest'
import { SeededRandom } from '../../src/env/sim/random.ts'
import { type PlacementBroker, placeReplicas } from '../../src/metadata/placement.ts'

const counts = (ids: readonly number[]) => {
  const by = new Map<number, number>()
  for (const id of ids) by.set(id, (by.get(id) ?? 0) + 1)
  return by
}
const spread = (by: ReadonlyMap<number, number>, brokers: readonly PlacementBroker[]) => {
  const each = brokers.map(({ brokerId }) => by.get(brokerId) ?? 0)
  return Math.max(...each) - Math.min(...each)
}

test('any number of brokers and racks: replicas differ, the first can lead, every rack is used before one is used twice', () => {
  for (let seed = 0; seed < 300; seed++) {
    const random = new SeededRandom(seed, 'placement')
    const racks = random.integer(4)
    const brokers = Array.from({ length: 1 + random.integer(9) }, (_, nth): PlacementBroker => {
      return { brokerId: nth * 3 + 1, rack: racks === 0 ? null : `r${random.integer(racks)}`, fenced: nth > 0 && random.integer(4) === 0 }
    })
    const unfenced = brokers.filter(({ fenced }) => !fenced)
    const replicationFactor = 1 + random.integer(brokers.length)
    const placed = placeReplicas({ brokers, partitionCount: 1 + random.integer(30), replicationFactor, random })
    if (typeof placed === 'string') throw new Error(placed)
    const byId = new Map(brokers.map(broker => [broker.brokerId, broker]))
    const usable = replicationFactor > unfenced.length ? brokers : unfenced
    const rackCount = new Set(usable.map(({ rack }) => rack)).size
    for (const replicas of placed) {
      expect(new Set(replicas).size).toBe(replicationFactor)
      expect(byId.get(replicas[0]!)!.fenced).toBe(false)
      if (replicationFactor <= unfenced.length) expect(replicas.every(id => !byId.get(id)!.fenced)).toBe(true)
      expect(new Set(replicas.map(id => byId.get(id)!.rack)).size).toBe(Math.min(rackCount, replicationFactor))
    }
    // Leaders in turn: nobody leads two more than anybody else.
    expect(spread(counts(placed.map(([leader]) => leader!)), unfenced)).toBeLessThanOrEqual(1)
  }
})

test.each([
  [3, 1, 1],
  [3, 2, 1],
  [3, 3, 1],
  [6, 2, 3],
  [6, 3, 3],
  [5, 3, 1],
  [9, 3, 3],
])('%i brokers, %i replicas, %i racks of one size: replicas are as even as leaders', (count, replicationFactor, racks) => {
  const brokers = Array.from({ length: count }, (_, brokerId) => ({ brokerId, rack: `r${brokerId % racks}`, fenced: false }))
  for (let seed = 0; seed < 20; seed++) {
    const placed = placeReplicas({
      brokers,
      partitionCount: count * (count - 1) * 2,
      replicationFactor,
      random: new SeededRandom(seed, 'even'),
    })
    if (typeof placed === 'string') throw new Error(placed)
    expect(spread(counts(placed.map(([leader]) => leader!)), brokers)).toBe(0)
    expect(spread(counts(placed.flat()), brokers)).toBeLessThanOrEqual(placed.length / 10)
  }
})

test.each([
  [[1, 3], 2],
  [[2, 4], 2],
  [[1, 2, 3], 3],
  [[1, 1, 4], 3],
  [[1, 2], 2],
  [[2, 3, 4], 2],
])('racks of %j brokers, %i replicas: in a rack replicas are even, and leaders everywhere', (sizes, replicationFactor) => {
  const racks = sizes.map((size, rack) =>
    Array.from({ length: size }, (_, nth) => ({ brokerId: 10 * rack + nth, rack: `r${rack}`, fenced: false })),
  )
  for (let seed = 0; seed < 20; seed++) {
    const random = new SeededRandom(seed, 'racks')
    const placed = placeReplicas({ brokers: racks.flat(), partitionCount: 60 + random.integer(60), replicationFactor, random })
    if (typeof placed === 'string') throw new Error(placed)
    expect(spread(counts(placed.map(([leader]) => leader!)), racks.flat())).toBeLessThanOrEqual(1)
    for (const rack of racks) expect(spread(counts(placed.flat()), rack)).toBeLessThanOrEqual(6)
    for (const replicas of placed)
      expect(new Set(replicas.map(id => Math.floor(id / 10))).size).toBe(Math.min(replicationFactor, sizes.length))
  }
})

test('what a broker led is taken over by all others alike', () => {
  const brokers = Array.from({ length: 5 }, (_, brokerId) => ({ brokerId, rack: null, fenced: false }))
  for (let seed = 0; seed < 20; seed++) {
    const placed = placeReplicas({ brokers, partitionCount: 100, replicationFactor: 3, random: new SeededRandom(seed, 'heirs') })
    if (typeof placed === 'string') throw new Error(placed)
    for (const { brokerId } of brokers) {
      const heirs = placed.filter(([leader]) => leader === brokerId).map(([, second]) => second!)
      expect(
        spread(
          counts(heirs),
          brokers.filter(other => other.brokerId !== brokerId),
        ),
      ).toBeLessThanOrEqual(3)
    }
  }
})

test('what cannot be placed is told as Kafka tells it', () => {
  const random = new SeededRandom(1, 'none')
  const broker = { brokerId: 1, rack: null, fenced: true }
  expect(placeReplicas({ brokers: [], partitionCount: 1, replicationFactor: 1, random })).toBe('All brokers are currently fenced.')
  expect(placeReplicas({ brokers: [broker], partitionCount: 1, replicationFactor: 1, random })).toBe('All brokers are currently fenced.')
  expect(placeReplicas({ brokers: [{ ...broker, fenced: false }], partitionCount: 1, replicationFactor: 2, random })).toMatch(
    /only 1 broker\(s\) are registered/,
  )
})
