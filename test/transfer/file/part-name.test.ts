import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ownPart } from '../../../src/transfer/file/local-parts.ts';
import { folderOf, isTemporary, partPath, withEnding } from '../../../src/transfer/file/part-name.ts';
import { hostileName } from '../tree/tar-tree.ts';

const source = { path: Buffer.from('/a'), size: 5, mtimeNs: 7n };
const name = (path: Buffer) => path.toString('latin1').split('/').at(-1) ?? '';

it('a temporary file lies beside its target, has a short name, and is known as one', () => {
  fc.assert(
    fc.property(hostileName(255), (target) => {
      const path = Buffer.concat([Buffer.from('/some folder/'), target]);
      for (const part of [withEnding(partPath(path, source), '.part'), ownPart(path, '17.ab', '.link')]) {
        expect(folderOf(part).toString()).toBe('/some folder');
        expect(part.length).toBeLessThan(80);
        expect(isTemporary(part)).toBe(true);
        expect(isTemporary(Buffer.concat([part, Buffer.from('/below')]))).toBe(true);
      }
      expect(isTemporary(path)).toBe(false);
    }),
  );
});

it('is another one for another version of the source, and has the same beginning', () => {
  const target = Buffer.from('/folder/target');
  const names = [
    source,
    { ...source, size: 6 },
    { ...source, mtimeNs: 8n },
    { ...source, path: Buffer.from('/b') },
  ].map((version) => name(partPath(target, version)));
  expect(new Set(names).size).toBe(4);
  expect(new Set(names.map((one) => one.slice(0, one.lastIndexOf('-')))).size).toBe(1);
  expect(name(partPath(Buffer.from('/folder/other'), source)).split('-')[2]).not.toBe(
    names[0]?.split('-')[2],
  );
});

it('a user’s own name that only begins so is none', () => {
  for (const own of ['.runpod-ssh', '.runpod-ssh-names', '.runpod-ssh-key.part', 'x.part']) {
    expect(isTemporary(Buffer.from(own))).toBe(false);
  }
});

it('the folder of what is in the topmost one is that', () => {
  expect(folderOf(Buffer.from('/a')).toString()).toBe('/');
  expect(folderOf(Buffer.from('/a/b')).toString()).toBe('/a');
});
