// Finds the broker that coordinates a group, and asks it.
// Facts: FindCoordinator names one group up to version 3, several from 4 on (KIP-699). A coordinator that is unknown or unreachable is looked for
// again by whoever needs it next; that is not done behind anybody's back.
import type { Connection } from '../../net/connection.ts'
import { FindCoordinator } from '../../protocol/api/10-find-coordinator.ts'
import { COORDINATOR_NOT_AVAILABLE, KafkaError, NONE } from '../../protocol/errors.ts'
import type { Api, RequestIn, ResponseOut } from '../../protocol/schema.ts'
import type { Address, Cluster } from '../cluster.ts'
import { asFailure, type Deadline, refusal, retrying } from '../operation.ts'
import { coordinatorIsAway } from '../retry.ts'

const GROUP_KEY = 0
const FIRST_VERSION_WITH_LIST = 4

export class GroupCoordinator {
  readonly groupId: string
  readonly cluster: Cluster
  /** Pending while it is looked for; the same promise for all who ask. */
  #address: Promise<Address & { readonly nodeId: number }> | undefined

  constructor(cluster: Cluster, groupId: string) {
    this.cluster = cluster
    this.groupId = groupId
  }

  /**
   * @param options.lane  'join' for what the coordinator answers when all members came
   * @throws KafkaError COORDINATOR_NOT_AVAILABLE, GROUP_AUTHORIZATION_FAILED …; EnvError, ProtocolError
   */
  async connection(lane: 'group' | 'join' = 'group'): Promise<Connection> {
    this.#address ??= this.#find()
    const address = this.#address
    try {
      return await this.cluster.connectionTo(await address, lane)
    } catch (error) {
      if (this.#address === address) this.#address = undefined
      throw error
    }
  }

  async request<A extends Api>(
    api: A,
    body: RequestIn<A>,
    options: { readonly lane?: 'group' | 'join'; readonly timeoutMs?: number; readonly version?: number } = {},
  ): Promise<ResponseOut<A>> {
    const connection = await this.connection(options.lane)
    const timeoutMs = options.timeoutMs ?? this.cluster.options.requestTimeoutMs
    return await connection.request(api, body, { timeoutMs, ...(options.version === undefined ? {} : { version: options.version }) })
  }

  /** Its broker's id. Throws as `connection`. */
  async nodeId(): Promise<number> {
    this.#address ??= this.#find()
    return (await this.#address).nodeId
  }

  /** It is another one now, or gone: the next request looks for it. */
  forget(): void {
    this.#address = undefined
  }

  /** As `retrying`; a coordinator that is not it any more, or gone, is looked for anew. */
  retrying<T>(deadline: Deadline, attempt: () => Promise<T>): Promise<T> {
    return retrying(this.cluster, deadline, async () => {
      try {
        return await attempt()
      } catch (error) {
        const failure = asFailure(error)
        if (!(failure instanceof KafkaError) || coordinatorIsAway(failure.code)) this.forget()
        throw failure
      }
    })
  }

  async #find(): Promise<Address & { readonly nodeId: number }> {
    const connection = await this.cluster.anyConnection()
    const isList = (connection.versionOf(FindCoordinator) ?? 0) >= FIRST_VERSION_WITH_LIST
    const request = { key: this.groupId, keyType: GROUP_KEY, coordinatorKeys: [this.groupId] }
    const answer = await connection.request(FindCoordinator, request, { timeoutMs: this.cluster.options.requestTimeoutMs })
    const found = isList ? answer.coordinators[0] : answer
    if (found === undefined) throw new KafkaError(COORDINATOR_NOT_AVAILABLE, `no coordinator was named for group '${this.groupId}'`)
    if (found.errorCode !== NONE) throw refusal(found.errorCode, `coordinator of group '${this.groupId}'`, found.errorMessage || null)
    return { nodeId: found.nodeId, host: found.host, port: found.port }
  }
}
