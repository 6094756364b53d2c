// Hands out producer ids from the blocks that the metadata log gave to this broker: no id is handed out before its block is committed, and what is
// left of a block when the process ends is never used. The next block is asked for before the last runs out.
// Facts: org.apache.kafka.coordinator.transaction.RPCProducerIdManager.

export interface ProducerIdBlock {
  readonly firstProducerId: number
  readonly count: number
}

/** Below this share of a block the next one is asked for. */
const PREFETCH_SHARE = 0.1

export class ProducerIds {
  readonly #allocate: () => Promise<ProducerIdBlock>
  #nextId = 0
  #left = 0
  #prefetchBelow = 0
  #following: ProducerIdBlock | undefined
  #asking: Promise<void> | undefined

  constructor(allocate: () => Promise<ProducerIdBlock>) {
    this.#allocate = allocate
  }

  /** @throws KafkaError what the controller refused a block with */
  async next(): Promise<number> {
    while (this.#left === 0) {
      if (this.#following === undefined) await this.#ask()
      this.#takeFollowing()
    }
    this.#left--
    if (this.#left < this.#prefetchBelow && this.#following === undefined) this.#ask().catch(() => undefined) // the next caller asks again and hears of it
    return this.#nextId++
  }

  #ask(): Promise<void> {
    this.#asking ??= this.#allocate()
      .then(block => void (this.#following = block))
      .finally(() => void (this.#asking = undefined))
    return this.#asking
  }

  #takeFollowing(): void {
    if (this.#following === undefined || this.#left > 0) return
    this.#nextId = this.#following.firstProducerId
    this.#left = this.#following.count
    this.#prefetchBelow = this.#following.count * PREFETCH_SHARE
    this.#following = undefined
  }
}
