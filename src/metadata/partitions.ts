// Who is in sync, who may lead, who leads: the rules by which the state of one partition changes when brokers come, go, or turn out to have lost
// something.
// Facts: KIP-966 (ELR, last known leader), KIP-903, org.apache.kafka.controller.PartitionChangeBuilder; DESIGN rules 2 and 3.
// Where we differ from Kafka: leadership never survives a process, so a leader that registers again gets a new leader epoch; a copy that may lack
// acknowledged records (unclean and loose, corrupt, another directory) leaves ISR and ELR.
import type { MetadataImage, PartitionImage } from './image.ts'
import type { PartitionState } from './records.ts'

/** Who is there. */
export interface Presence {
  /** May begin to lead, and join an ISR: registered, not fenced, not shutting down. */
  readonly isAvailable: (brokerId: number) => boolean
  /** Not fenced: it still serves when it shuts down. */
  readonly isServing: (brokerId: number) => boolean
}

export interface PartitionEvent extends Presence {
  /** Effective for the topic. */
  readonly minInsyncReplicas: number
  readonly uncleanElectionEnabled: boolean
  /** Not in sync any more; its copy holds everything that was acknowledged so far. */
  readonly leaving?: number
  /** Its copy may lack acknowledged records: not in sync, not eligible. */
  readonly unfit?: number
  /** And it must not lead even as the last known leader: damaged, or another copy altogether. */
  readonly ruined?: number
  /** It shuts down: not in sync any more beside others that can lead. Alone it stays, and leads. */
  readonly relinquishing?: number
  /** Who is in sync now, as the leader found; holds the leader. In order of `replicas`. */
  readonly newIsr?: readonly number[]
  /** A new process: where it leads it does so in a new epoch. */
  readonly restarted?: number
  /** Any available replica may be elected now, at the operator's wish. */
  readonly uncleanRequested?: boolean
}

/** The partition after the event; undefined when it stays as it is. */
export function changePartition(before: PartitionImage, event: PartitionEvent): PartitionState | undefined {
  const { relinquishing } = event
  if (relinquishing !== undefined && !before.isr.some(id => id !== relinquishing && event.isAvailable(id))) return undefined
  const isUnfit = (id: number) => id === event.unfit || id === event.ruined
  const stayed = (event.newIsr ?? before.isr).filter(id => id !== event.leaving && id !== relinquishing && !isUnfit(id))
  const eligible = [...new Set([...before.elr, ...before.isr])].filter(id => !stayed.includes(id) && !isUnfit(id))
  const lastKnown = (before.leader === -1 ? before.lastKnownElr : [before.leader]).filter(id => id !== event.ruined)

  const elected = elect(before, event, { isr: stayed, elr: eligible, lastKnown })
  const isr = elected === undefined || stayed.includes(elected.leader) ? stayed : [elected.leader]
  const enough = isr.length >= Math.min(event.minInsyncReplicas, before.replicas.length)
  const elr =
    enough || elected?.unclean === true
      ? []
      : before.replicas.filter(id => (eligible.includes(id) || stayed.includes(id)) && !isr.includes(id))
  const leader = elected?.leader ?? -1
  const led = leader !== before.leader || (leader !== -1 && leader === event.restarted)
  const after: PartitionState = {
    ...before,
    isr,
    elr,
    lastKnownElr: isr.length > 0 ? [] : lastKnown,
    leader,
    leaderEpoch: before.leaderEpoch + (led ? 1 : 0),
    partitionEpoch: before.partitionEpoch + 1,
  }
  const changed = led || !equal(isr, before.isr) || !equal(elr, before.elr) || !equal(after.lastKnownElr, before.lastKnownElr)
  return changed ? after : undefined
}

/** In order of trust: the leader itself, the ISR, the ELR, the last known leader, and — where that is allowed — anybody. */
function elect(
  before: PartitionImage,
  event: PartitionEvent,
  fit: { readonly isr: readonly number[]; readonly elr: readonly number[]; readonly lastKnown: readonly number[] },
): { readonly leader: number; readonly unclean: boolean } | undefined {
  const candidate = (ids: readonly number[], may: (id: number) => boolean) => before.replicas.find(id => ids.includes(id) && may(id))
  // Who shuts down leads when nobody else can.
  const first = (ids: readonly number[]) =>
    candidate(ids, event.isAvailable) ??
    (ids.includes(before.leader) && event.isServing(before.leader) ? before.leader : candidate(ids, event.isServing))
  if (fit.isr.includes(before.leader) && event.isAvailable(before.leader)) return { leader: before.leader, unclean: false }
  const safe = first(fit.isr) ?? first(fit.elr)
  if (safe !== undefined) return { leader: safe, unclean: false }
  const last = fit.isr.length === 0 && fit.elr.length === 0 ? first(fit.lastKnown) : undefined
  if (last !== undefined) return { leader: last, unclean: true }
  if (!event.uncleanElectionEnabled && event.uncleanRequested !== true) return undefined
  const any = first(before.replicas.filter(id => id !== event.ruined)) ?? first(before.replicas)
  return any === undefined ? undefined : { leader: any, unclean: true }
}

/** A partition that is just created. The replicas that are available are in sync; the first of them leads. */
export function newPartition(partition: number, replicas: readonly number[], isAvailable: (brokerId: number) => boolean): PartitionState {
  const isr = replicas.filter(isAvailable)
  return {
    partition,
    replicas,
    isr,
    elr: [],
    lastKnownElr: [],
    leader: isr[0] ?? -1,
    leaderEpoch: 0,
    partitionEpoch: 0,
    addingReplicas: [],
    removingReplicas: [],
  }
}

/** @param changed  a broker that this decision makes serve, or not serve any more */
export function presence(image: MetadataImage, changed?: { readonly brokerId: number; readonly serves: boolean }): Presence {
  const isServing = (id: number) => (id === changed?.brokerId ? changed.serves : image.brokers.get(id)?.fenced === false)
  return { isServing, isAvailable: id => isServing(id) && (id === changed?.brokerId || image.brokers.get(id)?.shuttingDown === false) }
}

/** May begin to lead, and join an ISR. */
export function isAvailable(image: MetadataImage): (brokerId: number) => boolean {
  return presence(image).isAvailable
}

function equal(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((value, index) => value === b[index])
}
