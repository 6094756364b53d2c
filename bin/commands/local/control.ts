// How `ottla node …` tells the parent of a local cluster what to do: one line of JSON there, one back, over a socket on 127.0.0.1. The port and a token
// stand in cluster.json, which its owner alone can read.
import { connect, createServer, type Server, type Socket } from 'node:net'
import type { Running } from './cluster-file.ts'

export const ACTIONS = ['list', 'kill', 'stop', 'pause', 'resume', 'start'] as const
export type Action = (typeof ACTIONS)[number]

export interface ControlRequest {
  readonly action: Action
  readonly nodes: readonly number[]
}

export interface ControlNode {
  readonly id: number
  readonly state: string
  readonly pid: number | null
  readonly port: number
}

/** What is wrong, in a sentence for the user; or the nodes in question as they are now. */
export type ControlAnswer = { readonly error: string } | { readonly nodes: readonly ControlNode[] }

const MOST_BYTES = 64 * 1024

/** Serves until `close`. Whoever does not know the token, or sends no line, is cut off. */
export async function serveControl(
  token: string,
  answer: (request: ControlRequest) => Promise<ControlAnswer>,
): Promise<{ readonly port: number; close(): void }> {
  const sockets = new Set<Socket>()
  const server: Server = createServer(socket => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    onLine(socket, line => {
      const request = parsed(line)
      if (request?.token !== token || !ACTIONS.includes(request.action)) socket.destroy()
      else
        void answer(request).then(
          result => socket.end(`${JSON.stringify(result)}\n`),
          (error: Error) => socket.end(`${JSON.stringify({ error: error.message })}\n`),
        )
    })
  })
  await new Promise<void>((resolve, reject) => server.on('error', reject).listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as { port: number }).port,
    close: () => {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

/** @returns undefined when nobody is there who knows the token: that parent is gone */
export function askParent({ controlPort, token }: Running, request: ControlRequest): Promise<ControlAnswer | undefined> {
  return new Promise(resolve => {
    const socket = connect(controlPort, '127.0.0.1', () => socket.write(`${JSON.stringify({ token, ...request })}\n`))
    socket.on('error', () => resolve(undefined))
    socket.on('close', () => resolve(undefined))
    onLine(socket, line => {
      resolve(parsed(line))
      socket.destroy()
    })
  })
}

function onLine(socket: Socket, take: (line: string) => void): void {
  let text = ''
  const data = (chunk: Buffer) => {
    text += chunk.toString()
    const end = text.indexOf('\n')
    if (end < 0 && text.length < MOST_BYTES) return
    socket.off('data', data)
    if (end < 0) socket.destroy()
    else take(text.slice(0, end))
  }
  socket.on('data', data)
}

function parsed(line: string) {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
