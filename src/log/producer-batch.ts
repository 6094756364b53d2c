// A batch as the rules about producers see it: data with sequences, or the marker that ends a transaction.

import * as batch from '../protocol/batch.ts'
import { ProtocolError } from '../protocol/errors.ts'
import { openBody, RecordWalk } from '../protocol/records.ts'

/** A stored or produced batch as the rules see it. */
export type ProducerBatch = DataBatch | MarkerBatch

export interface DataBatch {
  readonly type: 'data'
  readonly producerId: number
  readonly producerEpoch: number
  /** -1, like lastSequence, for what a coordinator writes. */
  readonly firstSequence: number
  readonly lastSequence: number
  readonly baseOffset: number
  readonly lastOffset: number
  readonly timestamp: number
  readonly transactional: boolean
}

export interface MarkerBatch {
  readonly type: 'marker'
  readonly producerId: number
  readonly producerEpoch: number
  readonly coordinatorEpoch: number
  readonly aborts: boolean
  readonly offset: number
  readonly timestamp: number
}

const ABORT_MARKER = 0
const COMMIT_MARKER = 1
const MAX_MARKER_BYTES = 64 * 1024

/**
 * What the rules need to know of the batch at `p`; undefined when it is none of theirs: no producer, an emptied control batch, or a control batch
 * that is not a transaction marker.
 * @throws ProtocolError when a control batch cannot be read
 */
export function readProducerBatch(b: Buffer, p: number): ProducerBatch | undefined {
  const producerId = batch.producerId(b, p)
  if (producerId < 0) return undefined
  if (batch.isControl(b, p)) return readMarker(b, p, producerId)
  return {
    type: 'data',
    producerId,
    producerEpoch: batch.producerEpoch(b, p),
    firstSequence: batch.baseSequence(b, p),
    lastSequence: batch.lastSequence(b, p),
    baseOffset: batch.baseOffset(b, p),
    lastOffset: batch.lastOffset(b, p),
    timestamp: batch.maxTimestamp(b, p),
    transactional: batch.isTransactional(b, p),
  }
}

/** Key: version i16, type i16. Value: version i16, coordinator epoch i32. Later versions only add to them. */
function readMarker(b: Buffer, p: number, producerId: number): MarkerBatch | undefined {
  const count = batch.recordCount(b, p)
  if (count === 0) return undefined
  const body = openBody(b, p, { maxBytes: MAX_MARKER_BYTES })
  const walk = new RecordWalk(body.bytes, body.start, body.end, count)
  walk.next()
  if (walk.keySize < 4) throw new ProtocolError(`a control record with a key of ${walk.keySize} bytes`)
  const type = body.bytes.readInt16BE(walk.keyStart + 2)
  if (type !== ABORT_MARKER && type !== COMMIT_MARKER) return undefined
  if (walk.valueSize < 6) throw new ProtocolError(`a transaction marker with a value of ${walk.valueSize} bytes`)
  return {
    type: 'marker',
    producerId,
    producerEpoch: batch.producerEpoch(b, p),
    coordinatorEpoch: body.bytes.readInt32BE(walk.valueStart + 2),
    aborts: type === ABORT_MARKER,
    offset: batch.lastOffset(b, p),
    timestamp: batch.baseTimestamp(b, p) + walk.timestampDelta,
  }
}
