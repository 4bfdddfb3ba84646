import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import { PeekedLines } from '../src/peeked-lines.ts';

const readAll = async (stream: PassThrough): Promise<string> => {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
};

it('peeking leaves everything to the next reader, however it came', async () => {
  const stream = new PassThrough();
  const lines = new PeekedLines(stream);
  const [one, two] = ['{"naïve": "💚"}', ''];
  const peeked = lines.next();
  for (const byte of Buffer.from(`${one}\n${two}\n{"more": 1}`)) stream.write(Buffer.from([byte]));
  expect(await peeked).toBe(one);
  expect(await lines.next()).toBe(two);
  expect(lines.giveBack()).toBe(true);
  stream.end('\n');
  expect(await readAll(stream)).toBe(`${one}\n${two}\n{"more": 1}\n`);
});

it('waits for a line as long as was said, and what has come of it is not lost', async () => {
  const stream = new PassThrough();
  const lines = new PeekedLines(stream);
  stream.write('first\nsec');
  expect(await lines.next()).toBe('first');
  expect(await lines.next(1)).toBeUndefined();
  const later = lines.next();
  stream.write('ond\n');
  expect(await later).toBe('second');
  lines.giveBack();
  stream.end();
  expect(await readAll(stream)).toBe('first\nsecond\n');
});

it('is over when the stream ends, and says that nobody can read on', async () => {
  for (const text of ['', '{"half']) {
    const stream = new PassThrough();
    stream.end(text);
    const lines = new PeekedLines(stream);
    expect(await lines.next()).toBeUndefined();
    expect(lines.giveBack()).toBe(false);
  }
});

it('gives up a line that is too long, and loses nothing of it', async () => {
  const stream = new PassThrough({ highWaterMark: 1024 * 1024 });
  const text = 'x'.repeat(600_000);
  stream.write(text);
  const lines = new PeekedLines(stream);
  expect(await lines.next()).toBeUndefined();
  expect(await lines.next()).toBeUndefined();
  lines.giveBack();
  stream.end();
  expect(await readAll(stream)).toBe(text);
});
