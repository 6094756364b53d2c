// What the README shows is what runs.
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

test('the example of a cluster in a test stands in the README as it is run', () => {
  const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
  const [, example] = read('examples/cluster.test.ts').split(/^\/\/.*\n/)
  expect(read('README.md')).toContain(`\`\`\`ts\n${example}\`\`\`\n`)
})
