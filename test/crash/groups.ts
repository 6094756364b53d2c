// Rounds of kill -9 of the broker while five groups of several clients consume and commit: every group goes on, skips nothing, and sees records
// twice only from its last answered commit on (compat/group/verdict.ts).
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Broker, startBroker } from '../compat/broker.ts'
import type { GroupClient } from '../compat/group/client.ts'
import { killMembers, Member } from '../compat/group/member.ts'
import { RecordStream } from '../compat/group/stream.ts'
import { groupClients } from '../compat/group/suites.ts'
import { judgeGroup } from '../compat/group/verdict.ts'
import { type Installed, install } from '../compat/install.ts'
import { ROOT } from '../compat/root.ts'

export interface GroupCrashOptions {
  readonly rounds: number
  readonly brokerArgs?: readonly string[]
  onRound?(round: { round: number; readyMs: number; resumedMs: ReadonlyMap<string, number> }): void
}

export interface GroupCrashReport {
  readonly groups: readonly { name: string; records: number; doubled: number; slowestMs: number }[]
  readonly violations: readonly string[]
  /** Clients that were not at hand, and why; our own took their place. */
  readonly absent: readonly string[]
}

const TOPIC = 'rolling'
const PARTITIONS = 4
/** Between two records of a partition. */
const FLOW_MS = 25
/** A group that has not gone on within this time after a restart has lost its way. */
const RESUME_DEADLINE_MS = 90_000
const MAX_PAUSE_MS = 1500

/** Two of kafkajs, two of librdkafka (eager, cooperative), one of ours; two members each. */
const PLAN: readonly { name: string; client: string; assignor?: string }[] = [
  { name: 'kafkajs', client: 'kafkajs' },
  { name: 'kafkajs again', client: 'kafkajs' },
  { name: 'librdkafka', client: 'librdkafka' },
  { name: 'librdkafka, cooperative', client: 'librdkafka', assignor: 'cooperative-sticky' },
  { name: 'ottla', client: 'ottla' },
]

export async function runGroupCrashRounds(options: GroupCrashOptions): Promise<GroupCrashReport> {
  const folder = mkdtempSync(join(tmpdir(), 'ottla-rolling-'))
  const data = join(folder, 'data')
  const settings = options.brokerArgs ?? []
  let broker: Broker = await startBroker(['--port', '0', '--data', data, ...settings])
  const { bootstrap } = broker
  const again = ['--port', bootstrap.slice(bootstrap.lastIndexOf(':') + 1), '--data', data, ...settings]
  const stream = new RecordStream(bootstrap, TOPIC, PARTITIONS)
  let passed = false
  try {
    await stream.createTopic()
    const wanted = (name: string) => PLAN.some(({ client }) => client === name)
    const installed: Installed = await install(join(ROOT, 'test', 'compat'), { fetch: false, wanted })
    const absent: string[] = []
    const clients = await groupClients(bootstrap, installed, wanted, (client, _, why) => absent.push(`${client}: ${why}`))
    const groups = PLAN.map(
      plan => new Group(plan, clients.find(({ name }) => name === plan.client) ?? clients.find(({ name }) => name === 'ottla')!),
    )
    stream.flow(FLOW_MS)
    await everyGroup(groups, 'at the start', group => group.committedSince(0) && group.isShared())

    for (let round = 1; round <= options.rounds; round++) {
      await new Promise(resolve => setTimeout(resolve, Math.random() * MAX_PAUSE_MS))
      const { ends } = stream
      const killedAt = Date.now()
      await broker.kill()
      broker = await startBroker(again)
      const readyMs = Date.now() - killedAt
      const resumedMs = new Map<string, number>()
      await everyGroup(groups, `in round ${round}`, group => {
        if (!resumedMs.has(group.name) && group.hasCommitted(ends) && group.committedSince(killedAt)) {
          resumedMs.set(group.name, Date.now() - killedAt)
          group.slowestMs = Math.max(group.slowestMs, Date.now() - killedAt)
        }
        return resumedMs.has(group.name)
      })
      options.onRound?.({ round, readyMs, resumedMs })
    }
    await stream.stop()
    const { ends } = stream
    await everyGroup(groups, 'at the end', group => group.hasCommitted(ends))
    for (const group of groups) for (const member of group.members) await member.leave()
    const verdicts = groups.map(group => ({ group, ...group.judge(ends) }))
    const violations = verdicts.flatMap(({ group, violations }) =>
      violations.slice(0, 5).map(({ sentence }) => `${group.name}: ${sentence}`),
    )
    passed = violations.length === 0
    return {
      groups: verdicts.map(({ group, seen, doubled }) => ({ name: group.name, records: seen, doubled, slowestMs: group.slowestMs })),
      violations,
      absent,
    }
  } finally {
    killMembers()
    await stream.close()
    await broker.kill()
    if (passed) rmSync(folder, { recursive: true, force: true })
    else process.stderr.write(`the data directory is left in ${folder}\n`)
  }
}

class Group {
  readonly name: string
  readonly members: readonly Member[]
  slowestMs = 0

  constructor({ name, assignor }: (typeof PLAN)[number], client: GroupClient) {
    this.name = name
    const orders = { group: `of ${name}`, topic: TOPIC, sessionMs: 10_000, ...(assignor === undefined ? {} : { assignor }) }
    this.members = ['first', 'second'].map(which => new Member(`${name}, ${which}`, client.launch(orders)))
  }

  isShared(): boolean {
    const owned = this.members.flatMap(member => [...member.owned])
    return owned.length === PARTITIONS && new Set(owned).size === PARTITIONS && this.members.every(member => member.owned.size > 0)
  }

  committedSince(at: number): boolean {
    return this.members.some(member => [...member.committed.values()].some(commit => commit.at > at))
  }

  hasCommitted(ends: ReadonlyMap<number, number>): boolean {
    return [...ends].every(([partition, end]) => this.members.some(member => (member.committed.get(partition)?.offset ?? 0) >= end))
  }

  judge(ends: ReadonlyMap<number, number>) {
    const events = this.members.flatMap(member => member.events)
    return judgeGroup(events, ends)
  }

  toString(): string {
    return `${this.name}: ${this.members.join('; ')}`
  }
}

async function everyGroup(groups: readonly Group[], when: string, holds: (group: Group) => boolean): Promise<void> {
  const deadline = Date.now() + RESUME_DEADLINE_MS
  for (;;) {
    const waiting = groups.filter(group => !holds(group))
    if (waiting.length === 0) return
    const ended = groups.flatMap(group => group.members).find(member => member.ended)
    if (ended !== undefined) throw new Error(`a member ended ${when}: ${ended}`)
    if (Date.now() > deadline) throw new Error(`not every group goes on ${when}: ${waiting.join(' | ')}`)
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}
