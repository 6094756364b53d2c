// A broker's side of its registration, against a controller that answers as it is told.
import { describe, expect, test } from 'vitest'
import { Registration } from '../../src/broker/registration.ts'
import { sleep } from '../../src/env/env.ts'
import type { SimEnv } from '../../src/env/sim/host.ts'
import { SimWorld } from '../../src/env/sim/world.ts'
import type { HeartbeatAnswer, HeartbeatRequest } from '../../src/metadata/heartbeats.ts'
import type { ControllerOperations } from '../../src/metadata/operations.ts'
import { MetadataPublisher } from '../../src/metadata/publisher.ts'
import { encodeRecord, type MetadataRecord } from '../../src/metadata/records.ts'
import { DUPLICATE_BROKER_REGISTRATION, KafkaError, NONE, REQUEST_TIMED_OUT, STALE_BROKER_EPOCH } from '../../src/protocol/errors.ts'
import type { Quorum, QuorumListener } from '../../src/raft/quorum.ts'

const SESSION_MS = 1500
const ME = { incarnationId: 'this process', directoryId: 'directory' }

interface Scene {
  readonly env: SimEnv
  readonly registration: Registration
  readonly heard: HeartbeatRequest[]
  readonly failures: Error[]
  /** Replaces what the controller says to heartbeats. */
  answer: (request: HeartbeatRequest) => Promise<Partial<HeartbeatAnswer>>
  /** Of the controller: what it says to a registration. */
  register: () => Promise<{ readonly errorCode: number; readonly brokerEpoch: number }>
  registers: number
  /** Agreed on, and applied here. */
  agree(...records: MetadataRecord[]): void
  newLeader(): void
}

async function scene(play: (scene: Scene) => Promise<void>): Promise<void> {
  const world = new SimWorld(1)
  const env = world.env('broker')
  await world.run(async () => {
    let offset = 0
    let listener!: QuorumListener
    const publisher = new MetadataPublisher({ fail: error => failures.push(error) })
    await publisher.start({ start: async (l: QuorumListener) => void (listener = l) } as unknown as Quorum)
    const failures: Error[] = []
    const controller = {
      registerBroker: async () => {
        it.registers++
        const answer = await it.register()
        return { response: { errorMessage: null, ...answer }, offset }
      },
      heartbeat: async (request: HeartbeatRequest) => {
        it.heard.push(request)
        const usual = { errorCode: NONE, isFenced: false, isCaughtUp: true, mayShutDown: false, leaseMs: SESSION_MS }
        return { response: { ...usual, ...(await it.answer(request)) }, offset }
      },
    } as unknown as ControllerOperations
    const registration = new Registration(env, {
      nodeId: 1,
      controller,
      publisher,
      heartbeatIntervalMs: 200,
      sessionTimeoutMs: SESSION_MS,
      alone: false,
      leaseRenewed: () => {},
      fail: error => failures.push(error),
    })
    const it: Scene = {
      env,
      registration,
      heard: [],
      failures,
      registers: 0,
      answer: async () => ({}),
      register: async () => {
        const epoch = offset
        it.agree(registered(epoch, ME.incarnationId))
        return { errorCode: NONE, brokerEpoch: epoch }
      },
      agree(...records) {
        listener.committed(records.map(record => ({ offset: offset++, epoch: 1, payload: encodeRecord(record) })))
      },
      newLeader: () => listener.leaderChanged({ epoch: 2, leaderId: 3, isLeader: false }),
    }
    await play(it)
    registration.close()
  })
}

const registered = (brokerEpoch: number, incarnationId: string, fenced = false): MetadataRecord => {
  const broker = { brokerId: 1, brokerEpoch, incarnationId, directoryId: 'directory', rack: null, fenced, listeners: [], features: [] }
  return { type: 'brokerRegistered', ...broker, internalListener: null, shuttingDown: false }
}

const request = {
  clusterId: 'c',
  ...ME,
  previousBrokerEpoch: -1,
  rack: null,
  listeners: [],
  features: [],
  internalListener: null,
  partitions: [],
}

describe('a lease', () => {
  test('counts from when the heartbeat was sent, and is there only with an answer', async () => {
    await scene(async s => {
      await s.registration.register(request)
      expect(s.registration.leaseUntil).toBe(Number.NEGATIVE_INFINITY)
      const sentAt = s.env.clock.now()
      s.answer = async () => {
        await sleep(s.env.clock, 700)
        return {}
      }
      await s.registration.serve()
      await sleep(s.env.clock, 600)
      expect(s.registration.leaseUntil).toBe(Number.NEGATIVE_INFINITY)
      await sleep(s.env.clock, 200)
      expect(s.registration.leaseUntil).toBe(sentAt + SESSION_MS)
    })
  })

  test('is not renewed by a controller that has fenced this broker, or does not know it', async () => {
    await scene(async s => {
      await s.registration.register(request)
      await s.registration.serve()
      await sleep(s.env.clock, 10)
      const until = s.registration.leaseUntil
      s.answer = async () => ({ isFenced: true })
      await sleep(s.env.clock, 500)
      s.answer = async () => ({ errorCode: STALE_BROKER_EPOCH, isFenced: true })
      await sleep(s.env.clock, 500)
      expect(s.registration.leaseUntil).toBe(until)
      expect(s.failures).toEqual([])
    })
  })
})

describe('heartbeats', () => {
  test('come at their interval, and at once to a new leader', async () => {
    await scene(async s => {
      await s.registration.register(request)
      await s.registration.serve()
      await sleep(s.env.clock, 1050)
      expect(s.heard.length).toBeGreaterThanOrEqual(5)
      expect(s.heard.length).toBeLessThanOrEqual(7)
      const before = s.heard.length
      s.newLeader()
      await sleep(s.env.clock, 5)
      expect(s.heard.length).toBe(before + 1)
    })
  })

  test('go on through errors', async () => {
    await scene(async s => {
      await s.registration.register(request)
      await s.registration.serve()
      s.answer = () => Promise.reject(new KafkaError(REQUEST_TIMED_OUT))
      await sleep(s.env.clock, 1000)
      expect(s.heard.length).toBeGreaterThan(4)
      expect(s.failures).toEqual([])
    })
  })
})

describe('the metadata log', () => {
  test('ends a process whose id another one has', async () => {
    await scene(async s => {
      await s.registration.register(request)
      s.agree(registered(7, 'another process'))
      expect(s.failures.map(String)).toEqual([expect.stringContaining('Node 1 has another process now')])
    })
  })

  test('ends a process whose id was unregistered', async () => {
    await scene(async s => {
      const brokerEpoch = await s.registration.register(request)
      s.agree({ type: 'brokerUnregistered', brokerId: 1, brokerEpoch })
      expect(s.failures.map(String)).toEqual([expect.stringContaining('Node 1 was unregistered')])
    })
  })
})

describe('a registration', () => {
  const refused = (errorCode: number) => async () => ({ errorCode, brokerEpoch: -1 })

  test('is asked for until there is a controller', async () => {
    await scene(async s => {
      const { register } = s
      s.env.clock.setTimer(100, () => void (s.register = register))
      s.register = async () => {
        await sleep(s.env.clock, 50)
        throw new KafkaError(REQUEST_TIMED_OUT)
      }
      expect(await s.registration.register(request)).toBe(0)
      expect(s.registers).toBeGreaterThan(1)
    })
  })

  test('is asked for again while who had the id before may be dying, and not for ever', async () => {
    await scene(async s => {
      const { register } = s
      s.register = refused(DUPLICATE_BROKER_REGISTRATION)
      const startedAt = s.env.clock.now()
      await expect(s.registration.register(request)).rejects.toMatchObject({ code: DUPLICATE_BROKER_REGISTRATION })
      expect(s.env.clock.now() - startedAt).toBeLessThan(3 * SESSION_MS)
      s.env.clock.setTimer(1000, () => void (s.register = register))
      expect(await s.registration.register(request)).toBe(0)
    })
  })

  test('ends with the refusal of the controller', async () => {
    await scene(async s => {
      s.register = refused(STALE_BROKER_EPOCH)
      await expect(s.registration.register(request)).rejects.toMatchObject({ code: STALE_BROKER_EPOCH })
    })
  })
})

describe('who shuts down', () => {
  test('waits to be let go', async () => {
    await scene(async s => {
      await s.registration.register(request)
      await s.registration.serve()
      let asked = 0
      s.answer = async ({ wantsShutdown }) => ({ mayShutDown: wantsShutdown && ++asked === 4 })
      await s.registration.shutDown(() => false)
      expect(asked).toBe(4)
    })
  })

  test.each([
    ['nobody answers', false, SESSION_MS],
    ['it knows that nobody can', true, 0],
  ])('goes when %s', async (_, hopeless, leastMs) => {
    await scene(async s => {
      await s.registration.register(request)
      await s.registration.serve()
      s.answer = async () => {
        await sleep(s.env.clock, 100)
        throw new KafkaError(REQUEST_TIMED_OUT)
      }
      const startedAt = s.env.clock.now()
      await s.registration.shutDown(() => hopeless)
      const tookMs = s.env.clock.now() - startedAt
      expect(tookMs).toBeGreaterThanOrEqual(leastMs)
      expect(tookMs).toBeLessThan(leastMs + 500)
    })
  })
})
