// Ports for the nodes of a local cluster. They are given before the nodes start and kept while these are away, so they lie below the range the system
// gives to outgoing connections: out of it, a node that is down may find its port taken by a client, or a client that knocks may meet itself.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { EnvError } from '../../../src/index.ts'

const LEAST = 10_000
const EPHEMERAL = 32_768
const HOST = '127.0.0.1'

export interface WantedPorts {
  readonly nodeCount: number
  /** Of the first node; the others follow. 0: any. */
  readonly port: number
  /** What was used last: taken again where it is free. */
  readonly before: readonly { readonly port: number; readonly internalPort: number }[]
}

export interface NodePorts {
  readonly port: number
  readonly internalPort: number
}

/** How far the internal ports lie above those for clients, where these are free. */
const INTERNAL_DISTANCE = 1000

/** @throws EnvError EADDRINUSE, EACCES when a port that was asked for cannot be had */
export async function choosePorts({ nodeCount, port, before }: WantedPorts): Promise<NodePorts[]> {
  const taken = new Set<number>()
  const ports: number[] = []
  for (let i = 0; i < nodeCount; i++) {
    if (port === 0) ports.push(await firstFree([before[i]?.port, ...anywhere()], taken))
    else {
      await refuseTaken(port + i, i + 1)
      taken.add(port + i)
      ports.push(port + i)
    }
  }
  const chosen: NodePorts[] = []
  for (const [i, clientPort] of ports.entries()) {
    const near = clientPort + INTERNAL_DISTANCE
    const candidates = [before[i]?.internalPort, near < EPHEMERAL ? near : undefined, ...anywhere()]
    chosen.push({ port: clientPort, internalPort: await firstFree(candidates, taken) })
  }
  return chosen
}

async function refuseTaken(port: number, nodeId: number): Promise<void> {
  const why = port > 65_535 ? 'EADDRNOTAVAIL' : await tryPort(port)
  if (why === undefined) return
  if (why === 'EACCES') throw new EnvError('EACCES', `port ${port}, for node ${nodeId}, may not be opened`)
  throw new EnvError('EADDRINUSE', `port ${port}, for node ${nodeId}, cannot be had (${why})`)
}

const TRIES = 200

function* anywhere(): Generator<number> {
  const end = Math.min(ephemeralStart(), 65_536)
  const [from, to] = end - LEAST > 1000 ? [LEAST, end] : [LEAST, 65_536]
  for (let i = 0; i < TRIES; i++) yield from + Math.floor(Math.random() * (to - from))
}

function ephemeralStart(): number {
  try {
    return Number(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').trim().split(/\s+/)[0]) || EPHEMERAL
  } catch {
    // Not on Linux: the others begin at 49152.
    return 49_152
  }
}

async function firstFree(candidates: Iterable<number | undefined>, taken: Set<number>): Promise<number> {
  for (const port of candidates) {
    if (port === undefined || port < 1 || taken.has(port) || (await tryPort(port)) !== undefined) continue
    taken.add(port)
    return port
  }
  throw new EnvError('EADDRINUSE', `no free port was found between ${LEAST} and ${ephemeralStart()}`)
}

/** @returns why it cannot be had; undefined: it can */
function tryPort(port: number): Promise<string | undefined> {
  return new Promise(resolve => {
    const server = createServer()
    server.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    server.listen({ port, host: HOST, exclusive: true }, () => server.close(() => resolve(undefined)))
  })
}
