import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { bothModes } from './practice-server.ts';
import { randomFile, startTransferPlace, succeeded, type TransferPlace } from './transfer-place.ts';

const MB = 1_000_000;

/** The most memory that a process has ever had, in bytes. */
function peakMemory(pid: number): number {
  return Number(/VmHWM:\s*(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
}

describe.each(bothModes)('a file of 256 MB in %s mode', (mode) => {
  let place: TransferPlace | undefined;
  afterEach(() => place?.stop());

  it('goes up and comes down in less than 150 MB of memory', { timeout: 240_000 }, async () => {
    place = await startTransferPlace(mode);
    await randomFile(join(place.work, 'file'), 256 * MB);
    place.hop.setDelayMs(mode === 'direct' ? 25 : 0);
    succeeded(await place.upload('file', 'file'));
    await rm(join(place.work, 'file'));
    succeeded(await place.download('file', 'back'));
    expect(peakMemory(place.pid)).toBeLessThan(150 * MB);
  });
});

describe('a file that is worth packing', () => {
  let place: TransferPlace | undefined;
  afterEach(() => place?.stop());

  it('goes up and comes down in less than 150 MB of memory', { timeout: 240_000 }, async () => {
    place = await startTransferPlace('proxy');
    // Digits, of which little is saved: the most that is held at a time.
    await writeFile(join(place.work, 'file'), randomBytes(50 * MB).toString('hex'));
    succeeded(await place.upload('file', 'file'));
    await rm(join(place.work, 'file'));
    succeeded(await place.download('file', 'back'));
    expect(peakMemory(place.pid)).toBeLessThan(150 * MB);
  });
});
