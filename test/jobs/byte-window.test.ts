import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Failure } from '../../src/failure.ts';
import { ByteWindow } from '../../src/jobs/byte-window.ts';

const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1');
const text = (piece: Uint8Array | undefined): string | undefined =>
  piece && Buffer.from(piece).toString('latin1');

/** A stream in which every four bytes tell their place. */
const streamOf = (length: number): Uint8Array => {
  const stream = Buffer.alloc(length);
  for (let i = 0; i < length; i++) stream[i] = (i * 31 + (i >> 8) * 7) & 0xff;
  return stream;
};

describe('in order', () => {
  test('a short stream is held whole', () => {
    const window = new ByteWindow({ headLimit: 8, tailLimit: 4 });
    window.place(0, bytes('abc'));
    window.place(3, bytes('def'));
    expect(window.complete).toBe(false);
    window.setTotal(6);
    expect(window.complete).toBe(true);
    expect(window.contiguousEnd).toBe(6);
    const { head, tail, total } = window.pieces();
    expect([text(head), tail, total]).toEqual(['abcdef', undefined, 6]);
  });

  test('of a long one the beginning and the end', () => {
    const window = new ByteWindow({ headLimit: 4, tailLimit: 3 });
    window.place(0, bytes('abcdef'));
    expect(window.pieces()).toMatchObject({ tailStart: 4, total: 6 });
    window.setTotal(10);
    expect(window.complete).toBe(false);
    window.place(6, bytes('ghij'));
    const { head, tail, tailStart, total } = window.pieces();
    expect([text(head), text(tail), tailStart, total]).toEqual(['abcd', 'hij', 7, 10]);
    expect(window.contiguousEnd).toBe(10);
    expect(window.complete).toBe(false);
  });

  test('a repeated or overlapping piece changes nothing', () => {
    const window = new ByteWindow({ headLimit: 4, tailLimit: 4 });
    window.place(0, bytes('abcdef'));
    window.place(2, bytes('cde'));
    window.place(0, bytes('abcdef'));
    window.place(4, bytes('efgh'));
    expect(text(window.pieces().tail)).toBe('efgh');
    expect(window.contiguousEnd).toBe(8);
  });

  test('the last bytes can be had, across head and tail', () => {
    const window = new ByteWindow({ headLimit: 4, tailLimit: 4 });
    expect(window.last(3)).toBeUndefined();
    window.place(0, bytes('abc'));
    expect(text(window.last(2))).toBe('bc');
    window.place(3, bytes('def'));
    expect(text(window.last(4))).toBe('cdef');
    window.place(9, bytes('jk'));
    expect(text(window.last(4))).toBe('jk');
  });
});

describe('with a gap', () => {
  test('the tail waits until the gap is closed', () => {
    const window = new ByteWindow({ headLimit: 10, tailLimit: 4 });
    window.place(0, bytes('ab'));
    window.place(5, bytes('fgh'));
    expect(window.contiguousEnd).toBe(2);
    expect(window.end).toBe(8);
    expect(window.pieces()).toMatchObject({ tailStart: 5 });
    window.place(2, bytes('cde'));
    window.setTotal(8);
    expect(window.complete).toBe(true);
    expect(text(window.pieces().head)).toBe('abcdefgh');
    expect(window.pieces().tail).toBeUndefined();
  });

  test('a later piece takes the place of an older tail', () => {
    const window = new ByteWindow({ headLimit: 2, tailLimit: 4 });
    window.place(0, bytes('ab'));
    window.place(10, bytes('klm'));
    window.place(20, bytes('uv'));
    expect(text(window.pieces().tail)).toBe('uv');
    window.place(10, bytes('klm'));
    expect(text(window.pieces().tail)).toBe('uv');
    expect(window.contiguousEnd).toBe(2);
  });

  test('a piece that covers the tail and more takes its place', () => {
    const window = new ByteWindow({ headLimit: 3, tailLimit: 2 });
    window.place(1, bytes('b'));
    window.place(0, bytes('abcdef'));
    const { head, tail, tailStart } = window.pieces();
    expect([text(head), text(tail), tailStart]).toEqual(['abc', 'ef', 4]);
  });

  test('with no room for a tail, how far the stream was seen is known all the same', () => {
    const window = new ByteWindow({ headLimit: 0, tailLimit: 0 });
    window.place(1, bytes('b'));
    window.place(0, bytes('a'));
    expect(window.end).toBe(2);
    expect(window.pieces().tail).toBeUndefined();
  });

  test('a stream of which only the tail is left can be held without a head', () => {
    const window = new ByteWindow({ headLimit: 4, tailLimit: 4 });
    window.place(100, bytes('end'));
    expect(window.contiguousEnd).toBe(0);
    expect(text(window.pieces().tail)).toBe('end');
  });
});

describe('what cannot be is an error', () => {
  test('different bytes for the same place, in the head and in the tail', () => {
    const window = new ByteWindow({ headLimit: 4, tailLimit: 4 });
    window.place(0, bytes('abcdefgh'));
    expect(() => window.place(1, bytes('bX'))).toThrow(Failure);
    expect(() => window.place(6, bytes('gX'))).toThrow(Failure);
    expect(text(window.pieces().tail)).toBe('efgh');
  });

  test('bytes beyond the end, another end, no offset', () => {
    const window = new ByteWindow({ headLimit: 4, tailLimit: 4 });
    window.place(0, bytes('abc'));
    expect(() => window.setTotal(2)).toThrow(Failure);
    window.setTotal(3);
    expect(() => window.setTotal(4)).toThrow(Failure);
    expect(() => window.place(3, bytes('d'))).toThrow(Failure);
    expect(() => window.place(-1, bytes('d'))).toThrow(RangeError);
    expect(() => window.place(Number.NaN, bytes('d'))).toThrow(RangeError);
  });
});

describe('in any order', () => {
  const limits = fc.record({ headLimit: fc.nat(40), tailLimit: fc.nat(40) });
  const pieces = fc.array(fc.tuple(fc.nat(150), fc.nat(40)), { maxLength: 30 });

  test('what is held is right, bounded, and says truly where it lies', () => {
    fc.assert(
      fc.property(limits, pieces, ({ headLimit, tailLimit }, placed) => {
        const stream = streamOf(200);
        const window = new ByteWindow({ headLimit, tailLimit });
        const seen = new Set<number>();
        let before = 0;
        for (const [offset, length] of placed) {
          window.place(offset, stream.subarray(offset, offset + length));
          for (let i = offset; i < offset + length; i++) seen.add(i);

          const { head, tail, tailStart = 0 } = window.pieces();
          expect(window.contiguousEnd).toBeGreaterThanOrEqual(before);
          before = window.contiguousEnd;
          for (let i = 0; i < window.contiguousEnd; i++) expect(seen.has(i)).toBe(true);
          expect(window.end).toBe(seen.size === 0 ? 0 : Math.max(...seen) + 1);
          expect(Buffer.from(head)).toEqual(stream.subarray(0, Math.min(window.contiguousEnd, headLimit)));
          if (tail) {
            expect(tail.length).toBeLessThanOrEqual(tailLimit);
            expect(tailStart + tail.length).toBe(window.end);
            expect(tailStart).toBeGreaterThanOrEqual(head.length);
            for (let i = tailStart; i < window.end; i++) expect(seen.has(i)).toBe(true);
            expect(Buffer.from(tail)).toEqual(stream.subarray(tailStart, window.end));
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  test('placing a piece twice is the same as placing it once', () => {
    fc.assert(
      fc.property(limits, pieces, (given, placed) => {
        const stream = streamOf(200);
        const once = new ByteWindow(given);
        const twice = new ByteWindow(given);
        for (const [offset, length] of placed) {
          const piece = stream.subarray(offset, offset + length);
          once.place(offset, piece);
          twice.place(offset, piece);
          twice.place(offset, piece);
          expect(twice.pieces()).toEqual(once.pieces());
          expect(twice.contiguousEnd).toBe(once.contiguousEnd);
        }
      }),
    );
  });

  test('a follower that always asks for the next byte wanted ends with head and tail whole', () => {
    fc.assert(
      fc.property(
        limits,
        pieces,
        fc.integer({ min: 1, max: 30 }),
        ({ headLimit, tailLimit }, jumps, step) => {
          const stream = streamOf(200);
          const window = new ByteWindow({ headLimit, tailLimit });
          for (const [offset, length] of jumps) {
            window.place(offset, stream.subarray(offset, offset + length));
            const next = window.contiguousEnd;
            window.place(next, stream.subarray(next, next + step));
          }
          while (window.contiguousEnd < stream.length) {
            const next = window.contiguousEnd;
            window.place(next, stream.subarray(next, next + step));
            expect(window.contiguousEnd).toBeGreaterThan(next);
          }
          window.setTotal(stream.length);
          const { head, tail, tailStart = 0 } = window.pieces();
          expect(Buffer.from(head)).toEqual(stream.subarray(0, headLimit));
          if (tail) expect(Buffer.from(tail)).toEqual(stream.subarray(tailStart));
          expect(window.complete).toBe(head.length + (tail?.length ?? 0) === stream.length);
        },
      ),
    );
  });

  test('in order, in pieces of any size, the tail is as long as it may be', () => {
    fc.assert(
      fc.property(limits, fc.array(fc.nat(50), { maxLength: 8 }), ({ headLimit, tailLimit }, sizes) => {
        const stream = streamOf(400);
        const window = new ByteWindow({ headLimit, tailLimit });
        for (const size of sizes) {
          window.place(
            window.contiguousEnd,
            stream.subarray(window.contiguousEnd, window.contiguousEnd + size),
          );
        }
        const end = window.end;
        const start = Math.max(Math.min(end, headLimit), end - tailLimit);
        expect(Buffer.from(window.pieces().tail ?? [])).toEqual(stream.subarray(start, end));
      }),
    );
  });
});
