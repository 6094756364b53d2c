// A conversation with the producer state of one partition. Offsets are given out in order, timestamps are 1000 unless said otherwise.
//
//   client 7@0 0..2 [transactional] [time=N]     judged, and applied unless refused (sequences count the records)
//   coordinator 7@0 3 records [transactional]    judged as written by a coordinator: no sequence
//   follower 7@0 0..2 [transactional]            only applied
//   commit|abort 7@1 coordinator=5 [version=2] [time=N] [follower]
//   skip N                                       N offsets of batches without a producer
//   replicated N · expire now=N after=N · reload (through a snapshot) · show

import { decodeProducers, encodeProducers } from '../../../src/log/producer-snapshot.ts'
import { type ProducerBatch, ProducerState, type RememberedBatch } from '../../../src/log/producer-state.ts'
import { incrementSequence } from '../../../src/protocol/batch.ts'
import { errorName } from '../../../src/protocol/errors.ts'

export class Conversation {
  #state = new ProducerState()
  #nextOffset = 0

  /** The answer to one line. */
  say(line: string): string {
    const [verb, ...words] = line.split(' ')
    switch (verb) {
      case 'client':
      case 'coordinator':
      case 'follower':
        return this.#data(verb, words)
      case 'commit':
      case 'abort':
        return this.#marker(verb, words)
      case 'skip':
        this.#nextOffset += Number(words[0])
        return `next offset ${this.#nextOffset}`
      case 'replicated':
        this.#state.replicatedUpTo(Number(words[0]))
        return this.#unstable()
      case 'expire':
        return `forgot ${this.#state.removeExpired({ now: option(words, 'now')!, expirationMs: option(words, 'after')! })}`
      case 'reload':
        this.#state = decodeProducers(encodeProducers(this.#state))!
        return this.#show()
      case 'show':
        return this.#show()
      default:
        throw new Error(`not understood: ${line}`)
    }
  }

  #data(from: 'client' | 'coordinator' | 'follower', words: string[]): string {
    const [producerId, producerEpoch] = words[0]!.split('@').map(Number) as [number, number]
    const [firstSequence, lastSequence] = from === 'coordinator' ? [-1, -1] : (words[1]!.split('..').map(Number) as [number, number])
    const count = from === 'coordinator' ? Number(words[1]) : recordsIn(firstSequence, lastSequence)
    return this.#take(from, {
      type: 'data',
      producerId,
      producerEpoch,
      firstSequence,
      lastSequence,
      baseOffset: this.#nextOffset,
      lastOffset: this.#nextOffset + count - 1,
      timestamp: option(words, 'time') ?? 1000,
      transactional: words.includes('transactional'),
    })
  }

  #marker(kind: 'commit' | 'abort', words: string[]): string {
    const [producerId, producerEpoch] = words[0]!.split('@').map(Number) as [number, number]
    const it: ProducerBatch = {
      type: 'marker',
      producerId,
      producerEpoch,
      coordinatorEpoch: option(words, 'coordinator')!,
      aborts: kind === 'abort',
      offset: this.#nextOffset,
      timestamp: option(words, 'time') ?? 1000,
    }
    return this.#take(words.includes('follower') ? 'follower' : 'coordinator', it, option(words, 'version'))
  }

  #take(from: 'client' | 'coordinator' | 'follower', it: ProducerBatch, version?: number): string {
    if (from !== 'follower') {
      const judgement = this.#state.judge(it, version === undefined ? { origin: from } : { origin: from, transactionVersion: version })
      if (judgement.type === 'duplicate') return `duplicate of ${remembered(judgement.of)}`
      if (judgement.type === 'reject') return `${errorName(judgement.errorCode)} ${judgement.errorMessage}`
    }
    const completed = this.#state.apply(it)
    const last = it.type === 'data' ? it.lastOffset : it.offset
    const appended = `appended at ${this.#nextOffset === last ? last : `${this.#nextOffset}..${last}`}`
    this.#nextOffset = last + 1
    if (completed === undefined) return appended
    const { firstOffset, aborted, lastStableOffset } = completed
    return `${appended}, ${aborted ? 'aborts' : 'commits'} what began at ${firstOffset}, stable up to ${lastStableOffset} when replicated`
  }

  #unstable(): string {
    return `unstable from ${this.#state.firstUnstableOffset ?? 'nowhere'}`
  }

  #show(): string {
    const producers = [...this.#state.producers.values()].map(producer => {
      const open = producer.transactionFirstOffset < 0 ? '' : ` open from ${producer.transactionFirstOffset}`
      const coordinator = producer.coordinatorEpoch < 0 ? '' : ` coordinator=${producer.coordinatorEpoch}`
      return `${producer.producerId}@${producer.epoch} time=${producer.lastTimestamp}${coordinator}${open} [${producer.batches.map(remembered).join(', ')}]`
    })
    return [...producers, this.#unstable()].join(' | ')
  }
}

function remembered(it: RememberedBatch): string {
  const sequences = it.firstSequence < 0 ? 'no sequence' : `${it.firstSequence}..${it.lastSequence}`
  return `${sequences} at ${it.baseOffset}..${it.lastOffset}`
}

function recordsIn(firstSequence: number, lastSequence: number): number {
  let count = 1
  for (let sequence = firstSequence; sequence !== lastSequence; sequence = incrementSequence(sequence, 1)) count++
  return count
}

function option(words: string[], name: string): number | undefined {
  const word = words.find(candidate => candidate.startsWith(`${name}=`))
  return word === undefined ? undefined : Number(word.slice(name.length + 1))
}
