// What happened between two looks at a cluster: a line an event, not one a partition. Pure.
import { type ClusterStatus, counted, type NodeStatus, type PartitionStatus, some } from './status.ts'

export type Change =
  | { readonly event: 'brokerUp' | 'brokerDown' | 'brokerSilent' | 'brokerGone'; readonly node: number }
  | { readonly event: 'quorumLeader'; readonly from: number; readonly to: number; readonly epoch: number }
  | { readonly event: 'leader'; readonly from: number; readonly to: number; readonly partitions: readonly string[] }
  | { readonly event: 'outOfSync' | 'inSync'; readonly node: number; readonly partitions: readonly string[] }
  | { readonly event: 'topicCreated' | 'topicDeleted'; readonly topic: string }

export function changesBetween(before: ClusterStatus, after: ClusterStatus): Change[] {
  return [...nodeChanges(before, after), ...quorumChanges(before, after), ...partitionChanges(before, after)]
}

function nodeChanges(before: ClusterStatus, after: ClusterStatus): Change[] {
  const changes: Change[] = []
  const brokers = ({ nodes }: ClusterStatus) => new Map(nodes.filter(({ state }) => state !== 'controller').map(node => [node.id, node]))
  const [old, present] = [brokers(before), brokers(after)]
  for (const [id, { state }] of present) {
    const was: NodeStatus['state'] = old.get(id)?.state ?? 'down'
    if (state !== was) changes.push({ event: state === 'up' ? 'brokerUp' : state === 'silent' ? 'brokerSilent' : 'brokerDown', node: id })
  }
  for (const id of old.keys()) if (!present.has(id)) changes.push({ event: 'brokerGone', node: id })
  return changes
}

function quorumChanges(before: ClusterStatus, after: ClusterStatus): Change[] {
  const [from, to] = [before.quorum?.leaderId ?? -1, after.quorum?.leaderId ?? -1]
  return from === to ? [] : [{ event: 'quorumLeader', from, to, epoch: after.quorum?.leaderEpoch ?? -1 }]
}

function partitionChanges(before: ClusterStatus, after: ClusterStatus): Change[] {
  const old = new Map(before.topics.map(topic => [topic.name, topic]))
  const led = new Grouped()
  const left = new Grouped()
  const joined = new Grouped()
  const changes: Change[] = []
  for (const { name, partitions } of after.topics) {
    const known = old.get(name)
    if (known === undefined) {
      changes.push({ event: 'topicCreated', topic: name })
      continue
    }
    const was = new Map<number, PartitionStatus>(known.partitions.map(each => [each.partition, each]))
    for (const { partition, leader, isr } of partitions) {
      const previous = was.get(partition)
      if (previous === undefined) continue
      const partitionName = `${name}-${partition}`
      if (previous.leader !== leader) led.add(`${previous.leader}>${leader}`, partitionName)
      for (const node of previous.isr) if (!isr.includes(node)) left.add(String(node), partitionName)
      for (const node of isr) if (!previous.isr.includes(node)) joined.add(String(node), partitionName)
    }
  }
  const names = new Set(after.topics.map(({ name }) => name))
  for (const name of old.keys()) if (!names.has(name)) changes.push({ event: 'topicDeleted', topic: name })
  for (const [key, partitions] of led) {
    const [from, to] = key.split('>').map(Number)
    changes.push({ event: 'leader', from: from!, to: to!, partitions })
  }
  for (const [node, partitions] of left) changes.push({ event: 'outOfSync', node: Number(node), partitions })
  for (const [node, partitions] of joined) changes.push({ event: 'inSync', node: Number(node), partitions })
  return changes
}

class Grouped extends Map<string, string[]> {
  add(key: string, partition: string): void {
    const group = this.get(key)
    if (group === undefined) this.set(key, [partition])
    else group.push(partition)
  }
}

export function changeText(change: Change): string {
  switch (change.event) {
    case 'brokerUp':
      return `broker ${change.node} is up`
    case 'brokerDown':
      return `broker ${change.node} is down`
    case 'brokerSilent':
      return `broker ${change.node} does not answer`
    case 'brokerGone':
      return `broker ${change.node} is no longer part of the cluster`
    case 'quorumLeader':
      return change.to < 0 ? 'the quorum has no leader' : `node ${change.to} leads the quorum, epoch ${change.epoch}`
    case 'leader': {
      const what = some(change.partitions, 3)
      if (change.to < 0) return `no leader any more: ${what}`
      return `broker ${change.to} leads ${counted(change.partitions.length, 'partition')}${change.from < 0 ? '' : ` that ${change.from} led`}: ${what}`
    }
    case 'outOfSync':
      return `broker ${change.node} is out of sync in ${counted(change.partitions.length, 'partition')}: ${some(change.partitions, 3)}`
    case 'inSync':
      return `broker ${change.node} is in sync again in ${counted(change.partitions.length, 'partition')}: ${some(change.partitions, 3)}`
    case 'topicCreated':
      return `topic ${change.topic} was created`
    case 'topicDeleted':
      return `topic ${change.topic} was deleted`
  }
}
