import { createRequire } from 'node:module'
import { KafkaError, ProtocolError, UNSUPPORTED_COMPRESSION_TYPE } from '../errors.ts'

const require = createRequire(import.meta.url)

/**
 * Loads a codec's package, at the first use of the codec.
 * @throws KafkaError UNSUPPORTED_COMPRESSION_TYPE when the package has no binary for this platform, or was installed without its optional parts
 */
export function loadLibrary<T>(codec: string, packageName: string): T {
  try {
    return require(packageName) as T
  } catch (cause) {
    throw new KafkaError(
      UNSUPPORTED_COMPRESSION_TYPE,
      `${codec} is not available on ${process.platform}-${process.arch}: the package '${packageName}' did not load (was it installed with --omit=optional?)`,
      { cause },
    )
  }
}

export function overCap(codec: string, maxOutputBytes: number): ProtocolError {
  return new ProtocolError(`${codec}: more than ${maxOutputBytes} bytes`, { isOverLimit: true })
}
