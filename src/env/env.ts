// The doors to the world. Everything above `env` reaches time, randomness, sockets, files and LevelDB through these interfaces alone, so
// that a whole node runs on virtual time in one thread and a failure replays from its seed (docs/ARCHITECTURE.md).
// Each door has a real, an in-memory and a simulated version; test/contract/ holds the one suite all of them pass.
//
// Completion rule: a promise or callback of a door settles from the door's own event, never inside the call that started it, so a core never
// sees its own effect come back while it is still running. The only exception is named at `DiskFile.write`.

export interface Env {
  readonly clock: Clock
  readonly random: Random
  readonly net: Net
  readonly disk: Disk
  readonly kv: KvStore
  readonly logger: Logger
  /** Memory that is used again is overwritten first: in worlds made for finding mistakes. */
  readonly poisonsMemory: boolean
}

export interface Clock {
  /** Wall clock, integer milliseconds since 1970. May jump in either direction; use it for record timestamps only. */
  wallTime(): number
  /** Monotonic milliseconds (fractional) since an arbitrary start. All timeouts count in it. */
  now(): number
  /** Calls back once, at least `delayMs` (≥ 0) later. A timer never keeps the process alive. */
  setTimer(delayMs: number, callback: () => void): Timer
  /** Calls back once after this event's work, before any later event: the place to coalesce what one event produced. */
  turn(callback: () => void): void
}

export interface Timer {
  /** Idempotent; after it the callback does not run. */
  cancel(): void
}

export interface Random {
  /** Uniform in [0, bound), bound an integer in [1, 2^32]. */
  integer(bound: number): number
  /** Uniform in [0, 1). */
  fraction(): number
  bytes(length: number): Buffer
}

// ---------------------------------------------------------------------------------------------------------------------------------- net

export interface Net {
  /** How many files and sockets together the process may have open; undefined: not known, or not limited. */
  readonly maxFiles?: number | undefined
  /**
   * Binds and listens. Port 0 takes any free port; the listener says which.
   * @throws EnvError with code EADDRINUSE, EACCES, EADDRNOTAVAIL
   */
  listen(options: ListenOptions): Promise<NetListener>
  /** @throws EnvError with code ECONNREFUSED, ETIMEDOUT, ENOTFOUND, ECONNRESET */
  connect(options: { readonly host: string; readonly port: number; readonly timeoutMs: number }): Promise<Socket>
}

export interface ListenOptions {
  readonly host: string
  readonly port: number
  readonly onConnection: (socket: Socket) => void
  /** Connections the kernel holds back while we are busy. */
  readonly backlog?: number
}

export interface NetListener {
  readonly host: string
  readonly port: number
  /** Stops accepting; open sockets live on. */
  close(): Promise<void>
}

export interface SocketEvents {
  /** Bytes as they arrive. They are there until this returns, then the door reads into the same memory again: copy what is kept. */
  data(chunk: Buffer): void
  /** `write` returned false earlier and the buffered bytes have now left. */
  drain?(): void
  /** The peer sent all it will send. We may still write. Without this handler the socket is ended in answer. */
  end?(): void
  /** Once, last event: both directions are over. `error` is set when it was not an orderly end. */
  close(error?: EnvError): void
}

export interface Socket {
  readonly remoteHost: string
  readonly remotePort: number
  readonly localPort: number
  /** Must be called in the same turn as the socket was handed over, once. */
  handle(events: SocketEvents): void
  /**
   * Queues the chunks, by reference and in order; the caller must not change them before `done`. Writing to a closed socket is a no-op.
   * @param done  once, later: nobody looks at the chunks any more, because they left, or never will
   * @returns false when more than the high-water mark is buffered: stop until `drain`
   */
  write(chunks: readonly Uint8Array[], done?: () => void): boolean
  /** Bytes accepted by `write` that have not been handed to the kernel. */
  readonly bufferedBytes: number
  /** No more `data` until `resume` (a chunk already under way may still come). */
  pause(): void
  resume(): void
  /** Sends what is queued, then ends our direction. */
  end(): void
  /** Drops what is queued and closes both directions now; `close` follows. Idempotent. */
  destroy(): void
}

// --------------------------------------------------------------------------------------------------------------------------------- disk

/** Paths are absolute or relative to the working directory, with '/'. A missing file or folder is EnvError ENOENT unless said otherwise. */
export interface Disk {
  /** `create` fails with EEXIST when the file is there; `readWrite` and `read` fail with ENOENT when it is not. */
  open(path: string, mode: 'create' | 'readWrite' | 'read'): Promise<DiskFile>
  /** Of a file, in bytes, without opening it. EISDIR for a folder. */
  size(path: string): Promise<number>
  /** Sorted by name. */
  list(path: string): Promise<DirectoryEntry[]>
  /** With its parents; existing is fine. */
  makeDirectory(path: string): Promise<void>
  /** Atomic; replaces a file at `to`. Durable only after `syncDirectory` of the parents. */
  rename(from: string, to: string): Promise<void>
  /** A file, or a folder with all in it. Missing is fine. */
  remove(path: string): Promise<void>
  /** Makes the names in this folder durable (created, renamed, removed). */
  syncDirectory(path: string): Promise<void>
  /** Of the file system that holds `path`. */
  space(path: string): Promise<{ readonly totalBytes: number; readonly freeBytes: number }>
}

export interface DirectoryEntry {
  readonly name: string
  readonly kind: 'file' | 'directory'
}

export interface DiskFile {
  /** Bytes in the file as of open and the writes accepted since (also unfinished ones). */
  readonly size: number
  /**
   * Writes the chunks one after another at `position`, by reference: the caller must not change them until `done`. Writes of one file are
   * carried out in call order. A short write counts as an error. Small writes may be carried out before `write` returns, but `done` is
   * always called later, from the door's own event, in call order.
   */
  write(chunks: readonly Uint8Array[], position: number, done: (error?: EnvError) => void): void
  /** fdatasync: everything whose `done` was called before `flush` is called is durable when this `done` comes without an error. */
  flush(done: (error?: EnvError) => void): void
  /**
   * Up to `length` bytes from `position`; fewer only at the end of the file. Sees every write whose `done` has been called.
   * @param into  memory for them, of at least `length` bytes, which the result then is a view of; the door's until the promise settles
   */
  read(position: number, length: number, into?: Buffer): Promise<Buffer>
  truncate(size: number): Promise<void>
  close(): Promise<void>
}

// ----------------------------------------------------------------------------------------------------------------------------------- kv

export interface KvStore {
  /**
   * Opens the ordered store in this folder, made durably with its parents when missing. What is in it from then on was synced, whatever the
   * process before left unsynced (LevelDB's recovery writes its log into a table, and syncs that).
   * @throws EnvError ELOCKED when it is open already (here or in another process), ECORRUPT when its own checks fail
   */
  open(path: string, options?: KvOpenOptions): Promise<Kv>
}

export interface KvOpenOptions {
  /** Its reads and writes go before all other disk work: for the few small writes everything waits for (`meta`). */
  readonly urgent?: boolean
}

export type KvOperation =
  | { readonly type: 'put'; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: 'delete'; readonly key: Uint8Array }

/** Keys are ordered as unsigned bytes. */
export interface Kv {
  get(key: Uint8Array): Promise<Buffer | undefined>
  /**
   * All or nothing. Batches take effect in call order and are visible to reads started after the call. With `sync` the batch and all before
   * it survive a power cut once the promise settles; without, a crash loses a suffix of the unsynced batches, never the middle. The caller
   * must not change the bytes until then.
   */
  batch(operations: readonly KvOperation[], options: { readonly sync: boolean }): Promise<void>
  /** Entries with gte ≤ key < lt, in order; of the state at the call. */
  entries(range: KvRange): AsyncIterable<readonly [key: Buffer, value: Buffer]>
  /** Deletes the range; unsynced. */
  clear(range: { readonly gte: Uint8Array; readonly lt: Uint8Array }): Promise<void>
  close(): Promise<void>
}

export interface KvRange {
  readonly gte?: Uint8Array
  readonly lt?: Uint8Array
  readonly reverse?: boolean
  readonly limit?: number
}

// ------------------------------------------------------------------------------------------------------------------------------- logger

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

export interface Logger {
  /** `event` in the past tense ("became leader"); fields are facts, never prose. */
  log(level: LogLevel, event: string, fields?: Readonly<Record<string, unknown>>): void
}

// ------------------------------------------------------------------------------------------------------------------------------- errors

/** What the outside world refused, by its POSIX name where it has one (ENOENT, ENOSPC, EIO, ECONNRESET …), ELOCKED or ECORRUPT. */
export class EnvError extends Error {
  override readonly name = 'EnvError'
  readonly code: string
  constructor(code: string, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.code = code
  }
}

/** Settles after `delayMs`. */
export function sleep(clock: Clock, delayMs: number): Promise<void> {
  return new Promise(resolve => void clock.setTimer(delayMs, resolve))
}
