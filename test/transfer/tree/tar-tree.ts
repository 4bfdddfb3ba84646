import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import {
  type TarEntry,
  type TarFormat,
  tarEnd,
  tarHeader,
  tarPadding,
} from '../../../src/transfer/tree/tar-writer.ts';
import { listTree } from '../../../src/transfer/tree/tree-entries.ts';
import { type TarReadEntry, TarReader } from './tar-reader.ts';

export type Item = TarEntry & { content: Buffer };
export type ReadItem = TarReadEntry & { content: Buffer };

export const SECOND_NS = 1_000_000_000n;

/** The same with strings of bytes, which are faster to compare than Buffers, and can be read where they differ. */
export function readable(items: (Item | ReadItem)[]) {
  return items.map(({ path, target, content, ...rest }) => ({
    ...rest,
    path: path.toString('latin1'),
    target: target?.toString('latin1'),
    content: content.toString('latin1'),
  }));
}

/** The whole archive of these. */
export function archiveOf(items: Item[], format: TarFormat): Buffer {
  const parts = items.flatMap((item) => [
    tarHeader(item, format),
    ...(item.kind === 'file' ? [item.content, Buffer.alloc(tarPadding(item.size))] : []),
  ]);
  return Buffer.concat([...parts, tarEnd]);
}

/** What is in an archive that arrives in chunks of so many bytes (which repeat); throws where the reader does. */
export function readArchive(
  archive: Buffer,
  chunkSizes: number[] = [65_536],
  onEntry: (entry: TarReadEntry) => void = () => {},
): ReadItem[] {
  const items: ReadItem[] = [];
  let chunks: Buffer[] = [];
  let open: TarReadEntry | undefined;
  const reader = new TarReader({
    entry: (entry) => {
      if (open) throw new Error('entry() inside of an entry');
      open = entry;
      onEntry(entry);
      chunks = [];
    },
    data: (chunk) => chunks.push(Buffer.from(chunk)),
    endEntry: () => {
      if (!open) throw new Error('endEntry() outside of an entry');
      items.push({ ...open, content: Buffer.concat(chunks) });
      open = undefined;
    },
  });
  for (let at = 0, i = 0; at < archive.length; i++) {
    const size = chunkSizes[i % chunkSizes.length] ?? 1;
    reader.push(archive.subarray(at, at + size));
    at += size;
  }
  reader.end();
  return items;
}

/** Any legal name of a file: bytes of all kinds, with those that programs stumble over more often than others. */
export function hostileName(maxBytes: number): fc.Arbitrary<Buffer> {
  const odd = [
    '-rf',
    '--checkpoint-action=exec=x',
    '\n',
    'é',
    '日本',
    ' ',
    '"',
    "'",
    '\\',
    '\\n',
    '*',
    '[a]',
    '%',
    '=',
    '...',
  ];
  const part = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...odd.map((text) => Buffer.from(text))) },
    {
      weight: 2,
      arbitrary: fc.uint8Array({ minLength: 1, maxLength: 8 }).map((bytes) => Buffer.from(bytes)),
    },
    {
      weight: 1,
      arbitrary: fc
        .tuple(fc.integer({ min: 1, max: 255 }), fc.integer({ min: 90, max: maxBytes }))
        .map(([byte, count]) => Buffer.alloc(count, byte)),
    },
  );
  return fc
    .array(part, { minLength: 1, maxLength: 3 })
    .map((parts) => Buffer.concat(parts).subarray(0, maxBytes))
    .map((name) => Buffer.from(name.map((byte) => (byte === 0 || byte === 0x2f ? 0x2e : byte))))
    .filter((name) => !['.', '..'].includes(name.toString('latin1')));
}

type Seed = Pick<Item, 'kind' | 'mode' | 'mtimeNs' | 'content'> & {
  parent: number;
  name: Buffer;
  target: Buffer;
};

const seed: fc.Arbitrary<Seed> = fc.record({
  kind: fc.constantFrom<Item['kind']>('file', 'file', 'directory', 'directory', 'symlink'),
  parent: fc.nat(),
  name: hostileName(255),
  mode: fc.integer({ min: 0, max: 0o7777 }),
  // What every file system holds: 32 bits of seconds (of the very first of them ext4 keeps no fraction).
  mtimeNs: fc.oneof(
    fc.bigInt({ min: (-(2n ** 31n) + 1n) * SECOND_NS, max: 2n ** 31n * SECOND_NS - 1n }),
    fc.integer({ min: -10, max: 2_000_000_000 }).map((seconds) => BigInt(seconds) * SECOND_NS),
  ),
  content: fc.oneof(
    fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
    fc.constantFrom(0, 511, 512, 513, 10_240, 70_000).map((size) => Buffer.alloc(size, 'x')),
  ),
  target: fc
    .array(hostileName(300), { minLength: 1, maxLength: 4 })
    .map((names) => Buffer.from(names.map((name) => name.toString('latin1')).join('/'), 'latin1')),
});

/** A tree that can be on a disk: parents come before what is in them, no name twice, its owner may read it. */
export const trees: fc.Arbitrary<Item[]> = fc
  .array(seed, { minLength: 1, maxLength: 16, size: 'max' })
  .map((seeds) => {
    const items = new Map<string, Item>();
    const folders: (Buffer | undefined)[] = [undefined];
    for (const { parent, name, target, ...rest } of seeds) {
      const folder = folders[parent % folders.length];
      const path = folder ? Buffer.concat([folder, Buffer.from('/'), name]) : name;
      // The whole has to fit into Linux's 4,096 bytes, with the folder that it is put into.
      if (path.length > 3900 || items.has(path.toString('latin1'))) continue;
      if (rest.kind === 'directory') folders.push(path);
      items.set(path.toString('latin1'), {
        ...rest,
        path,
        content: rest.kind === 'file' ? rest.content : Buffer.alloc(0),
        size: rest.kind === 'file' ? rest.content.length : 0,
        mode:
          rest.kind === 'symlink' ? 0o777 : rest.kind === 'directory' ? rest.mode | 0o700 : rest.mode | 0o400,
        ...(rest.kind === 'symlink' ? { target } : {}),
      });
    }
    return [...items.values()].sort((a, b) => Buffer.compare(a.path, b.path));
  });

/** One tree with each thing that has a way of its own through an archive. */
export const hardTree: Item[] = (() => {
  const plain = { mode: 0o644, mtimeNs: 1_700_000_000_123_456_789n };
  const bytes = (name: string | Buffer) => (typeof name === 'string' ? Buffer.from(name) : name);
  const file = (name: string | Buffer, content = 'x', more: Partial<Item> = {}): Item => {
    return {
      ...plain,
      kind: 'file',
      path: bytes(name),
      size: content.length,
      content: Buffer.from(content),
      ...more,
    };
  };
  const folder = (name: string | Buffer, more: Partial<Item> = {}): Item => {
    return {
      ...plain,
      kind: 'directory',
      path: bytes(name),
      size: 0,
      content: Buffer.alloc(0),
      mode: 0o755,
      ...more,
    };
  };
  const link = (name: string | Buffer, target: string | Buffer): Item => {
    return { ...folder(name), kind: 'symlink', mode: 0o777, target: bytes(target) };
  };
  // 3,839 bytes in 15 parts; the last of them is a file.
  const deep = Array.from({ length: 15 }, () => 'd'.repeat(255));
  const items = [
    file('empty', ''),
    file('-', 'a name that programs take for their input'),
    file('odd times', 'x', { mtimeNs: -1n }),
    file('before 1970', 'x', { mtimeNs: -1_500_000_001n }),
    file('at 1970', 'x', { mtimeNs: 0n }),
    file('whole second', 'x', { mtimeNs: 1_600_000_000n * SECOND_NS }),
    file('private', 'x', { mode: 0o400 }),
    file('setuid', 'x', { mode: 0o6755 }),
    folder('sticky', { mode: 0o1777 }),
    folder('empty folder', { mtimeNs: 1n }),
    folder('full folder', { mtimeNs: 2_500_000_000n }),
    file('full folder-', 'between a folder and what is in it'),
    ...[511, 512, 513, 10_239, 10_240, 70_000].map((size) => file(`full folder/${size}`, 'y'.repeat(size))),
    ...[99, 100, 101, 155, 156, 254, 255].flatMap((length) => [
      file('f'.repeat(length)),
      folder('g'.repeat(length)),
      link('l'.repeat(length), 't'.repeat(length)),
    ]),
    file(Buffer.from([0xff, 0xfe, 0x0a, 0x80])),
    file(Buffer.concat([Buffer.alloc(150, 0xe9), Buffer.from('\n')])),
    file(Buffer.from('日本'.repeat(30))),
    file('-rf'),
    file('--checkpoint-action=exec=false'),
    file('new\nline'),
    file(`${'n\n'.repeat(60)}12 path=a\n`),
    file('back\\slash\\n'),
    file(' '),
    file('...'),
    file('*'),
    link('to nowhere', '/nonexistent/../x'),
    link('to bytes', Buffer.concat([Buffer.alloc(120, 0xff), Buffer.from('\n../')])),
    link('far', '../'.repeat(1333)),
    ...deep.slice(0, -1).map((_, i) => folder(deep.slice(0, i + 1).join('/'))),
    file(deep.join('/')),
  ];
  return items.sort((a, b) => Buffer.compare(a.path, b.path));
})();

/** Runs `use` with a new folder, which is gone afterwards. */
export async function inFolder<T>(use: (folder: string) => Promise<T> | T): Promise<T> {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'tar-')));
  try {
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs a program with bytes as its input; its output, or an Error with what it said. */
export function run(argv: [string, ...string[]], input: Buffer = Buffer.alloc(0)): Buffer {
  const [program, ...args] = argv;
  const env = { ...process.env, LC_ALL: 'C' };
  const { status, stdout, stderr, error } = spawnSync(program, args, { input, env, maxBuffer: 2 ** 28 });
  if (error) throw error;
  if (status !== 0) throw new Error(`${argv.join(' ')} ended with ${status}: ${stderr}`);
  return stdout;
}

/** Makes the tree below `folder` without any tar. */
export function makeTree(folder: string, items: Item[]): void {
  const at = (path: Buffer) => Buffer.concat([Buffer.from(`${folder}/`), path]);
  for (const { path, kind, content, target } of items) {
    if (kind === 'directory') mkdirSync(at(path));
    else if (kind === 'file') writeFileSync(at(path), content);
    else symlinkSync(target ?? '', at(path));
  }
  // From the inside out, since a folder's time changes with what is made in it. Node's own utimes is not exact.
  const touches = items.toReversed().map(({ path, kind, mode, mtimeNs }) => {
    if (kind !== 'symlink') chmodSync(at(path), mode);
    return Buffer.concat([Buffer.from(`@${exactSeconds(mtimeNs)}\0--\0`), at(path), Buffer.alloc(1)]);
  });
  run(['xargs', '-0', '-n', '3', 'touch', '-h', '-d'], Buffer.concat(touches));
}

/** What is below `folder`, in the order of the paths' bytes. */
export async function treeBelow(folder: string): Promise<Item[]> {
  const { entries } = await listTree(folder);
  return entries.map((entry) => {
    const content =
      entry.kind === 'file'
        ? readFileSync(Buffer.concat([Buffer.from(`${folder}/`), entry.path]))
        : Buffer.alloc(0);
    return { size: 0, ...entry, content };
  });
}

/** Such as `-1.5`, as `touch` takes it. */
function exactSeconds(ns: bigint): string {
  const size = ns < 0n ? -ns : ns;
  return `${ns < 0n ? '-' : ''}${size / SECOND_NS}.${String(size % SECOND_NS).padStart(9, '0')}`;
}

export function wholeSeconds(ns: bigint): bigint {
  return ns - (((ns % SECOND_NS) + SECOND_NS) % SECOND_NS);
}
