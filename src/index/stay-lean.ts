/** For programs that are one node and nothing else: V8's flags are the whole process's. */
export { stayLean } from '../env/real/collector.ts'
