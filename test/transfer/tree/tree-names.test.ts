import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isWithin } from '../../../src/local/protected-places.ts';
import { isSafeTreeName, linkStaysInTree } from '../../../src/transfer/tree/tree-names.ts';

const bytes = (text: string) => Buffer.from(text, 'latin1');

describe('names that a pod sends', () => {
  test.each(['a', 'a/b', '...', '..a/b..', ' ', '-rf', 'a\nb', '\xff\xfe/x', '~', 'C:\\x', '.git'])(
    'good: %j',
    (name) => expect(isSafeTreeName(bytes(name))).toBe(true),
  );

  test.each([
    '',
    '/',
    '/etc/passwd',
    '..',
    '../x',
    'a/../b',
    'a/..',
    'a//b',
    'a/',
    './a',
    'a/.',
    '.',
    'a\0b',
  ])('refused: %j', (name) => expect(isSafeTreeName(bytes(name))).toBe(false));
});

describe('symlinks that a pod sends', () => {
  test.each([
    ['a', 'b'],
    ['a', 'sub/b/'],
    ['sub/a', '../b'],
    ['x/y/a', '../../b'],
    ['a', './b'],
    ['a', '.'],
    ['a', '\xff'],
  ])('stay: %j -> %j', (name, target) => expect(linkStaysInTree(bytes(name), bytes(target))).toBe(true));

  test.each([
    ['a', '/etc'],
    ['a', '..'],
    ['sub/a', '../../b'],
    ['sub/a', './/.././../b'],
    ['a', 'b/../c'],
    ['x/y/a', '../../l/..'],
    ['a', ''],
    ['a', 'b\0'],
  ])('leave, or might: %j -> %j', (name, target) =>
    expect(linkStaysInTree(bytes(name), bytes(target))).toBe(false),
  );

  test('no set of links that each stay leads out together', () => {
    const name = fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 3 });
    const target = fc.array(fc.constantFrom('a', 'b', 'c', '..', '.'), { minLength: 1, maxLength: 5 });
    const links = fc.array(fc.tuple(name, target), { maxLength: 6 });
    fc.assert(
      fc.property(links, fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 6 }), (tree, way) => {
        const root = realpathSync(mkdtempSync(join(tmpdir(), 'tree-')));
        try {
          for (const [at, to] of tree) {
            if (!linkStaysInTree(bytes(at.join('/')), bytes(to.join('/')))) continue;
            const place = join(root, ...at);
            try {
              // As a receiver does: only below real folders.
              mkdirSync(dirname(place), { recursive: true });
              if (realpathSync(dirname(place)) !== dirname(place)) continue;
              symlinkSync(to.join('/'), place);
            } catch {}
          }
          let reached: string;
          try {
            reached = realpathSync(join(root, ...way));
          } catch {
            return;
          }
          expect(isWithin(reached, root)).toBe(true);
        } finally {
          rmSync(root, { recursive: true, force: true });
        }
      }),
      { numRuns: 200 },
    );
  });
});
