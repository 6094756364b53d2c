import { describe, expect, test } from 'vitest'
import { ProducerBudget } from '../../../src/log/producer-budget.ts'
import { type ProducerBatch, ProducerState } from '../../../src/log/producer-state.ts'

let offset = 0
function batchOf(producerId: number, o: { transactional?: boolean } = {}): ProducerBatch {
  const baseOffset = offset++
  return {
    type: 'data',
    producerId,
    producerEpoch: 0,
    firstSequence: 0,
    lastSequence: 0,
    baseOffset,
    lastOffset: baseOffset,
    timestamp: 1_767_225_600_000,
    transactional: o.transactional ?? false,
  }
}

class Log {
  state = new ProducerState()
  readonly #budget: ProducerBudget
  constructor(budget: ProducerBudget) {
    this.#budget = budget
  }
  produce(producerId: number, o: { transactional?: boolean } = {}): void {
    this.#budget.apply(this.state, batchOf(producerId, o))
  }
}

describe('the producers that are remembered', () => {
  test('are bounded in one log, and those silent longest are forgotten first', () => {
    const log = new Log(new ProducerBudget({ logLimit: 1000, logShare: 1000 }))
    for (let id = 0; id < 1000; id++) log.produce(id)
    log.produce(0)
    for (let id = 1000; id < 1010; id++) log.produce(id)
    expect(log.state.producers.size).toBe(1000)
    expect(log.state.producers.has(0)).toBe(true)
    expect([1, 10, 11].map(id => log.state.producers.has(id))).toEqual([false, false, true])
  })

  test('are bounded in all logs together; a log with few keeps its own', () => {
    const budget = new ProducerBudget({ nodeLimit: 3000, logShare: 600 })
    const [quiet, loud] = [new Log(budget), new Log(budget)]
    for (let id = 0; id < 600; id++) quiet.produce(id)
    for (let id = 0; id < 100_000; id++) loud.produce(id)
    expect(budget.total).toBe(3000)
    expect([quiet.state.producers.size, loud.state.producers.size]).toEqual([600, 2400])
    for (let id = 600; id < 700; id++) quiet.produce(id)
    expect(quiet.state.producers.size).toBe(600)
  })

  test('with a transaction open are not forgotten', () => {
    const log = new Log(new ProducerBudget({ logLimit: 600, logShare: 600 }))
    log.produce(0, { transactional: true })
    for (let id = 1; id < 2000; id++) log.produce(id)
    expect(log.state.producers.has(0)).toBe(true)
    expect(log.state.producers.size).toBe(600)
  })

  test('of a closed log make room for others', () => {
    const budget = new ProducerBudget({ nodeLimit: 2000 })
    const [first, second] = [new Log(budget), new Log(budget)]
    for (let id = 0; id < 1500; id++) first.produce(id)
    budget.drop(first.state)
    for (let id = 0; id < 1500; id++) second.produce(id)
    expect([budget.total, second.state.producers.size]).toEqual([1500, 1500])
  })
})
