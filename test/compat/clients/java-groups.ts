// Apache Kafka's tools for consumer groups: ConsumerGroupCommand, and the console consumer as a member.
import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Check, eventually, expectEqual, expectTrue, type World } from '../client.ts'
import { javaClient } from '../group/client.ts'
import { Member } from '../group/member.ts'
import { committedOffsets } from '../group/probe.ts'
import { RecordStream } from '../group/stream.ts'
import { type JavaTools, javaArguments } from './java.ts'

const PARTITIONS = 2
const COMMAND = 'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand'
const CONSUMER = 'org.apache.kafka.tools.consumer.ConsoleConsumer'

export function javaGroupChecks(java: JavaTools, world: World): Check[] {
  const command = (...args: string[]) => java.tool(COMMAND, args)
  const refused = (...args: string[]) =>
    command(...args).then(
      said => said,
      (error: Error) => error.message,
    )
  const consume = (topic: string, group: string, ...args: string[]) =>
    java
      .tool(CONSUMER, ['--topic', topic, '--group', group, '--timeout-ms', '8000', ...args])
      .then(said => said.split('\n').filter(line => line !== '').length)
  /** A topic with `count` records in each partition. */
  const filled = async (stem: string, count: number) => {
    const topic = world.topicName(stem)
    await world.createTopic(topic, PARTITIONS)
    const stream = new RecordStream(world.bootstrap, topic, PARTITIONS)
    await stream.send(count)
    return { topic, stream, group: `of-${topic}` }
  }
  /** Column names in capitals, then rows; 3.9's dry run leaves the line end between the two out. */
  const table = (said: string): Record<string, string>[] => {
    const cells = said.slice(said.indexOf('GROUP ')).trim().split(/\s+/)
    const width = cells.findIndex(cell => !/^[#A-Z-]+$/.test(cell))
    const names = cells.slice(0, width)
    const rows: Record<string, string>[] = []
    for (let at = width; width > 0 && at < cells.length; at += width)
      rows.push(Object.fromEntries(names.map((name, i) => [name, cells[at + i]!])))
    return rows
  }
  const committed = async (group: string, topic: string) => [
    ...(await committedOffsets(world.bootstrap, group, topic, PARTITIONS)).values(),
  ]

  return [
    {
      name: 'group: the console consumer commits and resumes; list, describe, members, state',
      async run() {
        const { topic, stream, group } = await filled('java-console', 10)
        try {
          expectEqual(await consume(topic, group, '--from-beginning', '--max-messages', '20'), 20, 'records of the first')
          await stream.send(3)
          expectEqual(await consume(topic, group, '--max-messages', '6'), 6, 'records of the second')
          const launch = javaClient(java.version, world.bootstrap, (name, args) => javaArguments(java.jars, name, args)).launch({
            group,
            topic,
          })
          const member = new Member('member', launch)
          try {
            await eventually('a member', async () => member.owned.size === PARTITIONS, 30_000)
            await stream.send(4)
            await eventually('commits', async () => (await committed(group, topic)).join() === '17,17', 30_000)
            expectTrue((await command('--list')).split('\n').includes(group), 'the group is not listed')
            const offsets = table(await command('--describe', '--group', group))
            expectEqual(
              offsets.map(row => [row['TOPIC'], row['CURRENT-OFFSET'], row['LOG-END-OFFSET'], row['LAG']]).sort(),
              Array.from({ length: PARTITIONS }, () => [topic, '17', '17', '0']),
              '--describe',
            )
            const [row] = table(await command('--describe', '--group', group, '--members', '--verbose'))
            expectEqual(row?.['#PARTITIONS'], String(PARTITIONS), '--members')
            const state = await command('--describe', '--group', group, '--state')
            expectTrue(/\brange\s+Stable\s+1\b/.test(state), `--state said ${state}`)
            expectTrue((await command('--list', '--state', 'stable')).includes(group), '--list --state stable leaves the group out')
            expectTrue(!(await command('--list', '--state', 'empty')).includes(group), '--list --state empty has the group')
            const live = await refused('--reset-offsets', '--group', group, '--topic', topic, '--to-earliest', '--execute')
            expectTrue(/inactive/.test(live), `offsets of a live group were to be reset: it said ${live}`)
            const kept = await refused('--delete', '--group', group)
            expectTrue(/NonEmpty|not empty/i.test(kept), `a live group was to be deleted: it said ${kept}`)
            const used = await refused('--delete-offsets', '--group', group, '--topic', topic)
            expectTrue(/actively subscribed|GroupSubscribedToTopic/i.test(used), `offsets in use were to be deleted: it said ${used}`)
          } finally {
            await member.leave()
          }
        } finally {
          await stream.close()
        }
      },
    },
    {
      name: 'group: reset-offsets in every way, dry run first',
      async run() {
        const before = new Date(Date.now() - 3_600_000).toISOString().replace('Z', '')
        const { topic, stream, group } = await filled('java-reset', 10)
        try {
          expectEqual(await consume(topic, group, '--from-beginning', '--max-messages', '20'), 20, 'records')
          const reset = (...args: string[]) => command('--reset-offsets', '--group', group, '--topic', topic, ...args)
          expectEqual(
            table(await reset('--to-earliest', '--dry-run')).map(row => row['NEW-OFFSET']),
            ['0', '0'],
            'dry run',
          )
          expectEqual(await committed(group, topic), [10, 10], 'after the dry run')
          const file = join(tmpdir(), `${topic}.csv`)
          writeFileSync(file, `${topic},0,2\n${topic},1,9\n`)
          const ways: [string[], number[]][] = [
            [
              ['--to-offset', '4'],
              [4, 4],
            ],
            [
              ['--shift-by', '3'],
              [7, 7],
            ],
            [['--to-earliest'], [0, 0]],
            [['--to-latest'], [10, 10]],
            [
              ['--to-datetime', before],
              [0, 0],
            ],
            [
              ['--from-file', file],
              [2, 9],
            ],
          ]
          for (const [way, expected] of ways) {
            await reset(...way, '--execute')
            expectEqual(await committed(group, topic), expected, way.join(' '))
          }
          expectEqual(await consume(topic, group, '--max-messages', '9'), 9, 'records after the last reset')
          await command('--delete-offsets', '--group', group, '--topic', topic)
          expectEqual(await committed(group, topic), [], 'after --delete-offsets')
          const deleted = await command('--delete', '--group', group)
          expectTrue(/successful/.test(deleted), `--delete said ${deleted}`)
          expectTrue(!(await command('--list')).split('\n').includes(group), 'the deleted group is still listed')
          const gone = await refused('--describe', '--group', group)
          expectTrue(/does not exist|not found/i.test(gone), `--describe of the deleted group said ${gone}`)
        } finally {
          await stream.close()
        }
      },
    },
  ]
}
