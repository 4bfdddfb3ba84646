import { afterAll, afterEach, beforeAll, describe, it } from 'vitest';
import { bothModes } from './practice-server.ts';
import { startTransferPlace, type TransferPlace } from './transfer-place.ts';
import { TroubledTransfers } from './troubled-transfers.ts';

describe.each(bothModes)('a transfer in %s mode', (mode) => {
  let place: TransferPlace;
  let transfers: TroubledTransfers;
  beforeAll(async () => {
    place = await startTransferPlace(mode);
    transfers = new TroubledTransfers(place);
  });
  afterEach(() => transfers.calm());
  afterAll(() => place?.stop());

  const kinds = [
    ['of one file survives troubles, up', 'up'],
    ['of one file survives troubles, down', 'down'],
    ['of a tree survives troubles, up and down', 'tree'],
  ] as const;

  it.each(kinds.flatMap(([what, how]) => [1, 2, 3].map((round) => [what, round, how] as const)))(
    '%s (%d)',
    { timeout: 120_000 },
    async (_what, _round, how) => {
      transfers.log.splice(0);
      try {
        await transfers[how]();
      } catch (error) {
        throw new Error(`after ${transfers.log.join('; ')}`, { cause: error });
      }
    },
  );
});
