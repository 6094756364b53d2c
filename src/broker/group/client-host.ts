/**
 * A client's address as groups tell it: as Java prints an InetAddress without a name. "/127.0.0.1", also of an IPv4 client on an IPv6 socket;
 * "/0:0:0:0:0:0:0:1" with all its groups, without the zone.
 */
export function clientHostOf(address: string): string {
  const plain = address.replace(/%.*$/, '')
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(plain)
  if (mapped !== null) return `/${mapped[1]}`
  if (!plain.includes(':')) return `/${plain}`
  const [head = '', tail] = plain.split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  const missing = tail === undefined ? 0 : Math.max(0, 8 - before.length - after.length)
  return `/${[...before, ...Array<string>(missing).fill('0'), ...after].join(':')}`
}
