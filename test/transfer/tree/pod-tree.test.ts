import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Failure } from '../../../src/failure.ts';
import { parsePodTree } from '../../../src/transfer/tree/pod-tree.ts';
import { trees } from './tar-tree.ts';

const record = (line: string | Buffer, target = '') =>
  Buffer.concat([Buffer.from(line), Buffer.from([0]), Buffer.from(target), Buffer.from([0])]);
const listOf = (...lines: (string | Buffer)[]) => Buffer.concat(lines.map((line) => record(line)));

describe('a list of files from a pod', () => {
  it('is read as it was written, whatever the names are', () => {
    fc.assert(
      fc.property(trees, (tree) => {
        const list = Buffer.concat([
          record('d 4096 1.0 755 .'),
          ...tree.map(({ kind, size, mode, path, target }) =>
            Buffer.concat([
              Buffer.from(`${kind === 'symlink' ? 'l' : kind[0]} ${size} 1.5 ${mode.toString(8)} ./`),
              path,
              Buffer.from([0]),
              target ?? Buffer.alloc(0),
              Buffer.from([0]),
            ]),
          ),
        ]);
        const { entries } = parsePodTree(list);
        expect(entries.map(({ path }) => path.toString('latin1'))).toEqual(
          tree.map(({ path }) => path.toString('latin1')),
        );
        for (const [i, { kind, mode, path, target }] of tree.entries()) {
          expect(entries[i]).toMatchObject({ kind, mode, path, ...(target ? { target } : {}) });
        }
      }),
    );
  });

  it.each([
    ['d 0 0 755 ./..'],
    ['f 1 0 644 ./../x'],
    ['f 1 0 644 ./a/../../x'],
    ['f 1 0 644 /etc/passwd'],
    ['f 1 0 644 .//etc/passwd'],
    ['f 1 0 644 ./a//b'],
    ['f 1 0 644 ./a/./b'],
    ['f 1 0 644 ../x'],
    ['f 1 0 644 x'],
    ['f -1 0 644 ./x'],
    ['f 1e9 0 644 ./x'],
    ['f 99999999999999999 0 644 ./x'],
    ['f NaN 0 644 ./x'],
    ['f 1 yesterday 644 ./x'],
    ['f 1 0 rwx ./x'],
    ['f 1 0 9 ./x'],
    ['nonsense'],
    [''],
  ])('that says %j is refused', (line) => {
    expect(() => parsePodTree(listOf(line))).toThrow(Failure);
  });

  it('that names something twice, or breaks off, is refused', () => {
    expect(() => parsePodTree(listOf('f 1 0 644 ./x', 'f 2 0 644 ./x'))).toThrow(/twice/);
    expect(() => parsePodTree(listOf('d 1 0 755 ./x', 'l 2 0 777 ./x'))).toThrow(/twice/);
    expect(() => parsePodTree(Buffer.from('f 1 0 644 ./x'))).toThrow(/breaks off/);
    expect(() => parsePodTree(Buffer.from('f 1 0 644 ./x\0'))).toThrow(/breaks off/);
  });

  it('gives nothing that is below a link or a file, or in a folder that it does not name', () => {
    const list = Buffer.concat([
      record('l 1 0 777 ./link', '/etc'),
      record('f 1 0 644 ./link/passwd'),
      record('f 1 0 644 ./file'),
      record('f 1 0 644 ./file/x'),
      record('f 1 0 644 ./unnamed/x'),
      record('d 1 0 755 ./folder'),
      record('f 1 0 644 ./folder/x'),
    ]);
    expect(parsePodTree(list).entries.map(({ path }) => path.toString())).toEqual([
      'file',
      'folder',
      'folder/x',
      'link',
    ]);
  });

  it('tells our own temporary files from the tree, and leaves alone what only looks like them', () => {
    const list = listOf(
      'd 1 0 755 ./.runpod-ssh-0123456789ab-17-5-0.part',
      'f 1 0 644 ./.runpod-ssh-0123456789ab-17-5-0.part/x',
      'd 1 0 700 ./.runpod-ssh-0123456789ab-01234567-17-5-ab.part',
      'f 1 50 600 ./.runpod-ssh-0123456789ab-01234567-17-5-ab.part/bytes',
      'f 1 40 600 ./.runpod-ssh-0123456789ab-01234567-17-5-ab.part/done',
      'f 1 0 600 ./.runpod-ssh-0123456789ab-17.5.link',
      'f 1 0 644 ./.runpod-ssh-notes',
    );
    const { entries, temporaries } = parsePodTree(list);
    expect(entries.map(({ path }) => path.toString())).toEqual(['.runpod-ssh-notes']);
    expect(temporaries.map(({ path }) => path.toString())).toEqual([
      '.runpod-ssh-0123456789ab-17-5-0.part',
      '.runpod-ssh-0123456789ab-01234567-17-5-ab.part',
      '.runpod-ssh-0123456789ab-17.5.link',
    ]);
    // A folder is as old as what was written last in it.
    expect(temporaries.map(({ mtimeNs }) => mtimeNs)).toEqual([0n, 50_000_000_000n, 0n]);
  });

  it('that is no list at all never crashes the reader', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          parsePodTree(Buffer.from(bytes));
        } catch (error) {
          expect(error).toBeInstanceOf(Failure);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
