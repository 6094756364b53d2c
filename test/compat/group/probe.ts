// What a group has committed: one hand-made OffsetFetch v1, without the project's protocol code.
import { ask } from '../probe.ts'

/** By partition; without those that have no commit. */
export async function committedOffsets(bootstrap: string, group: string, topic: string, partitions: number): Promise<Map<number, number>> {
  const [groupId, name, clientId] = [Buffer.from(group), Buffer.from(topic), Buffer.from('compat-probe')]
  const out = Buffer.alloc(4 + 8 + 2 + clientId.length + 2 + groupId.length + 4 + 2 + name.length + 4 + 4 * partitions)
  let p = out.writeInt32BE(out.length - 4, 0)
  p = out.writeInt16BE(9, p) // OffsetFetch
  p = out.writeInt16BE(1, p) // version
  p = out.writeInt32BE(1, p) // correlation id
  for (const text of [clientId, groupId]) {
    p = out.writeInt16BE(text.length, p)
    p += text.copy(out, p)
  }
  p = out.writeInt32BE(1, p)
  p = out.writeInt16BE(name.length, p)
  p += name.copy(out, p)
  p = out.writeInt32BE(partitions, p)
  for (let partition = 0; partition < partitions; partition++) p = out.writeInt32BE(partition, p)

  const answer = await ask(bootstrap, out)
  p = 4 + 4 + 4 // length, correlation id, one topic
  p += 2 + answer.readInt16BE(p) + 4 // name, count of partitions
  const found = new Map<number, number>()
  for (let i = 0; i < partitions; i++) {
    const partition = answer.readInt32BE(p)
    const offset = Number(answer.readBigInt64BE(p + 4))
    const metadataLength = Math.max(0, answer.readInt16BE(p + 12))
    const errorCode = answer.readInt16BE(p + 14 + metadataLength)
    p += 16 + metadataLength
    // NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS: nothing to tell yet
    if (errorCode !== 0 && errorCode !== 16 && errorCode !== 14) throw new Error(`OffsetFetch v1 answered error code ${errorCode}`)
    if (errorCode === 0 && offset >= 0) found.set(partition, offset)
  }
  return new Map([...found].sort(([a], [b]) => a - b))
}
