// A request that can be answered is answered, whatever goes wrong behind the handler.
import { describe, expect, test } from 'vitest'
import { ADVERTISED } from '../../src/broker/advertised.ts'
import { HANDLERS } from '../../src/broker/apis.ts'
import type { Broker } from '../../src/broker/broker.ts'
import { Dispatcher } from '../../src/broker/dispatch.ts'
import { EnvError } from '../../src/env/env.ts'
import type { IncomingRequest, ServerConnection } from '../../src/net/server.ts'
import { KafkaError, NOT_CONTROLLER } from '../../src/protocol/errors.ts'
import { decodeResponse, encodeRequest } from '../../src/protocol/message.ts'
import type { AnyField, Fields } from '../../src/protocol/schema.ts'
import { AssertionError } from '../../src/util/assert.ts'

/** What a handler would refuse by itself, before it reaches for anything. */
const SPECIAL: Record<string, unknown> = { replicaId: -1, transactionalId: null, resourceType: 2 }

/** A request with one element in every list, so that every loop of a handler runs. */
function sampleOf(fields: Fields): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, name in SPECIAL ? SPECIAL[name] : sampleField(field)]))
}

function sampleField({ layout }: AnyField): unknown {
  switch (layout.kind) {
    case 'bool':
      return false
    case 'str':
      return 'a'
    case 'uuid':
      return 'AAAAAAAAAAAAAAAAAAAAAA'
    case 'bytes':
    case 'records':
      return Buffer.alloc(0)
    case 'array':
      return [sampleField(layout.element!)]
    case 'struct':
      return sampleOf(layout.fields!)
    default:
      return 1
  }
}

/** Everything a handler reaches for throws. */
function brokenBroker(error: Error): Broker {
  const env = { logger: { log: () => undefined }, clock: { now: () => 0 }, random: { bytes: (length: number) => Buffer.alloc(length) } }
  return new Proxy({} as Broker, {
    get(_, name) {
      if (name === 'env') return env
      throw error
    },
  })
}

const connection = { id: 1, listenerName: 'PLAINTEXT', closed: false, onClose: () => () => undefined } as unknown as ServerConnection

async function outcomeOf(frame: Buffer, broker: Broker): Promise<{ answer?: Buffer; closed?: string; failures: Error[] }> {
  const failures: Error[] = []
  const dispatcher = new Dispatcher(broker, { fail: error => failures.push(error) })
  const outcome = await new Promise<{ answer?: Buffer; closed?: string }>(resolve => {
    const request: IncomingRequest = {
      connection,
      frame,
      lease: undefined,
      letGo: () => undefined,
      respond: chunks => resolve({ answer: Buffer.concat(chunks) }),
      respondNothing: () => resolve({}),
      close: reason => resolve({ closed: reason }),
    }
    dispatcher.receive(request)
  })
  return { ...outcome, failures }
}

const versions = ADVERTISED.flatMap(({ apiKey, maxVersion }) => {
  const { api } = HANDLERS.get(apiKey)!
  const { minVersion } = ADVERTISED.find(entry => entry.apiKey === apiKey)!
  const first = Math.max(minVersion, api.minVersion)
  return Array.from({ length: maxVersion - first + 1 }, (_, i) => [api.name, first + i, api] as const)
})

describe.each<[string, Error, boolean]>([
  ['an expected error', new KafkaError(NOT_CONTROLLER), false],
  ['the disk', new EnvError('EIO', 'broken'), false],
  ['a mistake', new TypeError('undefined is not a function'), false],
  ['a failed assertion', new AssertionError('1 is not 2'), true],
])('with %s behind the handler', (_, error, stops) => {
  test.each(versions)('%s v%i is answered', async (_name, version, api) => {
    const frame = Buffer.concat(encodeRequest(api, version, 7, 'c', sampleOf(api.request) as never)).subarray(4)
    const { answer, failures } = await outcomeOf(frame, brokenBroker(error))
    const decoded = decodeResponse(api, version, answer!.subarray(4))
    expect(decoded.correlationId).toBe(7)
    expect(failures).toEqual(stops ? [error] : [])
  })
})

test('Produce with acks=0 gets its connection closed instead of an answer', async () => {
  const { api } = HANDLERS.get(0)!
  const body = { ...sampleOf(api.request), acks: 0, transactionalId: null }
  const frame = Buffer.concat(encodeRequest(api, 9, 7, 'c', body as never)).subarray(4)
  expect((await outcomeOf(frame, brokenBroker(new KafkaError(NOT_CONTROLLER)))).closed).toMatch(/acks=0/)
})
