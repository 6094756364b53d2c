// A client library behind its agent process (agents/*.ts).
import type { Client, ProduceOptions, TopicAdmin, TopicConfigs } from '../client.ts'
import { AgentProcess } from '../process.ts'
import type { CompatRecord, Speech } from '../records.ts'
import { built } from '../root.ts'

export interface LibraryOptions {
  readonly name: 'kafkajs' | 'platformatic' | 'librdkafka'
  readonly version: string
  /** The node binary it runs under. */
  readonly node: string
  /** The folder that holds its node_modules. */
  readonly packages: string
  readonly bootstrap: string
  readonly speech: Speech
  readonly reads: boolean
  readonly configs: boolean
}

export async function openLibrary(options: LibraryOptions): Promise<Client> {
  const script = built(`test/compat/agents/${options.name}.js`)
  const agent = new AgentProcess(options.node, [script, options.bootstrap, options.packages], { KAFKAJS_NO_PARTITIONER_WARNING: '1' })
  await agent.call('ready', {}, 30_000)
  const admin: TopicAdmin = {
    createTopic: async (topic, partitions, configs) => void (await agent.call('createTopic', { topic, partitions, configs })),
    partitionCount: async topic => (await agent.call('partitionCount', { topic })) as number,
    addPartitions: async (topic, total) => void (await agent.call('addPartitions', { topic, total })),
    deleteTopic: async topic => void (await agent.call('deleteTopic', { topic })),
    listTopics: async () => (await agent.call('listTopics', {})) as string[],
  }
  const configs: TopicConfigs = {
    describe: async (topic, key) => (await agent.call('describeConfig', { topic, key })) as string | null,
    set: async (topic, key, value) => void (await agent.call('setConfig', { topic, key, value })),
  }
  return {
    name: options.name,
    version: options.version,
    speech: options.speech,
    setsTimestamps: true,
    produce: async (produce: ProduceOptions) => void (await agent.call('produce', { partition: 0, ...produce })),
    offsetAt: async (topic, timestamp) => (await agent.call('offsetAt', { topic, timestamp })) as number,
    ...(options.reads
      ? {
          read: async (topic: string, offset: number, count: number) =>
            (await agent.call('read', { topic, offset, count })) as CompatRecord[],
        }
      : {}),
    admin,
    ...(options.configs ? { configs } : {}),
    close: () => agent.close(),
  }
}
