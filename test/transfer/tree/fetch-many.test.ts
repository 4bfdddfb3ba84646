import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IncomingFiles } from '../../../src/transfer/tree/fetch-many.ts';
import { inFolder } from './tar-tree.ts';

const facts = { mode: 0o640, mtimeNs: 1_600_000_000_500_000_000n };
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

describe('files that come in one stream', () => {
  it('are told apart by their lengths, however the stream is cut', () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }),
        (contents, cuts) =>
          inFolder((folder) => {
            const files = contents.map((content, i) => ({
              ...facts,
              size: content.length,
              part: Buffer.from(join(folder, String(i))),
            }));
            const incoming = new IncomingFiles(files);
            const all = Buffer.concat(contents);
            for (let at = 0, i = 0; at < all.length; i++) {
              const count = cuts[i % cuts.length] ?? 1;
              incoming.take(all.subarray(at, at + count));
              at += count;
            }
            expect(incoming.end()).toEqual(contents.map((content) => sha256(Buffer.from(content))));
            for (const [i, content] of contents.entries()) {
              expect(readFileSync(join(folder, String(i)))).toEqual(Buffer.from(content));
              expect(statSync(join(folder, String(i))).mode & 0o7777).toBe(0o640);
              expect(statSync(join(folder, String(i))).mtimeMs).toBe(1_600_000_000_500);
            }
          }),
      ),
      { numRuns: 50 },
    ));

  it('get no more bytes than were announced, and none that come behind them is written anywhere', () =>
    inFolder((folder) => {
      const part = Buffer.from(join(folder, 'one'));
      const incoming = new IncomingFiles([{ ...facts, size: 3, part }]);
      expect(incoming.take(Buffer.from('abcdef'))).toBe(3);
      expect(incoming.take(Buffer.from('ghi'))).toBe(0);
      expect(incoming.taken).toBe(3);
      expect(incoming.end()).toEqual([sha256(Buffer.from('abc'))]);
      expect(readFileSync(part, 'utf8')).toBe('abc');
      expect(readdirSync(folder)).toEqual(['one']);
    }));

  it('that come short have no hash', () =>
    inFolder((folder) => {
      const incoming = new IncomingFiles([
        { ...facts, size: 3, part: Buffer.from(join(folder, 'one')) },
        { ...facts, size: 3, part: Buffer.from(join(folder, 'two')) },
      ]);
      incoming.take(Buffer.from('abcd'));
      expect(incoming.end()).toHaveLength(1);
    }));

  it('are never written through a link or over what is there', () =>
    inFolder((folder) => {
      mkdirSync(join(folder, 'tree'));
      writeFileSync(join(folder, 'precious'), 'precious');
      symlinkSync('../precious', join(folder, 'tree/link'));
      writeFileSync(join(folder, 'tree/file'), 'mine');
      for (const name of ['link', 'file']) {
        const incoming = new IncomingFiles([
          { ...facts, size: 3, part: Buffer.from(join(folder, 'tree', name)) },
        ]);
        incoming.take(Buffer.from('abc'));
        expect(() => incoming.end()).toThrow();
      }
      expect(readFileSync(join(folder, 'precious'), 'utf8')).toBe('precious');
      expect(readFileSync(join(folder, 'tree/file'), 'utf8')).toBe('mine');
    }));
});
