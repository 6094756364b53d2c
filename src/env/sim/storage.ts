// What the disk of a simulated machine holds, and what of it would survive a power cut now. A file's unflushed writes, a folder's unsynced names and a
// store's unsynced batches are kept beside the durable state; a power cut decides their fate from the seed, as badly as the doors' promises allow.

import { EnvError, type KvOperation } from '../env.ts'
import { PagedBytes } from '../memory/bytes.ts'
import { KvContents } from '../memory/kv.ts'
import { DirectoryNode, type FileNode, FileTree, type NameObserver, type TreeNode } from '../memory/tree.ts'
import type { SeededRandom } from './random.ts'

/** What the page cache writes back as one. */
const PAGE_BYTES = 4096

type FileChange =
  | { readonly type: 'write'; readonly position: number; readonly bytes: Buffer }
  | { readonly type: 'truncate'; readonly size: number }

/** A file's durable bytes, and the changes since. */
export class FileHistory {
  durable = new PagedBytes()
  /** Carried out, not yet durable; the first has number `#firstNumber`. */
  #changes: FileChange[] = []
  #firstNumber = 0
  /** Some changes are in the file that no flush will make durable. */
  #forgot = false
  /** Accepted, not yet carried out: a power cut may find them half done. */
  readonly underWay = new Set<FileChange>()

  get nextNumber(): number {
    return this.#firstNumber + this.#changes.length
  }

  add(change: FileChange): void {
    this.#changes.push(change)
  }

  /** A flush that began at `number` has ended: everything before is durable. */
  makeDurable(number: number): void {
    const count = Math.max(0, number - this.#firstNumber)
    for (const change of this.#changes.splice(0, count)) applyChange(this.durable, change)
    this.#firstNumber += count
  }

  /** A flush failed: the kernel forgets these changes, and no later flush brings them back. */
  forget(number: number): void {
    const count = Math.max(0, number - this.#firstNumber)
    this.#changes.splice(0, count)
    this.#firstNumber += count
    this.#forgot ||= count > 0
  }

  /** The process was killed with writes on their way into the kernel: some first ones arrived, the next one perhaps in part. */
  killed(random: SeededRandom, current: PagedBytes): void {
    let kept = this.underWay.size === 0 ? 0 : random.integer(this.underWay.size + 1)
    for (let change of this.underWay) {
      if (kept-- <= 0) {
        if (change.type !== 'write' || random.chance(0.7)) break
        change = { ...change, bytes: change.bytes.subarray(0, random.integer(change.bytes.length + 1)) }
        kept = -1
      }
      applyChange(current, change)
      this.add(change)
      if (kept < 0) break
    }
    this.underWay.clear()
  }

  /**
   * @param random  undefined: the worst, nothing that is not durable survives
   * @returns what the file holds after the power cut; durable from now on
   */
  powerCut(random: SeededRandom | undefined, current: PagedBytes): PagedBytes {
    const changes = [...this.#changes, ...this.underWay]
    if (changes.length === 0 && !this.#forgot) return current
    this.#forgot = false
    if (changes.length > 0 && random !== undefined) {
      const way = random.fraction()
      if (way < 0.2) for (const change of changes) applyChange(this.durable, change)
      else if (way < 0.85) {
        const whole = this.underWay.size === 0 && changes.every(change => change.type === 'write')
        if (way < 0.6 || !whole) this.#loseSuffix(random, changes)
        else this.#losePages(random, changes, current)
      }
    }
    this.#firstNumber += this.#changes.length
    this.#changes = []
    this.underWay.clear()
    return copyOf(this.durable)
  }

  /** Some first changes survive, the next one perhaps in part. */
  #loseSuffix(random: SeededRandom, changes: readonly FileChange[]): void {
    const kept = random.integer(changes.length + 1)
    for (const change of changes.slice(0, kept)) applyChange(this.durable, change)
    const torn = changes[kept]
    if (torn?.type !== 'write' || random.chance(0.3)) return
    const length = random.integer(torn.bytes.length + 1)
    applyChange(this.durable, { type: 'write', position: torn.position, bytes: torn.bytes.subarray(0, length) })
    // The new length may be there before the bytes are.
    if (random.chance(0.3)) this.durable.truncate(Math.max(this.durable.size, torn.position + torn.bytes.length))
  }

  /** Dirty pages survive each for itself, later ones perhaps without earlier ones; a missing one shows what was there before, or zeros. */
  #losePages(random: SeededRandom, changes: readonly FileChange[], current: PagedBytes): void {
    const dirty = new Set<number>()
    for (const change of changes) {
      if (change.type !== 'write' || change.bytes.length === 0) continue
      const last = Math.floor((change.position + change.bytes.length - 1) / PAGE_BYTES)
      for (let page = Math.floor(change.position / PAGE_BYTES); page <= last; page++) dirty.add(page)
    }
    const share = random.pick([0.1, 0.5, 0.9])
    for (const page of dirty) {
      if (random.chance(share)) this.durable.write(current.read(page * PAGE_BYTES, PAGE_BYTES), page * PAGE_BYTES)
    }
    if (random.chance(0.5) && current.size > this.durable.size) this.durable.truncate(current.size)
  }
}

function applyChange(bytes: PagedBytes, change: FileChange): void {
  if (change.type === 'write') bytes.write(change.bytes, change.position)
  else bytes.truncate(change.size)
}

function copyOf(bytes: PagedBytes): PagedBytes {
  const copy = new PagedBytes()
  copy.write(bytes.read(0, bytes.size), 0)
  copy.truncate(bytes.size)
  return copy
}

interface NameChange {
  readonly directory: DirectoryNode
  readonly name: string
  /** Undefined: the name is gone. */
  readonly node: TreeNode | undefined
  /** The other half of a move between two folders: both halves survive, or neither. */
  twin?: NameChange
  decided?: boolean
}

/** A folder's durable names, and the changes since. */
interface NameHistory {
  readonly durable: Map<string, TreeNode>
  changes: NameChange[]
}

/** A store's contents, and how to take back the batches that are not durable. */
export class StoreHistory {
  readonly contents = new KvContents()
  #undos: KvOperation[][] = []
  #firstNumber = 0
  #completedNumber = -1

  /** @returns the batch's number */
  apply(operations: readonly KvOperation[]): number {
    this.#undos.push(this.contents.apply(operations))
    return this.#firstNumber + this.#undos.length - 1
  }

  /** This batch and all before it. */
  makeDurable(number: number): void {
    const count = Math.max(0, number + 1 - this.#firstNumber)
    this.#undos.splice(0, count)
    this.#firstNumber += count
  }

  makeAllDurable(): void {
    this.makeDurable(this.#firstNumber + this.#undos.length - 1)
  }

  /** This batch and all before it have reached the kernel. */
  completed(number: number): void {
    this.#completedNumber = Math.max(this.#completedNumber, number)
  }

  /** Of these keys the store says from now on that it has none, and nothing tells: a damaged block of LevelDB's log is skipped. */
  loseKeys(isLost: () => boolean): void {
    const keys = [...this.contents.range({})].map(([key]) => key).filter(isLost)
    this.contents.apply(keys.map(key => ({ type: 'delete', key })))
  }

  /** Some last batches are lost: of those that are not durable, or, without a power cut, of those that were under way. */
  processDied(random: SeededRandom | undefined, options: { readonly power: boolean }): void {
    const atRisk = options.power
      ? this.#undos.length
      : Math.min(this.#undos.length, this.#firstNumber + this.#undos.length - 1 - this.#completedNumber)
    let lost = random === undefined || random.chance(0.3) ? atRisk : random.integer(atRisk + 1)
    for (; lost > 0; lost--) this.contents.apply(this.#undos.pop()!)
    if (!options.power) return
    this.#firstNumber += this.#undos.length
    this.#undos = []
  }
}

export type FaultyOperation =
  | 'open'
  | 'list'
  | 'makeDirectory'
  | 'rename'
  | 'remove'
  | 'syncDirectory'
  | 'space'
  | 'write'
  | 'flush'
  | 'read'
  | 'truncate'
  | 'batch'
  | 'openStore'

export interface Fault {
  readonly operation: FaultyOperation
  /** Only where the path contains this. */
  readonly path?: string
  readonly code: 'EIO' | 'ENOSPC' | 'EDQUOT' | 'EROFS' | 'ECORRUPT'
  /** How many times; default once. */
  readonly count?: number
}

export class SimStorage {
  readonly tree: FileTree
  readonly #faults: { readonly fault: Fault; left: number }[] = []
  /** Writes and new files are refused with ENOSPC; `files`: there is room left for the databases. */
  full: boolean | 'files' = false
  /** Flushes of files whose path contains this say that they are done and do nothing: for showing that a simulation notices. */
  flushesLieFor: string | undefined
  readonly #random: SeededRandom
  readonly #files = new WeakMap<FileNode, FileHistory>()
  readonly #names = new WeakMap<DirectoryNode, NameHistory>()

  constructor(random: SeededRandom) {
    this.#random = random
    const note = (change: NameChange) => this.#namesOf(change.directory).changes.push(change)
    const observer: NameObserver = {
      linking: (directory, name, node) => note({ directory, name, node }),
      unlinking: (directory, name) => note({ directory, name, node: undefined }),
      moving: (from, fromName, to, toName, node) => {
        const gone: NameChange = { directory: from, name: fromName, node: undefined }
        const come: NameChange = { directory: to, name: toName, node, twin: gone }
        gone.twin = come
        note(gone)
        note(come)
      },
    }
    this.tree = new FileTree(observer)
  }

  /** The next operation of this kind fails. */
  failNext(fault: Fault): void {
    this.#faults.push({ fault, left: fault.count ?? 1 })
  }

  heal(): void {
    this.forgetFaults()
    this.full = false
  }

  forgetFaults(): void {
    this.#faults.length = 0
  }

  /**
   * What is wrong with an operation that starts now.
   * @param inPlace  a write of bytes that the file has already: it needs no space
   */
  fault(operation: FaultyOperation, path: string, inPlace = false): EnvError | undefined {
    if (
      this.full !== false &&
      !inPlace &&
      (operation === 'write' || operation === 'open' || (operation === 'batch' && this.full === true))
    ) {
      return new EnvError('ENOSPC', `${operation} ${path}: no space left (simulated)`)
    }
    const index = this.#faults.findIndex(({ fault }) => fault.operation === operation && path.includes(fault.path ?? ''))
    const found = this.#faults[index]
    if (found === undefined) return undefined
    if (--found.left === 0) this.#faults.splice(index, 1)
    return new EnvError(found.fault.code, `${operation} ${path}: ${found.fault.code} (simulated)`)
  }

  fileHistory(node: FileNode): FileHistory {
    let history = this.#files.get(node)
    if (history === undefined) this.#files.set(node, (history = new FileHistory()))
    return history
  }

  /** The store in this folder, which is made with all its parents, durably. */
  store(path: string): StoreHistory {
    const folder = this.tree.makeDirectory(path)
    let directory: DirectoryNode = this.tree.root
    for (const name of path.split('/')) {
      if (name === '' || name === '.') continue
      const child = directory.entries.get(name)
      if (child?.kind !== 'directory') break
      // Only its own name: another one of the same folder is not our business.
      this.#makeNamesDurable(directory, change => change.name === name)
      directory = child
    }
    folder.store ??= new StoreHistory()
    return folder.store as StoreHistory
  }

  syncDirectory(directory: DirectoryNode): void {
    this.#makeNamesDurable(directory, () => true)
  }

  /** Nothing is open any more; with `power`, what is not durable may be lost, `all` of it or as much as the seed says. */
  processDied(options: { readonly power: boolean; readonly all?: boolean }): void {
    const random = options.all === true ? undefined : this.#random
    if (options.power) this.#cutNames(this.tree.root, { random, seen: new Set() })
    this.#visit(this.tree.root, node => {
      if (node.kind === 'file') {
        const history = this.fileHistory(node)
        if (options.power) node.bytes = history.powerCut(random, node.bytes)
        else history.killed(this.#random, node.bytes)
      } else if (node.store !== undefined) {
        const store = node.store as StoreHistory
        store.contents.openedBy = undefined
        store.processDied(random, options)
      }
    })
  }

  #namesOf(directory: DirectoryNode): NameHistory {
    let history = this.#names.get(directory)
    if (history === undefined) this.#names.set(directory, (history = { durable: new Map(directory.entries), changes: [] }))
    return history
  }

  #makeNamesDurable(directory: DirectoryNode, which: (change: NameChange) => boolean): void {
    const history = this.#namesOf(directory)
    const due = history.changes.filter(which)
    history.changes = history.changes.filter(change => !due.includes(change))
    for (const change of due) {
      applyName(history.durable, change)
      if (change.twin === undefined || change.twin.directory === directory) continue
      const other = this.#namesOf(change.twin.directory)
      if (!other.changes.includes(change.twin)) continue
      other.changes = other.changes.filter(candidate => candidate !== change.twin)
      applyName(other.durable, change.twin)
    }
  }

  /** Each folder keeps some first changes of its names. */
  #cutNames(directory: DirectoryNode, o: { readonly random: SeededRandom | undefined; readonly seen: Set<DirectoryNode> }): void {
    if (o.seen.has(directory)) return
    o.seen.add(directory)
    const history = this.#namesOf(directory)
    const kept = o.random === undefined || o.random.chance(0.4) ? 0 : o.random.integer(history.changes.length + 1)
    history.changes.forEach((change, i) => {
      const survives = change.twin?.decided ?? i < kept
      change.decided = survives
      if (survives) applyName(history.durable, change)
    })
    history.changes = []
    directory.entries.clear()
    for (const [name, node] of history.durable) directory.entries.set(name, node)
    for (const node of directory.entries.values()) if (node.kind === 'directory') this.#cutNames(node, o)
  }

  #visit(node: TreeNode, see: (node: TreeNode) => void): void {
    see(node)
    if (node instanceof DirectoryNode) for (const child of node.entries.values()) this.#visit(child, see)
  }
}

function applyName(names: Map<string, TreeNode>, change: NameChange): void {
  if (change.node === undefined) names.delete(change.name)
  else names.set(change.name, change.node)
}
