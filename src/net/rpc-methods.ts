// What our own nodes say to each other on the internal listener: one number each, never used again for something else.

/** Notice: a raft message (src/raft/codec.ts). */
export const RPC_RAFT = 1
/** Request: an operation for the active controller, heartbeats among them. */
export const RPC_CONTROLLER = 2
/** Request, on the data lane: a follower's Fetch in Kafka's own encoding. */
export const RPC_FETCH = 4
/** Notice: up to where a follower has flushed. */
export const RPC_PROMISE = 5
/** Request: who a node is, its cluster, voters and addresses: for a node that looks for its own (src/broker/formation.ts). */
export const RPC_CLUSTER_INFO = 7
/** Request: where a node's gossip is; the one who asks says the same of its own (src/broker/gossiping.ts). */
export const RPC_GOSSIP = 8
