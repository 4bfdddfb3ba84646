import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TAR_BLOCK, TAR_FIELDS, tarChecksum, tarPadding } from '../../src/transfer/tar-header.ts';
import { TarReader } from '../../src/transfer/tar-reader.ts';
import { type TarFormat, tarEnd, tarHeader } from '../../src/transfer/tar-writer.ts';
import { archiveOf, hardTree, type Item, readArchive, readable, trees } from './tar-tree.ts';

type Fields = Partial<Record<keyof typeof TAR_FIELDS, string | Buffer>>;

/** An entry of an empty file `name`, with these fields instead of its own, a right checksum, and this content. */
function entry(fields: Fields = {}, content: string | Buffer = ''): Buffer {
  const body = Buffer.from(content);
  const of = {
    path: Buffer.from('name'),
    kind: 'file',
    size: body.length,
    mode: 0o644,
    mtimeNs: 0n,
  } as const;
  const block = tarHeader(of, 'pax');
  for (const name of ['name', 'mode', 'size', 'mtime', 'type', 'target', 'magic', 'prefix'] as const) {
    const value = fields[name];
    if (value === undefined) continue;
    const { at, bytes } = TAR_FIELDS[name];
    block.fill(0, at, at + bytes);
    Buffer.from(value).copy(block, at, 0, bytes);
  }
  const checksum = fields.checksum ?? `${tarChecksum(block).toString(8).padStart(6, '0')}\0 `;
  Buffer.from(checksum).copy(block, TAR_FIELDS.checksum.at);
  return Buffer.concat([block, body, Buffer.alloc(tarPadding(body.length))]);
}

const record = (key: string, value: string): string => {
  const rest = ` ${key}=${value}\n`;
  const length = [1, 2, 3, 4]
    .map((digits) => digits + Buffer.byteLength(rest))
    .find((n, i) => String(n).length === i + 1);
  return `${length}${rest}`;
};
const pax = (...records: string[]) => entry({ type: 'x' }, records.join(''));
const globalPax = (...records: string[]) => entry({ type: 'g' }, records.join(''));

const read = (...parts: Buffer[]) => readArchive(Buffer.concat([...parts, tarEnd]));
const pathsOf = (...parts: Buffer[]) => read(...parts).map(({ path }) => path.toString('latin1'));
const first = (...parts: Buffer[]) => {
  const [item] = read(...parts);
  if (!item) throw new Error('no entry');
  return item;
};

/** A number as GNU writes it where octal digits don't do: big-endian with the first bit set. */
const binary = (hex: string) =>
  Buffer.from(hex.padStart(24, hex.startsWith('f') ? 'f' : '0').replace(/^0/, '8'), 'hex');

const formats = fc.constantFrom<TarFormat>('pax', 'gnu');

describe('an archive that arrives in pieces', () => {
  test('is the same whatever the pieces are', () => {
    fc.assert(
      fc.property(
        trees,
        formats,
        fc.array(fc.integer({ min: 1, max: 2000 }), { minLength: 1, maxLength: 8 }),
        (tree, format, sizes) => {
          const archive = archiveOf(tree, format);
          expect(readable(readArchive(archive, sizes))).toEqual(readable(readArchive(archive)));
        },
      ),
      {
        numRuns: 50,
        examples: [
          [hardTree, 'pax', [1]],
          [hardTree, 'gnu', [1, 511, 1]],
        ],
      },
    );
  });

  test('is known to be cut off wherever it is', () => {
    fc.assert(
      fc.property(
        trees,
        formats,
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (tree, format, at) => {
          const archive = archiveOf(tree, format);
          expect(() => readArchive(archive.subarray(0, Math.floor(at * archive.length)))).toThrow('cut off');
        },
      ),
      { numRuns: 50 },
    );
    const archive = archiveOf(hardTree.slice(0, 3), 'pax');
    for (let length = 0; length < archive.length; length++) {
      expect(() => readArchive(archive.subarray(0, length))).toThrow('cut off');
    }
  });

  test('gives content as views of what was pushed, and copies none', () => {
    const chunk = Buffer.alloc(65_536, 'x');
    let bytes = 0;
    const reader = new TarReader({
      entry: () => {},
      data: (data) => {
        expect(data.buffer).toBe(chunk.buffer);
        bytes += data.length;
      },
      endEntry: () => {},
    });
    reader.push(
      tarHeader({ path: Buffer.from('a'), kind: 'file', size: 9 * 1024 ** 3, mode: 0, mtimeNs: 0n }, 'pax'),
    );
    for (let i = 0; i < 100; i++) reader.push(chunk);
    expect(bytes).toBe(100 * chunk.length);
  });
});

describe('the forms of tar', () => {
  test('a name in two fields, with the magic of POSIX only', () => {
    expect(pathsOf(entry({ prefix: 'folder/sub' }))).toEqual(['folder/sub/name']);
    expect(pathsOf(entry({ prefix: 'folder', magic: 'ustar  \0' }))).toEqual(['name']);
    expect(pathsOf(entry({ prefix: 'folder', magic: '' }))).toEqual(['name']);
  });

  test('a pax path goes before a GNU name, and that before the header', () => {
    const long = entry({ type: 'L' }, 'long\0');
    expect(pathsOf(long, pax(record('path', 'pax')), entry(), long, entry(), entry())).toEqual([
      'pax',
      'long',
      'name',
    ]);
  });

  test('a pax value is bytes up to its length, with newlines and equals signs', () => {
    expect(pathsOf(pax(record('comment', '7 path=x'), record('path', 'a\n9 path=b\n')), entry())).toEqual([
      'a\n9 path=b\n',
    ]);
  });

  test('global records hold for all that follows, until taken back for one or replaced', () => {
    const paths = pathsOf(
      globalPax(record('path', 'global'), record('comment', 'of git archive')),
      entry(),
      pax(record('path', 'own')),
      entry(),
      pax(record('path', '')),
      entry(),
      globalPax(record('mtime', '5')),
      entry(),
      globalPax(record('path', 'other')),
      entry(),
    );
    expect(paths).toEqual(['global', 'own', 'name', 'global', 'other']);
  });

  test('records give the size and the time', () => {
    const item = first(
      pax(record('size', '3'), record('mtime', '-1.5000000019')),
      entry({ size: '0' }),
      Buffer.alloc(512, 'x'),
    );
    expect(item).toMatchObject({ size: 3, mtimeNs: -1_500_000_001n, content: Buffer.from('xxx') });
    expect(first(pax(record('mtime', '1.')), entry()).mtimeNs).toBe(1_000_000_000n);
  });

  test('numbers with spaces, without an end, and empty ones', () => {
    expect(first(entry({ mtime: '     0000017 ' })).mtimeNs).toBe(15_000_000_000n);
    expect(first(entry({ mtime: '000000000017' })).mtimeNs).toBe(15_000_000_000n);
    expect(first(entry({ mtime: '', mode: '' }))).toMatchObject({ mtimeNs: 0n, mode: 0 });
  });

  test('only the permission bits of a mode', () => {
    expect(first(entry({ mode: '0107755' })).mode).toBe(0o7755);
  });

  test('directories by their type, or as in the oldest form by the slash behind their name', () => {
    const items = read(
      entry({ type: '5', name: 'a' }),
      entry({ type: '5', name: 'b/' }),
      entry({ type: '\0', name: 'c/', magic: '' }),
    );
    expect(items.map(({ kind, path }) => `${kind} ${path}`)).toEqual([
      'directory a',
      'directory b',
      'directory c',
    ]);
  });

  test('links with their targets, others without, whose content is passed over', () => {
    const items = read(
      entry({ type: '1', target: 'first' }),
      entry({ type: '2', target: 'to' }),
      entry({ type: 'K' }, 'long\0'),
      entry({ type: '2', target: 'to' }),
      pax(record('linkpath', 'pax')),
      entry({ type: '2', target: 'to' }),
      entry({ type: '3' }),
      entry({ type: '6' }),
      entry({ type: 'V' }, 'content'),
      entry({ type: '7' }, 'content'),
    );
    expect(items.map(({ kind, target, size }) => [kind, target?.toString(), size])).toEqual([
      ['hardlink', 'first', 0],
      ['symlink', 'to', 0],
      ['symlink', 'long', 0],
      ['symlink', 'pax', 0],
      ['other', undefined, 0],
      ['other', undefined, 0],
      ['other', undefined, 0],
      ['file', undefined, 7],
    ]);
  });

  test('paths are not judged here', () => {
    const paths = ['/etc/passwd', '../../x', 'a//b', '.', ''];
    expect(pathsOf(...paths.map((name) => entry({ name })))).toEqual(paths);
  });
});

describe('an archive that is not one', () => {
  test.each<[string, string, Buffer[]]>([
    ['a wrong checksum', 'the checksum of a header is wrong', [entry({ checksum: '000000\0 ' })]],
    [
      'a checksum that is no number',
      'the checksum of a header is no number',
      [entry({ checksum: 'xxxxxx\0 ' })],
    ],
    ['text', 'the checksum of a header is', [Buffer.alloc(TAR_BLOCK, 'tar: not found\n')]],
    ['a size that is no octal number', 'the size of a header is no number', [entry({ size: '00000000008' })]],
    ['a size with a sign', 'the size of a header is no number', [entry({ size: '-0000000001' })]],
    ['a negative size', 'an entry has -1 bytes', [entry({ size: Buffer.alloc(12, 0xff) })]],
    ['a huge size', 'an entry has 9007199254740992 bytes', [entry({ size: binary('20000000000000') })]],
    [
      'a time out of range',
      'the time of an entry is out of range',
      [entry({ mtime: binary('8000000000000000') })],
    ],
    ['a negative size record', 'a size record is no number', [pax(record('size', '-1')), entry()]],
    ['a size record in hex', 'a size record is no number', [pax(record('size', '0x10')), entry()]],
    [
      'a huge size record',
      'an entry has 99999999999999999999 bytes',
      [pax(record('size', '9'.repeat(20))), entry()],
    ],
    ['an endless size record', 'a size record is no number', [pax(record('size', '9'.repeat(900))), entry()]],
    ['a time record of words', 'an mtime record is no number', [pax(record('mtime', 'now')), entry()]],
    [
      'a time record out of range',
      'the time of an entry is out of range',
      [pax(record('mtime', '9'.repeat(20))), entry()],
    ],
    ['a NUL in a path record', 'there is a NUL in a path record', [pax(record('path', 'a\0b')), entry()]],
    [
      'a NUL in a link record',
      'there is a NUL in a linkpath record',
      [pax(record('linkpath', '\0')), entry()],
    ],
    ['a NUL in a long name', 'there is a NUL in a name', [entry({ type: 'L' }, 'a\0b\0'), entry()]],
    ['records without a length', 'a pax record has no length', [pax('path=a\n'), entry()]],
    ['a record of length 0', 'a pax record has no length', [pax('0 path=a\n'), entry()]],
    ['a record shorter than its key', 'has not the length', [pax('3 path=a\n'), entry()]],
    ['a record that is too long', 'has not the length', [pax('11 path=a\n'), entry()]],
    ['a record far too long', 'has not the length', [pax('9999999 path=a\n'), entry()]],
    ['a record without an end', 'has not the length', [pax('8 path=ab'), entry()]],
    ['a record without a key', 'has not the length', [pax('4 =\n'), entry()]],
    ['a meta entry of more than 1 MiB', 'has 1048577 bytes', [entry({ type: 'x', size: '00004000001' })]],
    ['a long name of 8 GiB', 'has 8589934591 bytes', [entry({ type: 'L', size: '77777777777' })]],
    ['a directory with content', 'a directory has 4 bytes of content', [entry({ type: '5' }, 'evil')]],
    ['a link with content', 'a symlink has 4 bytes of content', [entry({ type: '2' }, 'evil')]],
    ['a header about nothing', 'it ends after a header', [pax(record('path', 'a'))]],
    ['more behind its end', 'there is something behind its end', [tarEnd, entry()]],
    [
      'more behind one block of zeros',
      'there is something behind its end',
      [Buffer.alloc(TAR_BLOCK), entry()],
    ],
    ['an old sparse entry', 'without --sparse', [entry({ type: 'S' })]],
    ['a new sparse entry', 'without --sparse', [pax(record('GNU.sparse.major', '1')), entry()]],
  ])('is refused: %s', (_, message, parts) => {
    expect(() => read(...parts)).toThrow(message);
  });

  test('stays refused, and says nothing more', () => {
    const seen: string[] = [];
    const reader = new TarReader({
      entry: ({ path }) => seen.push(path.toString()),
      data: () => {},
      endEntry: () => {},
    });
    expect(() => reader.push(Buffer.concat([entry(), entry({ checksum: '777777\0 ' }), entry()]))).toThrow(
      'checksum',
    );
    expect(() => reader.push(entry())).toThrow('checksum');
    expect(() => reader.end()).toThrow('checksum');
    expect(seen).toEqual(['name']);
  });

  test('nor goes it on after a handler has thrown', () => {
    const reader = new TarReader({
      entry: () => {
        throw new Error('not there');
      },
      data: () => {},
      endEntry: () => {},
    });
    expect(() => reader.push(entry())).toThrow('not there');
    expect(() => reader.push(tarEnd)).toThrow('not there');
  });

  test('with bytes of it changed is read or refused with an Error, and ends', () => {
    const change = fc.record({ at: fc.nat(), to: fc.integer({ min: 0, max: 255 }), mend: fc.boolean() });
    fc.assert(
      fc.property(
        trees,
        formats,
        fc.array(change, { minLength: 1, maxLength: 5 }),
        (tree, format, changes) => {
          const archive = archiveOf(tree, format);
          for (const { at, to, mend } of changes) {
            archive[at % archive.length] = to;
            if (mend) mendChecksum(archive, at % archive.length);
          }
          const items: Pick<Item, 'size'>[] = [];
          try {
            items.push(...readArchive(archive, [1000]));
          } catch (error) {
            expect(String(error)).toMatch(/The archive (is malformed|is cut off|holds a sparse)/);
          }
          for (const { size } of items) expect(size).toBeLessThan(archive.length);
        },
      ),
      { numRuns: 300 },
    );
  });

  test('of random bytes is refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 3000 }), (bytes) => {
        expect(() => readArchive(Buffer.from(bytes))).toThrow(/The archive is/);
      }),
    );
  });
});

/** Makes the checksum of the block around `at` right again, as one who wants to deceive would. */
function mendChecksum(archive: Buffer, at: number): void {
  const start = at - (at % TAR_BLOCK);
  const block = archive.subarray(start, start + TAR_BLOCK);
  block.write(`${tarChecksum(block).toString(8).padStart(6, '0')}\0 `, TAR_FIELDS.checksum.at, 'latin1');
}
