// What there is, for whoever waited for something else.
import type { EmbeddedNode } from './node.ts'

const MAX_PARTITIONS = 20

export function stateText(
  nodes: Iterable<EmbeddedNode>,
  o: { readonly cuts: readonly string[]; last(id: number): readonly string[] },
): string {
  const lines: string[] = []
  for (const { id, state, node } of nodes) {
    if (node === undefined) lines.push(`node ${id} is ${state}`)
    else {
      const { quorum, image } = node
      const brokers = [...image.brokers.values()].map(({ brokerId, fenced }) => `${brokerId}${fenced ? ' (fenced)' : ''}`)
      lines.push(
        `node ${id} is ${state}; controller ${quorum.leaderId} of epoch ${quorum.epoch}; metadata up to ${image.offset}; brokers ${brokers.join(', ')}`,
      )
      const partitions = [...image.topics.values()].flatMap(({ name, partitions }) =>
        partitions.map(
          p =>
            `  ${name}-${p.partition}: leader ${p.leader} of epoch ${p.leaderEpoch}, in sync ${p.isr}, eligible [${p.elr}], replicas ${p.replicas}`,
        ),
      )
      lines.push(...partitions.slice(0, MAX_PARTITIONS))
      if (partitions.length > MAX_PARTITIONS) lines.push(`  … and ${partitions.length - MAX_PARTITIONS} partitions more`)
    }
    lines.push(...o.last(id).map(line => `  ${line}`))
  }
  if (o.cuts.length > 0) lines.push(`nothing passes: ${o.cuts.join(', ')}`)
  return lines.join('\n')
}
