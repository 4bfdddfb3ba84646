import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { withToolTable } from '../fixtures/tool-table.ts';
import packageJson from '../package.json';
import { makeHome, type RunningServer, startServer } from './server/practice-server.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => readFileSync(join(root, 'src', name), 'utf8'))
  .join('\n');

describe('the README', () => {
  let server: RunningServer;
  let remove: () => Promise<void>;
  beforeAll(async () => {
    const made = await makeHome();
    remove = made.remove;
    server = await startServer(made.home);
  });
  afterAll(async () => {
    await server?.close();
    await remove?.();
  });

  it('has the table of tools as they are; `npx tsx fixtures/readme-tools.ts` writes it', async () => {
    const { tools } = await server.client.listTools();
    expect(readme).toBe(withToolTable(readme, tools));
  });

  it('names the environment variables that are read, and no others', () => {
    const named = (text: string) => new Set(text.match(/\b(?:RUNPOD_[A-Z]+(?:_[A-Z]+)*|SSH_KEY_PATH)\b/g));
    expect([...named(readme)].sort()).toEqual([...named(sources)].sort());
  });

  it('names no npm script that there is not', () => {
    const named = [...readme.matchAll(/npm (?:run )?(test|demo|bench|soak|practice|build|setup)\b/g)];
    for (const [, script = ''] of named) expect(Object.keys(packageJson.scripts)).toContain(script);
    expect(named.length).toBeGreaterThan(3);
  });

  it('names no file of the repository that is not there', () => {
    for (const [path] of readme.matchAll(/\b(?:src|fixtures|test)\/[\w./-]*\w/g)) {
      expect(readdirSync(join(root, path, '..')), path).toContain(path.split('/').at(-1));
    }
  });
});
