import { spawnSync } from 'node:child_process'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'

const entry = pathToFileURL(fileURLToPath(new URL('../../dist/src/index.js', import.meta.url))).href

test('a program that waits for a broker to come does not just end', () => {
  const program = `
    import { Kafka } from '${entry}'
    const kafka = new Kafka({ bootstrapServers: '127.0.0.1:1', logger: { log() {} } })
    const producer = kafka.producer({ metadataTimeoutMs: 300, deliveryTimeoutMs: 600 })
    try { await producer.send({ topic: 't', value: 'v' }) } catch (error) { console.log('told: ' + error.constructor.name) }
    await kafka.close()
  `
  const { status, stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8', timeout: 20_000 })
  expect(stdout).toMatch(/^told: /)
  expect(status).toBe(0)
})
