/** Of this process since it began. */
export function processUsage(): { readonly cpuMs: number; readonly residentBytes: number } {
  const { user, system } = process.cpuUsage()
  return { cpuMs: (user + system) / 1000, residentBytes: process.memoryUsage.rss() }
}
