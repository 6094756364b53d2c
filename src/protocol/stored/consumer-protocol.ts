// What members of classic consumer groups send each other through JoinGroup and SyncGroup, opaque to the coordinator. Each blob starts
// with its int16 version; a newer one than known is read as the newest known (decodeExtensible). KIP-429, KIP-792, KIP-881. Old clients
// leave out the user data or send null.
import { arr, bytes, i32, schema, str } from '../schema.ts'

export const ConsumerProtocolSubscription = schema('ConsumerProtocolSubscription', '0-3', {
  fields: {
    topics: arr(str),
    userData: bytes.null(),
    ownedPartitions: arr({ topic: str, partitions: arr(i32) }).in('1+'),
    generationId: i32.in('2+', -1),
    rackId: str.null().in('3+'),
  },
})

export const ConsumerProtocolAssignment = schema('ConsumerProtocolAssignment', '0-3', {
  fields: { assignedPartitions: arr({ topic: str, partitions: arr(i32) }), userData: bytes.null() },
})
