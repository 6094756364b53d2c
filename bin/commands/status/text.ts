// A status as lines of text, for people. Pure.
import { table } from '../output.ts'
import { type ClusterStatus, counted, type NodeStatus, some, type TopicStatus } from './status.ts'

export interface TextOptions {
  /** Records a second by broker and by topic, where they were counted. */
  readonly rates?: Rates | undefined
  /** At most so many topics, those that lack something first. */
  readonly topicCount: number
  /** Names of partitions in a line; default 12. */
  readonly nameCount?: number
}

export interface Rates {
  readonly brokers: ReadonlyMap<number, number>
  readonly topics: ReadonlyMap<string, number>
}

export function statusText(status: ClusterStatus, options: TextOptions): string {
  const parts = [headline(status), quorumLine(status), `\n${nodeTable(status, options)}`, problems(status, options.nameCount)]
  if (status.topics.length > 0) parts.push(`\n${topicTable(status, options)}`)
  for (const warning of status.warnings) parts.push(`\n${warning}\n`)
  return parts.join('')
}

function headline({ clusterId, nodes, topics }: ClusterStatus): string {
  const brokers = nodes.filter(({ state }) => state !== 'controller')
  const lacking = (['down', 'silent'] as const).flatMap(wanted => {
    const count = brokers.filter(({ state }) => state === wanted).length
    return count === 0 ? [] : [`${count} ${wanted}`]
  })
  const partitions = topics.reduce((total, topic) => total + topic.partitions.length, 0)
  const facts = [
    `${counted(brokers.length, 'broker')}${lacking.length === 0 ? '' : ` (${lacking.join(', ')})`}`,
    counted(topics.length, 'topic'),
    counted(partitions, 'partition'),
  ]
  return `${clusterId ?? 'a cluster without an id'}  ${facts.join(', ')}\n`
}

function quorumLine({ quorum, quorumError }: ClusterStatus): string {
  if (quorum === null) return `Quorum: no answer, perhaps because a majority of the voters is away: ${quorumError ?? 'nobody told'}\n`
  const { leaderId, leaderEpoch, highWatermark, voters, observers } = quorum
  const facts = [
    leaderId < 0 ? 'no leader' : `led by node ${leaderId}`,
    `epoch ${leaderEpoch}`,
    `high watermark ${highWatermark}`,
    `voters ${voters.join(', ')}`,
    ...(observers.length === 0 ? [] : [`observers ${observers.join(', ')}`]),
  ]
  return `Quorum: ${facts.join(', ')}\n`
}

function nodeTable({ nodes }: ClusterStatus, { rates }: TextOptions): string {
  const racks = nodes.some(({ rack }) => rack !== null)
  const head = ['NODE', 'ADDRESS', ...(racks ? ['RACK'] : []), 'STATE', 'QUORUM']
  head.push('LEADS', 'IN SYNC', 'DATA', 'FREE', ...(rates === undefined ? [] : ['RECORDS/S']))
  const rows = nodes.map(node => [
    String(node.id),
    node.host === null ? '' : `${node.host}:${node.port}`,
    ...(racks ? [node.rack ?? ''] : []),
    node.state === 'controller' ? '' : node.state,
    roleText(node),
    String(node.leads),
    `${node.replicas - node.outOfSync}/${node.replicas}`,
    sizeText(node.sizeBytes),
    sizeText(node.usableBytes),
    ...(rates === undefined ? [] : [rateText(rates.brokers.get(node.id))]),
  ])
  return table(head, rows)
}

/** Who follows asks twice a second at least. */
const SILENT_MS = 1500
/** Less is on its way. */
const BEHIND = 100

function roleText({ role, lostVote, silentMs, metadataLag }: NodeStatus): string {
  if (role === null || role === 'leader') return role ?? ''
  if (silentMs === null || metadataLag === null) return `${role}, silent`
  if (silentMs > SILENT_MS) return `${role}, silent for ${durationText(silentMs)}`
  if (metadataLag > BEHIND) return `${role}, ${metadataLag} behind`
  return lostVote ? `${role}, no vote` : role
}

/** `12 s`: how long it is ago. */
export function durationText(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 100_000) return `${Math.round(ms / 1000)} s`
  return ms < 6_000_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 3_600_000)} h`
}

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']

export function sizeText(bytes: number | null): string {
  if (bytes === null) return ''
  let value = bytes
  let unit = 0
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000
    unit++
  }
  return `${unit === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`
}

function rateText(perSecond: number | undefined): string {
  return perSecond === undefined ? '' : Math.round(perSecond).toLocaleString('en-US')
}

function problems({ quorum, topics, leaderless, belowMinInsync, underReplicated }: ClusterStatus, nameCount?: number): string {
  const lines: string[] = []
  if (leaderless.length > 0) lines.push(`Without a leader, nobody can read or write: ${some(leaderless, nameCount)}`)
  if (belowMinInsync.length > 0) lines.push(`Below min.insync.replicas, acks=all is refused: ${some(belowMinInsync, nameCount)}`)
  if (underReplicated.length > 0) lines.push(`Not all replicas in sync: ${some(underReplicated, nameCount)}`)
  if (quorum === null) lines.push('Leaders and replicas in sync are shown as they were agreed on last.')
  else if (lines.length === 0 && topics.length > 0) lines.push('All replicas are in sync.')
  return lines.map(line => `\n${line}\n`).join('')
}

function topicTable({ topics }: ClusterStatus, { rates, topicCount }: TextOptions): string {
  const lacking = (topic: TopicStatus) =>
    topic.partitions.some(({ isr, replicas, leader }) => leader < 0 || isr.length < replicas.length) ? 1 : 0
  const rate = (topic: TopicStatus) => rates?.topics.get(topic.name) ?? 0
  const sorted = [...topics].sort(
    (a, b) => lacking(b) - lacking(a) || Number(a.isInternal) - Number(b.isInternal) || rate(b) - rate(a) || (a.name < b.name ? -1 : 1),
  )
  const head = ['TOPIC', 'PARTITIONS', 'REPLICAS', 'IN SYNC', 'LED BY (NODE:PARTITIONS)', ...(rates === undefined ? [] : ['RECORDS/S'])]
  const rows = sorted
    .slice(0, topicCount)
    .map(topic => [
      topic.name,
      String(topic.partitions.length),
      String(topic.replicationFactor),
      inSync(topic),
      ledBy(topic),
      ...(rates === undefined ? [] : [rateText(rates.topics.get(topic.name))]),
    ])
  const more = topics.length - topicCount
  return `${table(head, rows)}${more > 0 ? `and ${counted(more, 'topic')} more\n` : ''}`
}

function inSync({ partitions }: TopicStatus): string {
  const total = partitions.reduce((count, { replicas }) => count + replicas.length, 0)
  const present = partitions.reduce((count, { isr }) => count + isr.length, 0)
  return `${present}/${total}`
}

function ledBy({ partitions }: TopicStatus): string {
  const counts = new Map<number, number>()
  for (const { leader } of partitions) counts.set(leader, (counts.get(leader) ?? 0) + 1)
  return [...counts]
    .sort(([a], [b]) => a - b)
    .map(([leader, count]) => `${leader < 0 ? 'none' : leader}:${count}`)
    .join(' ')
}
