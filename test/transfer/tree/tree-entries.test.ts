import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { anchored, GitIgnore, type NewPatternList } from '../../../src/transfer/tree/ignore-rules.ts';
import { listTree, type TreeOptions } from '../../../src/transfer/tree/tree-entries.ts';

let root: string;

beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'tree-')));
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

const write = (name: string, content = '') => {
  mkdirSync(dirname(join(root, name)), { recursive: true });
  writeFileSync(join(root, name), content);
};

const paths = async (options?: TreeOptions, folder = root) =>
  (await listTree(folder, options)).entries.map(({ path }) => path.toString('latin1'));

/** As much of gitignore as these tests need: names and paths, `**`, folders, and their opposite. */
const newList: NewPatternList = () => {
  const rules: { pattern: RegExp; ignores: boolean }[] = [];
  return {
    add(lines) {
      for (const line of lines.filter((text) => text !== '')) {
        const pattern = line.replace(/^!/, '');
        const source = pattern
          .replace(/^\//, '')
          .replaceAll('.', '\\.')
          .replaceAll('**/', '(?:.*/)?')
          .replace(/\/$/, '(?=/)');
        const start = /\/(?=.)/.test(pattern) ? '^' : '(?:^|/)';
        rules.push({ pattern: new RegExp(`${start}${source}/?$`), ignores: !line.startsWith('!') });
      }
    },
    test: (path) => ({ ignored: rules.findLast(({ pattern }) => pattern.test(path))?.ignores ?? false }),
  };
};

const patterns = (...lines: string[]) => {
  const list = newList();
  list.add(lines);
  return list;
};

describe('a tree', () => {
  test('is listed with kinds, sizes, modes, times and targets', async () => {
    write('b/file', 'hello');
    chmodSync(join(root, 'b/file'), 0o751);
    utimesSync(join(root, 'b/file'), 1, 1_600_000_000.5);
    mkdirSync(join(root, 'b/empty'), { mode: 0o700 });
    symlinkSync('../nowhere', join(root, 'b/link'));
    symlinkSync('b', join(root, 'a'));
    const { entries, skipped } = await listTree(root);
    expect(skipped).toEqual([]);
    expect(entries.map(({ path, kind }) => [path.toString(), kind])).toEqual([
      ['a', 'symlink'],
      ['b', 'directory'],
      ['b/empty', 'directory'],
      ['b/file', 'file'],
      ['b/link', 'symlink'],
    ]);
    expect(entries[2]).toMatchObject({ mode: 0o700 });
    expect(entries[3]).toMatchObject({ size: 5, mode: 0o751, mtimeNs: 1_600_000_000_500_000_000n });
    expect(entries[4]).toMatchObject({ target: Buffer.from('../nowhere') });
  });

  test('has every legal name, bytes that are no UTF-8 too', async () => {
    const names = [
      'a b',
      '-rf',
      'new\nline',
      '"q\'',
      '*',
      '\\',
      '...',
      '\u{1f600}',
      'e\u0301',
      '\u00e9',
      '~',
    ];
    for (const name of names) write(`d/${name}`);
    const odd = Buffer.concat([Buffer.from(`${root}/d/`), Buffer.from([0xff, 0x80, 0x61])]);
    mkdirSync(odd);
    writeFileSync(Buffer.concat([odd, Buffer.from('/x')]), 'x');
    const { entries } = await listTree(root);
    const found = entries.map(({ path }) => path.toString('hex'));
    for (const name of names) expect(found).toContain(Buffer.from(`d/${name}`).toString('hex'));
    expect(found).toContain(Buffer.from('d/\xff\x80a/x', 'latin1').toString('hex'));
  });

  test('is in the order of bytes, folders before what is in them', async () => {
    for (const name of ['a/x', 'a-b', 'a.c/y', 'B/z', 'a/a/a']) write(name);
    const found = await paths();
    expect(found).toEqual([...found].sort());
    for (const path of found)
      if (path.includes('/')) expect(found.indexOf(dirname(path))).toBeLessThan(found.indexOf(path));
  });

  test('that is empty has no entries', async () =>
    expect(await listTree(root)).toEqual({ entries: [], skipped: [] }));

  test('of many files and folders is whole', async () => {
    for (let i = 0; i < 300; i++) write(`d${i % 7}/e${i % 11}/f${i}`);
    const found = await paths();
    expect(found.filter((path) => path.includes('/f'))).toHaveLength(300);
    expect(new Set(found).size).toBe(found.length);
  });
});

describe('what is not sent', () => {
  test('sockets and pipes are skipped, and said so', async () => {
    execFileSync('mkfifo', [join(root, 'pipe')]);
    const server = createServer().listen(join(root, 'sock'));
    await new Promise((resolve) => server.once('listening', resolve));
    try {
      const { entries, skipped } = await listTree(root);
      expect(entries).toEqual([]);
      expect(skipped).toEqual([
        { path: Buffer.from('pipe'), why: 'a named pipe' },
        { path: Buffer.from('sock'), why: 'a socket' },
      ]);
    } finally {
      server.close();
    }
  });

  test('what the guard refuses is skipped with all that is in it', async () => {
    write('ok');
    write('.ssh/key');
    const { entries, skipped } = await listTree(root, {
      refuse: (path) => (path === `${root}/.ssh` ? 'protected' : undefined),
    });
    expect(entries.map(({ path }) => path.toString())).toEqual(['ok']);
    expect(skipped).toEqual([{ path: Buffer.from('.ssh'), why: 'protected' }]);
  });

  test('excluded files and folders are left out without a word', async () => {
    for (const name of ['a.txt', 'sub/a.txt', 'build/x', 'sub/build/y', 'b']) write(name);
    const listing = await listTree(root, { exclude: patterns('a.txt', 'build/') });
    expect(listing.entries.map(({ path }) => path.toString())).toEqual(['b', 'sub']);
    expect(listing.skipped).toEqual([]);
  });

  test('a folder that is not there, or is a file, is an error', async () => {
    write('file');
    await expect(listTree(join(root, 'none'))).rejects.toMatchObject({ kind: 'no-such-file' });
    await expect(listTree(join(root, 'file'))).rejects.toMatchObject({ kind: 'no-such-file' });
  });

  test('too many entries are an error', async () => {
    for (let i = 0; i < 5; i++) write(`f${i}`);
    await expect(listTree(root, { maxEntries: 4 })).rejects.toMatchObject({ kind: 'bad-input' });
  });

  test('a cancelled listing stops', async () => {
    write('x');
    await expect(listTree(root, { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow(
      'enough',
    );
  });
});

describe('as git sees it', () => {
  const asGit = async (folder = root) =>
    paths({ gitIgnore: await GitIgnore.forTree(folder, newList) }, folder);

  test('.git itself is left out, a .gitignore is not', async () => {
    for (const name of ['.git/HEAD', '.gitignore', 'a', 'sub/.git', 'sub/x']) write(name);
    expect(await asGit()).toEqual(['.gitignore', 'a', 'sub', 'sub/x']);
  });

  test('the nearest .gitignore that says anything decides', async () => {
    write('.gitignore', 'log\ntmp/\n');
    write('sub/.gitignore', '!log\n/only\n');
    for (const name of ['log', 'sub/log', 'sub/deep/log', 'tmp/x', 'sub/only', 'sub/deep/only', 'only'])
      write(name);
    expect(await asGit()).toEqual([
      '.gitignore',
      'only',
      'sub',
      'sub/.gitignore',
      'sub/deep',
      'sub/deep/log',
      'sub/deep/only',
      'sub/log',
    ]);
  });

  test('a .gitignore in a folder that is left out counts for nothing', async () => {
    write('.gitignore', 'out/\n');
    write('out/.gitignore', '!x\n');
    write('out/x');
    expect(await asGit()).toEqual(['.gitignore']);
  });

  test('the repository above the tree counts', async () => {
    write('.git/info/exclude', 'private\n');
    write('.gitignore', 'log\n/pkg/app/dist\n');
    write('pkg/.gitignore', '!log\ncache\n');
    for (const name of ['log', 'private', 'dist', 'cache', 'src/dist', 'main']) write(`pkg/app/${name}`);
    expect(await asGit(join(root, 'pkg/app'))).toEqual(['log', 'main', 'src', 'src/dist']);
  });

  test('what lies above is no concern where there is no repository', async () => {
    write('.gitignore', 'log\n');
    write('sub/log');
    expect(await asGit(join(root, 'sub'))).toEqual(['log']);
  });

  test.each([
    ['log', '', 'log'],
    ['log', 'a/', '/a/**/log'],
    ['tmp/', 'a/', '/a/**/tmp/'],
    ['/log', 'a/', '/a/log'],
    ['x/y', 'a/b/', '/a/b/x/y'],
    ['**/y', 'a/', '/a/**/y'],
    ['!log', 'a/', '!/a/**/log'],
    ['\\!log', 'a/', '/a/**/\\!log'],
    ['# note', 'a/', '# note'],
    ['', 'a/', ''],
    ['log', '[a] !#*/', '/\\[a\\]\\ \\!\\#\\*/**/log'],
  ])('%j in %j is %j at the top', (line, folder, atTop) => expect(anchored(line, folder)).toBe(atTop));

  test('a .gitignore that is a link or a pipe is not read', async () => {
    write('elsewhere', 'a\n');
    symlinkSync('elsewhere', join(root, '.gitignore'));
    execFileSync('mkfifo', [join(root, 'pipe')]);
    mkdirSync(join(root, 'sub'));
    execFileSync('mkfifo', [join(root, 'sub/.gitignore')]);
    write('a');
    expect(await asGit()).toContain('a');
  });
});
