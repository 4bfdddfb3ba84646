import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  root: fileURLToPath(new URL('..', import.meta.url)),
  plugins: [
    {
      name: 'shell-program-as-text',
      enforce: 'pre',
      load(id) {
        if (!id.endsWith('.sh')) return null;
        return `export default ${JSON.stringify(readFileSync(id, 'utf8'))}`;
      },
    },
  ],
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/server/build-server.ts'],
    // Most tests wait for a pod, not for a processor; more than two at a time would crowd a small machine.
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 10_000 } },
  },
});
