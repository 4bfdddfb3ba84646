import { randomBytes } from 'node:crypto';
import { gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isWorthPacking, Packer, SAMPLE_BYTES, unpacked } from '../../src/transfer/packing.ts';

describe('packing', () => {
  it('is worth it for text, and not for what is random, packed already, or next to nothing', async () => {
    expect(await isWorthPacking(Buffer.alloc(SAMPLE_BYTES, 'step 1 loss 0.5\n'))).toBe(true);
    for (const sample of [
      randomBytes(SAMPLE_BYTES),
      gzipSync(Buffer.from(randomBytes(50_000).toString('hex'))),
      Buffer.from('short'),
      Buffer.alloc(0),
    ]) {
      expect(await isWorthPacking(sample)).toBe(false);
    }
  });

  it('gives what gzip gives, in whatever pieces it came', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 50_000 })), async (pieces) => {
        const packer = new Packer();
        for (const piece of pieces) await packer.write(Buffer.from(piece));
        const { pieces: packedPieces, bytes } = await packer.end();
        const packed = Buffer.concat(packedPieces);
        expect(packed.length).toBe(bytes);
        const whole = Buffer.concat(pieces);
        expect(gunzipSync(packed).equals(whole)).toBe(true);
        expect((await unpacked(packed, whole.length))?.equals(whole)).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  it('is undone only as far as was agreed', async () => {
    const bomb = gzipSync(Buffer.alloc(50_000_000));
    expect(await unpacked(bomb, 1_000_000)).toBeUndefined();
    expect(await unpacked(randomBytes(100), 1_000_000)).toBeUndefined();
    expect(await unpacked(gzipSync(Buffer.from('whole')).subarray(0, -4), 1_000_000)).toBeUndefined();
  });
});
