// Where a kill is aimed at: each waits for its moment, or makes it, and kills the broker in it.
import { type ChildProcess, spawn } from 'node:child_process'
import { type FSWatcher, watch } from 'node:fs'
import { realEnv } from '../../src/env/real/env.ts'
import { Kafka } from '../../src/index.ts'
import { Connection } from '../../src/net/connection.ts'
import { DeleteRecords } from '../../src/protocol/api/21-delete-records.ts'
import { type Broker, CLI } from '../compat/broker.ts'

export const AIMS = ['load', 'roll', 'retention', 'deleteRecords', 'topics', 'recovery', 'shutdown'] as const
export type AimName = (typeof AIMS)[number]

export interface Target {
  readonly broker: Broker
  readonly bootstrap: string
  /** The folder of all logs. */
  readonly logs: string
  /** Its segments are kept. */
  readonly topic: string
  /** Its segments go by retention and by request. */
  readonly shortTopic: string
  readonly partitions: number
  /** To start the broker again. */
  readonly startArgs: readonly string[]
  /** What the broker has said of topics and deleted records. */
  readonly promised: Promised
}

export interface Promised {
  /** By partition of the short topic: records before it are deleted. */
  readonly lowWatermarks: Map<number, number>
  /** Topics that were answered to exist, or not to exist any more. */
  readonly topics: Map<string, 'there' | 'gone'>
}

/** @returns whether the moment came; the broker is dead in any case */
export async function strike(aim: AimName, target: Target): Promise<boolean> {
  const { broker } = target
  try {
    return await AIMED[aim](target)
  } finally {
    await broker.kill()
  }
}

const AIMED: Readonly<Record<AimName, (target: Target) => Promise<boolean>>> = {
  async load() {
    await pause(100 + Math.random() * 300)
    return true
  },
  async roll({ logs, topic, partitions }) {
    await pause(50)
    return fileEvent(logs, { topic, partitions })
  },
  async retention({ logs, shortTopic, partitions }) {
    return fileEvent(logs, { topic: shortTopic, partitions })
  },
  async deleteRecords({ bootstrap, shortTopic, partitions, promised }) {
    await pause(100)
    const asking = deleteAll(bootstrap, shortTopic, partitions)
    asking.then(
      answered => {
        for (const [partition, low] of answered) promised.lowWatermarks.set(partition, low)
      },
      () => {},
    )
    await pause(Math.random() * 12)
    return true
  },
  async topics({ bootstrap, promised }) {
    const admin = new Kafka({ bootstrapServers: bootstrap }).admin()
    const gone = [...promised.topics].filter(([, state]) => state === 'there').map(([name]) => name)
    const made = Array.from({ length: 10 }, (_, i) => `made-${Date.now()}-${i}`)
    // Until the answer nobody knows.
    for (const name of gone) promised.topics.delete(name)
    const noted = (names: readonly string[], state: 'there' | 'gone') => () => {
      for (const name of names) promised.topics.set(name, state)
    }
    admin.createTopics(made.map(name => ({ name, numPartitions: 3 }))).then(noted(made, 'there'), () => {})
    if (gone.length > 0) admin.deleteTopics(gone).then(noted(gone, 'gone'), () => {})
    await pause(Math.random() * 40)
    return true
  },
  async recovery({ broker, startArgs }) {
    await pause(100 + Math.random() * 200)
    await broker.kill()
    for (let i = 0; i < 2; i++)
      await killedAfter(spawn(process.execPath, [CLI, 'start', '--json', ...startArgs], { stdio: 'ignore' }), Math.random() * 400)
    return true
  },
  async shutdown({ broker }) {
    await pause(100 + Math.random() * 200)
    process.kill(broker.pid, 'SIGTERM')
    await pause(Math.random() * 60)
    return true
  },
}

/** Waits until a segment file of the topic comes or goes; at most a second. */
async function fileEvent(logs: string, { topic, partitions }: { topic: string; partitions: number }): Promise<boolean> {
  const watchers: FSWatcher[] = []
  try {
    return await new Promise<boolean>(resolve => {
      const late = setTimeout(() => resolve(false), 1000)
      for (let p = 0; p < partitions; p++) {
        try {
          watchers.push(
            watch(`${logs}/${topic}-${p}`, (event, name) => {
              if (event !== 'rename' || name?.endsWith('.log') !== true) return
              clearTimeout(late)
              resolve(true)
            }),
          )
        } catch {
          // Nothing was written to it yet.
        }
      }
    })
  } finally {
    for (const watcher of watchers) watcher.close()
  }
}

async function deleteAll(bootstrap: string, name: string, partitions: number): Promise<Map<number, number>> {
  const [host, port] = bootstrap.split(':') as [string, string]
  const connection = await Connection.open(realEnv(), { host, port: Number(port), clientId: 'deleter', timeoutMs: 5000 })
  try {
    const all = Array.from({ length: partitions }, (_, partitionIndex) => ({ partitionIndex, offset: -1 }))
    const answer = await connection.request(DeleteRecords, { topics: [{ name, partitions: all }], timeoutMs: 5000 }, { timeoutMs: 5000 })
    const done = answer.topics[0]!.partitions.filter(({ errorCode }) => errorCode === 0)
    return new Map(done.map(({ partitionIndex, lowWatermark }) => [partitionIndex, lowWatermark]))
  } finally {
    connection.close()
  }
}

async function killedAfter(child: ChildProcess, ms: number): Promise<void> {
  const exit = new Promise(resolve => child.on('close', resolve))
  await pause(ms)
  child.kill('SIGKILL')
  await exit
}

function pause(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}
