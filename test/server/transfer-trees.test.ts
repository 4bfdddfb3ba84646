import { execFileSync } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hardTree, type Item, makeTree, readable, treeBelow, trees } from '../transfer/tree/tar-tree.ts';
import { bothModes } from './practice-server.ts';
import {
  leftoversIn,
  makeFiles,
  startTransferPlace,
  succeeded,
  type TransferPlace,
} from './transfer-place.ts';

/** The same trees, with times that may be so far apart: Node sets them by seconds in a double. */
function expectSame(found: Item[], wanted: Item[], apartNs: number): void {
  // A symlink's own time is nothing that anybody looks at, and busybox can't set it.
  const timeless = (items: Item[]) => readable(items.map((item) => ({ ...item, mtimeNs: 0n })));
  expect(timeless(found)).toEqual(timeless(wanted));
  for (const [i, { kind, path, mtimeNs }] of wanted.entries()) {
    if (kind === 'symlink') continue;
    const apart = Math.abs(Number((found[i]?.mtimeNs ?? 0n) - mtimeNs));
    expect(apart, `the time of ${path.toString('latin1')}`).toBeLessThanOrEqual(apartNs);
  }
}

describe.each(bothModes)('trees in %s mode', (mode) => {
  let place: TransferPlace;
  beforeAll(async () => {
    place = await startTransferPlace(mode);
  });
  afterAll(() => place?.stop());
  const here = (name: string) => join(place.work, name);
  const there = (name: string) => join(place.podHome, name);
  const remove = (path: string) => rm(path, { recursive: true, force: true });

  async function roundTrip(tree: Item[]): Promise<void> {
    await Promise.all([here('tree'), here('back'), there('tree')].map(remove));
    await mkdir(here('tree'));
    makeTree(here('tree'), tree);
    succeeded(await place.upload('tree', 'tree'));
    expectSame(await treeBelow(there('tree')), tree, 0);
    succeeded(await place.download('tree', 'back'));
    expectSame(await treeBelow(here('back')), asItComesBack(tree), 2_000);
    expect(leftoversIn(place.work, place.podHome)).toEqual([]);
  }

  it('with every hard name, kind, mode and time arrive as they were, both ways', () => roundTrip(hardTree));

  it('made at random arrive as they were, both ways', async () => {
    await fc.assert(
      fc.asyncProperty(trees, (tree) => roundTrip(tree)),
      { numRuns: 8, endOnFailure: true },
    );
  });

  it('of 1,200 files and large ones among them arrive as they were, and the second time nothing travels', async () => {
    const files: Record<string, string | Buffer> = { 'deep/large': Buffer.alloc(17_000_000, 'large ') };
    for (let i = 0; i < 1200; i++) files[`d${i % 30}/${i % 7}/f${i}`] = `${i}\n`.repeat(i % 50);
    await makeFiles(here('many'), files);
    const { facts } = succeeded(await place.upload('many', 'many'));
    expect(facts).toMatchObject({ files: 1201 });
    expect(execFileSync('diff', ['-r', here('many'), there('many')]).toString()).toBe('');
    expect(succeeded(await place.upload('many', 'many')).text).toContain(
      'Nothing had to travel: 1201 files already there',
    );
    succeeded(await place.download('many', 'many-back'));
    expect(execFileSync('diff', ['-r', here('many'), here('many-back')]).toString()).toBe('');
    expect(succeeded(await place.download('many', 'many-back')).text).toContain(
      'Nothing had to travel: 1201 files already there',
    );
    for (const name of ['d1/1/f1', 'd2/2/f2', 'deep/large']) {
      await writeFile(here(`many/${name}`), `changed ${name}`);
    }
    const again = succeeded(await place.upload('many', 'many'));
    expect(again.facts).toMatchObject({ files: 3, sameFiles: 1198 });
    expect(execFileSync('diff', ['-r', here('many'), there('many')]).toString()).toBe('');
    const down = succeeded(await place.download('many', 'many-back'));
    expect(down.facts).toMatchObject({ files: 3, sameFiles: 1198 });
    expect(leftoversIn(place.work, place.podHome)).toEqual([]);
  });

  it('become the path itself, or go into it under their name where it ends in a slash', async () => {
    await makeFiles(place.work, { 'folder/in.txt': 'in' });
    await mkdir(there('place'));
    for (const [asked, arrived] of [
      ['place', 'place/in.txt'],
      ['place/', 'place/folder/in.txt'],
      ['new/', 'new/folder/in.txt'],
      ['~/', 'folder/in.txt'],
      ['.', 'folder/in.txt'],
    ] as const) {
      await remove(there(arrived));
      succeeded(await place.upload('folder', asked));
      expect(await readFile(there(arrived), 'utf8')).toBe('in');
    }
    for (const [asked, arrived] of [
      ['a', 'a/in.txt'],
      ['b/', 'b/folder/in.txt'],
    ] as const) {
      succeeded(await place.download('folder', asked));
      expect(await readFile(here(arrived), 'utf8')).toBe('in');
    }
  });

  it('leave out what is excluded, and what git would ignore', async () => {
    await makeFiles(here('repo'), {
      '.gitignore': '*.log\n/build/\n!keep.log\n',
      'src/.gitignore': 'secret\n',
      'src/a.py': 'a',
      'src/secret': 's',
      'src/x.log': 'x',
      'src/keep.log': 'k',
      'build/out': 'o',
      'data/big.bin': 'b',
      '.git/config': '[core]\n',
      '.git/objects/aa/bb': 'object',
    });
    succeeded(await place.upload('repo', 'repo', { respect_gitignore: true, exclude: ['data/'] }));
    expect((await treeBelow(there('repo'))).map(({ path }) => path.toString())).toEqual([
      '.gitignore',
      'src',
      'src/.gitignore',
      'src/a.py',
      'src/keep.log',
    ]);
    succeeded(await place.upload('repo', 'whole'));
    succeeded(await place.download('whole', 'whole', { exclude: ['*.log', '!keep.log', '.git', '/build'] }));
    expect((await treeBelow(here('whole'))).map(({ path }) => path.toString())).toEqual([
      '.gitignore',
      'data',
      'data/big.bin',
      'src',
      'src/.gitignore',
      'src/a.py',
      'src/keep.log',
      'src/secret',
    ]);
  });

  it('with delete lose what the source has no longer, but nothing that is excluded, and say so', async () => {
    await makeFiles(here('mirror'), { 'a.txt': 'a', 'sub/b.txt': 'b', 'ignored/i.txt': 'i' });
    await makeFiles(there('mirror'), {
      'old.txt': 'old',
      'old folder/x': 'x',
      'old folder/deep/model.ckpt': 'precious',
      'sub/gone.txt': 'gone',
      'sub/model.ckpt': 'precious',
      'only-ignored/y': 'y',
    });
    await makeFiles(place.podHome, { 'beside.txt': 'beside' });
    await symlink('../beside.txt', there('mirror/link'));
    await symlink('..', there('mirror/up'));
    const first = succeeded(await place.upload('mirror', 'mirror', { exclude: ['*.ckpt', 'only-ignored/'] }));
    expect(first.text).not.toContain('Removed');
    const { text, facts } = succeeded(
      await place.upload('mirror', 'mirror', { delete: true, exclude: ['*.ckpt', 'only-ignored/'] }),
    );
    expect(
      (await treeBelow(there('mirror')))
        .filter(({ kind }) => kind !== 'directory')
        .map(({ path }) => String(path)),
    ).toEqual([
      'a.txt',
      'ignored/i.txt',
      'old folder/deep/model.ckpt',
      'only-ignored/y',
      'sub/b.txt',
      'sub/model.ckpt',
    ]);
    expect(await readFile(there('beside.txt'), 'utf8')).toBe('beside');
    expect(text).toMatch(/Removed: link, old folder\/x, old.txt, sub\/gone.txt, up$/m);
    expect(facts.removed).toBe(5);

    await makeFiles(here('local-mirror'), { 'old.txt': 'old', 'sub/model.ckpt': 'mine', 'gone/z': 'z' });
    const down = succeeded(
      await place.download('mirror', 'local-mirror', { delete: true, exclude: ['*.ckpt'] }),
    );
    expect(down.text).toContain('Removed: gone, old.txt');
    expect(await readFile(here('local-mirror/sub/model.ckpt'), 'utf8')).toBe('mine');
    expect((await readdir(here('local-mirror'))).sort()).toEqual([
      'a.txt',
      'ignored',
      'old folder',
      'only-ignored',
      'sub',
    ]);
  });

  it('keep with delete what git ignores there', async () => {
    await makeFiles(here('project'), { '.gitignore': 'runs/\n', 'train.py': 'x' });
    await makeFiles(there('project'), { 'runs/1/model.pt': 'precious', 'old.py': 'old' });
    const { text } = succeeded(
      await place.upload('project', 'project', { delete: true, respect_gitignore: true }),
    );
    expect(text).toContain('Removed: old.py');
    expect(await readFile(there('project/runs/1/model.pt'), 'utf8')).toBe('precious');
  });

  it('take the place of what is of another kind, of folders only with delete', async () => {
    await makeFiles(here('kinds'), {
      'was-folder': 'file',
      'was-file/in': 'in',
      'was-link/in': 'in',
      large: Buffer.alloc(17_000_000),
    });
    await symlink('large', here('kinds/now-link'));
    await makeFiles(there('kinds'), {
      'was-folder/x': 'x',
      'was-file': 'file',
      'now-link/y': 'y',
      'large/z': 'z',
    });
    await makeFiles(place.podHome, { 'elsewhere/in': 'untouched' });
    await symlink(there('elsewhere'), there('kinds/was-link'));
    const refused = await place.upload('kinds', 'kinds');
    expect(refused.text).toMatch(/is a folder on the pod, where the source has a file or a link/);
    expect(refused.isError).toBe(true);
    const { text } = succeeded(await place.upload('kinds', 'kinds', { delete: true }));
    expect(text).toMatch(/^Removed: large, now-link, was-folder$/m);
    expect(execFileSync('diff', ['-r', '--no-dereference', here('kinds'), there('kinds')]).toString()).toBe(
      '',
    );
    expect(await readFile(there('elsewhere/in'), 'utf8')).toBe('untouched');

    await makeFiles(here('kinds-back'), {
      'was-folder/x': 'x',
      'was-file': 'file',
      'now-link/y': 'y',
      'large/z': 'z',
    });
    await makeFiles(place.work, { 'elsewhere/in': 'untouched' });
    await symlink(here('elsewhere'), here('kinds-back/was-link'));
    expect((await place.download('kinds', 'kinds-back')).isError).toBe(true);
    succeeded(await place.download('kinds', 'kinds-back', { delete: true }));
    expect(
      execFileSync('diff', ['-r', '--no-dereference', here('kinds'), here('kinds-back')]).toString(),
    ).toBe('');
    expect(await readFile(here('elsewhere/in'), 'utf8')).toBe('untouched');
  });

  it('are compared by content with checksum', async () => {
    await makeFiles(here('sums'), { a: '1', b: '2', 'name\nwith newline': '3' });
    succeeded(await place.upload('sums', 'sums'));
    const old = new Date(1_600_000_000_000);
    for (const name of ['a', 'b']) {
      await writeFile(there(`sums/${name}`), 'x');
      await utimes(there(`sums/${name}`), old, old);
      await utimes(here(`sums/${name}`), old, old);
    }
    expect(succeeded(await place.upload('sums', 'sums')).facts).toMatchObject({ files: 0, sameFiles: 3 });
    expect(succeeded(await place.upload('sums', 'sums', { checksum: true })).facts).toMatchObject({
      files: 2,
      sameFiles: 1,
    });
    await writeFile(here('sums/a'), 'y');
    await utimes(here('sums/a'), old, old);
    expect(succeeded(await place.download('sums', 'sums', { checksum: true })).facts).toMatchObject({
      files: 1,
      sameFiles: 2,
    });
    expect(await readFile(here('sums/a'), 'utf8')).toBe('1');
  });

  it('keep the mode and time of folders, of the topmost too when it is new', async () => {
    await makeFiles(here('modes'), { 'inner/file': 'x' });
    await chmod(here('modes/inner'), 0o2750);
    await chmod(here('modes'), 0o700);
    await utimes(here('modes/inner'), 1_400_000_000, 1_400_000_000);
    await utimes(here('modes'), 1_300_000_000, 1_300_000_000);
    const facts = (folder: string) =>
      execFileSync('stat', ['-c', '%a %Y', folder, join(folder, 'inner')], { encoding: 'utf8' });
    succeeded(await place.upload('modes', 'modes'));
    expect(facts(there('modes'))).toBe(facts(here('modes')));
    succeeded(await place.download('modes', 'modes-back'));
    expect(facts(here('modes-back'))).toBe(facts(here('modes')));
    // A change of nothing but a folder's mode travels too.
    await chmod(here('modes/inner'), 0o755);
    succeeded(await place.upload('modes', 'modes'));
    succeeded(await place.download('modes', 'modes-back'));
    expect(facts(there('modes')).split('\n')[1]).toBe('755 1400000000');
    expect(facts(here('modes-back')).split('\n')[1]).toBe('755 1400000000');
  });

  it('can be empty, and can hold nothing but folders', async () => {
    await mkdir(here('empty'));
    succeeded(await place.upload('empty', 'empty'));
    expect(await readdir(there('empty'))).toEqual([]);
    succeeded(await place.download('empty', 'empty-back'));
    expect(await readdir(here('empty-back'))).toEqual([]);
    await mkdir(here('folders/a/b/c'), { recursive: true });
    succeeded(await place.upload('folders', 'folders'));
    expect(await readdir(there('folders/a/b'))).toEqual(['c']);
    succeeded(await place.download('folders', 'folders-back'));
    expect(await readdir(here('folders-back/a/b'))).toEqual(['c']);
  });

  it('with files that a pattern matches twice by name are refused', async () => {
    await makeFiles(here('runs'), { '1/model.pt': '1', '2/model.pt': '2' });
    const up = await place.upload('runs/*/model.pt', 'models');
    expect(up.isError).toBe(true);
    expect(up.text).toContain('model.pt');
    succeeded(await place.upload('runs', 'runs'));
    const down = await place.download('runs/*/model.pt', 'models');
    expect(down.isError).toBe(true);
    expect(down.text).toContain('model.pt');
  });
});

/** Links that lead out of a tree are not made here when they come from a pod, nor are files setuid or setgid. */
function asItComesBack(tree: Item[]): Item[] {
  return tree
    .filter(
      ({ kind, path, target }) =>
        kind !== 'symlink' || staysIn(path.toString('latin1'), target?.toString('latin1') ?? ''),
    )
    .map((item) => (item.kind === 'file' ? { ...item, mode: item.mode & 0o1777 } : item));
}

function staysIn(name: string, target: string): boolean {
  if (target.startsWith('/')) return false;
  let depth = name.split('/').length - 1;
  let down = false;
  for (const part of target.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') down = true;
    else if (down || --depth < 0) return false;
  }
  return true;
}
