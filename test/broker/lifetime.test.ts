import { describe, expect, test } from 'vitest'
import { Lifetime } from '../../src/broker/lifetime.ts'

function lived() {
  const closed: string[] = []
  const lifetime = new Lifetime({ log: () => undefined })
  const own = (part: string, close: () => Promise<unknown> | undefined = () => undefined): void =>
    lifetime.owns(part, () => {
      closed.push(part)
      return close()
    })
  return { lifetime, own, closed }
}

describe('the end of a node', () => {
  test('closes its parts once, the last opened first', async () => {
    const { lifetime, own, closed } = lived()
    for (const part of ['meta', 'logs', 'server']) own(part)
    await Promise.all([lifetime.close(), lifetime.close()])
    expect(closed).toEqual(['server', 'logs', 'meta'])
    expect(lifetime.failure).toBeUndefined()
  })

  test('goes on when a part cannot be closed, and is a failure then', async () => {
    const { lifetime, own, closed } = lived()
    own('meta')
    own('logs', () => Promise.reject(new Error('flush failed')))
    await lifetime.close()
    expect(closed).toEqual(['logs', 'meta'])
    expect((await lifetime.failed).message).toBe('flush failed')
  })

  test('by a failure says the first cause, after everything is closed', async () => {
    const { lifetime, own, closed } = lived()
    own('meta')
    lifetime.fail(new Error('first'))
    lifetime.fail(new Error('second'))
    expect((await lifetime.failed).message).toBe('first')
    expect(closed).toEqual(['meta'])
  })

  test('also ends what is opened while it is under way', async () => {
    const { lifetime, own, closed } = lived()
    lifetime.fail(new Error('too late'))
    own('server')
    await lifetime.close()
    expect(closed).toEqual(['server'])
  })
})
