// `ottla topic …`
import type { Admin } from '../../src/index.ts'
import { type ClientOptions, withAdmin } from './connection.ts'
import { settings, whole } from './failure.ts'
import { print, printJson, table } from './output.ts'

export interface CreateOptions extends ClientOptions {
  readonly partitions?: string
  readonly replicationFactor?: string
  readonly set: readonly string[]
  readonly ifNotExists?: true
}

export async function create(names: readonly string[], options: CreateOptions): Promise<void> {
  const numPartitions = options.partitions === undefined ? undefined : whole('--partitions', options.partitions, 1)
  const replicationFactor =
    options.replicationFactor === undefined ? undefined : whole('--replication-factor', options.replicationFactor, 1)
  const configs = settings('-X', options.set)
  await withAdmin(options, async admin => {
    // One by one: the first that is refused leaves the ones before it made, and says its name.
    for (const name of names) {
      const made = await unless(options.ifNotExists && 'TOPIC_ALREADY_EXISTS', () =>
        admin.createTopics([{ name, numPartitions, replicationFactor, configs }]),
      )
      if (made === undefined) {
        if (!options.json) await print(`${name} is already there.\n`)
        continue
      }
      const { topicId, numPartitions: partitions, replicationFactor: replicas } = made[0]!
      if (options.json) await printJson({ name, topicId, partitions, replicationFactor: replicas })
      else await print(`Created ${name}: ${counted(partitions, 'partition')}, ${counted(replicas, 'replica')} each.\n`)
    }
  })
}

export async function list(options: ClientOptions & { readonly internal?: true }): Promise<void> {
  await withAdmin(options, async admin => {
    const listed = await admin.listTopics({ includeInternal: options.internal === true })
    const topics = (await admin.describeTopics(listed.map(({ name }) => name))).map(({ name, topicId, isInternal, partitions }) => ({
      name,
      topicId,
      isInternal,
      partitions: partitions.length,
      replicationFactor: Math.max(0, ...partitions.map(({ replicas }) => replicas.length)),
    }))
    if (options.json) for (const topic of topics) await printJson(topic)
    else if (topics.length === 0) await print('There are no topics. Make one with: ottla topic create NAME\n')
    else {
      const rows = topics.map(({ name, partitions, replicationFactor }) => [name, String(partitions), String(replicationFactor)])
      await print(table(['TOPIC', 'PARTITIONS', 'REPLICAS'], rows))
    }
  })
}

export async function describe(name: string, options: ClientOptions): Promise<void> {
  await withAdmin(options, async admin => {
    const [topic] = await admin.describeTopics([name])
    const [described] = await admin.describeConfigs([{ type: 'topic', name }])
    const made = described!.entries.filter(({ source }) => source === 'topic')
    const offsets = await offsetsOf(
      admin,
      name,
      topic!.partitions.filter(({ leaderId }) => leaderId >= 0).map(({ partition }) => partition),
    )
    const partitions = topic!.partitions.map(({ partition, leaderId, leaderEpoch, replicas, isr }) => {
      const { startOffset = null, endOffset = null } = offsets.get(partition) ?? {}
      return { partition, leader: leaderId, leaderEpoch, replicas, isr, startOffset, endOffset }
    })
    const configs = Object.fromEntries(made.map(entry => [entry.name, entry.value]))
    if (options.json) {
      await printJson({ name, topicId: topic!.topicId, isInternal: topic!.isInternal, configs, partitions })
      return
    }
    await print(`${name}  id ${topic!.topicId}\n`)
    if (made.length > 0) await print(`${made.map(entry => `${entry.name}=${entry.value}`).join('  ')}\n`)
    const rows = partitions.map(({ partition, leader, replicas, isr, startOffset, endOffset }) => [
      String(partition),
      leader < 0 ? 'none' : String(leader),
      replicas.join(','),
      isr.join(','),
      startOffset === null ? '' : String(startOffset),
      endOffset === null ? '' : String(endOffset),
    ])
    await print(`\n${table(['PARTITION', 'LEADER', 'REPLICAS', 'IN SYNC', 'START', 'END'], rows)}`)
    const leaderless = partitions.filter(({ leader }) => leader < 0).map(({ partition }) => partition)
    if (leaderless.length > 0) await print(`\n${aboutLeaderless(name, leaderless)}`)
  })
}

function aboutLeaderless(name: string, partitions: readonly number[]): string {
  const which = partitions.length === 1 ? `Partition ${partitions[0]} has` : `Partitions ${partitions.join(', ')} have`
  const only = partitions.length === 1 ? ` --partition ${partitions[0]}` : ''
  return `${which} no leader: no broker with a sound copy is running. Start the brokers that are missing. Where one of them is gone for good, or the
last copy is damaged (the log of its broker says how), give up what is lost, and go on with the rest, by
  ottla partition elect --unclean --topic ${name}${only}\n`
}

export async function alter(name: string, options: ClientOptions & { readonly partitions: string }): Promise<void> {
  const count = whole('--partitions', options.partitions, 1)
  await withAdmin(options, async admin => {
    await admin.createPartitions([{ name, count }])
    if (options.json) await printJson({ name, partitions: count })
    else await print(`${name} has ${counted(count, 'partition')} now.\n`)
  })
}

export async function remove(names: readonly string[], options: ClientOptions & { readonly ifExists?: true }): Promise<void> {
  await withAdmin(options, async admin => {
    for (const name of names) {
      const deleted = await unless(options.ifExists && 'UNKNOWN_TOPIC_OR_PARTITION', async () => {
        await admin.deleteTopics([name])
        return true
      })
      if (options.json) await printJson({ name, deleted: deleted === true })
      else await print(deleted ? `Deleted ${name}.\n` : `${name} is not there.\n`)
    }
  })
}

async function offsetsOf(admin: Admin, topic: string, partitions: readonly number[]) {
  const ask = (spec: 'earliest' | 'latest') => admin.listOffsets(partitions.map(partition => ({ topic, partition, spec })))
  const [starts, ends] = await Promise.all([ask('earliest'), ask('latest')])
  return new Map(partitions.map((partition, i) => [partition, { startOffset: starts[i]!.offset, endOffset: ends[i]!.offset }]))
}

/** undefined when the brokers answer with the error that is expected. */
async function unless<T>(expected: string | false | undefined, act: () => Promise<T>): Promise<T | undefined> {
  try {
    return await act()
  } catch (error) {
    if (expected === (error as { codeName?: string }).codeName && expected !== undefined) return undefined
    throw error
  }
}

function counted(count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? '' : 's'}`
}
