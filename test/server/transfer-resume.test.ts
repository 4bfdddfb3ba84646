import { readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { appendFile, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bothModes, sshProcessesOf } from './practice-server.ts';
import {
  hasBlocks,
  leftoversIn,
  makeFiles,
  randomFile,
  startTransferPlace,
  succeeded,
  type TransferPlace,
  transfersOf,
  treeFacts,
} from './transfer-place.ts';

const BYTES = 40_000_000;

describe.each(bothModes)('an interrupted transfer in %s mode', (mode) => {
  let place: TransferPlace;
  beforeEach(async () => {
    place = await startTransferPlace(mode);
  });
  afterEach(() => place?.stop());
  const here = (name: string) => join(place.work, name);
  const there = (name: string) => join(place.podHome, name);

  /** Begins a transfer and kills the server when at least one block is listed beside the target. */
  async function killedMidway(begin: () => Promise<unknown>, folder: string): Promise<void> {
    begin().catch(() => {});
    await expect.poll(() => hasBlocks(folder), { timeout: 30_000, interval: 5 }).toBe(true);
    await place.kill();
    await expect.poll(() => sshProcessesOf(place.home)).toEqual([]);
  }

  const savedBytes = ({ facts }: { facts: Record<string, unknown> }) => Number(facts.savedBytes);

  it('up goes on in the next server where it stopped, and leaves the old file until then', async () => {
    const content = await randomFile(here('file'), BYTES);
    await makeFiles(place.podHome, { file: 'old' });
    await killedMidway(() => place.upload('file', 'file'), place.podHome);
    expect(readFileSync(there('file'), 'utf8')).toBe('old');
    const answer = succeeded(await transfersOf(await place.another()).upload('file', 'file'));
    expect(savedBytes(answer)).toBeGreaterThan(1_000_000);
    expect(answer.text).toMatch(/^\d+\.\d MB were there already from an earlier try and were used again\.$/m);
    expect(readFileSync(there('file')).equals(content)).toBe(true);
    expect(leftoversIn(place.work, place.podHome)).toEqual([]);
  });

  it('down goes on in the next server where it stopped, and leaves the old file until then', async () => {
    const content = await randomFile(there('file'), BYTES);
    await makeFiles(place.work, { file: 'old' });
    await killedMidway(() => place.download('file', 'file'), place.work);
    expect(readFileSync(here('file'), 'utf8')).toBe('old');
    const answer = succeeded(await transfersOf(await place.another()).download('file', 'file'));
    expect(savedBytes(answer)).toBeGreaterThan(1_000_000);
    expect(readFileSync(here('file')).equals(content)).toBe(true);
    expect(leftoversIn(place.work, place.podHome)).toEqual([]);
  });

  it('does not trust what was changed in the temporary file meanwhile', async () => {
    const content = await randomFile(here('file'), BYTES);
    await killedMidway(() => place.upload('file', 'file'), place.podHome);
    tamper(place.podHome);
    const next = transfersOf(await place.another());
    succeeded(await next.upload('file', 'file'));
    expect(readFileSync(there('file')).equals(content)).toBe(true);

    const other = await place.another();
    const { download } = transfersOf(other);
    let over = false;
    const begun = download('file', 'back').catch(() => {});
    void begun.finally(() => {
      over = true;
    });
    await expect.poll(() => over || hasBlocks(place.work), { timeout: 30_000, interval: 5 }).toBe(true);
    await other.kill();
    await rm(here('back'), { force: true });
    tamper(place.work);
    succeeded(await next.download('file', 'back'));
    expect(readFileSync(here('back')).equals(content)).toBe(true);
    expect(leftoversIn(place.work, place.podHome)).toEqual([]);
  });

  it('down goes on only with what the pod’s file still has', async () => {
    await randomFile(there('file'), BYTES);
    await utimes(there('file'), 1_000, 1_000);
    await killedMidway(() => place.download('file', 'file'), place.work);
    // Another file of the same length and age.
    const content = await randomFile(there('file'), BYTES);
    await utimes(there('file'), 1_000, 1_000);
    const answer = succeeded(await transfersOf(await place.another()).download('file', 'file'));
    expect(savedBytes(answer)).toBe(0);
    expect(readFileSync(here('file')).equals(content)).toBe(true);
    expect(leftoversIn(place.work, place.podHome)).toEqual([]);
  });

  it('begins anew when the source is another one, and clears away what the old one has left', async () => {
    await randomFile(here('file'), BYTES);
    await killedMidway(() => place.upload('file', 'file'), place.podHome);
    const content = await randomFile(here('file'), 3_000_000);
    const answer = succeeded(await transfersOf(await place.another()).upload('file', 'file'));
    expect(savedBytes(answer)).toBe(0);
    expect(readFileSync(there('file')).equals(content)).toBe(true);
    expect(leftoversIn(place.work, place.podHome)).toEqual([]);
  });

  it('of a tree is finished by the next one, which clears away the stage', async () => {
    const files: Record<string, Buffer> = {};
    for (let i = 0; i < 500; i++) files[`d${i % 10}/f${i}`] = Buffer.alloc(80_000, `${i} `);
    await makeFiles(here('tree'), files);
    place.upload('tree', 'tree').catch(() => {});
    await expect
      .poll(() => leftoversIn(place.podHome).length, { timeout: 30_000, interval: 5 })
      .toBeGreaterThan(0);
    await place.kill();
    await expect.poll(() => sshProcessesOf(place.home)).toEqual([]);
    const next = transfersOf(await place.another());
    succeeded(await next.upload('tree', 'tree'));
    expect(treeFacts(there('tree'))).toBe(treeFacts(here('tree')));
    await expect.poll(() => leftoversIn(place.podHome), { timeout: 20_000 }).toEqual([]);
  });

  it('is refused when the source changes meanwhile; the old file stays, and nothing else', async () => {
    await randomFile(here('growing'), BYTES);
    await makeFiles(place.podHome, { growing: 'old' });
    const up = place.upload('growing', 'growing');
    await expect.poll(() => leftoversIn(place.podHome).length, { interval: 2 }).toBeGreaterThan(0);
    await appendFile(here('growing'), 'more');
    const upAnswer = await up;
    expect(upAnswer.text).toMatch(/changed while it was read/);
    expect(upAnswer.isError).toBe(true);
    expect(readFileSync(there('growing'), 'utf8')).toBe('old');

    await randomFile(there('other'), BYTES);
    await makeFiles(place.work, { other: 'old' });
    const down = place.download('other', 'other');
    await expect.poll(() => leftoversIn(place.work).length, { interval: 2 }).toBeGreaterThan(0);
    // As long as before.
    await writeFile(there('other'), readFileSync(there('other')).fill(0, 0, 10));
    await utimes(there('other'), 1, 1);
    const downAnswer = await down;
    expect(downAnswer.text).toMatch(/changed while it was read/);
    expect(downAnswer.isError).toBe(true);
    expect(readFileSync(here('other'), 'utf8')).toBe('old');
    expect(leftoversIn(place.work, place.podHome)).toEqual([]);
  });

  it('beside another one of the same file spoils nothing', async () => {
    const content = await randomFile(here('twice'), 12_000_000);
    const second = transfersOf(await place.another());
    const up = await Promise.all([place.upload('twice', 'twice'), second.upload('twice', 'twice')]);
    for (const answer of up) succeeded(answer);
    expect(readFileSync(there('twice')).equals(content)).toBe(true);
    const down = await Promise.all([place.download('twice', 'back'), second.download('twice', 'back')]);
    for (const answer of down) succeeded(answer);
    expect(readFileSync(here('back')).equals(content)).toBe(true);
    await makeFiles(
      here('tree'),
      Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`f${i}`, `${i}`.repeat(900)])),
    );
    const trees = await Promise.all([place.upload('tree', 'tree'), second.upload('tree', 'tree')]);
    for (const answer of trees) succeeded(answer);
    expect(treeFacts(there('tree'))).toBe(treeFacts(here('tree')));
    const back = await Promise.all([place.download('tree', 'tree2'), second.download('tree', 'tree2')]);
    for (const answer of back) succeeded(answer);
    expect(treeFacts(here('tree2'))).toBe(treeFacts(here('tree')));
    await expect.poll(() => leftoversIn(place.work, place.podHome), { timeout: 20_000 }).toEqual([]);
  });
});

describe.each(bothModes)(
  'several transfers of one file at once, some of them cancelled, in %s mode',
  (mode) => {
    let place: TransferPlace;
    beforeEach(async () => {
      place = await startTransferPlace(mode);
    });
    afterEach(() => place?.stop());

    it('never spoil it, and none fails', { timeout: 120_000 }, async () => {
      const all = [place, place, transfersOf(await place.another())];
      for (const [round, way] of (
        ['upload', 'download', 'upload', 'download', 'upload'] as const
      ).entries()) {
        const [from, to] = way === 'upload' ? [place.work, place.podHome] : [place.podHome, place.work];
        const content = await randomFile(join(from, 'file'), 6_000_000 + round);
        await Promise.all(
          all.map(async (one, index) => {
            const cancel = new AbortController();
            const timer = setTimeout(() => index > 0 && cancel.abort(), Math.random() * 500);
            const { signal } = cancel;
            const answer = await one[way]('file', 'file', {}, { signal }).catch((error: unknown) => {
              if (!signal.aborted) throw error;
            });
            clearTimeout(timer);
            if (answer) succeeded(answer);
            if (answer) expect(readFileSync(join(to, 'file')).equals(content)).toBe(true);
          }),
        );
        expect(readFileSync(join(to, 'file')).equals(content)).toBe(true);
      }
    });
  },
);

/** Changes a byte of every temporary file that is as long as its source, near the beginning, where it has data. */
function tamper(folder: string): void {
  for (const name of readdirSync(folder).filter((entry) => /^\.runpod-ssh-.*\.part$/.test(entry))) {
    const path = join(folder, name, 'bytes');
    const bytes = readFileSync(path);
    for (let at = 0; at < bytes.length; at += 500_000) bytes[at] = (bytes[at] ?? 0) ^ 1;
    const { atime, mtime } = statSync(path);
    writeFileSync(path, bytes);
    utimesSync(path, atime, mtime);
  }
}
