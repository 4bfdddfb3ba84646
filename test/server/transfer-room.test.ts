import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { canMakeNamespaces } from '../../fixtures/namespaces.ts';
import { bothModes } from './practice-server.ts';
import {
  leftoversIn,
  makeFiles,
  randomFile,
  startTransferPlace,
  type TransferPlace,
} from './transfer-place.ts';

const MIB = 1024 * 1024;
const isRoot = canMakeNamespaces();

/** Disks of a few megabytes, for which one has to be root. */
describe.runIf(isRoot).each(bothModes)('a full disk in %s mode', (mode) => {
  let place: TransferPlace;
  beforeAll(async () => {
    // With a folder of its own at the beginning of the pod's PATH.
    place = await startTransferPlace(mode, { gpu: true });
    await randomFile(join(place.work, 'big'), 9 * MIB);
    await randomFile(join(place.podHome, 'big'), 9 * MIB);
    const files: Record<string, Buffer> = {};
    for (let i = 0; i < 90; i++) files[`d${i % 5}/f${i}`] = Buffer.alloc(100_000, `${i}`);
    await makeFiles(join(place.work, 'tree'), files);
    await makeFiles(join(place.podHome, 'tree'), files);
    mkdirSync(join(place.work, 'disk'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', join(place.work, 'disk')]);
    mkdirSync(join(place.podHome, 'disk'));
    const mounted = await place.run('mount -t tmpfs -o size=4m tmpfs ~/disk && echo mounted');
    expect(mounted.text).toContain('mounted');
  });
  afterAll(async () => {
    if (place) execFileSync('umount', ['-l', join(place.work, 'disk')]);
    await place?.stop();
  });

  const onPod = async (command: string) => (await place.run(command)).text;

  it('of the pod is seen before a file or a tree is sent', async () => {
    await onPod('echo old >~/disk/big');
    for (const [local, remote] of [
      ['big', 'disk/big'],
      ['tree', 'disk/tree'],
    ] as const) {
      const { isError, text, facts } = await place.upload(local, remote);
      expect(text).toMatch(/There is no room for \d+\.\d MB at \S+ on the pod: \d+\.\d [kM]B are free/);
      expect(isError).toBe(true);
      expect(facts.failure).toBe('no-space');
    }
    expect(await onPod('cat ~/disk/big; find ~/disk -mindepth 1 ! -name big')).toBe('old');
  });

  it('of the pod that is full all of a sudden leaves the old file, and nothing half done', async () => {
    // As on a network volume, whose df tells of the whole cluster.
    const df = join(place.podHome, '../gpu/df');
    writeFileSync(df, '#!/bin/sh\necho head\necho fs 9999999 0 9999999 0% /x\n', { mode: 0o755 });
    for (const [local, remote] of [
      ['big', 'disk/big'],
      ['tree', 'disk/tree'],
    ] as const) {
      await onPod('rm -rf ~/disk/*; echo old >~/disk/big; head -c 3000000 /dev/zero >~/disk/ballast');
      const { isError, text, facts } = await place.upload(local, remote);
      expect(text).toMatch(/full|no room/);
      expect(isError).toBe(true);
      expect(facts.failure).toBe('no-space');
      expect(await onPod('cat ~/disk/big; find ~/disk -name ".runpod*"')).toBe('old');
    }
  });

  it('here that is full all of a sudden leaves nothing half done', async () => {
    mkdirSync(join(place.work, 'names'));
    // Room for bytes, but not for names.
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=40m,nr_inodes=20', 'tmpfs', join(place.work, 'names')]);
    const { isError, text, facts } = await place.download('tree', 'names/tree').finally(() => {
      execFileSync('umount', ['-l', join(place.work, 'names')]);
    });
    expect(text).toMatch(/no room on this machine/);
    expect(isError).toBe(true);
    expect(facts.failure).toBe('no-space');
    expect(leftoversIn(place.work)).toEqual([]);
  });

  it('here leaves the old file, and nothing half done', async () => {
    await makeFiles(join(place.work, 'disk'), { big: 'old' });
    for (const name of ['big', 'tree']) {
      const { isError, text, facts } = await place.download(name, `disk/${name}`);
      expect(text).toMatch(/no room on this machine/);
      expect(isError).toBe(true);
      expect(facts.failure).toBe('no-space');
    }
    expect(readFileSync(join(place.work, 'disk/big'), 'utf8')).toBe('old');
    expect(leftoversIn(place.work, place.podHome)).toEqual([]);
  });
});
