import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Block, blocksOf, channelsFor, missing, packNoMore } from '../../../src/transfer/file/blocks.ts';

const MIB = 1024 * 1024;
const modes = fc.constantFrom<'direct' | 'proxy'>('direct', 'proxy');
const sizes = fc.oneof(fc.nat(300 * MIB), fc.nat(3 * MIB), fc.constantFrom(0, 1, MIB, 16 * MIB));
const cuts = fc.record({
  channels: fc.integer({ min: 1, max: 8 }),
  mode: modes,
  clean: fc.boolean(),
  packs: fc.boolean(),
});

describe('blocks', () => {
  it('cover a file from its beginning to its end, one behind the other', () => {
    fc.assert(
      fc.property(sizes, cuts, (size, cut) => {
        let at = 0;
        for (const { from, count } of blocksOf(size, cut)) {
          expect(from).toBe(at);
          expect(count).toBeGreaterThan(0);
          at += count;
        }
        expect(at).toBe(size);
      }),
    );
  });

  it('are small enough to be done again, through the gateway too', () => {
    fc.assert(
      fc.property(sizes, cuts, (size, cut) => {
        for (const { count } of blocksOf(size, cut)) {
          expect(count).toBeLessThanOrEqual(
            (cut.mode === 'direct' ? 16 : cut.clean && !cut.packs ? 8 : 2) * MIB,
          );
        }
      }),
    );
  });

  it('that are missing, and those that are there, are the whole file', () => {
    const cases = fc
      .tuple(sizes, cuts)
      .chain(([size, cut]) =>
        fc.tuple(
          fc.constant(size),
          fc.constant(cut),
          fc.subarray(
            blocksOf(size, { channels: 1, mode: 'proxy', clean: false, packs: false }).slice(0, 200),
          ),
        ),
      );
    fc.assert(
      fc.property(cases, ([size, cut, done]) => {
        const all: Block[] = [...done, ...missing(size, done, cut)].sort((a, b) => a.from - b.from);
        let at = 0;
        for (const { from, count } of all) {
          expect(from).toBe(at);
          at += count;
        }
        expect(at).toBe(size);
      }),
    );
  });

  it('are cut anew when nothing is packed any more: the same bytes, and those that go again as they were', () => {
    const cases = fc
      .tuple(sizes, cuts)
      .chain(([size, cut]) =>
        fc.tuple(
          fc.constant(cut),
          fc.shuffledSubarray(blocksOf(size, { ...cut, packs: true }).slice(0, 200)),
        ),
      );
    fc.assert(
      fc.property(cases, fc.nat(3), ([cut, blocks], repeated) => {
        const again = blocks.slice(0, repeated).map((block) => ({ ...block, again: true as const }));
        const queue = { blocks: [...again, ...blocks.slice(repeated)], cut: { ...cut, packs: true } };
        packNoMore(queue);
        expect(queue.cut.packs).toBe(false);
        expect(queue.blocks.slice(0, again.length)).toEqual(again);
        const bytes = (all: readonly Block[]) =>
          all.flatMap(({ from, count }) => [from, from + count]).sort((a, b) => a - b);
        const ends = (all: readonly Block[]) =>
          bytes(all).filter((at, i, every) => every[i - 1] !== at && every[i + 1] !== at);
        expect(ends(queue.blocks)).toEqual(ends(blocks));
        const rest = queue.blocks.slice(again.length);
        packNoMore(queue);
        expect(queue.blocks.slice(again.length)).toEqual(rest);
      }),
    );
  });

  it('that overlap, or lie about themselves, leave no byte out', () => {
    const block = fc.record({ from: fc.nat(100), count: fc.nat(50) });
    fc.assert(
      fc.property(fc.array(block), fc.nat(100), (claimed, size) => {
        const done = claimed.filter(({ from, count }) => from + count <= size);
        const there = new Array<number>(size).fill(0);
        for (const { from, count } of [
          ...done,
          ...missing(size, done, { channels: 1, mode: 'direct', clean: true, packs: false }),
        ]) {
          there.fill(1, from, from + count);
        }
        expect(there).not.toContain(0);
      }),
    );
  });
});

describe('channels', () => {
  it('are one where there is no delay, several over a distance, and never more than are useful', () => {
    expect(channelsFor(256 * MIB, { roundTripMs: 1, mode: 'direct' })).toBe(1);
    expect(channelsFor(256 * MIB, { roundTripMs: 100, mode: 'direct' })).toBeGreaterThan(3);
    expect(channelsFor(MIB, { roundTripMs: 100, mode: 'direct' })).toBe(1);
    // sshd's MaxSessions is 10; one serves calls.
    expect(channelsFor(1e12, { roundTripMs: 300, mode: 'direct' })).toBeLessThanOrEqual(8);
    expect(channelsFor(1e12, { roundTripMs: 300, mode: 'proxy' })).toBeLessThanOrEqual(4);
    expect(channelsFor(0, { roundTripMs: 300, mode: 'proxy' })).toBe(1);
  });
});
