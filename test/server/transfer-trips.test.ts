import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bothModes } from './practice-server.ts';
import { makeFiles, startTransferPlace, succeeded, type TransferPlace, treeFacts } from './transfer-place.ts';

const ROUND_TRIP_MS = 400;

/** How many round trips a call takes, told by how much longer it is over a long way than over none. */
describe.each(bothModes)('over a long way in %s mode', (mode) => {
  let place: TransferPlace;
  beforeAll(async () => {
    place = await startTransferPlace(mode);
    const files: Record<string, string> = {};
    for (let i = 0; i < 2000; i++) files[`d${i % 20}/f${i}`] = `${i} `.repeat(800);
    await makeFiles(join(place.work, 'tree'), files);
    succeeded(await place.upload('tree', 'tree'));
    succeeded(await place.download('tree', 'back'));
  });
  afterAll(() => place?.stop());

  async function roundTrips(call: () => Promise<unknown>): Promise<number> {
    const timed = async (oneWayMs: number): Promise<number> => {
      place.hop.setDelayMs(oneWayMs);
      const begun = performance.now();
      await call();
      return performance.now() - begun;
    };
    await timed(0);
    const near = Math.min(await timed(0), await timed(0));
    const far = Math.min(await timed(ROUND_TRIP_MS / 2), await timed(ROUND_TRIP_MS / 2));
    place.hop.setDelayMs(0);
    return (far - near) / ROUND_TRIP_MS;
  }

  it('an unchanged tree of 2,000 files costs a few round trips, up and down', async () => {
    expect(await roundTrips(async () => succeeded(await place.upload('tree', 'tree')))).toBeLessThan(3);
    expect(await roundTrips(async () => succeeded(await place.download('tree', 'back')))).toBeLessThan(3);
  });

  it('three changed files of 2,000 cost one round trip more, and nothing else travels', async () => {
    let version = 0;
    const trips = await roundTrips(async () => {
      version += 1;
      for (const name of ['d1/f1', 'd2/f2', 'd3/f3']) {
        await writeFile(join(place.work, 'tree', name), `version ${version}`.repeat(1 + version));
      }
      const before = place.hop.bytes();
      const { facts } = succeeded(await place.upload('tree', 'tree'));
      expect(facts).toMatchObject({ files: 3, sameFiles: 1997 });
      expect(place.hop.bytes().up - before.up).toBeLessThan(150_000);
    });
    expect(trips).toBeLessThan(4);
    expect(treeFacts(join(place.podHome, 'tree'))).toBe(treeFacts(join(place.work, 'tree')));
  });

  it('a small file costs a few round trips', async () => {
    let version = 0;
    const trips = await roundTrips(async () => {
      version += 1;
      await writeFile(join(place.work, 'small'), 'x'.repeat(version));
      succeeded(await place.upload('small', 'small'));
    });
    expect(trips).toBeLessThan(3);
  });
});
