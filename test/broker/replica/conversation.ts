// A leader of one partition as a conversation: what it is told, a line each, and what it does about it.
import {
  becomeLeader,
  hasEnoughReplicas,
  type LeaderReplica,
  type ReplicaEffect,
  type ReplicaEvent,
  step,
} from '../../../src/broker/replica.ts'
import type { IsrMember } from '../../../src/broker/replication.ts'
import { errorName } from '../../../src/protocol/errors.ts'

export class Conversation {
  #replica!: LeaderReplica
  readonly #epochs = new Map<number, { brokerEpoch: number; isLive: boolean }>()
  #now = 0

  /** Things said at once stand in one line, with `|` between them. */
  say(line: string): string[] {
    const told = line.split('|').flatMap(part => this.#one(part.trim().split(/\s+/)))
    return told.length === 0 ? ['(nothing)'] : told
  }

  #one([verb, ...words]: string[]): string[] {
    const { named, plain } = wordsOf(words)
    const number = (name: string, otherwise?: number) => (named[name] === undefined ? otherwise! : Number(named[name]))
    switch (verb) {
      case 'leader': {
        const replicas = members(named['replicas'] ?? named['isr']!)
        for (const { brokerId, brokerEpoch } of replicas) this.#epochs.set(brokerId, { brokerEpoch, isLive: true })
        const logEndOffset = number('end', 0)
        this.#replica = becomeLeader(
          {
            brokerId: Number(plain[0]),
            brokerEpoch: this.#epochs.get(Number(plain[0]))!.brokerEpoch,
            leaderEpoch: number('epoch', 5),
            partitionEpoch: number('partitionEpoch', 7),
            isr: members(named['isr']!).map(({ brokerId }) => brokerId),
            replicas: this.#states(),
            effectiveMinIsr: number('minIsr', 1),
            lagTimeMaxMs: number('lagMax', 1500),
            leaseUntilMs: number('lease', Number.POSITIVE_INFINITY),
            logStartOffset: number('start', 0),
            logEndOffset,
            ackableOffset: number('ackable', logEndOffset),
            highWatermark: number('hw', 0),
          },
          this.#now,
        )
        return []
      }
      case 'at':
        this.#now = Number(plain[0])
        return []
      case 'appended':
        return this.#step({ type: 'appended', endOffset: Number(plain[0]), sizeBytes: 1 })
      case 'ackable':
        return this.#step({ type: 'ackable', endOffset: Number(plain[0]) })
      case 'fetched':
        return this.#step({
          type: 'followerFetched',
          follower: member(plain[0]!),
          fetchOffset: number('offset'),
          logStartOffset: number('start', 0),
        })
      case 'promised':
        return this.#step({
          type: 'followerPromised',
          follower: member(plain[0]!),
          leaderEpoch: number('epoch', this.#replica.leaderEpoch),
          ackableOffset: number('offset'),
        })
      case 'holds':
        return [...this.#one(['fetched', ...words]), ...this.#one(['promised', ...words])]
      case 'registered':
      case 'fenced': {
        const { brokerId, brokerEpoch } = member(plain[0]!)
        this.#epochs.set(brokerId, { brokerEpoch, isLive: verb === 'registered' })
        return this.#step({ type: 'brokerChanged', broker: { brokerId, ...this.#epochs.get(brokerId)! } })
      }
      case 'applied':
        return this.#step({
          type: 'isrCommitted',
          isr: members(named['isr']!).map(({ brokerId }) => brokerId),
          partitionEpoch: number('partitionEpoch'),
          replicas: this.#states(),
        })
      case 'refused':
        return this.#step({ type: 'isrRefused', partitionEpoch: number('partitionEpoch') })
      case 'minIsr':
        return this.#step({ type: 'minIsrChanged', effectiveMinIsr: Number(plain[0]) })
      case 'lease':
        return this.#step({ type: 'leased', untilMs: Number(plain[0]) })
      case 'tick':
        if (plain[0] !== undefined) this.#now = Number(plain[0])
        return this.#step({ type: 'tick' })
      case 'produce':
        return [hasEnoughReplicas(this.#replica, this.#now) ? 'may begin' : 'NOT_ENOUGH_REPLICAS']
      case 'hw':
        return [String(this.#replica.highWatermark)]
      default:
        throw new Error(`nobody says ${verb}`)
    }
  }

  #states() {
    return [...this.#epochs].map(([brokerId, state]) => ({ brokerId, ...state }))
  }

  #step(event: ReplicaEvent): string[] {
    return step(this.#replica, event, this.#now).map(textOf)
  }
}

function textOf(effect: ReplicaEffect): string {
  if (effect.type === 'advancedHighWatermark') return `advancedHighWatermark ${effect.offset}`
  if (effect.type === 'rejectFollower') return `rejectFollower ${textOfMember(effect.follower)} ${errorName(effect.errorCode)}`
  return `proposeIsr ${effect.newIsr.map(textOfMember).join(',')} partitionEpoch=${effect.partitionEpoch} ${effect.reason}`
}

function textOfMember({ brokerId, brokerEpoch }: IsrMember): string {
  return `${brokerId}@${brokerEpoch}`
}

function member(word: string): IsrMember {
  const [brokerId, brokerEpoch] = word.split('@').map(Number)
  return { brokerId: brokerId!, brokerEpoch: brokerEpoch ?? -1 }
}

function members(word: string): IsrMember[] {
  return word.split(',').map(member)
}

function wordsOf(words: readonly string[]): { named: Record<string, string>; plain: string[] } {
  const named: Record<string, string> = {}
  const plain: string[] = []
  for (const word of words) {
    const at = word.indexOf('=')
    if (at < 0) plain.push(word)
    else named[word.slice(0, at)] = word.slice(at + 1)
  }
  return { named, plain }
}
