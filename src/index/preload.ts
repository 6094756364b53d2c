// Loads what a node with real doors consists of, so that startNode finds it loaded: for a process that will start one and does not know with what yet.

export async function preloadNode(): Promise<void> {
  await Promise.all([import('../broker/node.ts'), import('../env/real/env.ts'), import('../env/real/logger.ts')])
}
