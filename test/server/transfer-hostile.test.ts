import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { bothModes } from './practice-server.ts';
import {
  leftoversIn,
  makeFiles,
  startTransferPlace,
  succeeded,
  type TransferPlace,
} from './transfer-place.ts';

/** What the pod's programs answer goes through a sed whose rules the tests write. */
const LIARS = {
  base64:
    'case $* in *-d*) /usr/bin/base64 "$@" | exec sed -f "$LIES/decoded" ;; *) sed -f "$LIES/text" | exec /usr/bin/base64 "$@" ;; esac',
  gzip: 'sed -f "$LIES/text" | exec /bin/gzip "$@"',
  stat: '/usr/bin/stat "$@" | sed -f "$LIES/stat"',
};

describe.each(bothModes)('a pod that lies, in %s mode', (mode) => {
  let place: TransferPlace;
  let lies: string;
  beforeAll(async () => {
    lies = mkdtempSync('/var/tmp/lies-');
    mkdirSync(join(lies, 'bin'));
    for (const [name, program] of Object.entries(LIARS)) {
      writeFileSync(join(lies, 'bin', name), `#!/bin/sh\nLIES=${lies}\n${program}\n`);
      chmodSync(join(lies, 'bin', name), 0o755);
    }
    lie({});
    place = await startTransferPlace(mode, { firstInPath: join(lies, 'bin') });
    await makeFiles(place.podHome, {
      'tree/folder/file.txt': 'from the pod',
      'tree/other.txt': 'from the pod',
      'globs/match.txt': 'from the pod',
    });
    await symlink('folder', join(place.podHome, 'tree/link'));
    mkdirSync(join(place.work, 'open'));
    await makeFiles(place.work, { 'precious.txt': 'precious', 'open/x': 'x' });
  });
  afterAll(async () => {
    await place?.stop();
    rmSync(lies, { recursive: true, force: true });
  });
  beforeEach(() => rmSync(join(place.work, 'open/target'), { recursive: true, force: true }));

  function lie(rules: { text?: string; stat?: string; decoded?: string }): void {
    for (const name of ['text', 'stat', 'decoded'] as const)
      writeFileSync(join(lies, name), rules[name] ?? '');
  }

  /** All that is in the working directory, and what must not be. */
  function everything(): string {
    return execFileSync('find', [place.work, '-printf', '%P %y %l\\n'], { encoding: 'utf8' });
  }

  it('is believed when it tells the truth', async () => {
    lie({});
    succeeded(await place.download('tree', 'open/target'));
    expect(existsSync(join(place.work, 'open/target/folder/file.txt'))).toBe(true);
  });

  it.each([
    ['goes up', String.raw`s/\.\/other\.txt/.\/..\/..\/precious.txt/`],
    ['is absolute', String.raw`s/\.\/other\.txt/\/var\/tmp\/absolute.txt/`],
    ['goes up in the middle', String.raw`s/\.\/other\.txt/.\/folder\/..\/..\/..\/precious.txt/`],
    ['is empty', String.raw`s/\.\/other\.txt/.\//`],
    ['is said twice', String.raw`s/\.\/other\.txt/.\/folder/`],
  ])('about a name in a tree, which %s, gets nothing written', async (_what, text) => {
    lie({ text });
    const before = everything();
    const { isError, text: said } = await place.download('tree', 'open/target');
    expect(said).toMatch(/list of files can't be used/);
    expect(isError).toBe(true);
    expect(everything().replace(/^open\/target d \n/m, '')).toBe(before);
  });

  it('about a file that is below a link gets nothing written through the link', async () => {
    // The folder becomes a link to the working directory, with the file still in it.
    lie({
      text: String.raw`s/d \([0-9]* [0-9.]*\) \([0-7]*\) \.\/folder\x00\x00/l \1 \2 .\/folder\x00..\/..\x00/`,
    });
    const { text } = await place.download('tree', 'open/target');
    expect(text).toContain('a link that leads out of the tree');
    expect(existsSync(join(place.work, 'file.txt'))).toBe(false);
    expect(existsSync(join(place.work, 'open/target/folder'))).toBe(false);
  });

  it.each([
    ['larger', 's/f 12 /f 200 /g'],
    ['smaller', 's/f 12 /f 3 /g'],
  ])('about sizes in a tree, which are %s, leaves no file that is not whole', async (_what, text) => {
    lie({ text });
    const { isError } = await place.download('tree', 'open/target');
    expect(isError).toBe(true);
    for (const name of ['folder/file.txt', 'other.txt']) {
      expect(existsSync(join(place.work, 'open/target', name))).toBe(false);
    }
    expect(leftoversIn(place.work)).toEqual([]);
  });

  it.each([
    ['larger', 's/^12 /20000000 /'],
    ['larger, whenever it is asked', String.raw`s/^12\b/20000000/`],
    ['larger than any disk', 's/^12 /900000000000000 /'],
    ['no number', 's/^12 /-1 /'],
  ])('about the size of one file, which is %s, leaves no file that is not whole', async (_what, stat) => {
    lie({ stat });
    await makeFiles(place.work, { 'open/kept.txt': 'as it was' });
    const { isError } = await place.download('tree/other.txt', 'open/kept.txt');
    expect(isError).toBe(true);
    expect(execFileSync('cat', [join(place.work, 'open/kept.txt')], { encoding: 'utf8' })).toBe('as it was');
  });

  it.each([
    ['goes up', String.raw`s/globs\/match\.txt/globs\/../`],
    ['ends in a dot', String.raw`s/globs\/match\.txt/globs\/./`],
    ['is a folder', String.raw`s/globs\/match\.txt/globs\//`],
  ])(
    'about what a pattern matches, which %s, gets nothing written beside the target',
    async (_what, text) => {
      mkdirSync(join(place.work, 'open/target'));
      lie({ text });
      const before = everything();
      await place.download('globs/m*.txt', 'open/target/');
      expect(everything().replace(/^open\/target\/.*\n/gm, '')).toBe(before);
    },
  );

  it.each(['tree', 'file'])('about what it has got puts nothing in place: a %s', async (what) => {
    lie({ decoded: 's/payload/pAyload/' });
    const path = what === 'tree' ? 'sent/file.txt' : 'sent.txt';
    await makeFiles(place.podHome, { [path]: 'as it was' });
    await makeFiles(place.work, { [path]: 'the payload' });
    const name = path.split('/')[0] ?? '';
    const { text } = await place.upload(name, name);
    expect(text).toContain('did not arrive as it was sent');
    expect(readFileSync(join(place.podHome, path), 'utf8')).toBe('as it was');
    expect(leftoversIn(place.podHome)).toEqual([]);
    lie({});
    succeeded(await place.upload(name, name));
    expect(readFileSync(join(place.podHome, path), 'utf8')).toBe('the payload');
  });
});
