import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bothModes, sshProcessesOf } from './practice-server.ts';
import {
  hasBlocks,
  leftoversIn,
  randomFile,
  startTransferPlace,
  succeeded,
  type TransferPlace,
} from './transfer-place.ts';

const patience = { timeout: 10_000 };

async function bytesInHalfASecond({ hop }: TransferPlace): Promise<number> {
  const before = hop.bytes();
  await delay(500);
  const after = hop.bytes();
  return after.up + after.down - before.up - before.down;
}

describe.each(bothModes)('a long transfer in %s mode', (mode) => {
  let place: TransferPlace;
  let content: { up: Buffer; down: Buffer };
  beforeAll(async () => {
    place = await startTransferPlace(mode);
    content = {
      up: await randomFile(join(place.work, 'long'), 60_000_000),
      down: await randomFile(join(place.podHome, 'long'), 60_000_000),
    };
    // Some seconds, whatever the machine.
    place.hop.setDelayMs(40);
  });
  afterAll(() => place?.stop());

  it.each(['up', 'down'])('tells every second how far it is, %s', async (way) => {
    const notes: { at: number; message: string; progress: number; total: number | undefined }[] = [];
    const onprogress = (note: {
      message?: string | undefined;
      progress: number;
      total?: number | undefined;
    }) =>
      notes.push({
        at: performance.now(),
        message: note.message ?? '',
        progress: note.progress,
        total: note.total,
      });
    const answer =
      way === 'up'
        ? place.upload('long', 'up', {}, { onprogress })
        : place.download('long', 'back', {}, { onprogress });
    succeeded(await answer);
    expect(notes.length).toBeGreaterThan(0);
    for (const [i, { at, message, progress, total }] of notes.entries()) {
      expect(message).toMatch(/^long: \d+(\.\d)? (bytes|kB|MB) of 60\.0 MB, \d+\.\d MB\/s(, \d+ s left)?$/);
      expect(total).toBe(60_000_000);
      expect(progress).toBeLessThanOrEqual(60_000_000);
      const before = notes[i - 1];
      if (before) {
        expect(at - before.at).toBeGreaterThan(700);
        expect(progress).toBeGreaterThanOrEqual(before.progress);
      }
    }
  });

  it.each(['up', 'down'] as const)(
    'stops when it is cancelled, keeps what has come, and goes on later: %s',
    async (way) => {
      const folder = way === 'up' ? place.podHome : place.work;
      const begin = (signal?: AbortSignal) =>
        way === 'up'
          ? place.upload('long', 'cancelled', {}, signal ? { signal } : {})
          : place.download('long', 'cancelled-back', {}, signal ? { signal } : {});
      const cancel = new AbortController();
      const call = begin(cancel.signal).catch(() => undefined);
      await expect.poll(() => hasBlocks(folder), { timeout: 30_000, interval: 10 }).toBe(true);
      cancel.abort();
      await call;
      // What is left belongs to the pod's own session.
      await expect.poll(() => sshProcessesOf(place.home).length, patience).toBe(1);
      const busy = /openssl|sha256sum|tar |base64/;
      await expect
        .poll(async () => (await place.pod.processes()).filter((line) => busy.test(line)), patience)
        .toEqual([]);
      await expect.poll(() => bytesInHalfASecond(place), patience).toBeLessThan(20_000);
      const { facts } = succeeded(await begin());
      expect(Number(facts.savedBytes)).toBeGreaterThan(0);
      const target = way === 'up' ? join(place.podHome, 'cancelled') : join(place.work, 'cancelled-back');
      expect(readFileSync(target).equals(content[way])).toBe(true);
      expect(leftoversIn(place.work, place.podHome)).toEqual([]);
    },
  );
});
