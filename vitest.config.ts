import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: { include: ['test/**/*.test.ts', 'examples/**/*.test.ts'], exclude: ['test/compat/**'], testTimeout: 30_000, hookTimeout: 30_000 },
})
