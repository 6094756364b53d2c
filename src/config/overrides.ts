// max.connections.per.ip.overrides: counts by address.

/** `address:count`, separated by commas. @returns undefined when it is not that */
export function parseOverrides(text: string): Map<string, number> | undefined {
  const overrides = new Map<string, number>()
  for (const entry of text.split(',')) {
    if (entry.trim() === '') continue
    const match = /^\s*(.+):(\d+)\s*$/.exec(entry)
    if (match === null) return undefined
    overrides.set(match[1]!.trim().replace(/^\[(.*)\]$/, '$1'), Number(match[2]))
  }
  return overrides
}
