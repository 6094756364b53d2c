// `ottla start -n 3`: the processes of the nodes are forked before the program is loaded, so that they load it at the same time as their parent.
// What was typed is understood later (commands/main.ts): processes that are not wanted end with their channel, before they have done anything.
type Fork = typeof import('node:child_process').fork
type ChildProcess = import('node:child_process').ChildProcess

const MOST_NODES = 9

function nodeCount(args: readonly string[]): number {
  if (args[0] !== 'start') return 0
  for (const [i, arg] of args.entries()) {
    const count = /^(?:-n|--nodes=)(\d)$/.exec(arg)?.[1] ?? (arg === '-n' || arg === '--nodes' ? args[i + 1] : undefined)
    if (count !== undefined) return /^\d$/.test(count) ? Math.min(Number(count), MOST_NODES) : 0
  }
  return 0
}

/** Of a whole cluster only: a single node is this process. */
function forkMembers(args: readonly string[]): ChildProcess[] {
  const count = nodeCount(args)
  if (count < 2) return []
  const { fork }: { fork: Fork } = require('node:child_process')
  return Array.from({ length: count }, (_, i) => {
    const child = fork(process.argv[1]!, ['start', '--member', String(i + 1)], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] })
    // Whoever takes it over looks whether there is one.
    child.on('error', () => {})
    return child
  })
}

module.exports = { forkMembers }
