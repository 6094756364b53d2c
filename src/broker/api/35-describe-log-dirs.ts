// DescribeLogDirs: the data directory, its space, and the bytes of each log in it. KIP-113, KIP-827; kafka.server.ReplicaManager.describeLogDirs.
// There is one log directory a node. A log lags behind nothing here, and none is about to be moved. A partition that is asked for and not here is left out.
// Asked for nothing (an empty list) the directory alone is described.
import { DescribeLogDirs } from '../../protocol/api/35-describe-log-dirs.ts'
import { NONE } from '../../protocol/errors.ts'
import type { RequestOf } from '../../protocol/schema.ts'
import type { Broker } from '../broker.ts'
import { handler } from '../handler.ts'

export const describeLogDirs = handler(DescribeLogDirs, {
  async answer(broker, { topics }) {
    const { totalBytes, freeBytes } = await broker.diskRoom.measure()
    const directory = {
      errorCode: NONE,
      logDir: broker.directory,
      topics: sizesOf(broker, topics),
      totalBytes,
      usableBytes: freeBytes,
      isCordoned: false,
    }
    return { errorCode: NONE, results: [directory] }
  },
  failed: (_request, { errorCode }) => ({ errorCode, results: [] }),
})

/** @param asked  null: all */
function sizesOf(broker: Broker, asked: RequestOf<typeof DescribeLogDirs>['topics']) {
  const wanted = asked && new Set(asked.flatMap(({ topic, partitions }) => partitions.map(partition => `${topic}/${partition}`)))
  const topics = new Map<string, { partitionIndex: number; partitionSize: number; offsetLag: number; isFutureKey: boolean }[]>()
  for (const { topic, partition, log } of broker.replicas.all()) {
    if (wanted !== null && !wanted.has(`${topic}/${partition}`)) continue
    let partitions = topics.get(topic)
    if (partitions === undefined) topics.set(topic, (partitions = []))
    partitions.push({ partitionIndex: partition, partitionSize: log.sizeBytes, offsetLag: 0, isFutureKey: false })
  }
  return [...topics].map(([name, partitions]) => ({ name, partitions }))
}
