// The first exchange of every connection: which versions of which API does the broker speak?
// Facts: KIP-35, KIP-511. A broker that does not know the version asked for answers in version 0 with UNSUPPORTED_VERSION; since 2.4 it also
// lists its own range for ApiVersions there. The header of the answer has version 0 whatever is asked.
import { ApiVersions } from '../protocol/api/18-api-versions.ts'
import { errorName, KafkaError, NONE, ProtocolError, UNSUPPORTED_VERSION } from '../protocol/errors.ts'
import { decodeResponse } from '../protocol/message.ts'
import type { Api } from '../protocol/schema.ts'

/** The newest version we ask for. Version 5 only adds a check of the node's identity. */
export const FIRST_ASKED = 4

export const CLIENT_SOFTWARE = { clientSoftwareName: 'ottla', clientSoftwareVersion: '0.1.0' } as const

export interface VersionRange {
  readonly minVersion: number
  readonly maxVersion: number
}

/** By API key, inclusive. */
export type ApiVersionTable = ReadonlyMap<number, VersionRange>

/**
 * Reads the answer to ApiVersions of the given version.
 * @returns the broker's table, or the version to ask again with
 * @throws ProtocolError when it makes no sense, KafkaError when the broker refuses
 */
export function readApiVersions(frame: Buffer, asked: number): { table: ApiVersionTable } | { askAgain: number } {
  if (frame.length < 6) throw new ProtocolError(`an answer to ApiVersions of ${frame.length} bytes`)
  const errorCode = frame.readInt16BE(4)
  const { body } = decodeResponse(ApiVersions, errorCode === UNSUPPORTED_VERSION ? 0 : asked, frame)
  const table = new Map(body.apiKeys.map(({ apiKey, minVersion, maxVersion }) => [apiKey, { minVersion, maxVersion }]))
  if (errorCode === NONE) return { table }
  if (errorCode !== UNSUPPORTED_VERSION || asked === 0) {
    throw new KafkaError(errorCode, `the broker refused ApiVersions version ${asked}: ${errorName(errorCode)}`)
  }
  return { askAgain: Math.max(0, Math.min(table.get(ApiVersions.key)?.maxVersion ?? 0, asked - 1)) }
}

/** The highest version both sides speak. */
export function highestCommon(table: ApiVersionTable, api: Api, maxVersion: number = api.maxVersion): number | undefined {
  const theirs = table.get(api.key)
  if (theirs === undefined) return undefined
  const version = Math.min(maxVersion, theirs.maxVersion)
  return version >= Math.max(api.minVersion, theirs.minVersion) ? version : undefined
}
