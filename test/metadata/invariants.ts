// What must hold of every image, and between an image and a later one of the same log.
import { parseConfig, topicValue } from '../../src/config.ts'
import { configLayers } from '../../src/metadata/decision.ts'
import { assertPartition, type MetadataImage } from '../../src/metadata/image.ts'
import { assert } from '../../src/util/assert.ts'

/** @param staticMinIsr  what the nodes were started with */
export function checkImage(image: MetadataImage, staticMinIsr?: number): void {
  const config = parseConfig(staticMinIsr === undefined ? {} : { 'min.insync.replicas': `${staticMinIsr}` })
  assert(image.topicsById.size === image.topics.size, 'topics by id')
  for (const [name, topic] of image.topics) {
    assert(topic.name === name && image.topicsById.get(topic.topicId) === topic, `topic ${name} under its name and id`)
    assert(topic.partitions.length > 0, `${name} has partitions`)
    const minIsr = topicValue(config, configLayers(image, 1, name), 'min.insync.replicas')
    for (const [number, p] of topic.partitions.entries()) {
      assertPartition(name, p)
      const at = `${name}-${number} ${JSON.stringify(p)}`
      assert(p.partition === number, at)
      assert(
        p.isr.every(id => image.brokers.get(id)?.fenced === false),
        `a fenced broker is in the ISR of ${at}`,
      )
      assert((p.leader !== -1) === p.isr.length > 0, `who is in sync leads: ${at}`)
      assert(p.isr.length === 0 || p.lastKnownElr.length === 0, `a last known leader beside an ISR: ${at}`)
      assert(p.isr.length < Math.min(minIsr, p.replicas.length) || p.elr.length === 0, `an ELR beside enough in sync (${minIsr}): ${at}`)
    }
  }
  for (const [resource, values] of image.configs) {
    assert(values.size > 0, `${resource} without values`)
    assert(!resource.startsWith('topic/') || image.topics.has(resource.slice(6)), `${resource} without its topic`)
  }
}

/** `after` is a later state of `before`'s log. */
export function checkProgress(before: MetadataImage, after: MetadataImage): void {
  assert(after.nextProducerId >= before.nextProducerId, 'producer ids go back')
  for (const [id, topic] of before.topicsById) {
    const later = after.topicsById.get(id)
    if (later === undefined) continue
    assert(later.partitions.length >= topic.partitions.length, `${topic.name} shrinks`)
    for (const [number, was] of topic.partitions.entries()) {
      const now = later.partitions[number]!
      const at = `${topic.name}-${number}: ${JSON.stringify(was)} → ${JSON.stringify(now)}`
      assert(now.leaderEpoch >= was.leaderEpoch && now.partitionEpoch >= was.partitionEpoch, `an epoch goes back: ${at}`)
      assert(now.leader === was.leader || now.leaderEpoch > was.leaderEpoch, `two leaders in one epoch: ${at}`)
      const mayLead = (broker: number) => after.brokers.get(broker)?.fenced === false && !after.brokers.get(broker)!.shuttingDown
      const took = now.leader !== -1 && now.leader !== was.leader
      assert(!took || mayLead(now.leader) || !now.isr.some(mayLead), `who shuts down begins to lead: ${at}`)
      // DESIGN rule 2: another process of the same broker leads in another epoch.
      const restarted = before.brokers.get(now.leader)?.brokerEpoch !== after.brokers.get(now.leader)?.brokerEpoch
      assert(now.leader === -1 || !restarted || now.leaderEpoch > was.leaderEpoch, `leadership survived a process: ${at}`)
    }
  }
  for (const [id, { brokerEpoch }] of before.brokers) {
    const now = after.brokers.get(id)
    assert(now === undefined || now.brokerEpoch >= brokerEpoch, `the epoch of broker ${id} goes back`)
  }
}
