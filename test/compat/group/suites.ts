// The clients whose groups are checked: what is wanted and installed; the others are reported as not run.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { javaArguments } from '../clients/java.ts'
import { type Installed, isMissing, JAVA_VERSIONS, type Missing } from '../install.ts'
import { run } from '../process.ts'
import { type GroupClient, javaClient, kcatClient, nodeProgram, programClient, sourceProgram } from './client.ts'

export async function groupClients(
  bootstrap: string,
  installed: Installed,
  wanted: (name: string) => boolean,
  skipped: (client: string, checks: string, why: string) => void,
): Promise<GroupClient[]> {
  const { packages, npm, binding, node24, jars, go, python } = installed
  const version = (name: string) => {
    const file = join(packages, 'node_modules', name, 'package.json')
    return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
  }
  const node = process.execPath
  const all: Record<string, () => Promise<GroupClient | Missing>> = {
    async librdkafka() {
      if (isMissing(binding)) return binding
      return programClient({
        ...{ name: 'librdkafka', version: version('@confluentinc/kafka-javascript'), statics: true, cooperative: 'cooperative-sticky' },
        ...{ commitsWhatItGives: true, command: node, args: [nodeProgram('librdkafka')], bootstrap, packages },
      })
    },
    async kcat() {
      const installedKcat = await run('kcat', ['-V'], { expect: 'any' }).then(
        () => true,
        () => false,
      )
      return installedKcat ? kcatClient('1.7.1', bootstrap) : { missing: 'kcat is not installed (Debian: apt-get install kcat)' }
    },
    async kafkajs() {
      if (isMissing(npm)) return npm
      return programClient({
        ...{ name: 'kafkajs', version: version('kafkajs'), statics: false, commitsWhatItGives: true },
        ...{ command: node, args: [nodeProgram('kafkajs')], bootstrap, packages },
      })
    },
    async platformatic() {
      if (isMissing(node24)) return node24
      return programClient({
        ...{ name: 'platformatic', version: version('@platformatic/kafka'), statics: true, commitsWhatItGives: true },
        ...{ handsOutStale: true, staticsLeave: true },
        ...{ command: node24, args: [nodeProgram('platformatic')], bootstrap, packages },
      })
    },
    ottla: async () =>
      programClient({
        ...{ name: 'ottla', version: '', statics: true, cooperative: 'cooperative-sticky', commitsWhatItGives: true },
        ...{ command: node, args: [nodeProgram('ottla')], bootstrap },
      }),
    async 'franz-go'() {
      if (isMissing(go)) return go
      return programClient({
        ...{ name: 'franz-go', version: '1.22.2', statics: true, cooperative: 'cooperative-sticky', commitsWhatItGives: true },
        ...{ command: join(go, 'franz'), args: [], bootstrap },
      })
    },
    async sarama() {
      if (isMissing(go)) return go
      return programClient({
        ...{ name: 'sarama', version: '1.61.1', statics: true, commitsWhatItGives: false },
        ...{ command: join(go, 'sarama'), args: [], bootstrap },
      })
    },
    async 'kafka-python'() {
      if (isMissing(python)) return python
      return programClient({
        ...{ name: 'kafka-python', version: '3.0.12', statics: true, cooperative: 'cooperative-sticky', commitsWhatItGives: true },
        ...{ command: python, args: [sourceProgram('kafka_python.py')], bootstrap },
      })
    },
  }
  for (const javaVersion of JAVA_VERSIONS) {
    all[`java ${javaVersion}`] = async () => {
      const libs = jars.get(javaVersion)!
      return isMissing(libs) ? libs : javaClient(javaVersion, bootstrap, (className, args) => javaArguments(libs, className, args))
    }
  }
  const clients: GroupClient[] = []
  for (const [name, open] of Object.entries(all)) {
    if (!wanted(name)) continue
    const client = await open()
    if ('missing' in client) skipped(name, '(groups)', client.missing)
    else clients.push(client)
  }
  return clients
}
