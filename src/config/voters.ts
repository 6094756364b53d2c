// Addresses of nodes as text: `host:port`, and `id@host:port` in controller.quorum.voters. An IPv6 address stands in brackets.

export interface NodeAddress {
  readonly host: string
  readonly port: number
}

export interface VoterAddress extends NodeAddress {
  readonly nodeId: number
}

/** @returns undefined when it is not `host:port` */
export function parseAddress(text: string): NodeAddress | undefined {
  const match = /^(\[[0-9a-fA-F:.%]+\]|[^\s:@/[\]]+):(\d{1,5})$/.exec(text)
  const port = Number(match?.[2])
  if (match === null || port < 1 || port > 65_535) return undefined
  return { host: match[1]!.replace(/^\[|\]$/g, ''), port }
}

/** @returns undefined when it is not `id@host:port` */
export function parseVoter(text: string): VoterAddress | undefined {
  const match = /^(\d{1,10})@(.+)$/.exec(text)
  const address = match === null ? undefined : parseAddress(match[2]!)
  const nodeId = Number(match?.[1])
  return address === undefined || nodeId > 0x7fff_ffff ? undefined : { nodeId, ...address }
}

/** What is wrong with a list of addresses, if anything. */
export function whyNoAddresses(texts: readonly string[]): string | undefined {
  const odd = texts.find(text => parseAddress(text) === undefined)
  return odd === undefined ? undefined : `Expected host:port, not ${odd}`
}

/** What is wrong with a list of voters, if anything. */
export function whyNoVoters(texts: readonly string[]): string | undefined {
  const voters: VoterAddress[] = []
  for (const text of texts) {
    const voter = parseVoter(text)
    if (voter === undefined) return `Expected id@host:port, not ${text}`
    if (voters.some(({ nodeId }) => nodeId === voter.nodeId)) return `Node ${voter.nodeId} stands there twice`
    if (voters.some(({ host, port }) => host === voter.host && port === voter.port)) return `Two nodes have the address of ${text}`
    voters.push(voter)
  }
  return undefined
}
