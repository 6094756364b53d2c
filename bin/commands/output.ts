// Standard output: no faster than it is read, quiet when its reader has gone, plain when nobody looks.

let readerGone = false
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // `ottla consume … | head -1`: the reader has what it wanted.
  if (error.code !== 'EPIPE') throw error
  readerGone = true
  process.exit(typeof process.exitCode === 'number' ? process.exitCode : 0)
})

/** Settles when more may be written. */
export async function print(text: string | Uint8Array): Promise<void> {
  if (readerGone || process.stdout.write(text)) return
  await new Promise<void>(resolve => process.stdout.once('drain', resolve))
}

export function printJson(value: unknown): Promise<void> {
  return print(`${JSON.stringify(value)}\n`)
}

/** What people should know and pipes should not: progress and remarks, only on a terminal. */
export function remark(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(text)
}

/** 12, -1, 1,234, 1.2 MB, 12 s ago */
const NUMBER = /^(-?[\d.,]+( ?([kMGTP]?B|ms|s|min|h))?( ago)?)?$/

/** Columns as wide as their widest cell; columns of numbers to the right. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map(row => (row[column] ?? '').length)))
  const right = head.map((_, column) => rows.length > 0 && rows.every(row => NUMBER.test(row[column] ?? '')))
  const line = (cells: readonly string[]) =>
    head
      .map((_, column) => (right[column] ? (cells[column] ?? '').padStart(widths[column]!) : (cells[column] ?? '').padEnd(widths[column]!)))
      .join('  ')
      .trimEnd()
  return `${[head, ...rows].map(line).join('\n')}\n`
}

/** Ends the process once all output has left it, even if something still holds it open. */
export async function finish(exitCode: number): Promise<void> {
  process.exitCode = exitCode
  await new Promise<void>(resolve => process.stdout.write('', () => resolve()))
  process.exit(exitCode)
}
