// DescribeQuorum: the state of the metadata log, as its leader knows it (metadata/quorum-state.ts). KIP-642, KIP-836, KIP-853.
import { DescribeQuorum } from '../../protocol/api/55-describe-quorum.ts'
import { handler } from '../handler.ts'

export const describeQuorum = handler(DescribeQuorum, {
  answer: (broker, request) => broker.agreed(broker.controller.describeQuorum(request)),
  failed: (_request, { errorCode, errorMessage }) => ({ errorCode, errorMessage, topics: [], nodes: [] }),
})
