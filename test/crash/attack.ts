// npm run attack [-- PART-OF-A-NAME …]: a real process under requests that mean harm, one kind after another, while a client that behaves produces
// and consumes. Nothing it does may fail, no record may be missing, and for each attack: what the node takes in memory beyond what it took
// before it is at most 64 MiB (the kernel's high-water mark, set back before each attack; the first column is what it had after a warm-up); and the p99 of the
// client's acknowledged writes is at most twice what it is while somebody sends as much as they can and means no harm. Against that, and not against
// silence, because on a machine with few cores any busy neighbour costs that much; and below FLOOR_MS noise decides. Loopback only.
import { fork } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Kafka } from '../../src/index.ts'
import { type Broker, startBroker } from '../compat/broker.ts'
import { ATTACKS, type Got, sleep, TOPIC } from './attacks.ts'

const MAX_RSS_MIB = 64
const MAX_RATIO = 2
const FLOOR_MS = 20
const ATTACK_MS = 3000
const HARMLESS_MS = 2500
const HARMLESS_EVERY = 6

const attacker = fileURLToPath(new URL('./attacker.js', import.meta.url))

function attack(name: string, broker: Broker, forMs: number): Promise<Got> {
  return new Promise((resolve, reject) => {
    const child = fork(attacker, [name, broker.bootstrap, String(forMs)], { stdio: 'inherit' })
    child.on('message', got => resolve(got as Got))
    child.on('exit', code => reject(new Error(`the attacker ended with code ${code}`)))
  })
}

/** Produces a number every 5 ms and reads it back: each in its turn, none missing. */
class Bystander {
  readonly failures: string[] = []
  sent = 0
  read = 0
  #latencies: number[] = []
  #stopped = false
  readonly #kafka: Kafka

  constructor(broker: Broker) {
    this.#kafka = new Kafka({ bootstrapServers: broker.bootstrap })
  }

  async start(): Promise<() => Promise<void>> {
    await this.#kafka.admin().createTopics([{ name: TOPIC, numPartitions: 4 }])
    const ended = Promise.all([this.#produce(), this.#consume()])
    return async () => {
      this.#stopped = true
      await ended
      await this.#kafka.close()
    }
  }

  /** Since it was asked last. */
  latencies(): { p99: number; worst: number } {
    const sorted = this.#latencies.sort((a, b) => a - b)
    this.#latencies = []
    return { p99: sorted[Math.floor(sorted.length * 0.99)] ?? 0, worst: sorted.at(-1) ?? 0 }
  }

  async #produce(): Promise<void> {
    const producer = this.#kafka.producer({ lingerMs: 0 })
    while (!this.#stopped) {
      const at = performance.now()
      await producer
        .send({ topic: TOPIC, partition: 3, value: String(this.sent) })
        .then(() => this.sent++)
        .catch(error => this.failures.push(`produce: ${error}`))
      this.#latencies.push(performance.now() - at)
      await sleep(5)
    }
  }

  async #consume(): Promise<void> {
    const consumer = this.#kafka.consumer()
    await consumer.assign([{ topic: TOPIC, partition: 3, position: 'earliest' }])
    while (!this.#stopped || this.read < this.sent) {
      for (const { value } of await consumer.poll({ maxWaitMs: 500 })) {
        if (Number(value) !== this.read) this.failures.push(`record ${value} came where ${this.read} was due`)
        this.read++
      }
    }
  }
}

class Memory {
  readonly #pid: number

  constructor(pid: number) {
    this.#pid = pid
  }

  get rss(): number {
    return this.#mib('VmRSS')
  }

  /** Since `forget`. */
  get peak(): number {
    return this.#mib('VmHWM')
  }

  forget(): void {
    writeFileSync(`/proc/${this.#pid}/clear_refs`, '5')
  }

  #mib(name: string): number {
    const status = readFileSync(`/proc/${this.#pid}/status`, 'utf8')
    return Math.round(Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) / 1024)
  }
}

const wanted = process.argv.slice(2)
const names = Object.keys(ATTACKS).filter(name => wanted.length === 0 || wanted.some(part => name.includes(part)))
const folder = mkdtempSync(join(tmpdir(), 'ottla-attack-'))
const failures: string[] = []
const print = (...columns: (string | number)[]) =>
  process.stdout.write(
    `${String(columns[0]).padEnd(40)}${columns
      .slice(1)
      .map(column => String(column).padStart(11))
      .join('')}\n`,
  )

const broker = await startBroker(['--port', '0', '--data', join(folder, 'data')])
try {
  const bystander = new Bystander(broker)
  const stop = await bystander.start()
  const memory = new Memory(broker.pid)
  /** p99 beside those who mean no harm. */
  const beside: Record<string, number[]> = { 'a busy client': [], 'a busy writer': [] }
  const round = async (name: string, forMs: number) => {
    bystander.latencies()
    const before = memory.rss
    memory.forget()
    const got = await attack(name, broker, forMs)
    return { ...got, ...bystander.latencies(), before, more: memory.peak - before }
  }
  const line = (name: string, r: Awaited<ReturnType<typeof round>>, ratio: string) =>
    print(
      name,
      r.answers,
      r.closed,
      `${Math.round(r.sentBytes / 2 ** 20)} MiB`,
      r.before,
      `+${r.more}`,
      r.p99.toFixed(1),
      ratio,
      r.worst.toFixed(0),
    )
  print('', 'answers', 'closed', 'sent', 'RSS MiB', 'peak', 'p99 ms', 'ratio', 'worst')
  for (const name of Object.keys(beside)) await attack(name, broker, HARMLESS_MS)
  await sleep(500)
  for (const [i, name] of names.entries()) {
    if (i % HARMLESS_EVERY === 0) {
      for (const [neighbour, p99s] of Object.entries(beside)) {
        const r = await round(neighbour, HARMLESS_MS)
        p99s.push(r.p99)
        line(`(${neighbour})`, r, '')
      }
    }
    const { writes = false, mayTakeMib = MAX_RSS_MIB } = ATTACKS[name]!()
    const p99s = [...beside[writes ? 'a busy writer' : 'a busy client']!].sort((a, b) => a - b)
    const usual = Math.max(FLOOR_MS, p99s[p99s.length >> 1]!)
    const r = await round(name, ATTACK_MS)
    line(name, r, (r.p99 / usual).toFixed(2))
    if (r.more > mayTakeMib) failures.push(`${name}: the node took ${r.more} MiB more`)
    if (r.p99 > MAX_RATIO * usual)
      failures.push(`${name}: the p99 of another client was ${r.p99.toFixed(0)} ms, beside a harmless one ${usual.toFixed(0)} ms`)
    await sleep(300)
  }
  await stop()
  failures.push(...bystander.failures)
  process.stdout.write(`${bystander.sent} sent, ${bystander.read} read\n`)
} catch (error) {
  failures.push(`${(error as Error).message}\n${broker.log().slice(-2000)}`)
} finally {
  const code = await broker.stop()
  if (code !== 0) failures.push(`the broker ended with code ${code}: ${broker.log().slice(-2000)}`)
  rmSync(folder, { recursive: true, force: true })
}
for (const failure of failures) process.stdout.write(`${failure}\n`)
process.stdout.write(failures.length === 0 ? 'passed\n' : `${failures.length} failed\n`)
process.exit(failures.length === 0 ? 0 : 1)
