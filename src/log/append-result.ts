// What became of a batch that somebody wanted to append.

export type AppendResult =
  | {
      readonly ok: true
      readonly baseOffset: number
      readonly lastOffset: number
      /** -1 on a CreateTime topic. */
      readonly logAppendTimeMs: number
      /** The batch was stored before; the offsets are those of then. It is acknowledged like any: once lastOffset is below the high watermark. */
      readonly duplicate: boolean
      readonly sizeBytes: number
    }
  | {
      readonly ok: false
      readonly errorCode: number
      readonly errorMessage: string
      readonly recordErrors: readonly { readonly batchIndex: number; readonly batchIndexErrorMessage: string | null }[]
    }

export function rejected(errorCode: number, errorMessage: string): AppendResult {
  return { ok: false, errorCode, errorMessage, recordErrors: [] }
}
