// The records of the metadata log: every decision of the controller is a list of them, and the image is what they add up to.
// On disk and between nodes: `[type, version, …fields]` (util/pack.ts). A record type or version we do not know is refused: a node that cannot
// apply a record must not guess.
// Where we differ from Kafka: a partition change carries the whole new state of the partition with its epochs, not the changed fields; the
// numbers are ours (Kafka's own encoding of this log is read by no client).
import { type Packable, PackError, pack, type Unpacked, unpack } from '../util/pack.ts'
import type { Uuid } from '../util/uuid.ts'

export interface BrokerListener {
  /** Upper case, as clients and Kafka's configuration have it. */
  readonly name: string
  readonly host: string
  readonly port: number
  readonly securityProtocol: string
}

/** Where the other nodes of the cluster reach this one. */
export interface InternalListener {
  readonly host: string
  readonly port: number
}

export interface SupportedFeature {
  readonly name: string
  readonly minVersion: number
  readonly maxVersion: number
}

/** The agreed state of one partition. */
export interface PartitionState {
  readonly partition: number
  /** In order of preference; the first is the preferred leader. */
  readonly replicas: readonly number[]
  /** ⊆ replicas; holds the leader, when there is one. */
  readonly isr: readonly number[]
  /** Eligible leader replicas (KIP-966): left the ISR while it was below min.insync.replicas, and still hold everything committed. ⊆ replicas, apart from isr. */
  readonly elr: readonly number[]
  /** At most one: the leader before ISR and ELR ran empty, as long as its copy is known to be whole. */
  readonly lastKnownElr: readonly number[]
  /** -1: none. */
  readonly leader: number
  /** Rises whenever a replica starts to lead. */
  readonly leaderEpoch: number
  /** Rises by one with every change. */
  readonly partitionEpoch: number
  readonly addingReplicas: readonly number[]
  readonly removingReplicas: readonly number[]
}

export type MetadataRecord =
  /** The first record of a cluster. */
  | { readonly type: 'clusterFormed'; readonly clusterId: Uuid }
  | {
      readonly type: 'brokerRegistered'
      readonly brokerId: number
      /** The offset of this record (of the first one of an incarnation). */
      readonly brokerEpoch: number
      readonly incarnationId: Uuid
      readonly directoryId: Uuid
      readonly rack: string | null
      readonly fenced: boolean
      readonly listeners: readonly BrokerListener[]
      readonly features: readonly SupportedFeature[]
      /** Version 2. */
      readonly internalListener: InternalListener | null
      /** Version 2. True in a snapshot only: a process that registers does not shut down. */
      readonly shuttingDown: boolean
    }
  | { readonly type: 'brokerUnregistered'; readonly brokerId: number; readonly brokerEpoch: number }
  | { readonly type: 'brokerFenced'; readonly brokerId: number; readonly brokerEpoch: number; readonly fenced: boolean }
  /** For the rest of this process's life. */
  | { readonly type: 'brokerShuttingDown'; readonly brokerId: number; readonly brokerEpoch: number }
  | { readonly type: 'topicCreated'; readonly name: string; readonly topicId: Uuid }
  | { readonly type: 'topicDeleted'; readonly topicId: Uuid }
  | { readonly type: 'partitionCreated'; readonly topicId: Uuid; readonly state: PartitionState }
  | { readonly type: 'partitionChanged'; readonly topicId: Uuid; readonly state: PartitionState }
  /** `resource` is 'topic/NAME', 'broker/ID' or 'broker/' (the default of all brokers); a null value removes the key. */
  | { readonly type: 'configChanged'; readonly resource: string; readonly key: string; readonly value: string | null }
  /** All producer ids below `nextProducerId` are given away; the block that ends there belongs to that broker incarnation. */
  | { readonly type: 'producerIdsAllocated'; readonly brokerId: number; readonly brokerEpoch: number; readonly nextProducerId: number }
  /** Level 0 removes the feature. */
  | { readonly type: 'featureFinalized'; readonly name: string; readonly level: number }

type RecordOf<T extends MetadataRecord['type']> = Extract<MetadataRecord, { type: T }>

interface RecordCodec<T extends MetadataRecord['type']> {
  readonly number: number
  /** That is written; those before it are read too. 1 when it is not said. */
  readonly version?: number
  readonly write: (record: RecordOf<T>) => readonly Packable[]
  readonly read: (fields: FieldReader, version: number) => Omit<RecordOf<T>, 'type'>
}

/** Numbers are for ever; a field is added by a new version. */
const CODECS: { readonly [T in MetadataRecord['type']]: RecordCodec<T> } = {
  clusterFormed: { number: 1, write: r => [r.clusterId], read: f => ({ clusterId: f.text() }) },
  brokerRegistered: {
    number: 2,
    version: 2,
    write: r => [
      r.brokerId,
      r.brokerEpoch,
      r.incarnationId,
      r.directoryId,
      r.rack,
      r.fenced,
      r.listeners.map(l => [l.name, l.host, l.port, l.securityProtocol]),
      r.features.map(x => [x.name, x.minVersion, x.maxVersion]),
      r.internalListener?.host ?? null,
      r.internalListener?.port ?? 0,
      r.shuttingDown,
    ],
    read: (f, version) => ({
      brokerId: f.integer(),
      brokerEpoch: f.integer(),
      incarnationId: f.text(),
      directoryId: f.text(),
      rack: f.nullableText(),
      fenced: f.flag(),
      listeners: f.list(l => ({ name: l.text(), host: l.text(), port: l.integer(), securityProtocol: l.text() })),
      features: f.list(x => ({ name: x.text(), minVersion: x.integer(), maxVersion: x.integer() })),
      ...(version >= 2 ? readInternal(f) : { internalListener: null, shuttingDown: false }),
    }),
  },
  brokerUnregistered: {
    number: 3,
    write: r => [r.brokerId, r.brokerEpoch],
    read: f => ({ brokerId: f.integer(), brokerEpoch: f.integer() }),
  },
  brokerFenced: {
    number: 4,
    write: r => [r.brokerId, r.brokerEpoch, r.fenced],
    read: f => ({ brokerId: f.integer(), brokerEpoch: f.integer(), fenced: f.flag() }),
  },
  topicCreated: { number: 5, write: r => [r.name, r.topicId], read: f => ({ name: f.text(), topicId: f.text() }) },
  topicDeleted: { number: 6, write: r => [r.topicId], read: f => ({ topicId: f.text() }) },
  partitionCreated: {
    number: 7,
    write: r => [r.topicId, ...writePartition(r.state)],
    read: f => ({ topicId: f.text(), state: readPartition(f) }),
  },
  partitionChanged: {
    number: 8,
    write: r => [r.topicId, ...writePartition(r.state)],
    read: f => ({ topicId: f.text(), state: readPartition(f) }),
  },
  configChanged: {
    number: 9,
    write: r => [r.resource, r.key, r.value],
    read: f => ({ resource: f.text(), key: f.text(), value: f.nullableText() }),
  },
  producerIdsAllocated: {
    number: 10,
    write: r => [r.brokerId, r.brokerEpoch, r.nextProducerId],
    read: f => ({ brokerId: f.integer(), brokerEpoch: f.integer(), nextProducerId: f.integer() }),
  },
  featureFinalized: { number: 11, write: r => [r.name, r.level], read: f => ({ name: f.text(), level: f.integer() }) },
  brokerShuttingDown: {
    number: 12,
    write: r => [r.brokerId, r.brokerEpoch],
    read: f => ({ brokerId: f.integer(), brokerEpoch: f.integer() }),
  },
}

const typeByNumber = new Map(Object.entries(CODECS).map(([type, codec]) => [codec.number, type as MetadataRecord['type']]))

export function encodeRecord(record: MetadataRecord): Buffer {
  const codec = CODECS[record.type] as RecordCodec<MetadataRecord['type']>
  return pack(codec.number, codec.version ?? 1, codec.write(record))
}

/** @throws PackError when the bytes are damaged or the record is of a newer kind than this program knows */
export function decodeRecord(bytes: Uint8Array): MetadataRecord {
  const { type: number, version, fields } = unpack(bytes, 'metadata record')
  const type = typeByNumber.get(number)
  if (type === undefined || version < 1 || version > (CODECS[type].version ?? 1))
    throw new PackError(
      `metadata record of type ${number} version ${version} is not known here: it was written by a newer Ottla; start that one`,
    )
  const reader = new FieldReader(fields, `metadata record ${type}`)
  const record = { type, ...CODECS[type].read(reader, version) } as MetadataRecord
  reader.end()
  return record
}

function readInternal(f: FieldReader): { internalListener: InternalListener | null; shuttingDown: boolean } {
  const host = f.nullableText()
  const port = f.integer()
  return { internalListener: host === null ? null : { host, port }, shuttingDown: f.flag() }
}

function writePartition(p: PartitionState): readonly Packable[] {
  return [
    p.partition,
    p.replicas,
    p.isr,
    p.elr,
    p.lastKnownElr,
    p.leader,
    p.leaderEpoch,
    p.partitionEpoch,
    p.addingReplicas,
    p.removingReplicas,
  ]
}

function readPartition(f: FieldReader): PartitionState {
  return {
    partition: f.integer(),
    replicas: f.integers(),
    isr: f.integers(),
    elr: f.integers(),
    lastKnownElr: f.integers(),
    leader: f.integer(),
    leaderEpoch: f.integer(),
    partitionEpoch: f.integer(),
    addingReplicas: f.integers(),
    removingReplicas: f.integers(),
  }
}

/** Takes fields one after another and checks their kind. */
class FieldReader {
  readonly #fields: readonly Unpacked[]
  readonly #what: string
  #next = 0

  constructor(fields: readonly Unpacked[], what: string) {
    this.#fields = fields
    this.#what = what
  }

  integer(): number {
    const value = this.#take()
    return typeof value === 'number' && Number.isSafeInteger(value) ? value : this.#refuse('an integer')
  }
  text(): string {
    const value = this.#take()
    return typeof value === 'string' ? value : this.#refuse('a string')
  }
  nullableText(): string | null {
    const value = this.#take()
    return value === null || typeof value === 'string' ? value : this.#refuse('a string or null')
  }
  flag(): boolean {
    const value = this.#take()
    return typeof value === 'boolean' ? value : this.#refuse('a boolean')
  }
  integers(): readonly number[] {
    const value = this.#take()
    if (!Array.isArray(value) || !value.every(Number.isSafeInteger)) return this.#refuse('a list of integers')
    return value as readonly number[]
  }
  list<T>(read: (element: FieldReader) => T): readonly T[] {
    const value = this.#take()
    if (!Array.isArray(value)) return this.#refuse('a list')
    return value.map(element => {
      const reader = new FieldReader(Array.isArray(element) ? element : this.#refuse('a list of lists'), this.#what)
      const result = read(reader)
      reader.end()
      return result
    })
  }
  end(): void {
    if (this.#next !== this.#fields.length) throw new PackError(`${this.#what}: ${this.#fields.length} fields, expected ${this.#next}`)
  }

  #take(): Unpacked | undefined {
    return this.#fields[this.#next++]
  }
  #refuse(expected: string): never {
    throw new PackError(`${this.#what}: field ${this.#next - 1} is not ${expected}`)
  }
}
