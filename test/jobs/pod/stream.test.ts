import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Frame, FrameReader } from '../../../src/session/frame-reader.ts';
import { NONCE, PodPlace, shells } from '../../session/pod-place.ts';

/** What a report is asked for: a file of `size` bytes, of which the client has the first `from`. */
type Case = {
  size: number;
  from: number;
  head: number;
  tail: number;
  final: boolean;
  encoding: 'raw' | 'base64';
};
type Piece = [from: number, to: number];

const MAX_SIZE = 3_000;
/** How much of a running command's latest output a poll shows. */
const LATEST = 512;

/** Which bytes have to be sent. */
function wanted({ size, from, head, tail, final }: Case): Piece[] {
  const whole = final && size <= head + tail;
  const until = whole ? size : Math.min(head, size);
  const first: Piece[] = from < until ? [[from, until]] : [];
  const sent = Math.max(from, until);
  if (sent >= size) return first;
  const last: Piece = final ? [size - tail, size] : [Math.max(size - LATEST, sent), size];
  return [...first, last];
}

describe.each(shells)('%s: of a stream goes out', (shell) => {
  let place: PodPlace;
  const bytes = Buffer.from(Array.from({ length: MAX_SIZE }, (_, i) => (i * 31 + (i >> 8)) & 0xff));
  beforeAll(async () => {
    place = await PodPlace.make({ shell });
    writeFileSync(join(place.home, 'bytes'), bytes);
  });
  afterAll(() => place.remove());

  /** For each case the frames that rp_stream writes, and where it says that the unbroken part ends. */
  async function streamed(cases: Case[]): Promise<{ frames: Frame[]; sent: number }[]> {
    const calls = cases.map(
      ({ size, from, head, tail, final, encoding }) =>
        `_rp_encoding=${encoding} _rp_head=${head} _rp_tail=${tail}
rp_stream o bytes ${size} ${from} ${final ? 'final' : 'on'}
rp_frame . $_rp_sent`,
    );
    const results: { frames: Frame[]; sent: number }[] = [];
    let frames: Frame[] = [];
    const reader = new FrameReader(NONCE, (frame) => {
      if (frame.type !== '.') return frames.push(frame);
      results.push({ frames, sent: Number(frame.words[0]) });
      frames = [];
    });
    reader.push(await place.evaluate(calls.join('\n')));
    return results;
  }

  async function check(cases: Case[]): Promise<void> {
    const results = await streamed(cases);
    expect(results.length).toBe(cases.length);
    for (const [i, each] of cases.entries()) {
      const { frames, sent } = results[i] ?? { frames: [], sent: -1 };
      const pieces = frames.map(
        ({ words, payload }): Piece => [Number(words[0]), Number(words[0]) + payload.length],
      );
      expect({ ...each, pieces: pieces.filter(([from, to]) => to > from) }).toEqual({
        ...each,
        pieces: wanted(each).filter(([from, to]) => to > from),
      });
      for (const { words, payload } of frames) {
        const from = Number(words[0]);
        expect(payload.equals(bytes.subarray(from, from + payload.length))).toBe(true);
      }
      const end = wanted(each)[0];
      expect(sent).toBe(
        end && end[0] === each.from && each.from < Math.min(each.size, limit(each)) ? end[1] : each.from,
      );
    }
  }

  test('the beginning, and at the end the rest or the tail, of whatever size and from whatever offset', async () => {
    await fc.assert(fc.asyncProperty(fc.array(anyCase(), { minLength: 20, maxLength: 40 }), check), {
      numRuns: 5,
    });
  });

  test('at the edges', async () => {
    const sizes = [0, 1, 511, 512, 513, 1000];
    const cases = sizes.flatMap((size) =>
      [
        [0, 0],
        [1, 0],
        [0, 1],
        [500, 500],
        [size, 0],
        [0, size],
      ].map(
        ([head = 0, tail = 0]): Case => ({
          size,
          from: 0,
          head,
          tail,
          final: size % 2 === 0,
          encoding: 'raw',
        }),
      ),
    );
    // With a tail of 0 there is nothing behind the head.
    await check(cases);
  });
});

/** Up to where a stream is sent without a gap. */
function limit({ size, head, tail, final }: Case): number {
  return final && size <= head + tail ? size : Math.min(head, size);
}

function anyCase(): fc.Arbitrary<Case> {
  const amount = fc.oneof(fc.nat(MAX_SIZE), fc.constantFrom(0, 1, 511, 512, 513));
  return fc
    .record({
      size: amount,
      from: fc.nat(MAX_SIZE),
      head: amount,
      tail: amount,
      final: fc.boolean(),
      encoding: fc.constantFrom('raw' as const, 'base64' as const),
    })
    .map((each) => ({ ...each, from: each.size === 0 ? 0 : each.from % (each.size + 1) }));
}
