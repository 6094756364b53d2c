// Changes of the metadata log are refused while the disk is nearly full: a write of it that fails stops the node, and with it the reads that a
// full disk leaves possible. A produce that fails for want of space harms its own log only, so nothing is asked before it.
import type { Env } from '../env/env.ts'
import type { ControllerOperations } from '../metadata/controller.ts'
import { KAFKA_STORAGE_ERROR, KafkaError } from '../protocol/errors.ts'

const MIB = 1024 * 1024
/** LevelDB writes its buffer of 4 MiB into a table now and then. */
const ROOM_TO_CHANGE_BYTES = 8 * MIB
/** Who deletes topics makes room. */
const ROOM_TO_DELETE_BYTES = 64 * 1024

export class DiskRoom {
  readonly #env: Env
  readonly #directory: string
  /** Under way; those who come meanwhile wait for the same answer. */
  #asked: Promise<number> | undefined

  constructor(env: Env, directory: string) {
    this.#env = env
    this.#directory = directory
  }

  /** @throws KafkaError KAFKA_STORAGE_ERROR when less is free */
  async require(bytes: number): Promise<void> {
    this.#asked ??= this.#ask().finally(() => void (this.#asked = undefined))
    const freeBytes = await this.#asked
    if (freeBytes >= bytes) return
    this.#env.logger.log('info', 'refused a metadata change: the disk is nearly full', { freeBytes, neededBytes: bytes })
    throw new KafkaError(
      KAFKA_STORAGE_ERROR,
      `The broker's disk has ${freeBytes} bytes left, metadata changes need ${bytes}. Free space, or delete topics.`,
    )
  }

  async #ask(): Promise<number> {
    return (await this.#env.disk.space(this.#directory)).freeBytes
  }
}

/** The controller's operations for clients, behind the check. What the node itself must say of its start and end is not asked for room. */
export function behindRoom(controller: ControllerOperations, room: DiskRoom): ControllerOperations {
  const changing = () => room.require(ROOM_TO_CHANGE_BYTES)
  return {
    createTopics: request => changing().then(() => controller.createTopics(request)),
    deleteTopics: request => room.require(ROOM_TO_DELETE_BYTES).then(() => controller.deleteTopics(request)),
    createPartitions: request => changing().then(() => controller.createPartitions(request)),
    incrementalAlterConfigs: request => changing().then(() => controller.incrementalAlterConfigs(request)),
    alterConfigs: request => changing().then(() => controller.alterConfigs(request)),
    allocateProducerIds: incarnation => changing().then(() => controller.allocateProducerIds(incarnation)),
    electLeaders: request => controller.electLeaders(request),
    registerBroker: registration => controller.registerBroker(registration),
    fenceBroker: request => controller.fenceBroker(request),
    unregisterBroker: brokerId => controller.unregisterBroker(brokerId),
  }
}
