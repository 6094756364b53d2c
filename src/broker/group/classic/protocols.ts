// The protocols a member offers, in the order it prefers them, and what the members have in common. A name that a request brings twice counts once,
// as its first.

/** Name → metadata, which is opaque to the group. */
export type Protocols = ReadonlyMap<string, Buffer>

/** What an entry costs in memory besides its bytes. */
const ENTRY_BYTES = 128

/** Views of the request. */
export function readProtocols(listed: readonly { readonly name: string; readonly metadata: Buffer }[]): Protocols {
  const protocols = new Map<string, Buffer>()
  for (const { name, metadata } of listed) if (!protocols.has(name)) protocols.set(name, metadata)
  return protocols
}

export function protocolsBytes(protocols: Protocols): number {
  let sum = 0
  for (const [name, metadata] of protocols) sum += ENTRY_BYTES + name.length + metadata.length
  return sum
}

/** A copy of their own, so that a member does not hold on to the frames of its requests. */
export function keepProtocols(protocols: Protocols): Protocols {
  let sizeBytes = 0
  for (const metadata of protocols.values()) sizeBytes += metadata.length
  const kept = Buffer.allocUnsafeSlow(sizeBytes)
  const copies = new Map<string, Buffer>()
  let end = 0
  for (const [name, metadata] of protocols) {
    const start = end
    end += metadata.copy(kept, start)
    copies.set(name, kept.subarray(start, end))
  }
  return copies
}

export function keepBytes(bytes: Buffer): Buffer {
  const kept = Buffer.allocUnsafeSlow(bytes.length)
  bytes.copy(kept)
  return kept
}

/** Same names in the same order with the same metadata. */
export function sameProtocols(a: Protocols, b: Protocols): boolean {
  if (a.size !== b.size) return false
  const others = b.entries()
  for (const [name, metadata] of a) {
    const [otherName, otherMetadata] = others.next().value!
    if (name !== otherName || !metadata.equals(otherMetadata)) return false
  }
  return true
}

/** How many members offer each protocol. */
export class Support {
  readonly #counts = new Map<string, number>()

  add(protocols: Protocols): void {
    for (const name of protocols.keys()) this.#counts.set(name, this.count(name) + 1)
  }

  remove(protocols: Protocols): void {
    for (const name of protocols.keys()) {
      const count = this.count(name) - 1
      if (count === 0) this.#counts.delete(name)
      else this.#counts.set(name, count)
    }
  }

  count(name: string): number {
    return this.#counts.get(name) ?? 0
  }

  /**
   * Each member votes for the first of its protocols that all have; most votes win, and of equals the one voted for first (Kafka: any).
   * @returns undefined: they have none in common
   */
  elect(members: readonly Protocols[]): string | undefined {
    const votes = new Map<string, number>()
    for (const protocols of members) {
      for (const name of protocols.keys()) {
        if (this.count(name) !== members.length) continue
        votes.set(name, (votes.get(name) ?? 0) + 1)
        break
      }
    }
    let elected: string | undefined
    for (const [name, count] of votes) if (elected === undefined || count > votes.get(elected)!) elected = name
    return elected
  }
}
