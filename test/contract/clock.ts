import { describe, expect, test } from 'vitest'
import { sleep } from '../../src/env/env.ts'
import { type Subject, turn } from './subject.ts'

export function clockContract(subject: Subject): void {
  describe(`clock: ${subject.name}`, () => {
    test('a timer calls back once, no earlier than its delay', () =>
      subject.run(async ({ clock }) => {
        let calls = 0
        const startedAt = clock.now()
        await new Promise<void>(resolve => {
          clock.setTimer(20, () => {
            calls++
            resolve()
          })
        })
        expect(clock.now() - startedAt).toBeGreaterThanOrEqual(20)
        await sleep(clock, 30)
        expect(calls).toBe(1)
      }))

    test('timers call back in the order of their times', () =>
      subject.run(async ({ clock }) => {
        const order: number[] = []
        for (const delay of [40, 0, 20]) clock.setTimer(delay, () => order.push(delay))
        await sleep(clock, 80)
        expect(order).toEqual([0, 20, 40])
      }))

    test('a cancelled timer does not call back, and cancelling again is fine', () =>
      subject.run(async ({ clock }) => {
        let called = false
        const timer = clock.setTimer(5, () => (called = true))
        timer.cancel()
        timer.cancel()
        await sleep(clock, 20)
        expect(called).toBe(false)
        timer.cancel()
      }))

    test('a turn runs after the current work and its microtasks, in call order', () =>
      subject.run(async ({ clock }) => {
        const order: string[] = []
        clock.turn(() => order.push('first turn'))
        clock.turn(() => order.push('second turn'))
        order.push('work')
        await Promise.resolve()
        await Promise.resolve()
        order.push('microtask')
        await new Promise<void>(resolve => clock.turn(resolve))
        expect(order).toEqual(['work', 'microtask', 'first turn', 'second turn'])
      }))

    test('a turn comes before a timer of no delay that was set first', () =>
      subject.run(async env => {
        await turn(env)
        const order: string[] = []
        env.clock.setTimer(1, () => order.push('timer'))
        env.clock.turn(() => order.push('turn'))
        await sleep(env.clock, 20)
        expect(order).toEqual(['turn', 'timer'])
      }))

    test('a turn asked for during a turn comes later, not within it', () =>
      subject.run(async ({ clock }) => {
        const order: string[] = []
        await new Promise<void>(resolve => {
          clock.turn(() => {
            clock.turn(() => {
              order.push('next')
              resolve()
            })
            order.push('this')
          })
        })
        expect(order).toEqual(['this', 'next'])
      }))

    test('now never goes back and wall time is whole milliseconds', () =>
      subject.run(async ({ clock }) => {
        let last = clock.now()
        for (let i = 0; i < 20; i++) {
          await sleep(clock, 1)
          expect(clock.now()).toBeGreaterThanOrEqual(last)
          last = clock.now()
        }
        expect(Number.isInteger(clock.wallTime())).toBe(true)
        expect(clock.wallTime()).toBeGreaterThan(1.6e12)
      }))

    test('random numbers stay within their bounds and bytes have their length', () =>
      subject.run(async ({ random }) => {
        for (let i = 0; i < 200; i++) {
          const integer = random.integer(7)
          expect(Number.isInteger(integer) && integer >= 0 && integer < 7).toBe(true)
          const fraction = random.fraction()
          expect(fraction >= 0 && fraction < 1).toBe(true)
        }
        expect(random.integer(2 ** 32)).toBeLessThan(2 ** 32)
        expect(random.bytes(16).length).toBe(16)
        expect(random.bytes(16).equals(random.bytes(16))).toBe(false)
      }))
  })
}
