import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { conclude, decodeFacts, encodeFacts, type NodeFacts, type Seeker } from '../../src/broker/formation.ts'
import { ProtocolError } from '../../src/protocol/errors.ts'
import { pack } from '../../src/util/pack.ts'

const folder = new URL('./formation-scenarios/', import.meta.url)

describe('what a blank node concludes', () => {
  /** `UPDATE=1` rewrites the `> ` lines; the diff is to be read. */
  test.each(readdirSync(folder))('%s', name => {
    const file = new URL(name, folder)
    const text = readFileSync(file, 'utf8')
    const told = replay(text)
    if (process.env['UPDATE'] === '1') writeFileSync(file, told)
    else expect(told).toBe(text)
  })
})

/**
 * `node ID/DIR voters 1,2,3 [cluster ID]` is who seeks; `hears ID/DIR …` the newest answer of another node: `blank voters 1,2,3`, or
 * `in CLUSTER 1/a 2/b`.
 */
function replay(text: string): string {
  let seeker: Seeker | undefined
  const answers = new Map<number, NodeFacts>()
  const told: string[] = []
  for (const line of text.split('\n')) {
    if (line.startsWith('>')) continue
    told.push(line)
    if (line === '' || line.startsWith('#')) continue
    const [verb, who, ...words] = line.split(' ')
    const node = voterOf(who!)
    if (verb === 'node') {
      answers.clear()
      const [, ids, , clusterId] = words
      seeker = { ...node, configured: idsOf(ids!), clusterId }
    } else {
      const [state, ...more] = words
      const facts =
        state === 'in'
          ? { clusterId: more[0]!, voters: more.slice(1).map(voterOf), configured: [] }
          : { clusterId: '', voters: [], configured: idsOf(more[1]!) }
      answers.set(node.nodeId, { ...node, ...facts, addresses: [] })
    }
    told.push(`> ${textOf(conclude(seeker!, answers.values(), () => 'NEW'))}`)
  }
  return told.join('\n')
}

const voterOf = (text: string) => ({ nodeId: Number(text.split('/')[0]), directoryId: text.split('/')[1]! })
const idsOf = (text: string) => (text === '-' ? [] : text.split(',').map(Number))

function textOf(conclusion: ReturnType<typeof conclude>): string {
  switch (conclusion.type) {
    case 'member': {
      const { clusterId, voters } = conclusion.membership
      return `member of ${clusterId} ${voters.map(({ nodeId, directoryId }) => `${nodeId}/${directoryId}`).join(' ')}`
    }
    case 'refused':
      return `refused: ${conclusion.reason}`
    case 'wait':
      return `wait${conclusion.missing.length > 0 ? ` for ${conclusion.missing}` : ''}${conclusion.disagreeing.length > 0 ? `, ${conclusion.disagreeing} have other voters` : ''}`
  }
}

describe('facts on the wire', () => {
  const facts: NodeFacts = {
    nodeId: 1,
    directoryId: 'directory-of-number-1A',
    clusterId: 'clustercluster-clusteA',
    voters: [
      { nodeId: 1, directoryId: 'directory-of-number-1A' },
      { nodeId: 2, directoryId: 'directory-of-number-2Q' },
    ],
    configured: [1, 2],
    addresses: [{ nodeId: 1, host: 'a', port: 7 }],
  }
  const blank: NodeFacts = { ...facts, clusterId: '', voters: [], addresses: [] }

  test('come back as they were', () => {
    expect(decodeFacts(encodeFacts(facts))).toEqual(facts)
    expect(decodeFacts(encodeFacts(blank))).toEqual(blank)
  })

  test.each([
    ['nothing', Buffer.alloc(0)],
    ['noise', Buffer.from('not a packed value')],
    ['another type', pack(2, 1, [])],
    ['a directory that is none', encodeFacts({ ...facts, directoryId: 'x' })],
    ['a cluster that is none', encodeFacts({ ...facts, clusterId: 'x' })],
    ['a node id below zero', encodeFacts({ ...facts, nodeId: -1 })],
    ['voters that are none', pack(1, 1, [1, facts.directoryId, '', [[1]], [], []])],
    ['addresses that are none', pack(1, 1, [1, facts.directoryId, '', [], [], [['a']]])],
  ])('%s is refused', (_, bytes) => {
    expect(() => decodeFacts(bytes)).toThrow(ProtocolError)
  })
})
