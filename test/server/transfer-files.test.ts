import { execFileSync } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bothModes } from './practice-server.ts';
import {
  leftoversIn,
  makeFiles,
  randomFile,
  startTransferPlace,
  succeeded,
  type TransferPlace,
} from './transfer-place.ts';

const OLD = 1_500_000_000;
const NAMES = [
  'with blanks  in it',
  ' blank first',
  'blank last ',
  `single ' and double " quotes`,
  'globs *?[a-z]{x,y}',
  '-rf',
  '--help',
  'back\\slash\\n',
  'new\nline',
  'dollar $HOME `id` $(id)',
  'per % cent %s',
  'ünïcödé 日本語 🚀',
  '#hash & semi; pipe | <>',
  '~tilde',
  '.hidden',
  '...',
  'tab\tand \u0001',
  'n'.repeat(255),
];

describe.each(bothModes)('one file in %s mode', (mode) => {
  let place: TransferPlace;
  beforeAll(async () => {
    place = await startTransferPlace(mode);
  });
  afterAll(() => place?.stop());
  const here = (name: string) => join(place.work, name);
  const there = (name: string) => join(place.podHome, name);

  it.each(NAMES)('keeps its name %j, its content, mode and time, both ways', async (name) => {
    await makeFiles(place.work, { [`up/${name}`]: `content of ${name}` });
    await chmod(here(`up/${name}`), 0o641);
    await utimes(here(`up/${name}`), OLD, OLD + 0.123456);
    succeeded(await place.upload(here(`up/${name}`), `names/${name}`));
    const sent = await stat(there(`names/${name}`), { bigint: true });
    expect(sent.mode & 0o7777n).toBe(0o641n);
    expect(Math.abs(Number(sent.mtimeNs - (await stat(here(`up/${name}`), { bigint: true })).mtimeNs))).toBe(
      0,
    );
    succeeded(await place.download(`names/${name}`, `./down/${name}`));
    expect(await readFile(here(`down/${name}`), 'utf8')).toBe(`content of ${name}`);
    const back = await stat(here(`down/${name}`), { bigint: true });
    expect(back.mode & 0o7777n).toBe(0o641n);
    expect(Math.abs(Number(back.mtimeNs - sent.mtimeNs))).toBeLessThan(1_000);
  });

  it.each([0, 1, 4095, 98_304, 98_305, 131_072, 131_073, 3_000_000, 20_000_001])(
    'of %i random bytes arrives as it was, both ways, and leaves nothing beside it',
    async (bytes) => {
      const content = await randomFile(here(`random-${bytes}`), bytes);
      const up = succeeded(await place.upload(`random-${bytes}`, `random-${bytes}`));
      expect(up.facts).toMatchObject({ files: 1, bytes, verified: 'sha256' });
      expect((await readFile(there(`random-${bytes}`))).equals(content)).toBe(true);
      const down = succeeded(await place.download(`random-${bytes}`, `back-${bytes}`));
      expect(down.facts).toMatchObject({ files: 1, bytes, verified: 'sha256' });
      expect((await readFile(here(`back-${bytes}`))).equals(content)).toBe(true);
      expect(leftoversIn(place.work, place.podHome)).toEqual([]);
    },
  );

  it('goes where the paths say: ~, relative, absolute, a folder to be made, an existing folder', async () => {
    await makeFiles(place.work, { 'a.txt': 'a' });
    await mkdir(there('existing'));
    const cases: [string, string][] = [
      ['~/tilde.txt', 'tilde.txt'],
      ['relative.txt', 'relative.txt'],
      [there('absolute.txt'), 'absolute.txt'],
      ['~/made/by/it/', 'made/by/it/a.txt'],
      ['made/too/b.txt', 'made/too/b.txt'],
      ['existing', 'existing/a.txt'],
      ['~/', 'a.txt'],
    ];
    for (const [asked, arrived] of cases) {
      const { text } = succeeded(await place.upload('a.txt', asked));
      expect(text).toContain(there(arrived));
      expect(await readFile(there(arrived), 'utf8')).toBe('a');
    }
    await mkdir(here('existing'));
    for (const [asked, arrived] of [
      ['tilde.txt', 'tilde.txt'],
      ['down/', 'down/tilde.txt'],
      ['existing', 'existing/tilde.txt'],
      [here('far/away.txt'), 'far/away.txt'],
    ] as const) {
      const { text } = succeeded(await place.download('~/tilde.txt', asked));
      expect(text).toContain(here(arrived));
      expect(await readFile(here(arrived), 'utf8')).toBe('a');
    }
  });

  it('is sent again only if it has changed, or by content with checksum', async () => {
    await makeFiles(place.work, { 'same.txt': 'one' });
    succeeded(await place.upload('same.txt', 'same.txt'));
    expect(succeeded(await place.upload('same.txt', 'same.txt')).text).toContain('Nothing had to travel');
    expect(succeeded(await place.download('same.txt', 'same.txt')).text).toContain('Nothing had to travel');
    const { mtime } = await stat(here('same.txt'));
    await writeFile(here('same.txt'), 'two');
    await utimes(here('same.txt'), mtime, mtime);
    // The pod's is as old and as long.
    await utimes(there('same.txt'), mtime, mtime);
    expect(succeeded(await place.upload('same.txt', 'same.txt')).text).toContain('Nothing had to travel');
    succeeded(await place.upload('same.txt', 'same.txt', { checksum: true }));
    expect(await readFile(there('same.txt'), 'utf8')).toBe('two');
    await writeFile(there('same.txt'), 'six');
    await utimes(there('same.txt'), mtime, mtime);
    succeeded(await place.download('same.txt', 'same.txt', { checksum: true }));
    expect(await readFile(here('same.txt'), 'utf8')).toBe('six');
  });

  it('takes the place of what a link leads to, and keeps the link', async () => {
    await makeFiles(place.work, { 'linked.txt': 'newer', 'target.txt': 'old' });
    await makeFiles(place.podHome, { 'data/real.txt': 'old' });
    await symlink('data/real.txt', there('link.txt'));
    succeeded(await place.upload('linked.txt', 'link.txt'));
    expect(await readFile(there('data/real.txt'), 'utf8')).toBe('newer');
    await symlink('target.txt', here('link.txt'));
    succeeded(await place.download('link.txt', 'link.txt'));
    expect(await readFile(here('target.txt'), 'utf8')).toBe('newer');
  });

  it('with holes keeps them, and they don’t travel', async () => {
    execFileSync('/bin/sh', [
      '-c',
      'truncate -s 64M "$0" && printf middle | dd of="$0" bs=1 seek=40000000 conv=notrunc 2>/dev/null && truncate -s 64000001 "$0"',
      here('sparse'),
    ]);
    const before = place.hop.bytes();
    succeeded(await place.upload('sparse', 'sparse'));
    const sent = await stat(there('sparse'));
    expect(sent.size).toBe(64_000_001);
    expect(sent.blocks * 512).toBeLessThan(2_000_000);
    succeeded(await place.download('sparse', 'sparse-back'));
    const back = await stat(here('sparse-back'));
    expect(back.size).toBe(64_000_001);
    expect(back.blocks * 512).toBeLessThan(2_000_000);
    execFileSync('cmp', [here('sparse'), here('sparse-back')]);
    execFileSync('cmp', [here('sparse'), there('sparse')]);
    const { up, down } = place.hop.bytes();
    expect(up + down - before.up - before.down).toBeLessThan(40_000_000);
  });

  it('can be several that a pattern matches, unless a file has just that name', async () => {
    await makeFiles(place.work, {
      'glob/a1.txt': '1',
      'glob/a2.txt': '2',
      'glob/b.txt': 'b',
      'glob/[x].txt': 'x',
    });
    succeeded(await place.upload('glob/a?.txt', 'globbed'));
    expect((await readdir(there('globbed'))).sort()).toEqual(['a1.txt', 'a2.txt']);
    succeeded(await place.upload('glob/[x].txt', 'literal/'));
    expect(await readdir(there('literal'))).toEqual(['[x].txt']);
    succeeded(await place.download('globbed/a*.txt', 'from-glob'));
    expect((await readdir(here('from-glob'))).sort()).toEqual(['a1.txt', 'a2.txt']);
    succeeded(await place.download('literal/[x].txt', 'from-literal/'));
    expect(await readdir(here('from-literal'))).toEqual(['[x].txt']);
    expect((await place.upload('glob/none*', 'x')).isError).toBe(true);
    expect((await place.download('globbed/none*', 'x')).isError).toBe(true);
  });

  it('is refused with the reason when it can’t be, and leaves what was there', async () => {
    await makeFiles(place.work, { 'file.txt': 'file', 'folder/in.txt': 'in' });
    await makeFiles(place.podHome, { 'conflict-file': 'old', 'conflict-folder/file.txt/in': 'old' });
    const refused: [string, string, RegExp][] = [
      ['missing.txt', 'x', /There is no missing.txt on this machine/],
      ['file.txt', 'conflict-file/x', /is a file on the pod, not a folder/],
      ['folder', 'conflict-file', /conflict-file is a file, so no folder can take its place/],
      ['file.txt', 'conflict-folder', /is a folder, so no file can take its place/],
      ['file.txt', '/proc/nothing', /./],
      ['file.txt', '', /./],
    ];
    for (const [local, remote, words] of refused) {
      const { isError, text, facts } = await place.upload(local, remote);
      expect(text).toMatch(words);
      expect(isError).toBe(true);
      expect(facts.failure).not.toBe('unexpected');
    }
    expect(await readFile(there('conflict-file'), 'utf8')).toBe('old');
    expect(await readFile(there('conflict-folder/file.txt/in'), 'utf8')).toBe('old');

    await makeFiles(place.work, { 'a-file': 'old', 'a-folder/conflict-file/in': 'old' });
    for (const [remote, local, words] of [
      ['missing', 'x', /There is no .*missing on the pod/],
      ['conflict-file', 'a-file/x', /a-file/],
      ['conflict-folder', 'a-file', /a-file is a file, so no folder can take its place/],
      ['conflict-file', 'a-folder', /conflict-file is a folder, so no file can take its place/],
      ['/dev/null', 'x', /neither a file nor a folder/],
    ] as const) {
      const { isError, text, facts } = await place.download(remote, local);
      expect(text).toMatch(words);
      expect(isError).toBe(true);
      expect(facts.failure).not.toBe('unexpected');
    }
    expect(await readFile(here('a-file'), 'utf8')).toBe('old');
    expect(leftoversIn(place.work, place.podHome)).toEqual([]);
  });

  it('is told of in an answer with numbers and words that agree', async () => {
    await makeFiles(place.work, { 'told/one.txt': '12345' });
    const { text, facts } = succeeded(await place.upload('told/one.txt', 'told/one.txt'));
    expect(text).toMatch(
      /^Uploaded to \S+\/told\/one\.txt\n1 file, 5 bytes in \d+\.\d\d s, \d+\.\d MB\/s; verified by SHA-256/,
    );
    expect(text.includes('gateway')).toBe(mode === 'proxy');
    expect(facts).toMatchObject({ direction: 'upload', files: 1, bytes: 5, mode });
  });
});
