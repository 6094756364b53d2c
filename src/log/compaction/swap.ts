// Replacing the files of neighbouring segments by one, so that a crash at any moment leaves the old ones or the new one:
//
//   <base>.cleaned         is being written; what a crash leaves of it is thrown away
//   <base>-<end>.swap      written, flushed, and its name is durable: from here on it is the log between these offsets, whatever else lies there
//   the other old files    are removed, durably
//   <base>.log             the new file takes the name of the first old one
//
// The log goes on under the old name only when nothing else claims its offsets, so no opening ever meets two files for one offset without a .swap
// beside them. (Kafka renames the old ones to .deleted instead, and sorts out at start what its names leave open.)

import type { Disk } from '../../env/env.ts'
import { baseOffsetOf, segmentFileName } from '../segment.ts'

const DIGITS = 20

export function cleanedFileName(baseOffset: number): string {
  return `${digits(baseOffset)}.cleaned`
}

export function swapFileName(baseOffset: number, endOffset: number): string {
  return `${digits(baseOffset)}-${digits(endOffset)}.swap`
}

/** The new file becomes the log between these offsets. Durable when it settles; until then a crash may undo it. */
export async function commitSwap(disk: Disk, directory: string, range: { baseOffset: number; endOffset: number }): Promise<void> {
  const { baseOffset, endOffset } = range
  await disk.rename(`${directory}/${cleanedFileName(baseOffset)}`, `${directory}/${swapFileName(baseOffset, endOffset)}`)
  await disk.syncDirectory(directory)
}

/** @param others  names of the old files but the first */
export async function completeSwap(
  disk: Disk,
  directory: string,
  { baseOffset, endOffset, others }: { baseOffset: number; endOffset: number; others: readonly string[] },
): Promise<void> {
  for (const name of others) await disk.remove(`${directory}/${name}`)
  if (others.length > 0) await disk.syncDirectory(directory)
  await disk.rename(`${directory}/${swapFileName(baseOffset, endOffset)}`, `${directory}/${segmentFileName(baseOffset)}`)
  await disk.syncDirectory(directory)
}

/**
 * Finishes what a crash cut short.
 * @param names  of the files in the log's folder
 * @returns their names afterwards
 */
export async function finishSwaps(disk: Disk, directory: string, names: readonly string[]): Promise<readonly string[]> {
  let left = names.filter(name => !/^\d{20}\.cleaned$/.test(name))
  for (const name of names) if (!left.includes(name)) await disk.remove(`${directory}/${name}`)
  for (const name of names) {
    const match = /^(\d{20})-(\d{20})\.swap$/.exec(name)
    if (match === null) continue
    const [baseOffset, endOffset] = [Number(match[1]), Number(match[2])]
    const others = left.filter(other => {
      const base = baseOffsetOf(other)
      return base !== undefined && base > baseOffset && base < endOffset
    })
    await completeSwap(disk, directory, { baseOffset, endOffset, others })
    const replaced = segmentFileName(baseOffset)
    left = [...left.filter(other => other !== name && other !== replaced && !others.includes(other)), replaced].sort()
  }
  return left
}

function digits(offset: number): string {
  return String(offset).padStart(DIGITS, '0')
}
