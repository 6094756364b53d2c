// Conversations with the producer's core. A line is an event, or several parted by `|`; the lines beginning with `>` are what the core wants
// done in answer. UPDATE=1 rewrites them; the diff is to be read.
//   producer [idempotent|plain] [acks=N] [linger=N] [batch=N] [inFlight=N] [delivery=N] [metadataTimeout=N] [maxRequest=N]
//   leaders t-0=1@5 t-1=2@5        metadata: partition 0 of t is led by node 1 in epoch 5; -1 = no leader
//   refused t ERROR_NAME           metadata: the error a broker gives for the topic
//   append t-0 a b · append t a    records by their values, to a partition or to one the core chooses (k:a has the key k)
//   identity 7 · noIdentity ERROR_NAME
//   answer #1 t-0=@100 t-1=ERROR_NAME · lost #1 (sent, no answer) · unsent #1
//   tick 10 (time passes) · flush · abandon · wake? (when the core wants to be woken) · buffered?
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { type Batch, recordSizeBytes, type Ticket } from '../../src/client/accumulator.ts'
import { emptyMetadata, type MetadataAnswer, step as stepMetadata } from '../../src/client/metadata.ts'
import { append, openSender, step } from '../../src/client/sender.ts'
import type { BatchResult, SenderEffect, SenderEvent, SenderState } from '../../src/client/sender-state.ts'
import * as errors from '../../src/protocol/errors.ts'
import { ZERO_UUID } from '../../src/util/uuid.ts'

const folder = fileURLToPath(new URL('./scenarios/', import.meta.url))

describe('the producer', () => {
  for (const file of readdirSync(folder).filter(name => name.endsWith('.txt'))) {
    test(file.slice(0, -4).replaceAll('-', ' '), () => {
      const text = readFileSync(folder + file, 'utf8')
      const replayed = replay(text)
      if (process.env['UPDATE'] === '1') writeFileSync(folder + file, replayed)
      else expect(replayed).toBe(text)
    })
  }
})

function replay(text: string): string {
  const world = new World()
  const lines: string[] = []
  for (const line of text.split('\n')) {
    if (line.startsWith('>')) continue
    lines.push(line)
    if (line === '' || line.startsWith('#')) continue
    for (const part of line.split('|')) lines.push(...world.say(part.trim()).map(answer => `> ${answer}`))
  }
  return lines.join('\n')
}

const ticket: Ticket = { delivered: () => undefined, failed: () => undefined }

class World {
  #now = 0
  #state: SenderState | undefined
  readonly #metadata = emptyMetadata({ maxAgeMs: 1e9, maxIdleMs: 1e9, backoff: { initialMs: 100, maxMs: 1000 } })
  /** Values by ticket index. */
  readonly #values: string[] = []
  readonly #leaders = new Map<string, { leaderId: number; leaderEpoch: number }[]>()

  say(line: string): string[] {
    const [verb, ...words] = line.split(/\s+/)
    switch (verb) {
      case 'producer':
        return this.#open(words)
      case 'append':
        return this.#append(words)
      case 'leaders':
        return this.#learn(words)
      case 'refused':
        return this.#refuse(words)
      case 'tick':
        this.#now += Number(words[0] ?? 0)
        return this.#step({ type: 'tick' })
      case 'identity':
        return this.#step({ type: 'identified', producerId: Number(words[0]), producerEpoch: 0 })
      case 'noIdentity': {
        const code = codeOf(words[0]!)
        return this.#step({
          type: 'unidentified',
          failure: { code, message: words[0]!, recordErrors: [] },
          retriable: errors.isRetriable(code),
        })
      }
      case 'answer':
        return this.#answer(words)
      case 'lost':
      case 'unsent':
        return this.#step({ type: 'unanswered', requestId: Number(words[0]!.slice(1)), written: verb === 'lost', reason: 'ECONNRESET' })
      case 'flush':
        return this.#step({ type: 'flush' })
      case 'abandon':
        return this.#step({ type: 'abandon', failure: { code: errors.UNKNOWN_SERVER_ERROR, message: 'closed', recordErrors: [] } })
      case 'wake?':
        return [`wake in ${this.#state!.wakeAtMs - this.#now}`]
      case 'buffered?':
        return [`buffered ${this.#state!.bufferedBytes}`]
      default:
        throw new Error(`no such event: ${line}`)
    }
  }

  #step(event: SenderEvent): string[] {
    return step(this.#state!, event, this.#now).map(effect => this.#show(effect))
  }

  #open(words: string[]): string[] {
    const given = new Map(words.map(word => word.split('=') as [string, string]))
    const number = (name: string, usual: number) => Number(given.get(name) ?? usual)
    const options = {
      acks: number('acks', -1) as -1 | 0 | 1,
      idempotent: given.has('idempotent'),
      batchBytes: number('batch', 1000),
      lingerMs: number('linger', 0),
      maxRequestBytes: number('maxRequest', 10_000),
      maxInFlightRequests: number('inFlight', 5),
      deliveryTimeoutMs: number('delivery', 10_000),
      metadataTimeoutMs: number('metadataTimeout', 5000),
      backoff: { initialMs: 100, maxMs: 1000 },
      partitioner: undefined,
    }
    this.#state = openSender(options, this.#metadata, { integer: () => 0, fraction: () => 0.5 })
    return []
  }

  #append([target, ...values]: string[]): string[] {
    const [, topic, partition] = /^(\w+?)(?:-(\d+))?$/.exec(target!)!
    for (const value of values) {
      const [, key, text] = /^(?:(.*):)?(.*)$/.exec(value)!
      const record = { key: key === undefined ? null : Buffer.from(key), value: Buffer.from(text!), timestamp: 0 }
      const { deliveryTimeoutMs, metadataTimeoutMs } = this.#state!.options
      append(
        this.#state!,
        {
          topic: topic!,
          partition: partition === undefined ? undefined : Number(partition),
          record,
          ticket,
          index: this.#values.push(text!) - 1,
          sizeBytes: recordSizeBytes(record),
          deadlineMs: this.#now + deliveryTimeoutMs,
          metadataDeadlineMs: this.#now + metadataTimeoutMs,
          lingers: true,
        },
        this.#now,
      )
    }
    return this.#step({ type: 'tick' })
  }

  #learn(words: string[]): string[] {
    for (const word of words) {
      const [, topic, partition, leaderId, leaderEpoch] = /^(\w+)-(\d+)=(-?\d+)@(\d+)$/.exec(word)!
      const leaders = this.#leaders.get(topic!) ?? []
      leaders[Number(partition)] = { leaderId: Number(leaderId), leaderEpoch: Number(leaderEpoch) }
      this.#leaders.set(topic!, leaders)
    }
    return this.#tell(
      [...this.#leaders].map(([name, leaders]) => ({
        errorCode: 0,
        topic: {
          name,
          topicId: ZERO_UUID,
          isInternal: false,
          partitions: leaders.map((leader, partition) => ({ partition, errorCode: 0, ...leader, replicas: [], isr: [] })),
        },
      })),
    )
  }

  #refuse([name, error]: string[]): string[] {
    return this.#tell([{ errorCode: codeOf(error!), topic: { name: name!, topicId: ZERO_UUID, isInternal: false, partitions: [] } }])
  }

  #tell(answered: MetadataAnswer['topics']): string[] {
    const brokers = [1, 2, 3].map(nodeId => ({ nodeId, host: 'h', port: nodeId, rack: null }))
    for (const { topic } of answered) this.#metadata.wanted.set(topic.name, this.#now)
    this.#metadata.asking = [...this.#metadata.wanted.keys()]
    stepMetadata(
      this.#metadata,
      { type: 'answered', answer: { clusterId: 'c', controllerId: 1, brokers, topics: answered }, fraction: 0.5 },
      this.#now,
    )
    return this.#state === undefined ? [] : this.#step({ type: 'metadataChanged' })
  }

  #answer([id, ...words]: string[]): string[] {
    const requestId = Number(id!.slice(1))
    const verdicts = new Map(words.map(word => word.split('=') as [string, string]))
    const results = this.#state!.inFlight.get(requestId)!.batches.map((batch): BatchResult | undefined => {
      const verdict = verdicts.get(`${batch.topic}-${batch.partition}`)
      if (verdict === undefined) return undefined
      const offset = /^@(-?\d+)$/.exec(verdict)?.[1]
      const errorCode = offset === undefined ? codeOf(verdict) : 0
      return { errorCode, errorMessage: null, baseOffset: Number(offset ?? -1), logAppendTimeMs: -1, recordErrors: [] }
    })
    return this.#step({ type: 'answered', requestId, results })
  }

  #show(effect: SenderEffect): string {
    switch (effect.type) {
      case 'send':
        return `send #${effect.requestId} to ${effect.nodeId}: ${effect.batches.map(batch => this.#batch(batch)).join(' ')}`
      case 'delivered':
        return `delivered ${this.#batch(effect.batch)} @${effect.baseOffset}`
      case 'failed':
        return `failed [${this.#named(effect.records.indexes)}] ${errors.errorName(effect.failure.code)}: ${effect.failure.message}`
      default:
        return effect.type
    }
  }

  #batch(batch: Batch): string {
    const number = batch.baseSequence < 0 ? '' : `${batch.producerId}.${batch.producerEpoch}#${batch.baseSequence}`
    return `${batch.topic}-${batch.partition}[${this.#named(batch.indexes)}]${number}`
  }

  #named(indexes: readonly number[]): string {
    return indexes.map(index => this.#values[index]).join(' ')
  }
}

function codeOf(name: string): number {
  const code = errors.ERROR_CODES.find(candidate => errors.errorName(candidate) === name)
  if (code === undefined) throw new Error(`no such error: ${name}`)
  return code
}
