// What the parent of a local cluster and the process of a node say to each other, over the channel that Node gives a forked process.
import type { LogLevel } from '../../../src/index.ts'

/** All that a node of a local cluster is started with. */
export interface MemberSettings {
  readonly directory: string
  readonly port: number
  readonly config: Readonly<Record<string, string>>
  readonly logLevel: LogLevel
  readonly json: boolean
}

export type ToMember =
  | { readonly type: 'start'; readonly settings: MemberSettings }
  /** The end of the channel means the same. */
  | { readonly type: 'stop' }

export type FromMember = { readonly type: 'ready' }
