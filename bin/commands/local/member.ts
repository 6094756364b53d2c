// One node of a local cluster, in a process of its own: what `ottla start -n` forks. It is told what to be by its parent, and ends with it.
import type { FromMember, MemberSettings, ToMember } from './messages.ts'

export interface Parent {
  readonly settings: Promise<MemberSettings>
  /** Settles when the node is to end: the parent says so, or is gone, or somebody sent SIGTERM to this process alone. */
  readonly stop: Promise<void>
  ready(): void
}

/** @returns undefined when nobody forked this process */
export function joinParent(): Parent | undefined {
  if (process.send === undefined) return undefined
  // Ctrl-C goes to all processes of the terminal; the parent decides.
  process.on('SIGINT', () => {})
  process.on('SIGHUP', () => {})
  let start: (settings: MemberSettings) => void
  let end: () => void
  const settings = new Promise<MemberSettings>(resolve => {
    start = resolve
  })
  const stop = new Promise<void>(resolve => {
    end = resolve
  })
  let started = false
  const leave = () => {
    end()
    // Nothing was opened yet, so nothing has to be closed.
    if (!started) process.exit(0)
  }
  process.on('message', (message: ToMember) => {
    if (message.type === 'stop') return leave()
    started = true
    start(message.settings)
  })
  process.on('disconnect', leave)
  process.on('SIGTERM', leave)
  return { settings, stop, ready: () => void process.send?.({ type: 'ready' } satisfies FromMember) }
}
