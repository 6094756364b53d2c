// What can be typed. The commands themselves are loaded when they run, so `--help` and mistakes answer at once.
import type { ChildProcess } from 'node:child_process'
import { Command, CommanderError, Option } from 'commander'
import { explain, OK, USAGE } from './failure.ts'
import { finish } from './output.ts'
import { version } from './version.ts'

const EXIT_CODES = `
Exit codes: 0 done · 1 refused or failed · 2 wrong usage · 3 no broker answers
Environment: OTTLA_BOOTSTRAP_SERVER is the default of -b. For start, OTTLA_LOG_RETENTION_MS=1000 is -X log.retention.ms=1000, and so on.`

/** Appends each use of a repeatable option. */
const collect = (value: string, previous: string[]) => [...previous, value]

function program(forked: readonly ChildProcess[]): Command {
  const ottla = new Command('ottla')
    .description('Apache Kafka rebuilt in TypeScript: a broker, and a client for any Kafka.')
    .version(version(), '-V, --version', 'print the version')
    .addHelpText(
      'after',
      `${EXIT_CODES}\n\nFirst steps:\n  ottla start                  (or a cluster: ottla start -n 3)\n  ottla produce greetings      (type a line, Ctrl-D ends)\n  ottla consume greetings --from-beginning`,
    )
  addStart(ottla, forked)
  addNode(ottla)
  addTopic(ottla)
  addPartition(ottla)
  addProduce(ottla)
  addConsume(ottla)
  addGroup(ottla)
  addConfig(ottla)
  addCluster(ottla)
  addQuorum(ottla)
  return ottla
}

/** What every command that talks to a broker takes. */
function client(command: Command): Command {
  return command
    .addOption(
      new Option(
        '-b, --bootstrap-server <host:port,…>',
        'where to reach the cluster (default: the one that `start -n` runs in ./ottla-data, else localhost:9092)',
      ).env('OTTLA_BOOTSTRAP_SERVER'),
    )
    .option('--json', 'print JSON, one object a line')
}

function addStart(ottla: Command, forked: readonly ChildProcess[]): void {
  ottla
    .command('start')
    .description('Start a broker in this terminal, or with -n a cluster on this machine; Ctrl-C stops it.')
    .option('-n, --nodes <n>', 'so many nodes, each in a process of its own, on PORT, PORT+1, …')
    .option('-d, --data <dir>', 'data directory, made when missing (default: log.dirs of the settings, else ./ottla-data)')
    .option('--memory', 'keep everything in memory; all is gone at the end')
    .option('-p, --port <n>', 'port to listen on, 0 for any free one (default: 9092)')
    .option('-c, --config <file>', "a server.properties with Kafka's keys")
    .option('-X, --set <key=value>', 'one setting, above file and environment; repeatable; with -n, 2:key=value is for node 2', collect, [])
    .option('--node-id <n>', 'the number of this node among those of its cluster (default: 1)')
    .option('--controller-quorum-voters <id@host:port,…>', 'a cluster on several machines: who votes, by internal address')
    .option('--join <host:port,…>', 'a broker that joins a cluster: internal addresses of nodes that are there')
    .option('--roles <role,…>', 'what this node does: broker, controller, or both')
    .option('--host <name>', 'listen on all interfaces, and be known by this name (default: this machine alone)')
    .option('--internal-port <n>', 'port for the other nodes (default: port + 1000)')
    .option('--cluster-secret-file <file>', 'what the nodes know each other by, the same text on each machine')
    .addOption(new Option('--member <id>').hideHelp())
    .addOption(
      new Option('--log-level <level>', 'how much to say on standard error').choices(['debug', 'info', 'warn', 'error']).default('warn'),
    )
    .option('--json', 'print the ready line, and log, as JSON')
    .addHelpText(
      'after',
      `
A cluster on this machine, its data in DIR/node-1 and so on. The same command brings it back; \`ottla node\` kills, pauses and starts its nodes:
  ottla start -n 3
A cluster on several machines: the same command on each, with its own number and name:
  ottla start --node-id 1 --host one.example --cluster-secret-file secret \\
    --controller-quorum-voters 1@one.example:10092,2@two.example:10092,3@three.example:10092`,
    )
    .action(async options => (await import('./start.ts')).start(options, forked))
}

function addNode(ottla: Command): void {
  const node = ottla.command('node').description('Look after the nodes of a cluster that `ottla start -n` runs on this machine.')
  const local = (command: Command) =>
    command
      .option('-d, --data <dir>', 'the data directory of the cluster', './ottla-data')
      .option('--json', 'print JSON, one object a line')
  local(node.command('list'))
    .description('Show what each node does.')
    .action(async options => (await import('./node.ts')).list(options))
  const actions = [
    ['kill', 'End nodes at once, as a crash would (SIGKILL).'],
    ['stop', 'End nodes in order: what they lead is handed over first.'],
    ['pause', 'Freeze nodes (SIGSTOP): they keep their connections and say nothing.'],
    ['resume', 'Let paused nodes go on.'],
    ['start', 'Start nodes again that were killed, stopped, or died.'],
  ] as const
  for (const [action, description] of actions) {
    local(node.command(`${action} <id...>`))
      .description(description)
      .action(async (ids, options) => (await import('./node.ts')).act(action, ids, options))
  }
}

function addTopic(ottla: Command): void {
  const topic = ottla.command('topic').description('Create, look at, change and delete topics.')
  client(topic.command('create <name...>'))
    .description('Create topics.')
    .option('-p, --partitions <n>', "number of partitions (default: the broker's num.partitions)")
    .option('-r, --replication-factor <n>', "copies of each partition (default: the broker's)")
    .option('-X, --set <key=value>', 'a setting of the topic, e.g. retention.ms=60000; repeatable', collect, [])
    .option('--if-not-exists', 'be content when the topic is there')
    .action(async (names, options) => (await import('./topic.ts')).create(names, options))
  client(topic.command('list'))
    .description('List topics.')
    .option('--internal', 'also those the brokers keep for themselves')
    .action(async options => (await import('./topic.ts')).list(options))
  client(topic.command('describe <name>'))
    .description('Show partitions, replicas, offsets and the settings made for a topic.')
    .action(async (name, options) => (await import('./topic.ts')).describe(name, options))
  client(topic.command('alter <name>'))
    .description('Add partitions; keys then go to other partitions than before.')
    .requiredOption('-p, --partitions <n>', 'the new total')
    .action(async (name, options) => (await import('./topic.ts')).alter(name, options))
  client(topic.command('delete <name...>'))
    .description('Delete topics and all their records.')
    .option('--if-exists', 'be content when the topic is not there')
    .action(async (names, options) => (await import('./topic.ts')).remove(names, options))
}

function addPartition(ottla: Command): void {
  const partition = ottla.command('partition').description('Look after single partitions.')
  client(partition.command('elect'))
    .description('Have leaders elected: the first replica of each partition leads again, where it is in sync.')
    .option('-t, --topic <name>', 'of this topic')
    .option('-p, --partition <n>', 'only this partition (default: all of the topic)')
    .option('--all', 'of all topics')
    .option('--unclean', 'elect whatever copy is there; records that it lost stay lost')
    .addHelpText(
      'after',
      `
A partition whose last sound copy is damaged, or lost with its broker, has no leader, and serves nothing, until it is elected with --unclean: then what
is left counts, and new records go on from there. Damaged bytes are kept in logs/set-aside of the broker's data directory.`,
    )
    .action(async options => (await import('./partition.ts')).elect(options))
}

function addProduce(ottla: Command): void {
  client(ottla.command('produce <topic>'))
    .description('Send standard input, one record a line.')
    .option('-k, --key-separator <text>', 'a line is KEY<text>VALUE; a line without it has no key')
    .option('-H, --header <name=value>', 'a header on every record; repeatable', collect, [])
    .option('-p, --partition <n>', 'send all to this partition (default: by key, or spread)')
    .option('--null <text>', 'a key or value that is exactly this text is sent as null')
    .addOption(
      new Option('-z, --compression <codec>', 'compress batches').choices(['none', 'gzip', 'snappy', 'lz4', 'zstd']).default('none'),
    )
    .addOption(new Option('-a, --acks <acks>', 'who must have a record before it counts as sent').choices(['0', '1', 'all']).default('all'))
    .option('--no-idempotence', 'let the broker take a repeated send for a new record')
    .option('--linger-ms <n>', 'wait this long for a batch to fill', '5')
    .option('--batch-bytes <n>', 'largest batch before compression', '131072')
    .option('--max-request-bytes <n>', 'largest request, and so largest record')
    .addHelpText(
      'after',
      `
With --json each line is an object: {"value": …, "key": …, "headers": [["name", …]], "partition": n, "timestamp": ms}. All but value may be
left out; bytes that are not UTF-8 are written {"base64": "…"}; what \`ottla consume --json\` prints can be sent again as it is.
At the end one line says what was acknowledged.`,
    )
    .action(async (topic, options) => (await import('./produce.ts')).produce(topic, options))
}

function addConsume(ottla: Command): void {
  client(ottla.command('consume <topic>'))
    .description('Print records as they come, until Ctrl-C.')
    .option('-g, --group <id>', 'read as a member of this group: it shares the partitions, and goes on where it was')
    .option('--no-commit', 'leave the offsets of the group as they are')
    .option('--instance <id>', 'a static member of the group, which keeps its partitions while it restarts')
    .option('--from-beginning', 'start at the oldest record (default: at the end); in a group, where it has committed nothing')
    .option('-o, --offset <position>', 'start here, see below')
    .option('-p, --partition <n,…>', 'only these partitions', (value: string, previous: string[]) => [...previous, ...value.split(',')], [])
    .option('-n, --count <n>', 'stop after so many records')
    .option('-e, --exit', 'stop at what is the end now')
    .option('-k, --key-separator <text>', 'print KEY<text>VALUE')
    .option('--null <text>', 'print null keys and values as this text', '')
    .addHelpText(
      'after',
      `
Positions: 1234 an offset · -10 the last ten of each partition · beginning · end · @1700000000000 or 2026-01-31T12:00:00Z the first record at or after
that time (milliseconds since 1970, or ISO 8601).
With -g, what was printed is committed every five seconds and at the end; where to go on is moved with \`ottla group reset-offsets\`.`,
    )
    .action(async (topic, options) => (await import('./consume.ts')).consume(topic, options))
}

function addGroup(ottla: Command): void {
  const group = ottla.command('group').description('Look at consumer groups, move their offsets, delete them.')
  client(group.command('list'))
    .description('List groups.')
    .option('--state <name>', 'only those in this state, e.g. Empty or Stable; repeatable', collect, [])
    .option('--type <name>', 'only those of this type, e.g. classic; repeatable', collect, [])
    .action(async options => (await import('./group.ts')).list(options))
  client(group.command('describe <id>'))
    .description('Show members, what each reads, and how far behind the end it is.')
    .action(async (id, options) => (await import('./group.ts')).describe(id, options))
  client(group.command('reset-offsets <id>'))
    .description('Move the offsets from which a group without members goes on. Shows what would change; --execute does it.')
    .option('-t, --topic <name[:0,1]>', 'of this topic, or of some of its partitions; repeatable', collect, [])
    .option('--all-topics', 'of all topics that the group has committed')
    .option('--to-earliest', 'to the oldest record')
    .option('--to-latest', 'to the end')
    .option('--to-offset <n>', 'to this offset')
    .option('--to-datetime <time>', 'to the first record at or after 2026-01-31T12:00:00Z, or @1700000000000')
    .option('--shift-by <n>', 'forward by so many records; back with a minus')
    .option('--execute', 'do it')
    .action(async (id, options) => (await import('./reset-offsets.ts')).reset(id, options))
  client(group.command('delete <id...>'))
    .description('Delete groups without members, and all their offsets.')
    .option('--if-exists', 'be content when the group is not there')
    .action(async (ids, options) => (await import('./group.ts')).remove(ids, options))
  client(group.command('delete-offsets <id>'))
    .description('Forget what a group has committed of topics that it does not read now.')
    .option('-t, --topic <name[:0,1]>', 'of this topic, or of some of its partitions; repeatable', collect, [])
    .action(async (id, options) => (await import('./group.ts')).deleteOffsets(id, options))
}

function addCluster(ottla: Command): void {
  const cluster = ottla.command('cluster').description('Look at the cluster.')
  client(cluster.command('describe'))
    .description('Show brokers, what they lead, and partitions that lack something.')
    .action(async options => (await import('./cluster.ts')).describe(options))
  client(cluster.command('status'))
    .description('Show what is up, who leads, what is out of sync, and how the metadata quorum is.')
    .action(async options => (await import('./cluster.ts')).status(options))
  client(cluster.command('watch'))
    .description('The same as a live screen, with what happens; elsewhere than on a terminal, a line an event.')
    .option('--interval-ms <n>', 'look so often', '500')
    .action(async options => (await import('./watch.ts')).watch(options))
}

function addQuorum(ottla: Command): void {
  const quorum = ottla.command('quorum').description('Look at the nodes that agree on the metadata.')
  client(quorum.command('describe'))
    .description('Show who leads the metadata log, who votes, who follows, and how far behind each is.')
    .action(async options => (await import('./quorum.ts')).describe(options))
}

function addConfig(ottla: Command): void {
  const config = ottla.command('config').description('Look at and change settings of topics and brokers.')
  const target = (command: Command) =>
    client(command)
      .option('--topic <name>', 'of this topic')
      .option('--broker <id>', 'of this broker')
      .option('--brokers', 'the default of all brokers')
  target(config.command('describe [key...]'))
    .description('Show settings: those that were made, or all, or the named ones.')
    .option('-a, --all', 'also defaults')
    .action(async (keys, options) => (await import('./config.ts')).describe(keys, options))
  target(config.command('set <key=value...>'))
    .description('Change settings while running. `key=` alone takes the setting back.')
    .action(async (settings, options) => (await import('./config.ts')).set(settings, options))
}

function unknownHelp(error: CommanderError): number {
  // commander has already said what was wrong
  return error.exitCode === 0 ? OK : USAGE
}

async function main(forked: readonly ChildProcess[]): Promise<number> {
  const ottla = program(forked)
  const strict = (command: Command): void => {
    command.exitOverride().showHelpAfterError('(add --help for what can be typed)')
    for (const sub of command.commands) strict(sub)
  }
  strict(ottla)
  // The doors' timers keep no process alive, and a client between two tries has nothing else.
  const alive = setInterval(() => {}, 2 ** 30)
  try {
    await ottla.parseAsync(process.argv)
    return typeof process.exitCode === 'number' ? process.exitCode : OK
  } catch (error) {
    if (error instanceof CommanderError) return unknownHelp(error)
    const { message, exitCode } = explain(error)
    process.stderr.write(`ottla: ${message}\n`)
    return exitCode
  } finally {
    clearInterval(alive)
  }
}

/**
 * Does what was typed, and ends the process.
 * @param forked  processes that wait to become the nodes of `start -n` (bin/members.ts)
 */
export async function run(forked: readonly ChildProcess[] = []): Promise<void> {
  await finish(await main(forked))
}
