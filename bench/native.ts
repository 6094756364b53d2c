// The probe: one small C program over librdkafka, compiled when first needed, so that both sides are measured by the same client.
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, renameSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ROOT } from '../test/compat/root.ts'

const exec = promisify(execFile)
const SOURCE = join(ROOT, 'bench', 'native', 'probe.c')

export interface LatencyFigures {
  /** All in microseconds. */
  readonly p50: number
  readonly p99: number
  readonly p999: number
  readonly max: number
}

export interface ReadFigures {
  readonly records: number
  readonly bytes: number
  readonly seconds: number
  /** Of the client. */
  readonly cpuSeconds: number
}

export class Probe {
  readonly #binary: string

  private constructor(binary: string) {
    this.#binary = binary
  }

  /** @throws with what to install when it cannot be compiled */
  static async build(): Promise<Probe> {
    const name = `ottla-bench-probe-${createHash('sha256').update(readFileSync(SOURCE)).digest('hex').slice(0, 12)}`
    const binary = join(tmpdir(), name)
    if (existsSync(binary)) return new Probe(binary)
    const unfinished = `${binary}.${process.pid}`
    const compile = () => exec('gcc', ['-O2', '-o', unfinished, SOURCE, '-lrdkafka'])
    try {
      await compile().catch(() => installLibrary().then(compile))
    } catch (cause) {
      throw new Error(
        'the probe cannot be compiled: it needs gcc and librdkafka (on Debian: apt-get install gcc libc6-dev librdkafka-dev)',
        {
          cause,
        },
      )
    }
    renameSync(unfinished, binary)
    return new Probe(binary)
  }

  /** Produces one record, waits until it is acknowledged and read back; `count` times. */
  async latency(o: { bootstrap: string; topic: string; count: number; bytes: number }): Promise<LatencyFigures> {
    return (await this.#run(['latency', o.bootstrap, o.topic, String(o.count), String(o.bytes)])) as LatencyFigures
  }

  /** Reads every partition from its start until `count` records came. */
  async read(o: { bootstrap: string; topic: string; partitions: number; count: number }): Promise<ReadFigures> {
    return (await this.#run(['read', o.bootstrap, o.topic, String(o.partitions), String(o.count)])) as ReadFigures
  }

  async #run(args: readonly string[]): Promise<unknown> {
    const { stdout } = await exec(this.#binary, args, { timeout: 300_000 })
    return JSON.parse(stdout)
  }
}

/** Where this is root on Debian, as on a machine of CI. */
async function installLibrary(): Promise<void> {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  await exec('apt-get', ['update', '-qq'], { env })
  await exec('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'gcc', 'libc6-dev', 'librdkafka-dev'], { env })
}
