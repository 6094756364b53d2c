// A process of its own, so that what it costs the attacker is not taken for what it costs the broker.
import { attack } from './attacks.ts'

const [name, bootstrap, forMs] = process.argv.slice(2)
const got = await attack(name!, bootstrap!, Number(forMs))
process.send!(got, () => process.exit(0))
