// Apache Kafka's tools for the operator: deleted records, sizes of logs, elections, producers.
import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Check, expectEqual, expectTrue, type World } from '../client.ts'
import type { CompatRecord } from '../records.ts'
import type { JavaTools } from './java.ts'

const RECORD: CompatRecord = { key: null, value: 'AAAA', headers: [] }

export function adminChecks(java: JavaTools, world: World): Check[] {
  const filled = async (stem: string): Promise<string> => {
    const topic = world.topicName(stem)
    await world.createTopic(topic, 1)
    await java.produce({ topic, codec: 'none', acks: -1, idempotent: true, records: [RECORD, RECORD, RECORD] })
    return topic
  }
  const tool = (name: string, ...args: string[]) => java.tool(`org.apache.kafka.tools.${name}`, args)
  return [
    {
      name: 'DeleteRecordsCommand: up to an offset, and up to the high watermark',
      async run() {
        const topic = await filled('java-deleted')
        const file = join(tmpdir(), `${topic}.json`)
        for (const [offset, start] of [
          [1, 1],
          [-1, 3],
        ] as const) {
          // biome-ignore format: pairs
          writeFileSync(file, JSON.stringify({ version: 1, partitions: [{ topic, partition: 0, offset }] }))
          const said = await tool('DeleteRecordsCommand', '--offset-json-file', file)
          expectTrue(said.includes(`partition: ${topic}-0\tlow_watermark: ${start}`), `it said ${said}`)
          expectEqual(await java.offsets(topic, 'earliest'), start, 'earliest')
        }
      },
    },
    {
      name: 'LogDirsCommand: the size of a log',
      async run() {
        const topic = await filled('java-sized')
        const said = await tool('LogDirsCommand', '--describe', '--topic-list', topic)
        const { brokers } = JSON.parse(said.slice(said.indexOf('{'))) as {
          brokers: { logDirs: { error: string | null; partitions: { partition: string; size: number }[] }[] }[]
        }
        const [{ error, partitions } = { error: 'no log dir', partitions: [] }] = brokers[0]!.logDirs
        expectEqual([error, partitions.map(({ partition }) => partition)], [null, [`${topic}-0`]], 'described')
        expectTrue(partitions[0]!.size > 0, `a size of ${partitions[0]!.size}`)
      },
    },
    {
      name: 'MetadataQuorumCommand: the leader, its lag and the voters',
      async run() {
        const status = await tool('MetadataQuorumCommand', 'describe', '--status')
        expectTrue(/LeaderId: +1\n/.test(status) && /MaxFollowerLag: +0\n/.test(status), `it said ${status}`)
        expectTrue(/CurrentVoters: +\[\{"id": 1[,}]/.test(status), `it said ${status}`)
        const replication = await tool('MetadataQuorumCommand', 'describe', '--replication', '--human-readable')
        expectTrue(/^1\s+[\w-]{22}\s+\d+\s+0\s+\d+ ms ago\s+\d+ ms ago\s+Leader/m.test(replication), `it said ${replication}`)
      },
    },
    {
      name: 'FeatureCommand: described, an upgrade tried and one refused',
      async run() {
        const described = await tool('FeatureCommand', 'describe')
        expectTrue(/^Feature: metadata\.version\s.*FinalizedVersionLevel: (4\.3-IV0|UNKNOWN 30)/m.test(described), `it said ${described}`)
        const tried = await tool('FeatureCommand', 'upgrade', '--feature', 'metadata.version=30', '--dry-run')
        expectTrue(tried.includes('metadata.version can be upgraded to 30.'), `it said ${tried}`)
        const beyond = ['upgrade', '--feature', 'metadata.version=31']
        const refused = await java.tool('org.apache.kafka.tools.FeatureCommand', beyond, { expect: [1] })
        expectTrue(refused.includes('only supports versions 7-30'), `it said ${refused}`)
      },
    },
    {
      name: 'LeaderElectionCommand: where the leader is the wanted one',
      async run() {
        const topic = await filled('java-elected')
        for (const type of ['preferred', 'unclean']) {
          const said = await tool('LeaderElectionCommand', '--election-type', type, '--topic', topic, '--partition', '0')
          expectTrue(said.includes(`already elected for partitions ${topic}-0`), `it said ${said}`)
        }
      },
    },
    {
      name: 'TransactionsCommand: the producers of a partition',
      async run() {
        const topic = await filled('java-producers')
        const lines = (await tool('TransactionsCommand', 'describe-producers', '--topic', topic, '--partition', '0')).trim().split('\n')
        expectEqual(lines.length, 2, 'lines')
        const [, epoch, , lastSequence, , transaction] = lines[1]!.trim().split(/\s+/)
        expectEqual([epoch, lastSequence, transaction], ['0', '2', 'None'], 'the producer')
      },
    },
  ]
}
