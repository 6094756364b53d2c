// What a range of seeds amounts to, in one process or in several: counts that are added up, and a line that tells them.

export type Sum = Record<string, number>

export function add(sum: Sum, more: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(more)) sum[name] = (sum[name] ?? 0) + value
}

export function summary(sum: Sum, seconds: number, failed: readonly number[]): string {
  const { seeds = 0, twice = 0, virtualMs = 0, events = 0, sent = 0, acked = 0, refused = 0, read = 0, ...troubles } = sum
  const list = Object.entries(troubles).map(([name, count]) => `${count} ${name}`)
  return (
    `${seeds} seeds, ${twice} of them twice: ${(virtualMs / 1000).toFixed(0)} virtual s, ${events} events; ${list.join(', ')}; ` +
    `${sent} records sent, ${acked} acked, ${refused} refused, ${read} read; ` +
    `${seconds.toFixed(1)} s, ${(seeds / seconds).toFixed(1)} seeds/s; ${failed.length} failed${failed.length > 0 ? `: ${failed.join(' ')}` : ''}`
  )
}
