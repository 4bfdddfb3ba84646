import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { shells } from '../../session/pod-place.ts';

const program = fileURLToPath(new URL('../../../src/transfer/pod/settle-tree.sh', import.meta.url));
const runs = { bash: ['/bin/bash'], dash: ['/bin/dash'], busybox: ['/bin/busybox', 'sh'] };

describe.each(shells)('in %s, putting an unpacked tree in place', (shell) => {
  let folder = '';
  const path = (...names: string[]) => join(folder, ...names);
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'settle-'));
    for (const name of ['bin', 'root', 'stage']) await mkdir(path(name));
    const [file = '', ...args] = runs[shell];
    await writeFile(path('bin/sh'), `#!/bin/bash\nexec ${[file, ...args].join(' ')} "$@"\n`, { mode: 0o755 });
    if (shell === 'busybox') {
      for (const tool of ['find', 'mv', 'rm', 'head', 'chmod', 'touch', 'mkdir']) {
        await symlink('/bin/busybox', path('bin', tool));
      }
    }
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  /** What the program prints: what could not be done. */
  const settle = (...records: string[]): string =>
    execFileSync(path('bin/sh'), [program, path('stage'), ...records], {
      cwd: path('root'),
      env: { PATH: `${path('bin')}:/usr/bin:/bin` },
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  const make = async (...names: string[]): Promise<void> => {
    for (const name of names) {
      await mkdir(path(name, '..'), { recursive: true });
      await writeFile(path(name), name);
    }
  };
  const listed = () =>
    execFileSync('find', [path('root'), '-type', 'f', '-printf', '%P\n'], { encoding: 'utf8' });

  /** A mv that has something done before its first move of a folder. */
  async function interfere(before: string): Promise<void> {
    const real = shell === 'busybox' ? '/bin/busybox mv' : '/bin/mv';
    await rm(path('bin/mv'), { force: true });
    const once = `if [ -d "$3" ] && [ ! -e '${path('done')}' ]; then : >'${path('done')}'; ${before}; fi`;
    await writeFile(path('bin/mv'), `#!/bin/sh\n${once}\nexec ${real} "$@"\n`);
    await chmod(path('bin/mv'), 0o755);
  }

  it('adds to folders that are there, and takes over what is not', async () => {
    await make(
      'root/d/old',
      'root/d/deep/old',
      'stage/d/new',
      'stage/d/deep/new',
      'stage/e/f/g',
      'stage/top',
    );
    expect(settle('m ', 's ')).toBe('');
    expect(listed().split('\n').sort().join(' ').trim()).toBe('d/deep/new d/deep/old d/new d/old e/f/g top');
    expect(existsSync(path('stage'))).toBe(false);
  });

  it('goes on when somebody makes one of the folders meanwhile', async () => {
    await make('stage/d/new', 'stage/d/both', 'stage/e/f/new', 'stage/g');
    await interfere('mkdir -p d e/f; echo theirs >d/both; echo theirs >e/f/theirs');
    expect(settle('m ', 's ')).toBe('');
    expect(listed().split('\n').sort().join(' ').trim()).toBe('d/both d/new e/f/new e/f/theirs g');
    expect(existsSync(path('stage'))).toBe(false);
  });

  it('says so when a folder can’t be moved at all', async () => {
    await make('stage/d/new');
    await interfere('exit 1');
    await writeFile(path('bin/mv'), '#!/bin/sh\nexit 1\n');
    expect(settle('m ')).toBe('.\n');
  });
});
