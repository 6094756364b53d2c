// npm run attack [-- --only PART-OF-A-NAME …]: real processes under requests that mean harm, each kind against a broker of its own, while a client that
// behaves produces and consumes. Nothing that client does may fail, no record may be missing, and for each attack: what the node takes in memory beyond
// what it had after a warm-up of ordinary work is at most 64 MiB (the kernel's high-water mark, set back before the attack), or what the attack
// names as its own bound; and the p99 of the client's acknowledged writes is at most twice what it is while somebody sends as much as they can and
// means no harm. Against that, and not against silence (shown too), because a busy neighbour costs that much; right before and right after the attack,
// because the machine has other work, too; below FLOOR_MS noise decides. Where it is more, it is measured twice again, and the median counts: one
// stall of the machine is the p99 of a few hundred writes. Memory counts every time. Whoever attacks, and the harmless neighbour, has
// the lowest priority (nice 19): with few cores they would otherwise take the broker's time by running, not by what they send. Loopback only.
import { fork } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { setPriority, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Kafka } from '../../src/index.ts'
import { type Broker, startBroker } from '../compat/broker.ts'
import { ATTACKS, type Got, sleep, TOPIC } from './attacks.ts'

const MAX_RSS_MIB = 64
const MAX_RATIO = 2
const FLOOR_MS = 20
const ATTACK_MS = 3000
const HARMLESS_MS = 800
const MOST_ROUNDS = 3
const QUIET_MS = 700
/** After an attack, until the memory is looked at again. */
const AFTER_MS = 1500
const NICE = 19

const attacker = fileURLToPath(new URL('./attacker.js', import.meta.url))

function attack(name: string, broker: Broker, forMs: number): Promise<Got> {
  return new Promise((resolve, reject) => {
    const child = fork(attacker, [name, broker.bootstrap, String(forMs)], { stdio: 'inherit' })
    setPriority(child.pid!, NICE)
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

  /** Since it was asked last, ascending. */
  latencies(): number[] {
    const sorted = this.#latencies.sort((a, b) => a - b)
    this.#latencies = []
    return sorted
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

const p99 = (sorted: readonly number[]) => sorted[Math.floor(sorted.length * 0.99)] ?? 0
const ascending = (numbers: readonly number[]) => [...numbers].sort((a, b) => a - b)

const lost = { sent: 0, missing: 0 }
const failures: string[] = []

const print = (name: string, ...columns: (string | number)[]) =>
  process.stdout.write(`${name.padEnd(40)}${columns.map(column => String(column).padStart(9)).join('')}\n`)

async function besideHarmless(neighbour: string, broker: Broker, bystander: Bystander): Promise<number[]> {
  bystander.latencies()
  await attack(neighbour, broker, HARMLESS_MS)
  return bystander.latencies()
}

interface Round {
  readonly got: Got
  readonly latencies: readonly number[]
  /** p99 beside who means no harm. */
  readonly besideMs: number
  readonly ratio: number
}

async function measure(name: string, broker: Broker, bystander: Bystander): Promise<Round> {
  const neighbour = ATTACKS[name]!().writes ? 'a busy writer' : 'a busy client'
  const before = await besideHarmless(neighbour, broker, bystander)
  const got = await attack(name, broker, ATTACK_MS)
  const latencies = bystander.latencies()
  await sleep(AFTER_MS)
  const after = await besideHarmless(neighbour, broker, bystander)
  const besideMs = p99(ascending([...before, ...after]))
  return { got, latencies, besideMs, ratio: p99(latencies) / Math.max(FLOOR_MS, besideMs) }
}

async function judge(name: string, broker: Broker): Promise<void> {
  const bystander = new Bystander(broker)
  const stop = await bystander.start()
  for (const neighbour of ['a busy client', 'a busy writer']) await besideHarmless(neighbour, broker, bystander)
  await sleep(QUIET_MS)
  const quiet = bystander.latencies()
  const memory = new Memory(broker.pid)
  const before = memory.rss
  memory.forget()
  const rounds = [await measure(name, broker, bystander)]
  while (rounds[0]!.ratio > MAX_RATIO && rounds.length < MOST_ROUNDS) rounds.push(await measure(name, broker, bystander))
  const more = memory.peak - before
  const left = memory.rss - before
  await stop()
  const { got, latencies, besideMs, ratio } = [...rounds].sort((a, b) => a.ratio - b.ratio)[Math.floor(rounds.length / 2)]!
  const { mayTakeMib = MAX_RSS_MIB } = ATTACKS[name]!()
  const times = [p99(quiet), besideMs, p99(latencies)].map(ms => ms.toFixed(1))
  const sent = `${Math.round(got.sentBytes / 2 ** 20)} MiB`
  const columns = [got.answers, got.closed, sent, before, `+${more}`, `+${left}`, ...times, ratio.toFixed(2), rounds.length]
  print(name, ...columns)
  if (more > mayTakeMib) failures.push(`${name}: the node took ${more} MiB more`)
  if (ratio > MAX_RATIO) failures.push(`${name}: the p99 of another client was ${ratio.toFixed(1)} times that beside a harmless neighbour`)
  if (bystander.sent !== bystander.read) failures.push(`${name}: ${bystander.sent} sent, ${bystander.read} read`)
  lost.sent += bystander.sent
  lost.missing += bystander.sent - bystander.read
  failures.push(...bystander.failures.map(failure => `${name}: ${failure}`))
}

const wanted = process.argv.slice(2).filter(word => word !== '--only')
const names = Object.keys(ATTACKS).filter(name => wanted.length === 0 || wanted.some(part => name.includes(part)))
const folder = mkdtempSync(join(tmpdir(), 'ottla-attack-'))
print('', 'answers', 'closed', 'sent', 'RSS MiB', 'peak', 'after', 'quiet ms', 'busy', 'p99', 'ratio', 'rounds')
for (const [i, name] of names.entries()) {
  const broker = await startBroker(['--port', '0', '--data', join(folder, String(i))])
  try {
    await judge(name, broker)
  } catch (error) {
    failures.push(`${name}: ${(error as Error).message}\n${broker.log().slice(-2000)}`)
  } finally {
    const code = await broker.stop()
    if (code !== 0) failures.push(`${name}: the broker ended with code ${code}: ${broker.log().slice(-2000)}`)
    rmSync(join(folder, String(i)), { recursive: true, force: true })
  }
}
rmSync(folder, { recursive: true, force: true })
process.stdout.write(`${names.length} attacks; another client wrote ${lost.sent} records meanwhile, ${lost.missing} are missing\n`)
for (const failure of failures) process.stdout.write(`${failure}\n`)
process.stdout.write(failures.length === 0 ? 'passed\n' : `${failures.length} failed\n`)
process.exit(failures.length === 0 ? 0 : 1)
