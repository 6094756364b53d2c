#!/usr/bin/env node
// The entry of the command line. CommonJS on purpose (bin/package.json): Node up to 20 reads ES modules through libuv's thread pool, whose size is
// fixed by its first use, so only an entry that is not one can still choose the size. 16 threads are for the node's disk; a client needs none.
const isStart = process.argv[2] === 'start'
if (isStart) process.env['UV_THREADPOOL_SIZE'] ??= '16'
type Forked = import('node:child_process').ChildProcess[]
const { forkMembers }: { forkMembers(args: readonly string[]): Forked } = require('./members.js')
const forked = forkMembers(process.argv.slice(2))
const {
  load,
}: { load(o: { keepCode: boolean }): { commandLine(): { run(forked: Forked): Promise<void> } } | undefined } = require('./bundled.js')
const bundle = load({ keepCode: isStart })
if (bundle !== undefined) void bundle.commandLine().run(forked)
else void import('./commands/main.ts').then(({ run }) => run(forked))
