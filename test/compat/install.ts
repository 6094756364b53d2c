// Puts the clients of the run into a cache folder, through the ordinary clients of their registries: kcat from Debian, the Node clients from npm,
// Apache Kafka's tools from Maven, franz-go and sarama from the Go module proxy, kafka-python from PyPI. Whatever cannot be had is a reason, and its client counts as not run.
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { lastLines, type RunOptions, run } from './process.ts'

export const JAVA_VERSIONS = ['4.3.1', '3.9.1'] as const

/** Each: the folder or binary, or why it is not there. */
export interface Installed {
  /** Holds node_modules. */
  readonly packages: string
  readonly npm: 'installed' | Missing
  /** librdkafka's binding was compiled. */
  readonly binding: 'installed' | Missing
  readonly node24: string | Missing
  readonly jars: ReadonlyMap<string, string | Missing>
  /** The folder of the Go clients' programs. */
  readonly go: string | Missing
  /** The Python that has kafka-python. */
  readonly python: string | Missing
}
export interface Missing {
  readonly missing: string
}
export const isMissing = (thing: string | Missing): thing is Missing => typeof thing !== 'string'

export function cacheDirectory(): string {
  return process.env['OTTLA_COMPAT_CACHE'] ?? join(homedir(), '.cache', 'ottla-compat')
}

/** @param sources  the repository's test/compat, where package.json and its lock are */
export async function install(sources: string, o: { fetch: boolean; wanted(client: string): boolean }): Promise<Installed> {
  const cache = cacheDirectory()
  mkdirSync(cache, { recursive: true })
  const packages = join(cache, 'npm')
  if (o.fetch && o.wanted('kcat') && !(await works('kcat', ['-V']))) await debian(['kcat'])

  const node = ['kafkajs', 'platformatic', 'librdkafka'].some(name => o.wanted(name))
  const npm = node ? await attempt(() => npmPackages(sources, packages, o.fetch)) : skipped
  const binding = npm !== 'installed' ? npm : o.wanted('librdkafka') ? await attempt(() => librdkafkaBinding(packages, o.fetch)) : skipped
  const jars = new Map<string, string | Missing>()
  for (const version of JAVA_VERSIONS) {
    jars.set(version, o.wanted(`java ${version}`) ? await attempt(() => kafkaJars(cache, version, o.fetch)) : skipped)
  }
  const programs = join(sources, 'group', 'programs')
  const wantsGo = o.wanted('franz-go') || o.wanted('sarama')
  const go = wantsGo ? await attempt(() => goPrograms(join(programs, 'go'), join(cache, 'go'), o.fetch)) : skipped
  const python = o.wanted('kafka-python') ? await attempt(() => pythonPackages(programs, join(cache, 'python'), o.fetch)) : skipped
  return { packages, npm, binding, node24: npm === 'installed' ? nodeOf(packages) : npm, jars, go, python }
}

const skipped: Missing = { missing: 'not asked for' }

async function attempt<T extends string>(get: () => Promise<T>): Promise<T | Missing> {
  try {
    return await get()
  } catch (error) {
    return { missing: (error as Error).message }
  }
}

function say(what: string): void {
  process.stderr.write(`compat: ${what}\n`)
}

/** Installs Debian packages when this is root on Debian; does nothing otherwise. */
async function debian(names: readonly string[]): Promise<void> {
  if (process.getuid?.() !== 0 || !(await works('apt-get', ['--version']))) return
  say(`installing ${names.join(' ')} from Debian`)
  const options: RunOptions = { timeoutMs: 300_000, expect: 'any', env: { DEBIAN_FRONTEND: 'noninteractive' } }
  await run('apt-get', ['update', '-qq'], options)
  await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...names], options)
}

const works = (command: string, args: readonly string[], stdin = '') =>
  run(command, args, { stdin }).then(
    () => true,
    () => false,
  )

async function npmPackages(sources: string, packages: string, fetch: boolean): Promise<'installed'> {
  const lock = readFileSync(join(sources, 'package-lock.json'))
  const done = join(packages, '.installed')
  if (existsSync(done) && readFileSync(done).equals(lock)) return 'installed'
  if (!fetch) throw new Error('the npm packages are not installed: run without --no-install')
  say('installing kafkajs, @platformatic/kafka, @confluentinc/kafka-javascript and Node 24 from npm')
  rmSync(packages, { recursive: true, force: true })
  mkdirSync(packages, { recursive: true })
  for (const file of ['package.json', 'package-lock.json']) copyFileSync(join(sources, file), join(packages, file))
  await run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: packages, timeoutMs: 300_000 })
  writeFileSync(done, lock)
  return 'installed'
}

function nodeOf(packages: string): string | Missing {
  if (Number(process.versions.node.split('.')[0]) >= 24) return process.execPath
  for (const architecture of ['x64', 'arm64']) {
    const node = join(packages, 'node_modules', `node-linux-${architecture}`, 'bin', 'node')
    if (existsSync(node)) return node
  }
  return { missing: 'needs Node 24; npm has no build of it for this platform' }
}

/** The binding's own install script would fetch a binary from elsewhere; the package also carries all sources, which take two minutes to compile. */
async function librdkafkaBinding(packages: string, fetch: boolean): Promise<'installed'> {
  const folder = join(packages, 'node_modules', '@confluentinc', 'kafka-javascript')
  const binary = join(folder, 'build', 'Release', 'confluent-kafka-javascript.node')
  if (existsSync(binary)) return 'installed'
  if (!fetch) throw new Error('the binding is not compiled: run without --no-install')
  const headers = '#include <zlib.h>\n#include <zstd.h>\n#include <openssl/ssl.h>\n'
  if (!(await works('g++', ['-E', '-x', 'c++', '-'], headers))) {
    await debian(['g++', 'make', 'python3', 'zlib1g-dev', 'libzstd-dev', 'libssl-dev'])
  }
  say('compiling librdkafka and its Node binding (about two minutes)')
  const prefix = dirname(dirname(process.execPath))
  const env: Record<string, string> = { npm_config_build_from_source: 'true', CKJS_LINKING: 'dynamic', CFLAGS: '-O1' }
  if (existsSync(join(prefix, 'include', 'node', 'node.h'))) env['npm_config_nodedir'] = prefix
  const built = await run('npm', ['run', 'install'], { cwd: folder, env, timeoutMs: 580_000, expect: 'any' })
  if (!existsSync(binary)) throw new Error(`compiling failed (exit code ${built.code}): ${lastLines(built.stderr, 200)}`)
  return 'installed'
}

async function kafkaJars(cache: string, version: string, fetch: boolean): Promise<string> {
  const libs = join(cache, `kafka-${version}`, 'libs')
  // Only the newest runs applications: Kafka Connect's file connectors and Kafka Streams' word count.
  const applications = version === JAVA_VERSIONS[0] ? ['connect-file', 'kafka-streams-examples'] : []
  const wanted = ['kafka_2.13', ...applications]
  const have = () => existsSync(libs) && wanted.every(artifact => readdirSync(libs).includes(`${artifact}-${version}.jar`))
  if (!(await works('java', ['-version']))) throw new Error('java is not installed (17 or newer)')
  if (have()) return libs
  if (!fetch) throw new Error(`the jars of Apache Kafka ${version} are not installed: run without --no-install`)
  if (!(await works('mvn', ['-version']))) throw new Error('mvn is not installed')
  say(`fetching the jars of Apache Kafka ${version} from Maven`)
  mkdirSync(libs, { recursive: true })
  const pom = join(cache, `kafka-${version}`, 'pom.xml')
  const dependency = (group: string, artifact: string, v: string) =>
    `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${v}</version></dependency>`
  writeFileSync(
    pom,
    `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>local</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging><dependencies>
${dependency('org.apache.kafka', 'kafka_2.13', version)}
${dependency('org.apache.kafka', 'kafka-tools', version)}
${applications.map(artifact => dependency('org.apache.kafka', artifact, version)).join('\n')}
${dependency('org.apache.logging.log4j', 'log4j-core', '2.24.3')}
${dependency('org.apache.logging.log4j', 'log4j-slf4j-impl', '2.24.3')}
</dependencies></project>\n`,
  )
  await run('mvn', ['-q', '-f', pom, 'dependency:copy-dependencies', `-DoutputDirectory=${libs}`], { timeoutMs: 400_000 })
  if (!have()) throw new Error(`mvn did not fetch ${wanted.join(', ')} ${version}`)
  return libs
}

/** franz-go and sarama, through the Go module proxy, with go.sum as the lock. */
async function goPrograms(sources: string, folder: string, fetch: boolean): Promise<string> {
  const files = ['go.mod', 'go.sum', 'franz/main.go', 'sarama/main.go'].map(file => readFileSync(join(sources, file)))
  const done = join(folder, '.built')
  if (existsSync(done) && readFileSync(done).equals(Buffer.concat(files))) return folder
  if (!fetch) throw new Error('the Go programs are not built: run without --no-install')
  if (!(await works('go', ['version']))) throw new Error('go is not installed (1.26 or newer)')
  say('building the programs of franz-go and sarama')
  mkdirSync(folder, { recursive: true })
  await run('go', ['build', '-mod=readonly', '-o', `${folder}/`, './franz', './sarama'], { cwd: sources, timeoutMs: 400_000 })
  writeFileSync(done, Buffer.concat(files))
  return folder
}

async function pythonPackages(sources: string, folder: string, fetch: boolean): Promise<string> {
  const requirements = readFileSync(join(sources, 'requirements.txt'))
  const done = join(folder, '.installed')
  const python = join(folder, 'bin', 'python')
  if (existsSync(done) && readFileSync(done).equals(requirements)) return python
  if (!fetch) throw new Error('kafka-python is not installed: run without --no-install')
  if (!(await works('python3', ['-m', 'venv', '--help']))) await debian(['python3', 'python3-venv'])
  say('installing kafka-python from PyPI')
  await run('python3', ['-m', 'venv', folder], { timeoutMs: 120_000 })
  await run(python, ['-m', 'pip', 'install', '-q', '-r', join(sources, 'requirements.txt')], { timeoutMs: 300_000 })
  writeFileSync(done, requirements)
  return python
}
