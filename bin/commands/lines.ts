// Lines of standard input as bytes: what is not UTF-8 stays what it is.

/**
 * The complete lines of each chunk, without their ends (\n or \r\n); a last line without an end counts.
 * @yields the lines of one chunk together, so that they can be sent together
 */
export async function* linesOf(input: AsyncIterable<Buffer>): AsyncGenerator<Buffer[]> {
  let rest: Buffer[] = []
  for await (const chunk of input) {
    const lines: Buffer[] = []
    let from = 0
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, from)) {
      const part = chunk.subarray(from, at)
      lines.push(withoutReturn(rest.length === 0 ? part : Buffer.concat([...rest, part])))
      rest = []
      from = at + 1
    }
    if (from < chunk.length) rest.push(chunk.subarray(from))
    if (lines.length > 0) yield lines
  }
  if (rest.length > 0) yield [Buffer.concat(rest)]
}

function withoutReturn(line: Buffer): Buffer {
  return line.at(-1) === 13 ? line.subarray(0, -1) : line
}
