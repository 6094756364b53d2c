// npm run mutate: plants each bug of mutants.ts in a copy of the tree, one at a time, and says which check caught it. The tree itself is not touched.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { ROOT } from '../compat/root.ts'
import { MUTANTS, type Mutant } from './mutants.ts'

const HELP = `npm run mutate [-- options]
  --only WORD   the mutants whose name contains it
  --seeds N     so many seeds of the simulation at most, where no test catches one (default 300)
  --both        the seeds also where a test does
`
const COPIED = ['src', 'bin', 'test', 'bench', 'package.json', 'tsconfig.json', 'tsconfig.build.json', 'vitest.config.ts']
/** A mutant may hang what it breaks. */
const CHECK_MS = 120_000
const SEEDS_MS = 300_000

interface Outcome {
  readonly mutant: Mutant
  readonly test: string | undefined
  /** Undefined: not tried. 0: none of them. */
  readonly seed: number | undefined
}

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    seeds: { type: 'string', default: '300' },
    both: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
})

class Copy {
  readonly folder = mkdtempSync(join(tmpdir(), 'ottla-mutants-'))

  constructor() {
    for (const name of COPIED) cpSync(join(ROOT, name), join(this.folder, name), { recursive: true })
    symlinkSync(join(ROOT, 'node_modules'), join(this.folder, 'node_modules'))
  }

  /** Runs the work with the bug in place. */
  with<T>({ file, text, replacement, name }: Mutant, work: () => T): T {
    const path = join(this.folder, file)
    const sound = readFileSync(path, 'utf8')
    const parts = sound.split(text)
    if (parts.length !== 2) throw new Error(`"${name}": its text stands ${parts.length - 1} times in ${file}`)
    writeFileSync(path, parts.join(replacement))
    try {
      return work()
    } finally {
      writeFileSync(path, sound)
    }
  }

  /** @returns the first test of the file that failed; undefined when all passed */
  failingTest(file: string): string | undefined {
    const { status, output } = this.#run('node_modules/vitest/vitest.mjs', ['run', file, '--bail=1'], CHECK_MS)
    if (status === 0) return undefined
    return /^ *FAIL +\S+ > (.*)$/m.exec(output)?.[1] ?? (status === null ? 'it hangs' : 'the file does not run')
  }

  /** @returns the first seed that failed; 0 when all passed */
  failingSeed(count: number): number {
    this.#run('node_modules/typescript/bin/tsc', ['-p', 'tsconfig.build.json'], CHECK_MS)
    const args = ['--seeds', `1..${count}`, '--twice', '0', '--bail']
    const { status, output } = this.#run('dist/src/testing/sim/main.js', args, SEEDS_MS)
    if (status === 0) return 0
    return Number(/^seed (\d+) failed/m.exec(output)?.[1] ?? -1)
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }

  #run(script: string, args: readonly string[], timeout: number): { status: number | null; output: string } {
    const env = { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0' }
    const options = { cwd: this.folder, env, encoding: 'utf8', timeout, killSignal: 'SIGKILL', maxBuffer: 1 << 28 } as const
    const { status, stdout, stderr } = spawnSync(process.execPath, [join(this.folder, script), ...args], options)
    return { status, output: stdout + stderr }
  }
}

function tryOut(copy: Copy, mutant: Mutant): Outcome {
  return copy.with(mutant, () => {
    const test = mutant.caughtBy === 'seeds' ? undefined : copy.failingTest(mutant.caughtBy)
    const seed = test === undefined || values.both ? copy.failingSeed(Number(values.seeds)) : undefined
    return { mutant, test, seed }
  })
}

function told({ mutant, test, seed }: Outcome): string {
  const bySeed = seed === undefined ? '' : seed === 0 ? `no seed up to ${values.seeds}` : `seed ${seed}`
  const byTest = test === undefined ? '' : `${mutant.caughtBy}: ${test}`
  const isCaught = test !== undefined || (seed ?? 0) !== 0
  return `${isCaught ? 'caught' : 'MISSED'} | ${mutant.name} | ${[byTest, bySeed].filter(text => text !== '').join('; ')}`
}

if (values.help) {
  process.stdout.write(HELP)
  process.exit(0)
}
const chosen = MUTANTS.filter(({ name }) => name.includes(values.only))
const copy = new Copy()
let missed = 0
try {
  for (const mutant of chosen) {
    const outcome = tryOut(copy, mutant)
    if (outcome.test === undefined && (outcome.seed ?? 0) === 0) missed++
    process.stdout.write(`${told(outcome)}\n`)
  }
} finally {
  copy.remove()
}
process.stdout.write(`${chosen.length - missed} caught, ${missed} missed\n`)
process.exit(missed === 0 ? 0 : 1)
