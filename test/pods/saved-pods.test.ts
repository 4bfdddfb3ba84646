import { mkdir, mkdtemp, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { savedFile } from '../../src/pods/saved-file.ts';
import { savedPodsReader } from '../../src/pods/saved-pods.ts';

describe('the saved pods', () => {
  let homeDir: string;
  let path: string;
  const content = (port: number) => JSON.stringify({ host: '192.0.2.1', port, user: 'root' });
  beforeEach(async () => {
    homeDir = await mkdtemp(join(tmpdir(), 'saved-pods-'));
    path = savedFile(homeDir);
    await mkdir(dirname(path), { recursive: true });
  });
  afterEach(() => rm(homeDir, { recursive: true }));

  it('are as the file says, however soon and however often it is written', async () => {
    const read = savedPodsReader({ homeDir, env: {} });
    expect((await read()).current).toBeUndefined();
    for (let port = 1000; port < 1100; port++) {
      await writeFile(path, content(port));
      expect((await read()).current?.port).toBe(port);
    }
  });

  it('are read once while the file stays as it is, and again when it is another one', async () => {
    const read = savedPodsReader({ homeDir, env: {} });
    await writeFile(path, content(1000));
    // Until it is certain that a change would show.
    let first = await read();
    await expect
      .poll(async () => {
        const before = first;
        first = await read();
        return first === before;
      })
      .toBe(true);
    await writeFile(`${path}.new`, content(2000));
    await utimes(`${path}.new`, new Date(0), new Date(0));
    await rename(`${path}.new`, path);
    expect(first.current?.port).toBe(1000);
    expect((await read()).current?.port).toBe(2000);
    await rm(path);
    expect((await read()).current).toBeUndefined();
  });
});
