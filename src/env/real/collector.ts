// Collects what died young, at the request of src/util/native-memory.ts. V8 offers that to programs started with --expose-gc, and to any that
// sets the flag before it makes a context; it is unset at once.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

let collect: ((options: { type: 'minor' }) => void) | undefined

export function collectYoung(): void {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc')
    collect = runInNewContext('gc') as NonNullable<typeof collect>
    setFlagsFromString('--no-expose-gc')
  }
  collect({ type: 'minor' })
}
