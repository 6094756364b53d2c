// What a topic may be called.
// Facts: org.apache.kafka.common.internals.Topic.

const MAX_NAME_LENGTH = 249

/** What is wrong with a name for a topic, wherever one is given; undefined: nothing. */
export function topicNameError(name: string): string | undefined {
  if (name === '') return 'Topic name is invalid: the empty string is not allowed'
  if (name === '.' || name === '..') return `Topic name is invalid: '${name}' is not allowed`
  if (name.length > MAX_NAME_LENGTH)
    return `Topic name is invalid: the length of '${name.slice(0, 300)}' is longer than the max allowed length ${MAX_NAME_LENGTH}`
  if (!/^[a-zA-Z0-9._-]+$/.test(name))
    return `Topic name is invalid: '${name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'`
  return undefined
}

/** Metrics make '.' and '_' one: names that differ only there must not live together. */
export function foldedName(name: string): string {
  return name.replaceAll('.', '_')
}
