import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { imageFacts, isWhole } from '../../src/images/image-facts.ts';
import { makePng, samples } from './sample-images.ts';

describe.each(samples)('a $kind', ({ type, bytes }) => {
  test('is known by its first bytes, with its size', () => {
    expect(imageFacts(bytes)).toEqual({ type, width: 3, height: 2 });
    expect(isWhole(bytes, type)).toBe(true);
  });

  test('is not whole before its last byte has come', () => {
    for (let length = 16; length < bytes.length; length++) {
      const cut = bytes.subarray(0, length);
      expect(imageFacts(cut)?.type, `${length}`).toBe(type);
      expect(isWhole(cut, type), `${length}`).toBe(false);
    }
  });
});

test('an image may have something behind its end', () => {
  for (const type of ['png', 'jpeg', 'webp'] as const) {
    for (const { bytes } of samples.filter((sample) => sample.type === type)) {
      expect(isWhole(Buffer.concat([bytes, Buffer.from('trailing bytes')]), type)).toBe(true);
    }
  }
});

test('large sizes are read in full', () => {
  expect(imageFacts(makePng(70_000, 1))).toEqual({ type: 'png', width: 70_000, height: 1 });
});

test.each([
  '',
  '\x89PNG',
  'GIF90a image',
  'RIFF....WAVEfmt ',
  '<svg xmlns="http://www.w3.org/2000/svg"/>',
  '%PDF-1.7',
  'BM……',
  'push graphic-context',
])('%j is none', (text) => {
  expect(imageFacts(Buffer.from(text, 'latin1'))).toBeUndefined();
});

test('no bytes make it fail', () => {
  const heads = samples.map(({ bytes }) => bytes);
  fc.assert(
    fc.property(
      fc.constantFrom(...heads),
      fc.nat(200),
      fc.uint8Array({ maxLength: 300 }),
      (head, keep, rest) => {
        const bytes = Buffer.concat([head.subarray(0, keep), rest]);
        const facts = imageFacts(bytes);
        if (facts) expect(typeof isWhole(bytes, facts.type)).toBe('boolean');
      },
    ),
    { numRuns: 3_000 },
  );
});
