// Collects what died, at the request of src/util/native-memory.ts. V8 offers that to programs started with --expose-gc, and to any that sets the flag
// before it makes a context; it is unset at once.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

type Gc = (options?: { type: 'minor' }) => void

let gc: Gc | undefined

function exposed(): Gc {
  if (gc === undefined) {
    setFlagsFromString('--expose-gc')
    gc = runInNewContext('gc') as Gc
    setFlagsFromString('--no-expose-gc')
  }
  return gc
}

export const collector = {
  young: (): void => exposed()({ type: 'minor' }),
  all: (): void => exposed()(),
}
