// Conversations with a member's core. A line is an event, or several parted by `|`; the lines beginning with `>` are what the core wants done in
// answer. UPDATE=1 rewrites them; the diff is to be read.
//   member [static=ID] [heartbeat=N] [maxPoll=N]
//   want REASON… · unwant · polled · prepared #1 · applied #4 [rejoin]
//   joined #2 generation=1 id=m1 leader=m1 [skip] [members=m1,m2] · assigned #3 m1=x m2=y · synced #4 x · beaten #5
//   refused #2 ERROR_NAME [id=m1] · commitRefused ERROR_NAME generation=1
//   tick 10 (time passes) · wake? (when the core wants to be woken) · member? (what it is)
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import {
  type MembershipEffect,
  type MembershipEvent,
  type MembershipState,
  openMembership,
  step,
  wakeAtMs,
} from '../../../src/client/group/membership.ts'
import * as errors from '../../../src/protocol/errors.ts'

const folder = fileURLToPath(new URL('./scenarios/', import.meta.url))

describe('a member', () => {
  for (const file of readdirSync(folder).filter(name => name.endsWith('.txt'))) {
    test(file.slice(0, -4).replaceAll('-', ' '), () => {
      const text = readFileSync(folder + file, 'utf8')
      const replayed = replay(text)
      if (process.env['UPDATE'] === '1') writeFileSync(folder + file, replayed)
      else expect(replayed).toBe(text)
    })
  }
})

function replay(text: string): string {
  const conversation = new Conversation()
  const lines: string[] = []
  for (const line of text.split('\n')) {
    if (line.startsWith('>')) continue
    lines.push(line)
    if (line === '' || line.startsWith('#')) continue
    for (const part of line.split('|')) lines.push(...conversation.say(part.trim()).map(answer => `> ${answer}`))
  }
  return lines.join('\n')
}

class Conversation {
  #now = 0
  #state: MembershipState | undefined

  say(line: string): string[] {
    const [verb, ...words] = line.split(/\s+/)
    const named = Object.fromEntries(words.filter(word => word.includes('=')).map(word => word.split('=') as [string, string]))
    const id = Number(words[0]?.startsWith('#') ? words[0].slice(1) : -1)
    switch (verb) {
      case 'member':
        this.#state = openMembership(
          {
            groupInstanceId: named['static'] ?? null,
            heartbeatIntervalMs: Number(named['heartbeat'] ?? 3000),
            maxPollIntervalMs: Number(named['maxPoll'] ?? 300_000),
            backoff: { initialMs: 100, maxMs: 1000 },
          },
          { fraction: () => 0.5 },
        )
        return []
      case 'want':
        return this.#step({ type: 'wanted', reason: words.join(' ') })
      case 'unwant':
        return this.#step({ type: 'unwanted', reason: 'the consumer unsubscribed' })
      case 'polled':
        return this.#step({ type: 'polled' })
      case 'prepared':
        return this.#step({ type: 'prepared', id })
      case 'applied':
        return this.#step({ type: 'applied', id, rejoin: words.includes('rejoin') })
      case 'joined':
        return this.#joined(id, words, named)
      case 'assigned':
        return this.#step({
          type: 'assigned',
          id,
          assignments: Object.entries(named).map(([memberId, text]) => ({ memberId, assignment: Buffer.from(text) })),
        })
      case 'synced':
        return this.#step({ type: 'synced', id, assignment: Buffer.from(words[1] ?? '') })
      case 'beaten':
        return this.#step({ type: 'beaten', id })
      case 'refused': {
        const memberId = named['id'] === undefined ? {} : { memberId: named['id'] }
        return this.#step({ type: 'refused', id, error: new errors.KafkaError(codeOf(words[1]!), words[1]), ...memberId })
      }
      case 'commitRefused':
        return this.#step({ type: 'commitRefused', code: codeOf(words[0]!), generationId: Number(named['generation']) })
      case 'tick':
        this.#now += Number(words[0] ?? 0)
        return this.#step({ type: 'tick' })
      case 'wake?':
        return [`wake in ${wakeAtMs(this.#state!) - this.#now}`]
      case 'member?': {
        const { phase, memberId, generationId, isLeader } = this.#state!
        return [`${phase} '${memberId}' generation ${generationId}${isLeader ? ' leader' : ''}`]
      }
      default:
        throw new Error(`nobody says '${line}'`)
    }
  }

  #joined(id: number, words: readonly string[], named: Record<string, string>): string[] {
    const members = (named['members'] ?? '').split(',').filter(name => name !== '')
    return this.#step({
      type: 'joined',
      id,
      answer: {
        generationId: Number(named['generation']),
        memberId: named['id']!,
        leader: named['leader']!,
        protocolName: 'range',
        skipAssignment: words.includes('skip'),
        members: members.map(memberId => ({ memberId, groupInstanceId: null, metadata: Buffer.alloc(0) })),
      },
    })
  }

  #step(event: MembershipEvent): string[] {
    return step(this.#state!, event, this.#now).map(print)
  }
}

function print(effect: MembershipEffect): string {
  switch (effect.type) {
    case 'prepare':
      return `prepare #${effect.id}${effect.lost ? ' lost' : ''}`
    case 'join':
      return `join #${effect.id} as '${effect.memberId}': ${effect.reason}`
    case 'assign':
      return `assign #${effect.id} by ${effect.protocolName} to ${effect.members.map(({ memberId }) => memberId).join(' ')}`
    case 'sync':
      return `sync #${effect.id} ${effect.assignments.map(({ memberId, assignment }) => `${memberId}=${assignment}`).join(' ')}`.trimEnd()
    case 'apply':
      return `apply #${effect.id} ${effect.assignment}`.trimEnd()
    case 'heartbeat':
      return `heartbeat #${effect.id}`
    case 'leave':
      return `leave as '${effect.memberId}': ${effect.reason}`
    case 'forgetCoordinator':
      return 'forgetCoordinator'
    case 'failed':
      return `failed ${effect.error.codeName}: ${effect.error.message}`
  }
}

function codeOf(name: string): number {
  const code = (errors as unknown as Record<string, number>)[name]
  if (code === undefined) throw new Error(`there is no error ${name}`)
  return code
}
