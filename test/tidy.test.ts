// The repository's own rules (docs/ARCHITECTURE.md): who may import whom, what only the real doors may touch, how large a file may grow.
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { ADVERTISED } from '../src/broker/advertised.ts'
import { HANDLERS } from '../src/broker/apis.ts'
import { apiByKey } from '../src/protocol/apis.ts'

const root = normalize(join(dirname(fileURLToPath(import.meta.url)), '..'))

function filesUnder(folder: string): string[] {
  const found: string[] = []
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    if (entry.name === 'node_modules') continue
    const path = join(folder, entry.name)
    if (entry.isDirectory()) found.push(...filesUnder(path))
    else if (/\.(ts|mts|js|mjs)$/.test(entry.name)) found.push(path)
  }
  return found
}

const sources = [...filesUnder('src'), ...filesUnder('bin')]
const everything = [...sources, ...filesUnder('test'), ...filesUnder('bench')]
const text = new Map(everything.map(path => [path, readFileSync(join(root, path), 'utf8')]))

/** Blanks comments and string contents so that a word in prose is no match; line numbers stay. */
function codeOf(path: string): string {
  return text
    .get(path)!
    .replace(
      /\/\*[\s\S]*?\*\/|(?<!:)\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|\$\{(?:[^{}]|\{[^{}]*\})*\}|[^`\\])*`/g,
      match =>
        match.startsWith('`')
          ? // interpolations are code
            (match.match(/\$\{(?:[^{}]|\{[^{}]*\})*\}/g) ?? []).join(' ') + '\n'.repeat((match.match(/\n/g) ?? []).length)
          : match.replace(/[^\n]/g, ' '),
    )
}

interface Import {
  readonly target: string
  readonly typeOnly: boolean
}

function importsOf(path: string): Import[] {
  const source = text.get(path)!
  const found: Import[] = []
  for (const match of source.matchAll(/^\s*(?:import|export)\s+(type\s+)?(?:[^'";]*?\sfrom\s+)?['"]([^'"]+)['"]/gm)) {
    found.push({ target: match[2]!, typeOnly: match[1] !== undefined })
  }
  for (const match of source.matchAll(/\bimport\(\s*['"]([^'"]+)['"]/g)) found.push({ target: match[1]!, typeOnly: false })
  return found.map(({ target, typeOnly }) => ({
    target: target.startsWith('.') ? relative(root, join(root, dirname(path), target)) : target,
    typeOnly,
  }))
}

/** The storey a file belongs to. */
function storeyOf(path: string): string {
  if (path.startsWith('bin/')) return 'bin'
  if (/^src\/(index|config)(\/|\.ts)/.test(path)) return path.startsWith('src/index') ? 'index' : 'config'
  if (path.startsWith('src/env/')) return path === 'src/env/env.ts' ? 'env' : 'env-versions'
  return path.split('/')[1]!
}

/** Storey → the storeys it may import. A storey always may import itself. */
const arrows: Record<string, readonly string[]> = {
  util: [],
  protocol: ['util'],
  env: ['util'],
  'env-versions': ['util', 'env'],
  net: ['util', 'protocol', 'env'],
  raft: ['util', 'env', 'protocol'],
  log: ['util', 'protocol', 'env'],
  config: ['util', 'protocol', 'log'],
  metadata: ['util', 'protocol', 'env', 'raft', 'config', 'log'],
  gossip: ['util', 'env'],
  broker: ['util', 'protocol', 'env', 'net', 'log', 'metadata', 'raft', 'gossip', 'config'],
  client: ['util', 'protocol', 'env', 'net'],
  console: ['util', 'protocol', 'env', 'broker', 'client', 'metadata', 'config'],
  testing: ['util', 'protocol', 'env', 'env-versions', 'net', 'log', 'metadata', 'raft', 'broker', 'client', 'config'],
  index: ['util', 'protocol', 'env', 'env-versions', 'broker', 'client', 'testing', 'config'],
  bin: ['index'],
}
/** Folders whose types alone may be named: metadata shows the log's config type to nobody but the config table. */
const typesOnly = new Set(['config→log', 'metadata→log'])

describe('imports', () => {
  test('every import follows an arrow of the plan', () => {
    const wrong: string[] = []
    for (const path of sources) {
      const from = storeyOf(path)
      for (const { target, typeOnly } of importsOf(path)) {
        if (!target.startsWith('src/') && !target.startsWith('bin/')) continue
        const to = storeyOf(target)
        if (to === from) continue
        const allowed = arrows[from]
        if (allowed === undefined) wrong.push(`${path}: the storey '${from}' is not in the plan`)
        else if (!allowed.includes(to)) wrong.push(`${path} imports ${target}: ${from} may not import ${to}`)
        else if (typesOnly.has(`${from}→${to}`) && !typeOnly) wrong.push(`${path} imports ${target}: only its types`)
      }
    }
    expect(wrong).toEqual([])
  })

  test('relative imports name a file that exists', () => {
    const wrong: string[] = []
    for (const path of everything) {
      for (const { target } of importsOf(path)) {
        if (!/^(src|bin|test|bench)\//.test(target)) continue
        if (!target.endsWith('.ts') && !target.endsWith('.json')) wrong.push(`${path}: ${target} has no .ts ending`)
        else if (!statSync(join(root, target), { throwIfNoEntry: false })?.isFile()) wrong.push(`${path}: ${target} is not there`)
      }
    }
    expect(wrong).toEqual([])
  })

  test('sockets, files, crypto (but a hash), workers and level are imported by the real doors alone', () => {
    const doors =
      /^(node:)?(fs|fs\/promises|net|tls|dns|dns\/promises|crypto|worker_threads|child_process|http|https|http2|dgram|timers|timers\/promises|perf_hooks|level|classic-level|abstract-level)$/
    const wrong: string[] = []
    for (const path of sources) {
      if (path.startsWith('src/env/real/') || path.startsWith('bin/') || path === 'src/util/hmac.ts') continue
      for (const { target, typeOnly } of importsOf(path)) {
        if (doors.test(target) && !typeOnly) wrong.push(`${path} imports ${target}`)
      }
    }
    expect(wrong).toEqual([])
  })
})

describe('the world outside', () => {
  const bans: readonly [RegExp, string][] = [
    [/\b(setTimeout|setInterval|setImmediate|clearTimeout|queueMicrotask)\s*\(/, 'timers'],
    [/\bprocess\s*\.\s*(nextTick|hrtime|env|exit)\b/, 'process'],
    [/\bperformance\s*\./, 'performance'],
    [/\bDate\s*\.\s*now\b|\bnew\s+Date\s*\(\s*\)/, 'the wall clock'],
    [/\bMath\s*\.\s*random\b/, 'Math.random'],
    [/\bAbortSignal\s*\.\s*timeout\b/, 'AbortSignal.timeout'],
    [/\bnew\s+(Worker|MessageChannel|BroadcastChannel|FinalizationRegistry|WeakRef)\b/, 'workers'],
    [/\bAtomics\s*\.\s*wait/, 'Atomics.wait'],
    [/\bcrypto\s*\.\s*(random|getRandomValues|subtle)/, 'crypto'],
    [/\b(gzip|gunzip|deflate|inflate|brotliCompress|brotliDecompress|zstdCompress|zstdDecompress)\s*\(/, 'asynchronous zlib'],
  ]
  // The simulator's command line is a program of its own; the console's and the CLI's processes are programs too.
  const programs = new Set(['src/testing/sim/main.ts', 'src/testing/raft-sim/main.ts'])

  test.each(bans)('%s is used nowhere outside the real doors (%s)', (pattern, _what) => {
    const wrong: string[] = []
    for (const path of sources) {
      if (path.startsWith('src/env/real/') || path.startsWith('bin/') || programs.has(path)) continue
      codeOf(path)
        .split('\n')
        .forEach((line, index) => {
          if (pattern.test(line)) wrong.push(`${path}:${index + 1}: ${line.trim()}`)
        })
    }
    expect(wrong).toEqual([])
  })
})

describe('files', () => {
  test('no file grows beyond 600 lines', () => {
    const long = everything.map(path => [path, text.get(path)!.split('\n').length] as const).filter(([, lines]) => lines > 600)
    expect(long).toEqual([])
  })

  test('no left-overs land', () => {
    const words = new RegExp(['TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X'].map(word => `\\b${word}\\b`).join('|'))
    const focused = /\b(it|test|describe)\.(only|todo)\b/
    const wrong = everything.filter(path => words.test(text.get(path)!) || focused.test(codeOf(path)))
    expect(wrong).toEqual([])
  })

  test('names say what is inside', () => {
    const vague = everything.filter(path => /(^|\/)(helpers?|managers?|impl|common|misc|utils)(\.|\/)/.test(path))
    expect(vague).toEqual([])
    expect(sources.filter(path => !/^[a-z0-9./-]+$/.test(path))).toEqual([])
  })

  test('no machine path stands in a file', () => {
    const wrong = everything.filter(path => /['"`(\s]\/(work|root)\//.test(text.get(path)!))
    expect(wrong).toEqual([])
  })

  test('every runtime dependency has its line in docs/DECISIONS.md', () => {
    const dependencies = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    const decisions = readFileSync(join(root, 'docs/DECISIONS.md'), 'utf8')
    const names = [
      ...Object.keys(dependencies.dependencies ?? {}),
      ...Object.keys(dependencies.optionalDependencies ?? {}),
      ...Object.keys(dependencies.devDependencies ?? {}),
    ]
    expect(names.filter(name => !decisions.includes(`\`${name}\``))).toEqual([])
  })
})

describe('the advertised protocol', () => {
  test('every advertised API has a schema that covers the range, and a handler', () => {
    const wrong: string[] = []
    for (const { apiKey, minVersion, maxVersion } of ADVERTISED) {
      const api = apiByKey(apiKey)
      if (api === undefined) wrong.push(`key ${apiKey}: no schema`)
      else {
        if (maxVersion > api.maxVersion) wrong.push(`${api.name}: advertised to ${maxVersion}, defined to ${api.maxVersion}`)
        if (minVersion > maxVersion) wrong.push(`${api.name}: empty range`)
      }
      if (!HANDLERS.has(apiKey)) wrong.push(`key ${apiKey}: no handler`)
    }
    expect(wrong).toEqual([])
    expect([...HANDLERS.keys()].filter(key => !ADVERTISED.some(({ apiKey }) => apiKey === key))).toEqual([])
  })
})
