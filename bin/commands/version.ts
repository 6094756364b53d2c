import { readFileSync } from 'node:fs'

/** The package's, from the package.json above `dist/` or, in the sources, above `bin/`. */
export function version(): string {
  for (const above of ['../../../package.json', '../../package.json']) {
    try {
      const found = JSON.parse(readFileSync(new URL(above, import.meta.url), 'utf8')) as { name?: string; version?: string }
      if (found.name === 'ottla' && found.version !== undefined) return found.version
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
  return 'unknown'
}
