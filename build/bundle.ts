// Puts the program and the JavaScript it depends on into one script, dist/bundle/ottla.cjs, which bin/bundled.ts loads; what is native stays
// outside. What gossip stands on becomes a script of its own, dist/bundle/gossip.cjs, loaded when a node gossips (src/gossip/load.ts). The last step of the build, run from dist/build: bundle, the package's entries dist/index.js and dist/testing.js, and the compiled code for this Node.
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Plugin, rolldown } from 'rolldown'
import { precompiledSource } from './codecs.ts'

const DIST = dirname(dirname(fileURLToPath(import.meta.url)))
const ROOT = dirname(DIST)
const BUNDLE = join(DIST, 'bundle')
const ENTRY = 'ottla-entry'
const GOSSIP_FILE = join(ROOT, 'src/gossip/libp2p.ts')
const PRECOMPILED_FILE = join(ROOT, 'src/protocol/precompiled.ts')
const ENTRY_FILE = join(ROOT, `${ENTRY}.cjs`)

/**
 * Each part is evaluated when it is asked for. What a node in memory consists of is ready when the library is imported, with the parts of Node
 * that a first listening socket and a first clock load: the first call of startNode, or startCluster, has nothing left to load.
 */
const ENTRY_SOURCE = `
const node = () => {
  const parts = [require('./src/broker/node.ts'), require('./src/env/memory/env.ts'), require('node:dns'), require('node:cluster')]
  performance.now()
  return parts
}
exports.library = () => {
  node()
  return require('./src/index.ts')
}
exports.testing = () => {
  node()
  return require('./src/index/testing.ts')
}
exports.commandLine = () => require('./bin/commands/main.ts')`

const entry: Plugin = {
  name: 'entry',
  resolveId(id, importer) {
    if (id === ENTRY) return ENTRY_FILE
    // The ES form of it, which does not look for its native part.
    if (id === 'msgpackr') return this.resolve('msgpackr/unpack', importer, { skipSelf: true })
    if (id === './libp2p.ts' && importer?.includes('gossip')) return { id: './gossip.cjs', external: true }
    // Finds its binary from its own folder.
    if (id === './binding' && importer?.includes('classic-level')) return { id: 'classic-level/binding.js', external: true }
    return null
  },
  load(id) {
    if (id === ENTRY_FILE) return ENTRY_SOURCE
    return id === PRECOMPILED_FILE ? precompiledSource() : null
  },
}

async function bundle(): Promise<void> {
  const build = await rolldown({
    cwd: ROOT,
    input: ENTRY,
    platform: 'node',
    transform: { target: 'node20.19' },
    plugins: [entry],
    onwarn: refuse,
  })
  const { output } = await build.generate({ format: 'cjs', sourcemap: true, codeSplitting: false, dynamicImportInCjs: false })
  const [chunk] = output
  rmSync(BUNDLE, { recursive: true, force: true })
  mkdirSync(BUNDLE, { recursive: true })
  // On one line with the first of the script, so that the source map holds.
  const source = `(function (module, require, __filename, __dirname) { const exports = module.exports; ${ascii(chunk.code)}\n})`
  writeFileSync(join(BUNDLE, 'ottla.cjs'), `${source}\n//# sourceMappingURL=ottla.cjs.map\n`)
  writeFileSync(join(BUNDLE, 'ottla.cjs.map'), chunk.map!.toString())
}

/** A node loads it beside its own script, without libp2p's 107 packages. */
async function bundleGossip(): Promise<void> {
  const build = await rolldown({ cwd: ROOT, input: GOSSIP_FILE, platform: 'node', transform: { target: 'node20.19' }, onwarn: refuse })
  await build.write({ file: join(BUNDLE, 'gossip.cjs'), format: 'cjs', minify: true, codeSplitting: false, dynamicImportInCjs: false })
}

function refuse(warning: { readonly message: string }): never {
  throw new Error(warning.message)
}

/** What `import 'ottla'` loads, or another of the package's names. What it exports is what the module of the same name does. */
async function writeEntry(o: { file: string; module: string; part: 'library' | 'testing' }): Promise<void> {
  const names = Object.keys(await import(join(DIST, o.module)))
  const lines = [
    "import bundled from './bin/bundled.js'",
    '',
    `export const { ${names.join(', ')} } = bundled.load({ keepCode: false }).${o.part}()`,
  ]
  writeFileSync(join(DIST, o.file), `${lines.join('\n')}\n`)
}

/** Its absence costs time at each start, nothing else. */
function compileAhead(): void {
  try {
    execFileSync(process.execPath, [join(DIST, 'build/warm.js')], { stdio: 'inherit', timeout: 60_000 })
  } catch (error) {
    process.stderr.write(`No compiled code was kept, the first start will be slower: ${(error as Error).message}\n`)
  }
}

/** As it stands inside string and regular expression literals, which is where other characters are left: comments do not matter. */
function ascii(code: string): string {
  return code.replace(/[^\0-\x7f]/g, character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

await bundle()
await bundleGossip()
await writeEntry({ file: 'index.js', module: 'src/index.js', part: 'library' })
await writeEntry({ file: 'testing.js', module: 'src/index/testing.js', part: 'testing' })
compileAhead()
