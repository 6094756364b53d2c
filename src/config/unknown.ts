// What to say about a key that is not in the table: a slip of the pen, a Kafka key that has nothing to act on here, or one that must not be ignored.
import { CONFIG_KEYS, TOPIC_KEYS } from './keys.ts'

/** Kafka keys by pattern, and why they are without effect. */
const WITHOUT_EFFECT: readonly (readonly [RegExp, string])[] = [
  [/^(num\.(network|io|recovery|replica)\.|background\.threads)/, 'there are no thread pools here'],
  [/^socket\.(send|receive)\.buffer\.bytes$/, 'the operating system sizes its socket buffers'],
  [/^(transaction|transactional|share)\./, 'transactions and share groups are not served yet'],
  [/^(group\.(consumer|share|streams|coordinator)|offsets)\./, 'nothing here depends on it'],
  [/^log\.cleaner\./, 'one log is compacted at a time, with buffers of a fixed size'],
  [/^(replica|controlled\.shutdown|leader\.imbalance|controller\.quorum)\./, 'nothing here depends on it'],
  [/^initial\.broker\.registration\./, 'a starting broker waits for its controllers as long as it takes'],
  [/^(ssl|sasl|security|principal)\./, 'listeners are PLAINTEXT'],
  [/^(remote\.log|log\.local)\./, 'there is no tiered storage'],
  [/^(metric|metrics|auto\.include\.jmx|telemetry)\./, 'metrics are served in another way'],
]

/** Keys whose owner counts on what they promise. */
export const REFUSED: ReadonlyMap<string, string> = new Map([
  ['authorizer.class.name', 'access control is not there yet; without this key everybody may do everything'],
  ['zookeeper.connect', 'there is no ZooKeeper mode; nodes are their own quorum (controller.quorum.voters)'],
])

/** Why the key does nothing, and the known key it may have meant. */
export function explainUnknown(key: string): string {
  const reason = WITHOUT_EFFECT.find(([pattern]) => pattern.test(key))?.[1]
  if (reason !== undefined) return `${key} has no effect: ${reason}`
  const near = nearestKey(key, CONFIG_KEYS)
  return `${key} is not a known key${near === undefined ? '' : `; did you mean ${near}?`}`
}

export function explainUnknownTopicKey(key: string): string {
  const near = nearestKey(key, TOPIC_KEYS)
  return `Unknown topic config name: ${key}${near === undefined ? '' : ` (did you mean ${near}?)`}`
}

/** Undefined when none is near: more than a third of the letters differ. */
function nearestKey(key: string, known: readonly string[]): string | undefined {
  let nearest: string | undefined
  let least = Math.floor(Math.max(key.length, 3) / 3) + 1
  for (const candidate of known) {
    const distance = editDistance(key, candidate, least)
    if (distance < least) [nearest, least] = [candidate, distance]
  }
  return nearest
}

/** Levenshtein's; gives up at `bound`. */
function editDistance(a: string, b: string, bound: number): number {
  if (Math.abs(a.length - b.length) >= bound) return bound
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const change = a[row - 1] === b[column - 1] ? 0 : 1
      current.push(Math.min(previous[column]! + 1, current[column - 1]! + 1, previous[column - 1]! + change))
    }
    previous = current
  }
  return previous[b.length]!
}
