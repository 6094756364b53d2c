// Three nodes that can be killed: ours by the command line, or anybody's by a command that does it.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CLI, startBroker } from '../broker.ts'
import { run } from '../process.ts'

export interface Nodes {
  readonly bootstrap: string
  /** In the order of their addresses in `bootstrap`: 1, 2, 3. */
  readonly ids: readonly number[]
  /** SIGKILL; settles when it is gone. */
  kill(id: number): Promise<void>
  /** In order; settles when it is gone. */
  stop(id: number): Promise<void>
  /** Again, on its data. */
  start(id: number): Promise<void>
  /** What they logged, where that is known. */
  log(): string
  close(): Promise<void>
}

const IDS = [1, 2, 3]
const NODE_TIMEOUT_MS = 90_000

export async function startNodes(): Promise<Nodes> {
  const data = mkdtempSync(join(tmpdir(), 'ottla-compat-nodes-'))
  const broker = await startBroker(['-n', '3', '--port', '0', '--data', data], NODE_TIMEOUT_MS)
  const act = async (action: string, id: number) => {
    await run(process.execPath, [CLI, 'node', action, String(id), '--data', data], { timeoutMs: NODE_TIMEOUT_MS })
  }
  return {
    bootstrap: broker.bootstrap,
    ids: IDS,
    kill: id => act('kill', id),
    stop: id => act('stop', id),
    start: id => act('start', id),
    log: () => broker.log(),
    async close() {
      await broker.stop()
      rmSync(data, { recursive: true, force: true })
    },
  }
}

/** @param command  called as `COMMAND kill|stop|start ID` */
export function foreignNodes(bootstrap: string, command: string): Nodes {
  const act = async (action: string, id: number) => {
    await run('sh', ['-c', `${command} "$@"`, command, action, String(id)], { timeoutMs: NODE_TIMEOUT_MS })
  }
  return {
    bootstrap,
    ids: IDS,
    kill: id => act('kill', id),
    stop: id => act('stop', id),
    start: id => act('start', id),
    log: () => '',
    close: async () => {},
  }
}
