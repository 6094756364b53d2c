// Runs a conversation with the controller's decide functions: every line that is not a comment or an expectation is a request; what was answered
// and which records it gave come after it as `> ` lines. Ids are dealt out in order, and chance always says 0, so that texts stay readable.
import { parseConfig } from '../../src/config.ts'
import {
  type BrokerRegistration,
  decideFenceBroker,
  decideRegisterBroker,
  decideRuinReplica,
  decideUnregisterBroker,
  type LogVerdict,
} from '../../src/metadata/brokers.ts'
import { decideAlterConfigs, decideIncrementalAlterConfigs } from '../../src/metadata/configs.ts'
import type { Decision, DecisionContext } from '../../src/metadata/decision.ts'
import { decideBalance, decideElectLeaders } from '../../src/metadata/elections.ts'
import { decideUpdateFeatures } from '../../src/metadata/features.ts'
import { decideHeartbeat } from '../../src/metadata/heartbeats.ts'
import { applyRecord, emptyImage, type MetadataImage } from '../../src/metadata/image.ts'
import { decideAlterPartition } from '../../src/metadata/isr-changes.ts'
import { decideCreatePartitions } from '../../src/metadata/new-partitions.ts'
import { decideAllocateProducerIds } from '../../src/metadata/producer-ids.ts'
import { encodeRecord, type MetadataRecord, type PartitionState } from '../../src/metadata/records.ts'
import { decideCreateTopics, decideDeleteTopics } from '../../src/metadata/topics.ts'
import { errorName } from '../../src/protocol/errors.ts'
import { ZERO_UUID } from '../../src/util/uuid.ts'

export class Conversation {
  readonly image: MetadataImage = emptyImage()
  /** Of the last request, as they go to disk. */
  lastRecords: Buffer[] = []
  #context: DecisionContext
  #dealt = 0
  readonly #directories = new Map<number, string>()

  constructor() {
    this.#context = {
      config: parseConfig({}),
      nodeId: 1,
      random: { integer: () => 0, fraction: () => 0, bytes: length => this.#bytes(length) },
    }
    applyRecord(this.image, { type: 'clusterFormed', clusterId: 'cluster' })
    this.#agree('1')
    this.image.offset = 10
  }

  /** @returns what is answered, line by line */
  say(line: string): string[] {
    const [verb = '', ...words] = line.split(/\s+/)
    this.lastRecords = []
    switch (verb) {
      case 'static':
        this.#context = { ...this.#context, config: parseConfig(Object.fromEntries(words.map(pair))) }
        this.#agree(`${this.#context.config['min.insync.replicas']}`)
        return []
      case 'register':
        return this.#take(decideRegisterBroker(this.image, this.#registration(words), this.#context), r => [
          `${error(r)} epoch ${r.brokerEpoch}`,
        ])
      case 'fence':
      case 'unfence': {
        const [brokerId, brokerEpoch] = this.#incarnation(words[0]!)
        return this.#take(decideFenceBroker(this.image, { brokerId, brokerEpoch, fenced: verb === 'fence' }, this.#context), r => [
          error(r),
        ])
      }
      case 'unregister':
        return this.#take(decideUnregisterBroker(this.image, Number(words[0]), this.#context), r => [error(r)])
      case 'isr':
        return this.#isr(words)
      case 'beat':
        return this.#beat(words)
      case 'ruin': {
        const [brokerId, brokerEpoch] = this.#incarnation(words[0]!)
        const { topic, partition } = named(words[1]!)
        const { topicId } = this.image.topics.get(topic)!
        return this.#take(decideRuinReplica(this.image, { brokerId, brokerEpoch, topicId, partition }, this.#context), r => [error(r)])
      }
      case 'balance':
        return this.#take(decideBalance(this.image, Number(words[0] ?? 1000)), isMore => [isMore ? 'there are more' : 'all'])
      case 'ids': {
        const [brokerId, brokerEpoch] = this.#incarnation(words[0]!)
        return this.#take(decideAllocateProducerIds(this.image, { brokerId, brokerEpoch }), r => [
          `${error(r)} from ${r.firstProducerId}, ${r.count}`,
        ])
      }
      case 'create':
        return this.#create(words)
      case 'delete':
        return this.#delete(words)
      case 'grow':
        return this.#grow(words)
      case 'alter':
      case 'replace':
        return this.#alter(verb, words)
      case 'elect':
        return this.#elect(words)
      case 'level':
        return this.#level(words)
      case 'show':
        return this.image.topics.get(words[0]!)?.partitions.map(state => partition(words[0]!, state)) ?? ['no such topic']
      default:
        throw new Error(`no such request: ${line}`)
    }
  }

  /** As a cluster does when it is formed. */
  #agree(value: string): void {
    applyRecord(this.image, { type: 'configChanged', resource: 'broker/', key: 'min.insync.replicas', value })
  }

  #take<T>({ records, response }: Decision<T>, show: (response: T) => string[]): string[] {
    const names = new Map([...this.image.topicsById].map(([id, { name }]) => [id, name]))
    const lines = records.map(record => {
      if (record.type === 'topicCreated') names.set(record.topicId, record.name)
      return describe(record, names)
    })
    this.lastRecords = records.map(encodeRecord)
    for (const record of records) {
      applyRecord(this.image, record)
      this.image.offset++
    }
    return [...show(response), ...lines]
  }

  /** `1 dir=B rack=r clean fenced same logs=orders-0:torn+loose,orders-1:corrupt features=metadata.version:7:30` */
  #registration(words: readonly string[]): BrokerRegistration {
    const brokerId = Number(words[0])
    const option = optionsOf(words)
    const directory = option('dir') ?? this.#directories.get(brokerId) ?? `${brokerId}`
    this.#directories.set(brokerId, directory)
    const existing = this.image.brokers.get(brokerId)
    return {
      clusterId: option('cluster') ?? 'cluster',
      brokerId,
      incarnationId: words.includes('same') ? existing!.incarnationId : `process ${this.#dealt++}`,
      directoryId: `dir ${directory}`,
      previousBrokerEpoch: words.includes('clean') ? existing!.brokerEpoch : -1,
      rack: option('rack') ?? null,
      listeners: words.includes('deaf') ? [] : [{ name: 'PLAINTEXT', host: 'h', port: 1, securityProtocol: 'PLAINTEXT' }],
      features: list(option('features')).map(feature => {
        const [name, minVersion, maxVersion] = feature.split(':')
        return { name: name!, minVersion: Number(minVersion), maxVersion: Number(maxVersion) }
      }),
      internalListener: null,
      fenced: words.includes('fenced'),
      partitions: list(option('logs')).map(log => {
        const [, topic, number, verdict, loose] = /^(.*)-(\d+):([a-z]+)(\+loose)?$/.exec(log)!
        return {
          topicId: this.image.topics.get(topic!)!.topicId,
          partition: Number(number),
          verdict: verdict as LogVerdict,
          loose: loose !== undefined,
        }
      }),
    }
  }

  /** `1` or, for a process that was replaced, `1@epoch` */
  #incarnation(word: string): [number, number] {
    const [id, epoch] = word.split('@')
    return [Number(id), epoch === undefined ? (this.image.brokers.get(Number(id))?.brokerEpoch ?? -1) : Number(epoch)]
  }

  /** `orders-0 by=1 to=1,2@11 epoch=0/3 & orders-1 …`: epochs of brokers and of the partition as they are, when they are not said */
  #isr(words: readonly string[]): string[] {
    const changes = split(words).map(([at = '', ...rest]) => {
      const { topic, partition } = named(at)
      const known = this.image.topics.get(topic)?.partitions[partition]
      const option = optionsOf(rest)
      const [leaderEpoch = known?.leaderEpoch ?? 0, partitionEpoch = known?.partitionEpoch ?? 0] =
        option('epoch')?.split('/').map(Number) ?? []
      const newIsr = list(option('to')).map(word => {
        const [brokerId, brokerEpoch] = this.#incarnation(word)
        return { brokerId, brokerEpoch }
      })
      return {
        topicId: this.image.topics.get(topic)?.topicId ?? 'unknown',
        partitions: [{ partition, leaderEpoch, partitionEpoch, newIsr }],
      }
    })
    const [brokerId, brokerEpoch] = this.#incarnation(optionsOf(words)('by')!)
    return this.#take(decideAlterPartition(this.image, { brokerId, brokerEpoch, topics: changes }, this.#context), r => [
      ...(r.errorCode === 0 ? [] : [errorName(r.errorCode)]),
      ...r.topics.flatMap(({ topicId, partitions }) =>
        partitions.map(
          p => `${this.image.topicsById.get(topicId)?.name ?? '?'}-${p.partition} ${p.errorCode === 0 ? 'ok' : errorName(p.errorCode)}`,
        ),
      ),
    ])
  }

  /** `1 at=15 fence shutdown given=12 others=20`: at the end of the log, with nothing given away, and others at the end too, when it is not said */
  #beat(words: readonly string[]): string[] {
    const [brokerId, brokerEpoch] = this.#incarnation(words[0]!)
    const option = optionsOf(words)
    const metadataOffset = Number(option('at') ?? this.image.offset)
    const request = {
      brokerId,
      brokerEpoch,
      metadataOffset,
      wantsFence: words.includes('fence'),
      wantsShutdown: words.includes('shutdown'),
    }
    const given = option('given')
    const facts = {
      leaseMs: 1500,
      shutdownOffset: given === undefined ? undefined : Number(given),
      othersOffset: Number(option('others') ?? this.image.offset),
    }
    return this.#take(decideHeartbeat(this.image, request, this.#context, facts), r => {
      if (r.errorCode !== 0) return [errorName(r.errorCode)]
      const said = [r.isFenced ? 'fenced' : 'serves', r.isCaughtUp ? 'caught up' : 'behind', ...(r.mayShutDown ? ['may shut down'] : [])]
      return [said.join(', ')]
    })
  }

  /** `orders partitions=2 rf=1 assign=1,2;2,1 config:k=v & payments … validateOnly` */
  #create(words: readonly string[]): string[] {
    const topics = split(words).map(([name = '', ...rest]) => {
      const option = optionsOf(rest)
      return {
        name: name === "''" ? '' : name,
        numPartitions: Number(option('partitions') ?? -1),
        replicationFactor: Number(option('rf') ?? -1),
        assignments: (option('assign')?.split(';') ?? []).map((ids, nth) => {
          const [brokers, index] = ids.split('@')
          return { partitionIndex: Number(index ?? nth), brokerIds: list(brokers).map(Number) }
        }),
        configs: rest
          .filter(word => word.startsWith('config:'))
          .map(word => {
            const [key, value] = pair(word.slice('config:'.length))
            return { name: key, value: value === 'null' ? null : value }
          }),
      }
    })
    const request = { topics, timeoutMs: 1, validateOnly: words.includes('validateOnly') }
    return this.#take(decideCreateTopics(this.image, request, this.#context), ({ topics: answers }) =>
      answers.map(answer => {
        if (answer.errorCode !== 0) return `${answer.name} ${error(answer)}`
        const own = answer.configs!.filter(({ configSource }) => configSource === 1).map(({ name, value }) => ` ${name}=${value}`)
        const id = answer.topicId === ZERO_UUID ? ' (no id)' : ''
        return `${answer.name} created, ${answer.numPartitions} partitions, ${answer.replicationFactor} replicas${id}${own.join('')}`
      }),
    )
  }

  /** Names, `id:NAME` for the id of that topic, `id:?` for an unknown one, `both:NAME`, `neither` */
  #delete(words: readonly string[]): string[] {
    const idOf = (name: string) => this.image.topics.get(name)?.topicId ?? 'unknown'
    const topics = words.map(word => {
      if (word === 'neither') return { name: null, topicId: ZERO_UUID }
      const [kind, name] = word.split(':') as [string, string?]
      return name === undefined ? { name: kind, topicId: ZERO_UUID } : { name: kind === 'both' ? name : null, topicId: idOf(name) }
    })
    const request = { topics, topicNames: [], timeoutMs: 1 }
    return this.#take(decideDeleteTopics(this.image, request, this.#context), r =>
      r.responses.map(each => `${each.name ?? 'by id'} ${error(each)}`),
    )
  }

  /** `orders 5 assign=1;2 & payments 3 validateOnly` */
  #grow(words: readonly string[]): string[] {
    const topics = split(words).map(([name = '', count, ...rest]) => {
      const assign = optionsOf(rest)('assign')
      return {
        name,
        count: Number(count),
        assignments: assign === undefined ? null : assign.split(';').map(ids => ({ brokerIds: list(ids).map(Number) })),
      }
    })
    const request = { topics, timeoutMs: 1, validateOnly: words.includes('validateOnly') }
    return this.#take(decideCreatePartitions(this.image, request, this.#context), r => r.results.map(each => `${each.name} ${error(each)}`))
  }

  /** `topic/orders k=v -k k+=v k-=v & broker/1 … validateOnly`; replace takes `k=v` alone */
  #alter(verb: 'alter' | 'replace', words: readonly string[]): string[] {
    const resources = split(words).map(([resource = '', ...rest]) => {
      const [kind, resourceName = ''] = [resource.slice(0, resource.indexOf('/')), resource.slice(resource.indexOf('/') + 1)]
      const resourceType = { topic: 2, broker: 4, logger: 8 }[kind] ?? 99
      const configs = rest
        .filter(word => word !== 'validateOnly')
        .map(word => {
          const match = /^(-?)([^=+]*?)([+-]?)(?:=(.*))?$/.exec(word)!
          const [, minus, name, sign, value] = match
          const configOperation = minus === '-' ? 1 : sign === '+' ? 2 : sign === '-' ? 3 : 0
          return { name: name!, configOperation, value: value === undefined || value === 'null' ? null : value }
        })
      return { resourceType, resourceName, configs }
    })
    const request = { resources, validateOnly: words.includes('validateOnly') }
    const decision =
      verb === 'alter'
        ? decideIncrementalAlterConfigs(this.image, request, this.#context)
        : decideAlterConfigs(this.image, request, this.#context)
    return this.#take(decision, r => r.responses.map(each => `${each.resourceType}/${each.resourceName} ${error(each)}`))
  }

  /** `preferred orders-0 orders-1`, `unclean all` */
  #elect([kind, ...words]: readonly string[]): string[] {
    const asked = words.map(word => /^(.*)-(\d+)$/.exec(word)!).filter(match => match !== null)
    const topicPartitions = words[0] === 'all' ? null : asked.map(([, topic, number]) => ({ topic: topic!, partitions: [Number(number)] }))
    const request = { electionType: kind === 'preferred' ? 0 : kind === 'unclean' ? 1 : 7, topicPartitions, timeoutMs: 1 }
    return this.#take(decideElectLeaders(this.image, request, this.#context), r => [
      ...(r.errorCode === 0 ? [] : [errorName(r.errorCode!)]),
      ...r.replicaElectionResults.flatMap(({ topic, partitionResult }) =>
        partitionResult.map(p => `${topic}-${p.partitionId} ${error(p)}`),
      ),
    ])
  }

  /** `metadata.version=30 & group.version=1 down validateOnly`; up when it is not said, `down`, `unsafe` or `sideways` */
  #level(words: readonly string[]): string[] {
    const featureUpdates = split(words).map(([update = '', how]) => {
      const [feature, level] = pair(update)
      const upgradeType = ({ down: 2, unsafe: 3, sideways: 7 } as Record<string, number>)[how ?? ''] ?? 1
      return { feature, maxVersionLevel: Number(level), allowDowngrade: false, upgradeType }
    })
    const request = { timeoutMs: 1, featureUpdates, validateOnly: words.includes('validateOnly') }
    return this.#take(decideUpdateFeatures(this.image, request, this.#context), r => [error(r)])
  }

  #bytes(length: number): Buffer {
    const bytes = Buffer.alloc(length)
    bytes.writeUInt32BE(++this.#dealt, 8)
    return bytes
  }
}

function describe(record: MetadataRecord, names: ReadonlyMap<string, string>): string {
  switch (record.type) {
    case 'partitionCreated':
    case 'partitionChanged':
      return `${record.type} ${partition(names.get(record.topicId)!, record.state)}`
    case 'topicCreated':
      return `topicCreated ${record.name}`
    case 'topicDeleted':
      return `topicDeleted ${names.get(record.topicId)}`
    case 'brokerRegistered':
      return `brokerRegistered ${record.brokerId}@${record.brokerEpoch} ${record.directoryId}${record.rack === null ? '' : ` rack ${record.rack}`}${record.fenced ? ' fenced' : ''}`
    case 'brokerFenced':
      return `${record.fenced ? 'brokerFenced' : 'brokerUnfenced'} ${record.brokerId}@${record.brokerEpoch}`
    case 'brokerShuttingDown':
      return `brokerShuttingDown ${record.brokerId}@${record.brokerEpoch}`
    case 'brokerUnregistered':
      return `brokerUnregistered ${record.brokerId}@${record.brokerEpoch}`
    case 'configChanged':
      return `configChanged ${record.resource} ${record.key}${record.value === null ? ' removed' : `=${record.value}`}`
    case 'producerIdsAllocated':
      return `producerIdsAllocated ${record.brokerId}@${record.brokerEpoch} below ${record.nextProducerId}`
    default:
      return JSON.stringify(record)
  }
}

function partition(topic: string, p: PartitionState): string {
  const lists = [
    `replicas=${p.replicas}`,
    `isr=${p.isr}`,
    ...(p.elr.length > 0 ? [`elr=${p.elr}`] : []),
    ...(p.lastKnownElr.length > 0 ? [`last=${p.lastKnownElr}`] : []),
  ]
  return `${topic}-${p.partition} ${lists.join(' ')} leader=${p.leader === -1 ? 'none' : p.leader} epoch=${p.leaderEpoch}/${p.partitionEpoch}`
}

function error({
  errorCode = 0,
  errorMessage,
}: {
  readonly errorCode?: number | undefined
  readonly errorMessage?: string | null | undefined
}): string {
  return errorCode === 0 ? 'ok' : `${errorName(errorCode)}: ${errorMessage}`
}

function named(word: string): { topic: string; partition: number } {
  const [, topic, number] = /^(.*)-(\d+)$/.exec(word)!
  return { topic: topic!, partition: Number(number) }
}

function optionsOf(words: readonly string[]): (name: string) => string | undefined {
  return name => words.find(word => word.startsWith(`${name}=`))?.slice(name.length + 1)
}

function pair(word: string): [string, string] {
  const at = word.indexOf('=')
  return [word.slice(0, at), word.slice(at + 1)]
}

function list(text: string | undefined): string[] {
  return text === undefined || text === '' ? [] : text.split(',')
}

/** Words between `&`. */
function split(words: readonly string[]): string[][] {
  return words
    .join(' ')
    .split(' & ')
    .map(part => part.split(' '))
}
