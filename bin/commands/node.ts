// `ottla node …`: one node of a cluster that `ottla start -n` runs on this machine.
import { resolve } from 'node:path'
import { UsageError, whole } from './failure.ts'
import { readClusterFile } from './local/cluster-file.ts'
import { type Action, askParent, type ControlNode } from './local/control.ts'
import { print, printJson, table } from './output.ts'

export interface NodeOptions {
  readonly data: string
  readonly json?: true
}

export async function act(action: Exclude<Action, 'list'>, texts: readonly string[], options: NodeOptions): Promise<void> {
  const ids = [...new Set(texts.map(text => whole('ID', text, 0)))]
  for (const node of await ask(action, ids, options)) {
    if (options.json) await printJson({ event: action, ...node })
    else await print(`${told(action, node)}\n`)
  }
}

export async function list(options: NodeOptions): Promise<void> {
  const nodes = await ask('list', [], options)
  if (options.json) for (const node of nodes) await printJson(node)
  else
    await print(
      table(
        ['NODE', 'STATE', 'PID', 'PORT'],
        nodes.map(({ id, state, pid, port }) => [String(id), state, String(pid ?? ''), String(port)]),
      ),
    )
}

async function ask(action: Action, nodes: readonly number[], options: NodeOptions): Promise<readonly ControlNode[]> {
  const directory = resolve(options.data)
  const file = readClusterFile(directory)
  if (file === undefined)
    throw new UsageError(`there is no cluster in ${directory}. Start one: ottla start -n 3. Or say where it is: --data DIR`)
  const answer = file.running === undefined ? undefined : await askParent(file.running, { action, nodes })
  if (answer === undefined)
    throw new Error(`the cluster in ${directory} does not run. Start it: ottla start -n ${file.nodes.length} --data ${options.data}`)
  if ('error' in answer) throw new Error(answer.error)
  return answer.nodes
}

function told(action: Action, { id, pid, port, state }: ControlNode): string {
  switch (action) {
    case 'kill':
      return `Killed node ${id}. Start it again: ottla node start ${id}`
    case 'stop':
      return state === 'stopped' ? `Stopped node ${id}.` : `Node ${id} ended, but not in order (${state}): its log says why.`
    case 'pause':
      return `Paused node ${id} (pid ${pid}). Let it go on: ottla node resume ${id}`
    case 'resume':
      return `Node ${id} goes on (pid ${pid}).`
    default:
      if (state === 'running') return `Node ${id} is ready at 127.0.0.1:${port} (pid ${pid}).`
      return pid === null
        ? `Node ${id} did not start (${state}): its log says why.`
        : `Node ${id} runs (pid ${pid}), but does not serve yet: perhaps too few of the others are there. See: ottla node list`
  }
}
