import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { PracticeOptions } from '../../fixtures/practice-pod.ts';
import { hardTree, makeTree } from '../transfer/tree/tar-tree.ts';
import { bothModes } from './practice-server.ts';
import {
  leftoversIn,
  makeFiles,
  randomFile,
  startTransferPlace,
  succeeded,
  type TransferPlace,
  treeFacts,
} from './transfer-place.ts';

const pods: [string, PracticeOptions][] = [
  ['with busybox alone', { shell: 'busybox' }],
  ['without bash, sftp, scp and tmux', { shell: 'dash', sftp: false, scp: false, tmux: false }],
  ['whose login shell is fish', { shell: 'fish' }],
];

/** Everything that there is to a transfer, once. */
async function everything(place: TransferPlace): Promise<void> {
  const here = (name: string) => join(place.work, name);
  const there = (name: string) => join(place.podHome, name);
  for (const bytes of [0, 5_000, 3_000_001]) {
    const content = await randomFile(here('file'), bytes);
    succeeded(await place.upload('file', `file-${bytes}`));
    expect((await readFile(there(`file-${bytes}`))).equals(content)).toBe(true);
    succeeded(await place.download(`file-${bytes}`, 'back'));
    expect((await readFile(here('back'))).equals(content)).toBe(true);
  }
  // Without what no tree from a pod may have, and without fractions of seconds before 1970, which busybox can't set.
  const tree = hardTree.filter(
    ({ kind, mode, mtimeNs }) => kind !== 'symlink' && (mode & 0o6000) === 0 && mtimeNs >= 0n,
  );
  await mkdir(here('tree'));
  makeTree(here('tree'), tree);
  succeeded(await place.upload('tree', 'tree'));
  expect(treeFacts(there('tree'))).toBe(treeFacts(here('tree')));
  expect(succeeded(await place.upload('tree', 'tree')).text).toContain('Nothing had to travel');
  succeeded(await place.download('tree', 'tree-back'));
  expect(treeFacts(here('tree-back'))).toBe(treeFacts(here('tree')));
  await makeFiles(here('tree'), { 'full folder/new': 'new', 'new folder/x': 'x' });
  await rm(here('tree/*'));
  const { text } = succeeded(await place.upload('tree', 'tree', { delete: true, checksum: true }));
  expect(text).toMatch(/^2 files, /m);
  expect(text).toMatch(/^Removed: \*$/m);
  expect(treeFacts(there('tree'))).toBe(treeFacts(here('tree')));
  succeeded(await place.download('tree', 'tree-back', { delete: true, checksum: true }));
  expect(treeFacts(here('tree-back'))).toBe(treeFacts(here('tree')));
  await makeFiles(there('globs'), { 'a 1.txt': '1', 'a 2.txt': '2' });
  succeeded(await place.download('globs/a*.txt', 'globs/'));
  expect(treeFacts(here('globs'))).toContain('a 1.txt');
  expect(leftoversIn(place.work, place.podHome)).toEqual([]);
}

describe('files travel', () => {
  let place: TransferPlace | undefined;
  afterEach(() => place?.stop());

  it.each(pods.flatMap(([what, options]) => bothModes.map((mode) => [what, mode, options] as const)))(
    'to and from a pod %s, in %s mode',
    { timeout: 120_000 },
    async (_what, mode, options) => {
      place = await startTransferPlace(mode, options);
      await everything(place);
    },
  );

  it.each(['cooked', 'seven-bit', 'newlines'] as const)(
    'through a gateway whose terminal is %s',
    { timeout: 120_000 },
    async (gatewayTerminal) => {
      place = await startTransferPlace('proxy', { gatewayTerminal });
      await everything(place);
    },
  );
});
