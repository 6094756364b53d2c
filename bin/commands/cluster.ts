// `ottla cluster …`
import { type ClientOptions, withAdmin } from './connection.ts'
import { counted } from './group.ts'
import { print, printJson, table } from './output.ts'
import { askFacts, askLoads, askSettings, NO_SETTINGS } from './status/facts.ts'
import { statusOf } from './status/status.ts'
import { statusText } from './status/text.ts'

export async function describe(options: ClientOptions): Promise<void> {
  await withAdmin(options, async admin => {
    const { clusterId, controllerId, brokers } = await admin.describeCluster()
    const listed = await admin.listTopics({ includeInternal: true })
    const partitions = (await admin.describeTopics(listed.map(({ name }) => name))).flatMap(({ name, partitions: all }) =>
      all.map(partition => ({ topic: name, ...partition })),
    )
    const shown = brokers.map(({ nodeId, host, port, rack }) => ({
      id: nodeId,
      host,
      port,
      rack,
      leads: partitions.filter(({ leaderId }) => leaderId === nodeId).length,
      replicas: partitions.filter(({ replicas }) => replicas.includes(nodeId)).length,
    }))
    const nameOf = ({ topic, partition }: { topic: string; partition: number }) => `${topic}-${partition}`
    const leaderless = partitions.filter(({ leaderId }) => leaderId < 0).map(nameOf)
    const underReplicated = partitions.filter(({ isr, replicas }) => isr.length < replicas.length).map(nameOf)
    if (options.json) {
      const counts = { topics: listed.length, partitions: partitions.length }
      await printJson({ clusterId, controller: controllerId, brokers: shown, ...counts, leaderless, underReplicated })
      return
    }
    const facts = [counted(brokers.length, 'broker'), counted(listed.length, 'topic'), counted(partitions.length, 'partition')]
    await print(`${clusterId ?? 'a cluster without an id'}  ${facts.join(', ')}\n`)
    const rows = shown.map(({ id, host, port, rack, leads, replicas }) => [
      String(id),
      `${host}:${port}`,
      rack ?? '',
      String(leads),
      String(replicas),
      id === controllerId ? 'yes' : '',
    ])
    await print(`\n${table(['BROKER', 'ADDRESS', 'RACK', 'LEADS', 'REPLICAS', 'CONTROLLER'], rows)}`)
    if (leaderless.length > 0) await print(`\nWithout a leader: ${some(leaderless)}\n`)
    if (underReplicated.length > 0) await print(`\nNot all replicas in sync: ${some(underReplicated)}\n`)
  })
}

const LOOK_TIMEOUT_MS = 3000
const TOPICS_SHOWN = 50

/** As it is now, whoever is not there. */
export async function status(options: ClientOptions): Promise<void> {
  const patience = { timeoutMs: LOOK_TIMEOUT_MS }
  await withAdmin(
    options,
    async admin => {
      const facts = await askFacts(admin, patience)
      const [settings, loads] = await Promise.all([
        askSettings(admin, facts, patience).catch(() => NO_SETTINGS),
        askLoads(admin, facts, patience),
      ])
      const found = statusOf(facts, settings, loads)
      if (options.json) await printJson(found)
      else await print(statusText(found, { topicCount: TOPICS_SHOWN }))
    },
    { answerTimeoutMs: LOOK_TIMEOUT_MS },
  )
}

const SHOWN = 20

function some(names: readonly string[]): string {
  return names.length <= SHOWN ? names.join(', ') : `${names.slice(0, SHOWN).join(', ')} and ${names.length - SHOWN} more`
}
