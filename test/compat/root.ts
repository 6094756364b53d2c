import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The project's folder, from the sources as well as from dist/. */
export const ROOT: string = (() => {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const file = join(folder, 'package.json')
    if (existsSync(file) && (JSON.parse(readFileSync(file, 'utf8')) as { name?: string }).name === 'ottla') return folder
    if (dirname(folder) === folder) throw new Error('no package.json of ottla above this file')
  }
})()

/** A file that `npm run build` makes, by its path under dist/. */
export const built = (path: string): string => join(ROOT, 'dist', path)
