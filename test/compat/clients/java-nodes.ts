// Apache Kafka's tools for the operator of a cluster: every node is asked, and all must say the same.
import { type Check, eventually, expectEqual, expectTrue } from '../client.ts'
import type { Nodes } from '../failover/nodes.ts'
import type { CompatRecord } from '../records.ts'
import { JavaTools } from './java.ts'

const RECORD: CompatRecord = { key: null, value: 'AAAA', headers: [] }
/** A JVM of its own for each look, so they are few. */
const PATIENCE_MS = 90_000

interface Described {
  readonly leader: string
  readonly replicas: string
  readonly isr: string
}

/** @param jars  the folder of the tools' jars */
export function javaNodesChecks(version: string, jars: string, nodes: Nodes, topicName: (stem: string) => string): Check[] {
  /** The tools of a user who knows this node alone. */
  const [first, second, third] = nodes.bootstrap.split(',').map(address => new JavaTools(version, jars, address)) as [
    JavaTools,
    JavaTools,
    JavaTools,
  ]
  const all = [first, second, third]
  const fromAll = <T>(ask: (java: JavaTools) => Promise<T>) => Promise.all(all.map(ask))
  const tool = (java: JavaTools, name: string, ...args: string[]) => java.tool(`org.apache.kafka.tools.${name}`, args)
  const create = async (java: JavaTools, stem: string, ...args: string[]) => {
    const topic = topicName(stem)
    await java.topics('--create', '--topic', topic, ...args)
    return topic
  }
  const described = async (java: JavaTools, topic: string, ...args: string[]): Promise<Described[]> => {
    const said = await java.topics('--describe', '--topic', topic, ...args)
    const lines = said.split('\n').filter(line => line.includes('\tPartition: '))
    return lines.map(line => {
      const [, leader, replicas, isr] = /\tLeader: (\S+)\s*\tReplicas: (\S*)\s*\tIsr: (\S*)/.exec(line) ?? []
      return { leader: leader!, replicas: replicas!, isr: isr!.split(',').sort().join(',') }
    })
  }
  const three = ['--partitions', '3', '--replication-factor', '3']
  /** Node 3 begins as the leader of its one partition. */
  const ledByThree = (java: JavaTools, stem: string, others = ':1:2') =>
    create(java, stem, '--replica-assignment', `3${others}`, '--config', 'min.insync.replicas=1')
  const fill = (java: JavaTools, topic: string) =>
    java.produce({ topic, codec: 'none', acks: -1, idempotent: true, records: [RECORD, RECORD, RECORD] })
  const elect = (java: JavaTools, type: string, topic: string) =>
    tool(java, 'LeaderElectionCommand', '--election-type', type, '--topic', topic, '--partition', '0')

  const checks: Check[] = [
    {
      name: 'TopicCommand: made through each node, all tell the same of it',
      async run() {
        for (const [i, java] of all.entries()) {
          const topic = await create(java, 'java-nodes', ...three)
          const here = await described(java, topic)
          expectEqual([...new Set(here.map(({ leader }) => leader))].sort(), ['1', '2', '3'], 'leaders')
          expectEqual(
            here.map(({ isr }) => isr),
            ['1,2,3', '1,2,3', '1,2,3'],
            'in sync',
          )
          expectEqual(await described(all[(i + 1) % 3]!, topic), here, 'described by the next node')
          expectTrue((await all[(i + 2) % 3]!.topics('--list')).split('\n').includes(topic), 'the one after that does not list it')
        }
      },
    },
    {
      name: 'TopicCommand: under-replicated while a node is down, and no longer',
      async run() {
        const topic = await create(first, 'java-under', ...three, '--config', 'min.insync.replicas=3')
        expectEqual(await described(second, topic, '--under-replicated-partitions'), [], 'under-replicated before')
        await nodes.stop(3)
        try {
          for (const java of [first, second]) {
            for (const flag of ['--under-replicated-partitions', '--under-min-isr-partitions'])
              expectEqual(
                (await described(java, topic, flag)).map(({ isr }) => isr),
                ['1,2', '1,2', '1,2'],
                flag,
              )
            expectEqual(await described(java, topic, '--unavailable-partitions'), [], 'unavailable')
          }
        } finally {
          await nodes.start(3)
        }
        const healed = async () => (await described(third, topic, '--under-replicated-partitions')).length === 0
        await eventually('all replicas are in sync again', healed, PATIENCE_MS)
      },
    },
    {
      name: 'LeaderElectionCommand: the preferred leader, once it is back',
      async run() {
        const topic = await ledByThree(first, 'java-preferred')
        await nodes.stop(3)
        await nodes.start(3)
        const inSync = async () => (await described(first, topic))[0]!.isr === '1,2,3'
        await eventually('all replicas are in sync again', inSync, PATIENCE_MS)
        const before = (await described(second, topic))[0]!.leader
        const said = await elect(second, 'preferred', topic)
        const expected = before === '3' ? 'already elected' : 'Successfully completed leader election (PREFERRED)'
        expectTrue(said.includes(expected) && said.includes(`${topic}-0`), `led by ${before}, it said ${said}`)
        const led = async () => (await described(first, topic))[0]!.leader === '3'
        await eventually('the first replica leads', led, PATIENCE_MS)
      },
    },
    {
      name: 'LeaderElectionCommand: unclean, when the last one in sync is gone',
      async run() {
        const topic = await ledByThree(first, 'java-unclean', ':1')
        await nodes.stop(1)
        await nodes.kill(3)
        await nodes.start(1)
        try {
          let last: Described | undefined
          const leaderless = async () => {
            ;[last] = await described(first, topic)
            return last!.leader === 'none'
          }
          await eventually('nobody leads', leaderless, PATIENCE_MS).catch((error: Error) => {
            throw new Error(`${error.message}: ${JSON.stringify(last)}`, { cause: error })
          })
          const refused = await elect(second, 'preferred', topic).catch((error: Error) => error.message)
          expectTrue(refused.includes('PreferredLeaderNotAvailable'), `a preferred election said ${refused}`)
          const said = await elect(second, 'unclean', topic)
          expectTrue(said.includes(`Successfully completed leader election (UNCLEAN) for partitions ${topic}-0`), `it said ${said}`)
          expectEqual(await described(first, topic), [{ leader: '1', replicas: '3,1', isr: '1' }], 'described')
        } finally {
          await nodes.start(3)
        }
        const back = async () => (await described(third, topic))[0]!.isr === '1,3'
        await eventually('the old leader follows', back, PATIENCE_MS)
      },
    },
    {
      name: 'MetadataQuorumCommand: each node tells of the same quorum',
      async run() {
        const leaders = await fromAll(async java => {
          const status = await tool(java, 'MetadataQuorumCommand', 'describe', '--status')
          const [, voters] = /CurrentVoters: +(.*)/.exec(status) ?? []
          expectEqual(
            [...voters!.matchAll(/"id": (\d)/g)].map(([, id]) => id),
            ['1', '2', '3'],
            'voters',
          )
          expectTrue(/CurrentObservers: +\[\]/.test(status), `observers: it said ${status}`)
          return /LeaderId: +(\d)/.exec(status)?.[1]
        })
        expectEqual(new Set(leaders).size, 1, `leaders that are named: ${leaders}`)
        for (const said of await fromAll(java => tool(java, 'MetadataQuorumCommand', 'describe', '--replication'))) {
          const rows = said
            .trim()
            .split('\n')
            .slice(1)
            .map(row => row.trim().split(/\s+/))
          expectEqual(
            rows.map(row => [row[0], row.at(-1)]).sort(),
            ['1', '2', '3'].map(id => [id, id === leaders[0] ? 'Leader' : 'Follower']),
            'replicas',
          )
          const ends = rows.map(row => Number(row[2]))
          expectTrue(Math.min(...ends) > 0 && Math.max(...ends) - Math.min(...ends) < 100, `log ends ${ends}`)
        }
      },
    },
    {
      name: 'LogDirsCommand: the same sizes on all nodes, and of one alone',
      async run() {
        const topic = await create(second, 'java-dirs', '--partitions', '1', '--replication-factor', '3')
        await fill(third, topic)
        interface Said {
          brokers: {
            broker: number
            logDirs: { error: string | null; partitions: { partition: string; size: number; offsetLag: number }[] }[]
          }[]
        }
        const dirs = async (java: JavaTools, ...args: string[]) => {
          const said = await tool(java, 'LogDirsCommand', '--describe', '--topic-list', topic, ...args)
          return (JSON.parse(said.slice(said.indexOf('{"'))) as Said).brokers.sort((a, b) => a.broker - b.broker)
        }
        for (const java of all) {
          const brokers = await dirs(java)
          expectEqual(
            brokers.map(({ broker }) => broker),
            [1, 2, 3],
            'brokers',
          )
          const replicas = brokers.map(({ logDirs }) => logDirs[0]!.partitions[0])
          expectTrue(replicas[0]!.size > 0, 'nothing is there')
          expectEqual(
            replicas.map(replica => [replica?.partition, replica?.size, replica?.offsetLag]),
            Array(3).fill([`${topic}-0`, replicas[0]!.size, 0]),
            'replicas',
          )
        }
        expectEqual(
          (await dirs(first, '--broker-list', '2')).map(({ broker }) => broker),
          [2],
          'brokers when one was asked for',
        )
      },
    },
    {
      name: 'ConsumerGroupCommand: consumed, described, reset and deleted from any node',
      async run() {
        const topic = await create(first, 'java-group', ...three)
        await fill(second, topic)
        const group = `of-${topic}`
        const groups = (java: JavaTools, ...args: string[]) => tool(java, 'consumer.group.ConsumerGroupCommand', ...args)
        await tool(
          third,
          'consumer.ConsoleConsumer',
          '--topic',
          topic,
          '--group',
          group,
          '--from-beginning',
          '--max-messages',
          '3',
          '--timeout-ms',
          '30000',
        )
        const tables = await fromAll(async java => {
          const said = await groups(java, '--describe', '--group', group)
          const rows = said
            .split('\n')
            .filter(line => line.startsWith(group))
            .map(line => line.trim().split(/\s+/).slice(1, 6).join(' '))
          return rows.sort()
        })
        expectEqual(
          tables[0]!.map(row => row.split(' ').at(-1)),
          tables[0]!.map(() => '0'),
          'lags',
        )
        expectTrue(tables[0]!.length > 0, 'nothing is described')
        expectEqual([tables[1], tables[2]], [tables[0], tables[0]], 'described by the others')
        const states = await fromAll(async java => /\sEmpty\s/.test(await groups(java, '--describe', '--state', '--group', group)))
        expectEqual(states, [true, true, true], 'empty')
        await groups(second, '--reset-offsets', '--to-earliest', '--topic', topic, '--group', group, '--execute')
        const lag = (await groups(third, '--describe', '--group', group))
          .split('\n')
          .filter(line => line.startsWith(group))
          .reduce((total, line) => total + Number(line.trim().split(/\s+/)[5]), 0)
        expectEqual(lag, 3, 'lag after the reset')
        expectTrue((await groups(third, '--delete', '--group', group)).includes('was successful'), 'not deleted')
        const lists = await fromAll(async java => (await groups(java, '--list')).split('\n').includes(group))
        expectEqual(lists, [false, false, false], 'listed after the deletion')
      },
    },
    {
      name: 'ConfigCommand: of a topic, a broker and the cluster, set here and read there',
      async run() {
        const topic = await create(first, 'java-configs', ...three)
        const key = 'log.retention.ms'
        for (const [entity, name, ask] of [
          [['--entity-type', 'topics', '--entity-name', topic], 'retention.ms', all],
          [['--entity-type', 'brokers', '--entity-name', '3'], key, all],
          [['--entity-type', 'brokers', '--entity-default'], key, all],
        ] as const) {
          await first.configs(...entity, '--alter', '--add-config', `${name}=123456789`)
          for (const java of ask)
            await eventually(
              `${entity.join(' ')} has it`,
              async () => (await java.configs(...entity, '--describe')).includes(`${name}=123456789`),
              PATIENCE_MS,
            )
          await second.configs(...entity, '--alter', '--delete-config', name)
          expectTrue(!(await third.configs(...entity, '--describe')).includes(`${name}=123456789 `), `${entity.join(' ')} still has it`)
        }
      },
    },
  ]
  return checks.map(({ name, run }) => ({ name: `nodes: ${name}`, run }))
}
