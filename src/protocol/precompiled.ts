// Codecs that need not be compiled from their source at first use. Empty here: the build (build/bundle.ts) puts those in its place that a first start,
// and our own client, use.

/** As `new Function('rt', 'name', source)` makes it. */
export type CodecFactory = (rt: object, name: string) => unknown

/** By name of the message, its version included. */
export const PRECOMPILED: {
  readonly decoders: Readonly<Record<string, CodecFactory>>
  readonly encoders: Readonly<Record<string, CodecFactory>>
} = {
  decoders: {},
  encoders: {},
}
