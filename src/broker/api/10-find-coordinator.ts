// FindCoordinator: names the broker that keeps a group's, a transaction's or a share group's state. KIP-699.
// There are no coordinators yet, and every key is told so as Kafka does while it has none. It is served all the same because librdkafka, up to
// 2.15 at least, takes the API's presence for the sign that a broker understands lz4, and otherwise sends what should be lz4 uncompressed.
// The error is one that clients retry: librdkafka asks for a coordinator as soon as a group.id is set, also when it only assigns partitions, and
// hands any other error to the application.
import { FindCoordinator } from '../../protocol/api/10-find-coordinator.ts'
import { COORDINATOR_NOT_AVAILABLE } from '../../protocol/errors.ts'
import type { RequestOf, ResponseOf } from '../../protocol/schema.ts'
import { handler } from '../handler.ts'

type Refusal = { readonly errorCode: number; readonly errorMessage: string }

const NO_COORDINATOR: Refusal = {
  errorCode: COORDINATOR_NOT_AVAILABLE,
  errorMessage: 'This broker has no group or transaction coordinator yet: assign partitions instead of joining a group.',
}

export const findCoordinator = handler(FindCoordinator, {
  answer: (_broker, request) => refuse(request, NO_COORDINATOR),
  failed: (request, error) => refuse(request, error),
})

function refuse({ coordinatorKeys }: RequestOf<typeof FindCoordinator>, refusal: Refusal): ResponseOf<typeof FindCoordinator> {
  const nowhere = { nodeId: -1, host: '', port: -1, ...refusal }
  return { ...nowhere, coordinators: coordinatorKeys.map(key => ({ key, ...nowhere })) }
}
