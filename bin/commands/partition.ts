// `ottla partition …`
import type { Admin, Election } from '../../src/index.ts'
import { type ClientOptions, withAdmin } from './connection.ts'
import { UsageError, whole } from './failure.ts'
import { print, printJson } from './output.ts'

export interface ElectOptions extends ClientOptions {
  readonly topic?: string
  readonly all?: true
  readonly partition?: string
  readonly unclean?: true
}

export async function elect({ topic, all, partition, unclean, ...options }: ElectOptions): Promise<void> {
  if ((topic === undefined) === (all === undefined))
    throw new UsageError('of which partitions? Give --topic NAME, with --partition N for one of them, or --all')
  if (topic === undefined && partition !== undefined) throw new UsageError('--partition is one of a topic: give --topic NAME too')
  const type = unclean === true ? 'unclean' : 'preferred'
  const one = partition === undefined ? undefined : whole('--partition', partition, 0)
  await withAdmin(options, async admin => {
    const wanted = topic === undefined ? null : one === undefined ? await partitionsOf(admin, topic) : [{ topic, partition: one }]
    const results = (await admin.electLeaders(type, wanted)).sort((a, b) =>
      a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1,
    )
    const leaders = await leadersOf(admin, topic === undefined ? null : [topic])
    for (const result of results) {
      const leader = leaders.get(nameOf(result)) ?? -1
      const { topic: name, partition: number, elected, error } = result
      if (options.json) await printJson({ topic: name, partition: number, elected, leader, error: error?.codeName ?? null })
      else if (error === undefined) await print(`${nameOf(result)}: broker ${leader} ${elected ? 'was elected' : 'leads already'}.\n`)
    }
    if (results.length === 0 && !options.json) await print('Every partition has the leader it should have.\n')
    const failed = results.filter(({ error }) => error !== undefined)
    if (failed.length > 0) throw new Error(`${failed.map(({ error }) => error!.message).join('\n')}\n${advice(type, failed, leaders)}`)
  })
}

function advice(type: 'preferred' | 'unclean', failed: readonly Election[], leaders: ReadonlyMap<string, number>): string {
  if (type === 'unclean') return 'No broker with a copy of it is running: start one.'
  if (failed.every(result => (leaders.get(nameOf(result)) ?? -1) >= 0))
    return 'They keep the leaders they have. The first of their replicas is not there or not in sync yet; see: ottla cluster status'
  return 'No broker with a sound copy is running: start the brokers that have one. Where none is left, --unclean elects what there is; records that it lacks are lost.'
}

function nameOf({ topic, partition }: { readonly topic: string; readonly partition: number }): string {
  return `${topic}-${partition}`
}

async function partitionsOf(admin: Admin, topic: string) {
  const [described] = await admin.describeTopics([topic])
  return described!.partitions.map(({ partition }) => ({ topic, partition }))
}

/** By `topic-partition`. @param topics  null: all */
async function leadersOf(admin: Admin, topics: readonly string[] | null): Promise<Map<string, number>> {
  const described = await admin.describeTopics(topics)
  return new Map(
    described.flatMap(({ name, partitions }) =>
      partitions.map(({ partition, leaderId }) => [nameOf({ topic: name, partition }), leaderId] as const),
    ),
  )
}
