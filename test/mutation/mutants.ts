// Bugs that somebody could write. Each must be caught by a check, or the checks are not worth their time: `npm run mutate` tries one after another
// on a copy of the tree. `text` stands exactly once in `file` (mutants.test.ts); who rewrites the place keeps the bug alive in its new form.

export interface Mutant {
  readonly name: string
  readonly file: string
  readonly text: string
  readonly replacement: string
  /** The test file that must fail; `seeds`: a seed of the simulation must. */
  readonly caughtBy: string
}

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'records are acknowledged before they are flushed',
    file: 'src/log/partition-log.ts',
    text: 'return this.#loose.allowsPromises ? Math.min(this.#writer.writtenOffset, this.#barrier) : this.flushedOffset',
    replacement: 'return Math.min(this.#writer.writtenOffset, this.#barrier)',
    caughtBy: 'test/log/durability.test.ts',
  },
  {
    name: 'a flush counts for what was written while it ran',
    file: 'src/log/writer.ts',
    text: 'this.flushedOffset = target\n',
    replacement: 'this.flushedOffset = this.writtenOffset\n',
    caughtBy: 'test/log/durability.test.ts',
  },
  {
    name: 'flushed bytes count before the name of their file is durable',
    file: 'src/log/writer.ts',
    text: 'if (naming === undefined) this.#flushed(segment, bytes, target)',
    replacement: 'if (naming !== null) this.#flushed(segment, bytes, target)',
    caughtBy: 'test/log/model.test.ts',
  },
  {
    name: 'the sync of a log folder is forgotten',
    file: 'src/log/home.ts',
    text: 'await Promise.all([folder, this.disk.syncDirectory(this.directory)])',
    replacement: 'await folder',
    caughtBy: 'test/log/model.test.ts',
  },
  {
    name: 'a failed flush is taken for a good one',
    file: 'src/log/writer.ts',
    text: `      if (error !== undefined) {
        this.#flushing = false
        this.#fail(error)
        this.#rest()
        return
      }
      const naming`,
    replacement: '      const naming',
    caughtBy: 'test/log/durability.test.ts',
  },
  {
    name: 'a truncation is off by one',
    file: 'src/log/cut.ts',
    text: 'if (batch.lastOffset(b, p) >= offset) return false',
    replacement: 'if (batch.lastOffset(b, p) > offset) return false',
    caughtBy: 'test/log/model.test.ts',
  },
  {
    name: 'the hot tail keeps what was cut off',
    file: 'src/log/hot-tail.ts',
    text: `      this.#budget.removed(this.#chunks.pop()!)
      this.#endOffset = this.#baseOffsets.pop()!`,
    replacement: '      this.#endOffset = offset',
    caughtBy: 'test/log/restart.test.ts',
  },
  {
    name: 'the producers of records that were cut off are remembered',
    file: 'src/log/partition-log.ts',
    text: 'this.#followProducers(now.producers)',
    replacement: '',
    caughtBy: 'test/log/model.test.ts',
  },
  {
    name: 'a producer snapshot from beyond the end is used',
    file: 'src/log/replay.ts',
    text: 'const state = offset <= endOffset ? decodeProducers(bytes) : undefined',
    replacement: 'const state = decodeProducers(bytes)',
    caughtBy: 'test/log/restart.test.ts',
  },
  {
    name: 'a stale checkpoint is believed: what was appended behind it is not read',
    file: 'src/log/recovery.ts',
    text: 'if ((await this.#fileSize(active)) !== checkpoint.position) {',
    replacement: 'if ((await this.#fileSize(active)) < checkpoint.position) {',
    caughtBy: 'test/log/recovery.test.ts',
  },
  {
    name: 'a stale segment of the catalog is believed',
    file: 'src/log/recovery.ts',
    text: `if (closed === undefined || closed.endOffset !== nextBase) return this.#scanSegment(segment, closed)
    if (this.#sizes.get(segment.baseOffset) !== closed.sizeBytes) return this.#scanSegment(segment, closed)`,
    replacement: 'if (closed === undefined) return this.#scanSegment(segment, closed)',
    caughtBy: 'test/log/recovery.test.ts',
  },
  {
    name: 'recovery does not check the CRC',
    file: 'src/log/recovery.ts',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the text of the source
    text: 'if (!batch.crcIsValid(b, p)) return `the batch at offset ${baseOffset} has a wrong checksum`',
    replacement: '',
    caughtBy: 'test/log/recovery.test.ts',
  },
  {
    name: 'any damage is taken for a torn tail',
    file: 'src/log/recovery.ts',
    text: 'if (this.#clean || this.#lost !== undefined || damage.offset < (this.#checkpoint?.nextOffset ?? 0)) return false',
    replacement: 'if (this.#clean || this.#lost !== undefined) return false',
    caughtBy: 'test/log/recovery.test.ts',
  },
  {
    name: 'what was scanned is not flushed before it counts',
    file: 'src/log/recovery.ts',
    text: 'for (const segment of kept) if (this.#scanned.has(segment)) await segment.use(flushFile)',
    replacement: '',
    caughtBy: 'test/log/model.test.ts',
  },
  {
    name: 'the duplicate check is skipped',
    file: 'src/log/producer-state.ts',
    text: "if (duplicate !== undefined) return { type: 'duplicate', of: duplicate }",
    replacement: '',
    caughtBy: 'test/log/producer-state/scenarios.test.ts',
  },
  {
    name: 'sequences wrap one too late',
    file: 'src/log/producer-state.ts',
    text: 'if (last === undefined || last.lastSequence === MAX_SEQUENCE) return 0',
    replacement: 'if (last === undefined || last.lastSequence > MAX_SEQUENCE) return 0',
    caughtBy: 'test/log/producer-state/scenarios.test.ts',
  },
  {
    name: 'the leader epochs of a log are not persisted',
    file: 'src/log/stored-epochs.ts',
    text: 'this.#durable.changeEpochs(put, removed).then(',
    replacement: 'this.#durable.changeEpochs([], removed).then(',
    caughtBy: 'test/log/restart.test.ts',
  },
  {
    name: 'unflushed records are promised before the loose mark is durable',
    file: 'src/log/loose-mark.ts',
    text: 'return this.#wanted && this.#isDurable',
    replacement: 'return this.#wanted',
    caughtBy: 'test/log/restart.test.ts',
  },
  {
    name: 'the loose mark is forgotten',
    file: 'src/log/loose-mark.ts',
    text: "this.#durable.setMark('loose', true).then(() => {",
    replacement: "this.#durable.setMark('loose', false).then(() => {",
    caughtBy: 'test/log/durability.test.ts',
  },
  {
    name: 'the mark of a clean shutdown stays at the start',
    file: 'src/metadata/identity.ts',
    text: "  await meta.batch([{ type: 'delete', key: CLEAN_KEY }], { sync: true })\n",
    replacement: '',
    caughtBy: 'test/metadata/identity.test.ts',
  },
  {
    name: 'retention deletes what is not below the high watermark',
    file: 'src/log/retention.ts',
    text: 'if (segment.sizeBytes === 0 || segment.endOffset > rule.highWatermark) break',
    replacement: 'if (segment.sizeBytes === 0) break',
    caughtBy: 'test/log/retention.test.ts',
  },
  {
    name: 'retention deletes the active segment and leaves none',
    file: 'src/log/partition-log.ts',
    text: 'if (count === this.#segments.length) this.#roll(this.#segments[count - 1])',
    replacement: '',
    caughtBy: 'test/log/retention.test.ts',
  },
  {
    name: 'the log start is answered before it is durable',
    file: 'src/log/partition-log.ts',
    text: 'await this.#home.durable.setLogStartOffset(offset)',
    replacement: 'void this.#home.durable.setLogStartOffset(offset)',
    caughtBy: 'test/log/model.test.ts',
  },
  {
    name: 'the vote file is not flushed',
    file: 'src/raft/vote-file.ts',
    text: 'else this.#flush().then(resolve, reject)',
    replacement: 'else resolve()',
    caughtBy: 'test/raft/crash.test.ts',
  },
  {
    name: 'the metadata log is not synced before it is committed',
    file: 'src/raft/store.ts',
    text: 'await this.#meta.batch(operations, { sync: true })',
    replacement: 'await this.#meta.batch(operations, { sync: false })',
    caughtBy: 'test/raft/crash.test.ts',
  },
  {
    name: 'the bytes of a deleted topic are adopted by its name',
    file: 'src/log/home.ts',
    text: "if ((await readIdentity(this.disk, this.directory)) !== this.topicId) return 'foreign'",
    replacement: '',
    caughtBy: 'test/log/log-store.test.ts',
  },
  {
    name: 'damaged bytes are served',
    file: 'src/log/verify.ts',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the text of the source
    text: 'if (!batch.crcIsValid(b, p)) return `the batch at offset ${baseOffset} has a wrong checksum`',
    replacement: '',
    caughtBy: 'seeds',
  },
  {
    name: 'the memory of a request is used again before its batches are written',
    file: 'src/log/writer.ts',
    text: '    file.write(group.chunks, group.segment.writtenBytes, error => {\n',
    replacement: `    for (const lease of group.leases.splice(0)) lease?.release()
    file.write(group.chunks, group.segment.writtenBytes, error => {
`,
    caughtBy: 'test/log/leases.test.ts',
  },
  {
    name: 'the hot tail gives up the memory of bytes on their way to a reader',
    file: 'src/log/hot-tail.ts',
    text: '      lease.retain()\n',
    replacement: '',
    caughtBy: 'test/log/leases.test.ts',
  },
  {
    name: 'leader epochs that cannot be are believed',
    file: 'src/log/recovery.ts',
    text: 'return this.#epochFault(b, p)',
    replacement: 'return undefined',
    caughtBy: 'test/log/recovery.test.ts',
  },
  {
    name: 'a commit of a group is answered before it is durable',
    file: 'src/broker/group/shard.ts',
    text: `      this.#append(records, error =>
        error === NONE
          ? [{ type: 'answer', request, body: acceptedCommit(body, metadataMaxBytes) }]
`,
    replacement: `      { type: 'answer', request, body: acceptedCommit(body, metadataMaxBytes) },
      this.#append(records, error =>
        error === NONE
          ? NOTHING
`,
    caughtBy: 'seeds',
  },
  {
    name: 'the generation of a group stays what it was',
    file: 'src/broker/group/classic/rebalance.ts',
    text: 'group.generationId = group.generationId === MAX_GENERATION ? 0 : group.generationId + 1',
    replacement: 'group.generationId = Math.min(MAX_GENERATION, Math.max(1, group.generationId))',
    caughtBy: 'seeds',
  },
  {
    name: 'a group takes the commits of an old generation',
    file: 'src/broker/group/classic/sessions.ts',
    text: `  if (generationId !== group.generationId) return ILLEGAL_GENERATION
  const verdict = (transactional`,
    replacement: '  const verdict = (transactional',
    caughtBy: 'seeds',
  },
  {
    name: 'the offsets of a group are told before they are loaded',
    file: 'src/broker/group/coordinator.ts',
    text: `    const partition = this.#leading(groupId)
    return typeof partition === 'number' ? o.refused(partition) : o.read(partition.shard)`,
    replacement: `    const partition = this.#partitions.get(this.partitionOf(groupId) ?? -1)
    return partition === undefined ? o.refused(NOT_COORDINATOR) : o.read(partition.shard)`,
    caughtBy: 'seeds',
  },
  {
    name: 'a group keeps members whose sessions ended',
    file: 'src/broker/group/classic/sessions.ts',
    text: '    if (member.expiresAt <= at.now) late.push(member)\n',
    replacement: '    if (member.expiresAt <= at.now) continue\n',
    caughtBy: 'seeds',
  },
  {
    name: 'a member of an ISR is known by its id alone',
    file: 'src/metadata/isr-changes.ts',
    text: 'broker.fenced || broker.brokerEpoch !== brokerEpoch',
    replacement: 'broker.fenced',
    caughtBy: 'test/metadata/scenarios.test.ts',
  },
  {
    name: 'an ISR change is made on a state that is over',
    file: 'src/metadata/isr-changes.ts',
    text: '  if (partitionEpoch < before.partitionEpoch) return INVALID_UPDATE_VERSION\n',
    replacement: '',
    caughtBy: 'test/metadata/scenarios.test.ts',
  },
  {
    name: 'who lowers min.insync.replicas leaves the ELR as it is',
    file: 'src/metadata/configs.ts',
    text: 'lowered && before.elr.length > 0 ? { ...before, elr: [] } : before',
    replacement: 'before',
    caughtBy: 'test/metadata/committed.test.ts',
  },
  {
    name: 'the ELR is kept beside enough in sync',
    file: 'src/metadata/partitions.ts',
    text: 'enough || elected?.unclean === true',
    replacement: 'elected?.unclean === true',
    caughtBy: 'test/metadata/committed.test.ts',
  },
  {
    name: 'a copy that may lack records stays eligible',
    file: 'src/metadata/partitions.ts',
    text: 'const isUnfit = (id: number) => id === event.unfit || id === event.ruined',
    replacement: 'const isUnfit = (id: number) => id === event.ruined',
    caughtBy: 'test/metadata/committed.test.ts',
  },
  {
    name: 'a deposed controller takes the entries of the next one for its own',
    file: 'src/metadata/controller.ts',
    text: '      if (this.#pending !== undefined && image.epoch !== this.#epoch) this.#resign()\n',
    replacement: '',
    caughtBy: 'test/metadata/many.test.ts',
  },
  {
    name: "a pause of the controller counts as the brokers' silence",
    file: 'src/metadata/sessions.ts',
    text: '  if (paused) for (const session of byBroker.values()) session.heardMs = o.now\n',
    replacement: '',
    caughtBy: 'test/metadata/sessions.test.ts',
  },
  {
    name: 'a broker serves before it knows what its registration brought',
    file: 'src/metadata/heartbeats.ts',
    text: 'wantsFence || !isCaughtUp ?',
    replacement: 'wantsFence ?',
    caughtBy: 'test/metadata/scenarios.test.ts',
  },
  {
    name: 'who shuts down is let go before the others know who leads',
    file: 'src/metadata/heartbeats.ts',
    text: 'facts.shutdownOffset <= Math.min(metadataOffset, facts.othersOffset)',
    replacement: 'facts.shutdownOffset <= metadataOffset',
    caughtBy: 'test/metadata/scenarios.test.ts',
  },
  {
    name: 'the high watermark is one too far',
    file: 'src/broker/replica.ts',
    text: 'let offset = Math.min(replica.logEndOffset, replica.ackableOffset)',
    replacement: 'let offset = Math.min(replica.logEndOffset, replica.ackableOffset + 1)',
    caughtBy: 'test/broker/replica/replica.test.ts',
  },
  {
    name: 'a follower cuts its log by its high watermark',
    file: 'src/broker/replicas.ts',
    text: 'replica.follow({ leaderId, leaderEpoch })',
    replacement: 'await replica.log.truncateTo(replica.highWatermark)\n    replica.follow({ leaderId, leaderEpoch })',
    caughtBy: 'test/broker/replication/random.test.ts',
  },
  {
    name: 'an in-sync set is in force before the controller agrees',
    file: 'src/broker/replica.ts',
    text: 'replica.proposedIsr = isr\n',
    replacement: 'replica.isr = replica.proposedIsr = isr\n',
    caughtBy: 'test/broker/replica/scenarios.test.ts',
  },
  {
    name: 'a promise counts beyond the last validated fetch',
    file: 'src/broker/replica.ts',
    text: 'return Math.min(fetchOffset, promisedOffset)',
    replacement: 'return fetchOffset < 0 ? fetchOffset : promisedOffset',
    caughtBy: 'test/broker/replica/scenarios.test.ts',
  },
  {
    name: 'a follower goes on with a session that is not at its turn',
    file: 'src/broker/follower-fetches.ts',
    text: 'return request.sessionEpoch === known.nextEpoch ? known : INVALID_FETCH_SESSION_EPOCH',
    replacement: 'return known',
    caughtBy: 'test/broker/replication/sessions.test.ts',
  },
  {
    name: 'a follower of an older leader epoch is not fenced',
    file: 'src/broker/follower-fetches.ts',
    text: 'if (wish.currentLeaderEpoch < leader.leaderEpoch) return refused(FENCED_LEADER_EPOCH)\n',
    replacement: '',
    caughtBy: 'test/broker/replication/sessions.test.ts',
  },
  {
    name: 'an earlier incarnation of a follower is believed',
    file: 'src/broker/replica.ts',
    text: 'sender.brokerEpoch >= Math.max(follower.brokerEpoch, follower.registeredEpoch)',
    replacement: 'sender.brokerEpoch >= -1',
    caughtBy: 'test/broker/replica/scenarios.test.ts',
  },
  {
    name: 'a replica that is asked again while it settles is left as it is',
    file: 'src/broker/replicas.ts',
    text: '(await this.#bringTo(slot, slot.wanted)) && !slot.isAskedAgain',
    replacement: 'await this.#bringTo(slot, slot.wanted)',
    caughtBy: 'test/broker/replication/random.test.ts',
  },
  {
    name: 'a voter votes twice in an epoch',
    file: 'src/raft/election.ts',
    text: '(state.votedFor === from || (state.votedFor === -1 && isUpToDate(state, request)))',
    replacement: 'isUpToDate(state, request)',
    caughtBy: 'test/raft/scenarios.test.ts',
  },
  {
    name: 'a vote is told before it is on disk',
    file: 'src/raft/election.ts',
    text: '  if (voteIsSaved(state)) send(step, to, body)',
    replacement: '  if (state.epoch > 0) send(step, to, body)',
    caughtBy: 'test/raft/scenarios.test.ts',
  },
  {
    name: 'a vote that is on disk is taken for a newer one',
    file: 'src/raft/election.ts',
    text: '  if (!voteIsSaved(state)) return\n',
    replacement: '',
    caughtBy: 'test/raft/scenarios.test.ts',
  },
  {
    name: 'a voter elects an older log',
    file: 'src/raft/election.ts',
    text: 'o.lastEpoch > lastEpoch || (o.lastEpoch === lastEpoch && o.endOffset >= log.endOffset)',
    replacement: 'o.endOffset >= log.endOffset',
    caughtBy: 'test/raft/scenarios.test.ts',
  },
  {
    name: 'a leader commits entries of an older epoch by counting',
    file: 'src/raft/leading.ts',
    text: ' && epochAt(state.log, offset - 1) === state.epoch) advance',
    replacement: ') advance',
    caughtBy: 'test/raft/scenarios.test.ts',
  },
  {
    name: 'what followers have written counts as flushed',
    file: 'src/raft/leading.ts',
    text: 'Math.min(o.flushedOffset, o.fetchOffset)',
    replacement: 'o.fetchOffset',
    caughtBy: 'test/raft/scenarios.test.ts',
  },
  {
    name: 'observers count for the high watermark',
    file: 'src/raft/leading.ts',
    text: '[...state.replicas.values()].filter(({ isVoter }) => isVoter).map(({ flushedOffset }) => flushedOffset)',
    replacement: '[...state.replicas.values()].map(({ flushedOffset }) => flushedOffset)',
    caughtBy: 'test/raft/scenarios.test.ts',
  },
  {
    name: 'a leader that a majority does not ask leads on',
    file: 'src/raft/leading.ts',
    text: '  if (now >= silenceEndsAt(state)) return void resign(step)\n',
    replacement: '',
    caughtBy: 'test/raft/scenarios.test.ts',
  },
  {
    name: 'a log that diverges is cut one entry too late',
    file: 'src/raft/following.ts',
    text: 'Math.min(own.endOffset, diverging.endOffset) : own.endOffset',
    replacement: 'Math.min(own.endOffset, diverging.endOffset + 1) : own.endOffset',
    caughtBy: 'test/raft/scenarios.test.ts',
  },
  {
    name: 'a late answer is taken for one to the log as it is',
    file: 'src/raft/following.ts',
    text: 'answer.fetchOffset !== log.endOffset || answer.lastEpoch !== lastEpochOf(log)',
    replacement: 'answer.fetchOffset !== log.endOffset',
    caughtBy: 'test/raft/scenarios.test.ts',
  },
  {
    name: 'a flush of what was cut off counts',
    file: 'src/raft/raft.ts',
    text: 'if (generation !== log.generation || endOffset <= log.flushedOffset) return',
    replacement: 'if (endOffset <= log.flushedOffset) return',
    caughtBy: 'test/raft/scenarios.test.ts',
  },
  {
    name: 'a voter is known by its node id alone',
    file: 'src/raft/voters.ts',
    text: 'nodeId === o.nodeId && directoryId === o.directoryId',
    replacement: 'nodeId === o.nodeId',
    caughtBy: 'test/raft/scenarios.test.ts',
  },
  {
    name: 'a pre-vote is granted while the leader answers',
    file: 'src/raft/election.ts',
    text: "state.role === 'leader' || (state.role === 'follower' && state.hasFetched)",
    replacement: "state.role === 'leader'",
    caughtBy: 'test/raft/scenarios.test.ts',
  },
  {
    name: 'a process that stood still holds it against its leader',
    file: 'src/raft/raft.ts',
    text: '  if (stoodStill) startTimersAnew(at)\n',
    replacement: '',
    caughtBy: 'test/raft/scenarios.test.ts',
  },
]
