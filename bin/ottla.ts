#!/usr/bin/env node
// The entry of the command line. CommonJS on purpose (bin/package.json): Node up to 20 reads ES modules through libuv's thread pool, whose size is
// fixed by its first use, so only an entry that is not one can still choose the size. 16 threads are for the node's disk; a client needs none.
if (process.argv[2] === 'start') process.env['UV_THREADPOOL_SIZE'] ??= '16'
void import('./commands/main.ts')
