// The vote (epoch and candidate) outside LevelDB, which can lose a damaged block of its log without a word: two slots in a small file, each
// with a CRC, written in turn. A torn write leaves the other slot, the vote before.
// Together with the copy in `meta` (written and synced first) the rule at open is: equal, or the file is exactly one vote behind — a crash
// between the two writes, and nothing depended on that vote yet. Anything else is damage.
import { type Disk, type DiskFile, EnvError } from '../env/env.ts'
import { crc32c } from '../util/crc32c.ts'
import { PackError, pack, unpack } from '../util/pack.ts'

export interface Vote {
  /** Rises by one with every vote written. */
  readonly sequence: number
  readonly epoch: number
  /** -1: nobody in this epoch. */
  readonly votedFor: number
  /** Every entry before it was on disk when this was written. */
  readonly logEndOffset: number
}

/** Apart, so that no write touches the other slot's disk sector. */
const SLOT_BYTES = 4096
const HEAD_BYTES = 8
const VOTE = 1
const VERSION = 1

export class VoteFile {
  readonly #file: DiskFile

  private constructor(file: DiskFile) {
    this.#file = file
  }

  static async open(disk: Disk, directory: string): Promise<VoteFile> {
    const path = `${directory}/vote`
    await disk.makeDirectory(directory)
    const file = await disk.open(path, 'readWrite').catch(error => {
      if (!(error instanceof EnvError) || error.code !== 'ENOENT') throw error
      return disk.open(path, 'create')
    })
    // The process before may have ended between a write and its flush: what is read from now on is on disk, and so is the file's name.
    const voteFile = new VoteFile(file)
    await voteFile.#flush()
    await disk.syncDirectory(directory)
    return voteFile
  }

  /** The newest whole slot; undefined when there is none. */
  async read(): Promise<Vote | undefined> {
    const bytes = await this.#file.read(0, 2 * SLOT_BYTES)
    const votes = [readSlot(bytes.subarray(0, SLOT_BYTES)), readSlot(bytes.subarray(SLOT_BYTES))].filter(vote => vote !== undefined)
    return votes.sort((a, b) => b.sequence - a.sequence)[0]
  }

  /** Settles when it is on disk. */
  write(vote: Vote): Promise<void> {
    const body = encodeVote(vote)
    const head = Buffer.alloc(HEAD_BYTES)
    head.writeUInt32BE(body.length, 0)
    head.writeUInt32BE(crc32c(body, 0, body.length), 4)
    return new Promise((resolve, reject) => {
      this.#file.write([head, body], (vote.sequence % 2) * SLOT_BYTES, failed => {
        if (failed !== undefined) reject(failed)
        else this.#flush().then(resolve, reject)
      })
    })
  }

  close(): Promise<void> {
    return this.#file.close()
  }

  #flush(): Promise<void> {
    return new Promise((resolve, reject) => this.#file.flush(error => (error === undefined ? resolve() : reject(error))))
  }
}

export function encodeVote(vote: Vote): Buffer {
  return pack(VOTE, VERSION, [vote.sequence, vote.epoch, vote.votedFor, vote.logEndOffset])
}

/** @throws PackError */
export function decodeVote(bytes: Uint8Array): Vote {
  const { type, version, fields } = unpack(bytes, 'vote')
  if (type !== VOTE || version !== VERSION)
    throw new PackError(`vote of type ${type} version ${version} is not known here: start a newer Ottla`)
  const [sequence, epoch, votedFor, logEndOffset] = fields as readonly number[]
  if (![sequence, epoch, votedFor, logEndOffset].every(Number.isSafeInteger)) throw new PackError('vote: not four integers')
  return { sequence: sequence!, epoch: epoch!, votedFor: votedFor!, logEndOffset: logEndOffset! }
}

function readSlot(slot: Buffer): Vote | undefined {
  if (slot.length < HEAD_BYTES) return undefined
  const length = slot.readUInt32BE(0)
  if (length === 0 || length > slot.length - HEAD_BYTES) return undefined
  const body = slot.subarray(HEAD_BYTES, HEAD_BYTES + length)
  if (crc32c(body, 0, body.length) !== slot.readUInt32BE(4)) return undefined
  return decodeVote(body)
}
