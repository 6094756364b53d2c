// `ottla partition …`
import type { Admin } from '../../src/index.ts'
import { type ClientOptions, withAdmin } from './connection.ts'
import { whole } from './failure.ts'
import { print, printJson } from './output.ts'

export interface ElectOptions extends ClientOptions {
  readonly topic: string
  readonly partition?: string
  readonly unclean?: true
}

export async function elect({ topic, partition, unclean, ...options }: ElectOptions): Promise<void> {
  const type = unclean === true ? 'unclean' : 'preferred'
  const one = partition === undefined ? undefined : whole('--partition', partition, 0)
  const failures = await withAdmin(options, async admin => {
    const numbers = one === undefined ? await partitionsOf(admin, topic) : [one]
    const results = await admin.electLeaders(
      type,
      numbers.map(number => ({ topic, partition: number })),
    )
    const leaders = await leadersOf(admin, topic)
    for (const { partition: number, elected, error } of results) {
      const leader = leaders.get(number) ?? -1
      if (options.json) await printJson({ topic, partition: number, elected, leader, error: error?.codeName ?? null })
      else if (error === undefined) await print(`${topic}-${number}: broker ${leader} ${elected ? 'was elected' : 'leads already'}.\n`)
    }
    return results.flatMap(({ error }) => (error === undefined ? [] : [error]))
  })
  if (failures.length === 0) return
  const advice = unclean
    ? 'No broker with a copy of it is running: start one.'
    : 'Where the only copy is damaged, --unclean elects what is left of it.'
  throw new Error(`${failures.map(({ message }) => message).join('\n')}\n${advice}`)
}

async function partitionsOf(admin: Admin, topic: string): Promise<number[]> {
  return [...(await leadersOf(admin, topic)).keys()]
}

async function leadersOf(admin: Admin, topic: string): Promise<Map<number, number>> {
  const [described] = await admin.describeTopics([topic])
  return new Map(described!.partitions.map(({ partition, leaderId }) => [partition, leaderId]))
}
