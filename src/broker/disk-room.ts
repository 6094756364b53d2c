// Room on the disk that holds the data directory. Below a floor of free bytes produce is refused (log.dir.free.bytes.min): what is left is for the
// metadata log and the index, whose failed write would stop the node, and with it the reads and deletions that a full disk leaves possible. Changes of
// the metadata log are refused only when there is hardly any left.
// Measuring is a system call, so appends are counted, not measured: it is asked again after as many bytes as half of what was above the floor, some
// seconds after a write (others fill disks too), and every second while produce is refused.
// Who still meets a full disk (a quota, another program) gives up the append; its log takes records again at the first check that finds room.
import type { Env, Timer } from '../env/env.ts'
import type { ControllerOperations } from '../metadata/controller.ts'
import { KAFKA_STORAGE_ERROR, KafkaError } from '../protocol/errors.ts'
import { DiskReserve } from './disk-reserve.ts'

const MIB = 1024 * 1024
/** LevelDB writes its buffer of 4 MiB into a table now and then. */
const ROOM_TO_CHANGE_BYTES = 8 * MIB
/** Who deletes topics, or records, makes room. */
export const ROOM_TO_DELETE_BYTES = 64 * 1024
const CHECK_AFTER_WRITE_MS = 5000
const CHECK_WHILE_REFUSED_MS = 1000
/** Who starts a node wants an answer, not a reserve. */
const RESERVE_AFTER_START_MS = 3000
/** Below this a write of `meta` may fail soon: the reserve is for that. */
const RELEASE_BELOW_BYTES = 4 * MIB

export interface Space {
  readonly totalBytes: number
  readonly freeBytes: number
}

/** What an append asks. */
export interface ProduceRoom {
  /** Why nothing is appended now. */
  readonly refusal: string | undefined
  appended(bytes: number): void
  /** A log met the end of the disk. */
  metFullDisk(): void
}

export interface DiskRoomOptions {
  readonly directory: string
  /** Until `serve` says otherwise. */
  readonly floorBytes: number
  /** A file of this size is kept to be given up on a full disk; 0: none. */
  readonly reserveBytes: number
  readonly fail: (error: Error) => void
}

/** The logs of a broker on that disk. */
export interface RoomForLogs {
  readonly floorBytes: () => number
  /** There is room: logs that met a full disk may try again. */
  readonly roomAgain: () => void
}

export class DiskRoom implements ProduceRoom {
  readonly #env: Env
  readonly #o: DiskRoomOptions
  readonly #reserve: DiskReserve
  #logs: RoomForLogs
  /** Under way; those who come meanwhile wait for the same answer. */
  #asked: Promise<Space> | undefined
  #refusal: string | undefined
  /** A log is waiting for room. */
  #isAwaited = false
  /** Of appends until the next check. */
  #leftBytes = MIB
  #reserveFrom = 0
  #timer: Timer | undefined
  #checking: Promise<void> | undefined
  #closed = false

  constructor(env: Env, options: DiskRoomOptions) {
    this.#env = env
    this.#o = options
    this.#logs = { floorBytes: () => options.floorBytes, roomAgain: () => {} }
    this.#reserve = new DiskReserve(env, { directory: options.directory, sizeBytes: options.reserveBytes })
  }

  /** To be called before anything is appended. */
  serve(logs: RoomForLogs): void {
    this.#logs = logs
  }

  get refusal(): string | undefined {
    return this.#refusal
  }

  appended(bytes: number): void {
    this.#leftBytes -= bytes
    if (this.#leftBytes < 0) this.#check()
    else this.#checkIn(CHECK_AFTER_WRITE_MS)
  }

  metFullDisk(): void {
    this.#isAwaited = true
    this.#checkIn(CHECK_WHILE_REFUSED_MS)
  }

  /** @throws KafkaError KAFKA_STORAGE_ERROR when less is free */
  async require(bytes: number): Promise<void> {
    const { freeBytes } = await this.measure()
    if (freeBytes >= bytes) return
    this.#env.logger.log('info', 'refused a metadata change: the disk is nearly full', { freeBytes, neededBytes: bytes })
    throw new KafkaError(
      KAFKA_STORAGE_ERROR,
      `The broker's disk has ${freeBytes} bytes left, metadata changes need ${bytes}. Free space, or delete topics.`,
    )
  }

  measure(): Promise<Space> {
    this.#asked ??= this.#env.disk.space(this.#o.directory).finally(() => void (this.#asked = undefined))
    return this.#asked
  }

  /** Looks whether there is room, and for the reserve; to be called once the node serves. */
  start(): void {
    this.#reserveFrom = this.#env.clock.now() + RESERVE_AFTER_START_MS
    this.#check()
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#timer?.cancel()
    await this.#checking
  }

  #checkIn(delayMs: number): void {
    if (this.#closed || this.#checking !== undefined || this.#timer !== undefined) return
    this.#timer = this.#env.clock.setTimer(delayMs, () => {
      this.#timer = undefined
      this.#check()
    })
  }

  #check(): void {
    if (this.#closed || this.#checking !== undefined) return
    this.#timer?.cancel()
    this.#timer = undefined
    this.#checking = this.#judge().then(
      () => {
        this.#checking = undefined
        if (this.#refusal !== undefined || this.#isAwaited) this.#checkIn(CHECK_WHILE_REFUSED_MS)
        else if (this.#reserve.isWanted) this.#checkIn(RESERVE_AFTER_START_MS)
      },
      (error: Error) => this.#o.fail(error),
    )
  }

  async #judge(): Promise<void> {
    const { freeBytes } = await this.measure()
    const floorBytes = this.#logs.floorBytes()
    this.#leftBytes = Math.max(MIB, (freeBytes - floorBytes) / 2)
    // Back only with a little more than the floor, so that every freed block does not change the answer.
    const neededBytes = this.#refusal === undefined ? floorBytes : floorBytes + floorBytes / 8
    this.#refuse(freeBytes < neededBytes ? { freeBytes, floorBytes } : undefined)
    if (freeBytes < RELEASE_BELOW_BYTES) await this.#reserve.release()
    if (this.#refusal !== undefined) return
    if (this.#isAwaited) {
      this.#isAwaited = false
      this.#logs.roomAgain()
    }
    if (this.#env.clock.now() >= this.#reserveFrom) await this.#reserve.restore({ freeBytes: freeBytes - floorBytes })
  }

  #refuse(low: { freeBytes: number; floorBytes: number } | undefined): void {
    const before = this.#refusal
    this.#refusal =
      low && `The broker's disk has ${low.freeBytes} bytes left; records are taken from ${low.floorBytes} on (log.dir.free.bytes.min)`
    if (low !== undefined && before === undefined) this.#env.logger.log('error', 'refused produce: the disk is nearly full', low)
    if (low === undefined && before !== undefined) this.#env.logger.log('info', 'accepted produce again: the disk has room')
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
    updateFeatures: request => changing().then(() => controller.updateFeatures(request)),
    electLeaders: request => controller.electLeaders(request),
    describeQuorum: request => controller.describeQuorum(request),
    alterPartition: request => controller.alterPartition(request),
    heartbeat: request => controller.heartbeat(request),
    ruinReplica: replica => controller.ruinReplica(replica),
    registerBroker: registration => controller.registerBroker(registration),
    fenceBroker: request => controller.fenceBroker(request),
    unregisterBroker: brokerId => controller.unregisterBroker(brokerId),
  }
}
