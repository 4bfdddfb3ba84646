import fc from 'fast-check';
import { expect, it } from 'vitest';
import { asText, TEXT_READ_BYTES, textLength } from '../../../src/transfer/file/text-lines.ts';

it('bytes as text come back, in lines that a terminal takes, in the length that was said before', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 1000 }), (array) => {
      const bytes = Buffer.from(array);
      const text = asText(bytes);
      expect(text).toHaveLength(textLength(bytes.length));
      expect(Buffer.from(text, 'base64')).toEqual(bytes);
      for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(76);
    }),
  );
});

it('bytes that are read in pieces become the same text as in one', () => {
  const bytes = Buffer.alloc(2 * TEXT_READ_BYTES + 100, 'some bytes');
  const pieces = [0, 1, 2].map((i) => asText(bytes.subarray(i * TEXT_READ_BYTES, (i + 1) * TEXT_READ_BYTES)));
  expect(pieces.join('')).toBe(asText(bytes));
  expect(pieces.join('')).toHaveLength(textLength(bytes.length));
});
