// The whole program as one script (build/bundle.ts makes it), with V8's compiled code beside it: loading some 200 files one by one, and compiling
// what they hold, takes longer than everything a node does at its start.
// The code is of one version of Node. For another it is made when `ottla start` ends well, where this directory may be written to. A code file is
// believed only if its checksum holds: V8 itself does not look.

type Fs = typeof import('node:fs')
type Vm = typeof import('node:vm')

interface Bundle {
  /** src/index.ts */
  library(): Record<string, unknown>
  /** src/index/testing.ts */
  testing(): Record<string, unknown>
  /** bin/commands/main.ts */
  commandLine(): { run(forked?: import('node:child_process').ChildProcess[]): Promise<void> }
}

const fs: Fs = require('node:fs')
const path: typeof import('node:path') = require('node:path')
const { Script }: Vm = require('node:vm')
const { createHash }: typeof import('node:crypto') = require('node:crypto')
const { createRequire }: typeof import('node:module') = require('node:module')

const FILE = path.join(__dirname, '../bundle/ottla.cjs')
const CODE_FILE = path.join(__dirname, `../bundle/ottla.${process.version}-${process.platform}-${process.arch}.code`)
const CHECKSUM_BYTES = 20

let loaded: Bundle | undefined

/**
 * @param o.keepCode  where there is no code for this Node yet, keep what was compiled until the process ends
 * @returns undefined where there is no bundle: the modules are loaded one by one then
 */
function load(o: { keepCode: boolean }): Bundle | undefined {
  if (loaded !== undefined) return loaded
  // Pure ASCII: one byte a character in memory too.
  const source = readIfThere(FILE)
  if (source === undefined) return undefined
  const cachedData = codeFor(source)
  const script = new Script(source.toString('latin1'), { filename: FILE, ...(cachedData === undefined ? {} : { cachedData }) })
  // Not of a start that was refused: the little that it compiled would make every later one slow.
  if (cachedData === undefined && o.keepCode) process.on('exit', code => code === 0 && keep(source, script.createCachedData()))
  const module = { exports: {} as Bundle }
  script.runInThisContext()(module, createRequire(FILE), FILE, path.dirname(FILE))
  loaded = module.exports
  return loaded
}

function codeFor(source: Buffer): Buffer | undefined {
  const bytes = readIfThere(CODE_FILE)
  if (bytes === undefined || bytes.length <= CHECKSUM_BYTES) return undefined
  const code = bytes.subarray(CHECKSUM_BYTES)
  return checksum(source, code).equals(bytes.subarray(0, CHECKSUM_BYTES)) ? code : undefined
}

/** Best effort: without it the next start is as slow as this one. */
function keep(source: Buffer, code: Buffer): void {
  const temporary = `${CODE_FILE}.${process.pid}`
  try {
    fs.writeFileSync(temporary, Buffer.concat([checksum(source, code), code]))
    fs.renameSync(temporary, CODE_FILE)
  } catch {
    fs.rmSync(temporary, { force: true })
  }
}

function checksum(source: Buffer, code: Buffer): Buffer {
  return createHash('sha1').update(source).update(code).digest()
}

function readIfThere(file: string): Buffer | undefined {
  try {
    return fs.readFileSync(file)
  } catch {
    return undefined
  }
}

module.exports = { load }
