import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { troubles } from './numbered-lines.ts';
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

const BYTES = 30_000_000;
const kinds = Object.entries(troubles);

describe.each(bothModes)('a transfer in %s mode', (mode) => {
  let place: TransferPlace;
  let old: Buffer;
  beforeAll(async () => {
    place = await startTransferPlace(mode);
    old = await randomFile(join(place.work, 'old'), 1_000_000);
    // Far enough away that there is time to be cut.
    place.hop.setDelayMs(15);
  });
  afterEach(async () => {
    place.hop.thaw();
    await place.hop.accept();
  });
  afterAll(() => place?.stop());

  /** Troubles the connection some times while `work` is under way. */
  async function troubled<T>(work: Promise<T>, log: string[]): Promise<T> {
    let over = false;
    const done = work.finally(() => {
      over = true;
    });
    done.catch(() => {});
    for (let i = 0; i < 3 && !over; i++) {
      const waitMs = Math.floor(Math.random() * 900);
      const [kind, trouble] = kinds[Math.floor(Math.random() * kinds.length)] ?? [];
      await delay(waitMs);
      if (over) break;
      log.push(`${kind} after ${waitMs} ms`);
      await trouble?.(place.hop);
    }
    return done;
  }

  async function withLog<T>(work: (log: string[]) => Promise<T>): Promise<T> {
    const log: string[] = [];
    try {
      return await work(log);
    } catch (error) {
      throw new Error(`after ${log.join('; ')}`, { cause: error });
    }
  }

  it.each([1, 2, 3])('of one file survives troubles, up (%d)', { timeout: 120_000 }, () =>
    withLog(async (log) => {
      const content = await randomFile(join(place.work, 'file'), BYTES);
      succeeded(await place.upload('old', 'file'));
      const polled = pollFile(join(place.podHome, 'file'), [old, content]);
      succeeded(await troubled(place.upload('file', 'file'), log));
      expect(await polled.end()).toBe('only whole files');
      expect(readFileSync(join(place.podHome, 'file')).equals(content)).toBe(true);
      expect(leftoversIn(place.work, place.podHome)).toEqual([]);
    }),
  );

  it.each([1, 2, 3])('of one file survives troubles, down (%d)', { timeout: 120_000 }, () =>
    withLog(async (log) => {
      const content = await randomFile(join(place.podHome, 'file'), BYTES);
      await rm(join(place.work, 'back'), { force: true });
      succeeded(await place.download('file', 'back'));
      const next = await randomFile(join(place.podHome, 'file'), BYTES);
      const polled = pollFile(join(place.work, 'back'), [content, next]);
      succeeded(await troubled(place.download('file', 'back'), log));
      expect(await polled.end()).toBe('only whole files');
      expect(readFileSync(join(place.work, 'back')).equals(next)).toBe(true);
      expect(leftoversIn(place.work, place.podHome)).toEqual([]);
    }),
  );

  it.each([1, 2, 3])('of a tree survives troubles, up and down (%d)', { timeout: 120_000 }, () =>
    withLog(async (log) => {
      const files: Record<string, Buffer> = {
        large: await randomFile(join(place.work, 'large'), 20_000_000),
      };
      for (let i = 0; i < 600; i++) files[`d${i % 9}/e${i % 5}/f${i}`] = Buffer.alloc(i * 90, `${i} `);
      for (const folder of [
        join(place.work, 'tree'),
        join(place.work, 'back-tree'),
        join(place.podHome, 'tree'),
      ]) {
        await rm(folder, { recursive: true, force: true });
      }
      await makeFiles(join(place.work, 'tree'), files);
      succeeded(await troubled(place.upload('tree', 'tree'), log));
      log.push('then down');
      expect(treeFacts(join(place.podHome, 'tree'))).toEqual(treeFacts(join(place.work, 'tree')));
      succeeded(await troubled(place.download('tree', 'back-tree'), log));
      expect(treeFacts(join(place.work, 'back-tree'))).toEqual(treeFacts(join(place.work, 'tree')));
      // Stages whose sessions were lost are found by the next upload.
      succeeded(await place.upload('tree', 'tree'));
      await expect.poll(() => leftoversIn(place.work, place.podHome), { timeout: 20_000 }).toEqual([]);
    }),
  );
});

/** Reads a file again and again: whether it was ever anything but one of these. */
function pollFile(path: string, versions: Buffer[]): { end(): Promise<string> } {
  let over = false;
  const watching = (async () => {
    while (!over) {
      const found = readFileSync(path);
      if (!versions.some((version) => version.equals(found))) return `half a file of ${found.length} bytes`;
      await delay(20);
    }
    return 'only whole files';
  })();
  return {
    end: () => {
      over = true;
      return watching;
    },
  };
}
