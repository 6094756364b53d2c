// Why a data directory cannot be written to, told so that somebody can act on it: LevelDB and recursive mkdir have words of their own for it.
import { type Disk, EnvError } from '../env/env.ts'

const PROBE = '.writable'

/** @returns the error to end with; `error` itself when the directory can be written to */
export async function whyUnusable(disk: Disk, directory: string, error: unknown): Promise<unknown> {
  if (!(error instanceof EnvError) || error.code === 'ELOCKED') return error
  const cause = await probe(disk, directory)
  switch (cause?.code) {
    case undefined:
      return error
    case 'EROFS':
      return new EnvError('EROFS', `${directory} is on a read-only file system. Mount it for writing, or name another data directory.`, {
        cause,
      })
    case 'EACCES':
    case 'EPERM':
      return new EnvError(
        'EACCES',
        `${directory} cannot be written to by this user (${cause.code}). Make the directory and all in it this user's, or name another.`,
        { cause },
      )
    case 'ENOENT':
      // What mkdir says of a parent that cannot be written to.
      return new EnvError('ENOENT', `${directory} cannot be made: is the file system read-only? Make it, or name another data directory.`, {
        cause,
      })
    default:
      return error
  }
}

async function probe(disk: Disk, directory: string): Promise<EnvError | undefined> {
  const path = `${directory}/${PROBE}`
  try {
    await disk.makeDirectory(directory)
    await disk.remove(path)
    const file = await disk.open(path, 'create')
    await file.close()
    await disk.remove(path)
    return undefined
  } catch (error) {
    return error instanceof EnvError ? error : undefined
  }
}
