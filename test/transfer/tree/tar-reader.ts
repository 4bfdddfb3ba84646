import {
  TAR_BLOCK,
  TAR_FIELDS,
  TAR_TYPES,
  tarChecksum,
  tarPadding,
  USTAR_MAGIC,
} from '../../../src/transfer/tree/tar-header.ts';

/** One thing in an archive that is being read. All of it is what the sender says: nothing is judged here. */
export type TarReadEntry = {
  /** As it is in the archive, but for the `/` behind a directory's name. There is no NUL in it. */
  path: Buffer;
  /** `other`: a device, a pipe, or a type of some vendor, whose content is passed over. */
  kind: 'file' | 'directory' | 'symlink' | 'hardlink' | 'other';
  /** Bytes of content that `data` will be called with; 0 for all but files. */
  size: number;
  /** Permission bits, with setuid, setgid and sticky. */
  mode: number;
  /** Nanoseconds since 1970, within 64-bit seconds. */
  mtimeNs: bigint;
  /** Where a symlink points, or the path of what a hard link is the same as. There is no NUL in it. */
  target?: Buffer;
};

export type TarHandlers = {
  entry(entry: TarReadEntry): void;
  /** A piece of the current file's content: a view of the chunk that was pushed. */
  data(chunk: Buffer): void;
  /** The current entry, whatever its kind, is complete. */
  endEntry(): void;
};

/** A name, a target or a set of records is at most so long: a path on Linux has at most 4,096 bytes. */
const MAX_META_BYTES = 1024 * 1024;
const SECOND_NS = 1_000_000_000n;
const SLASH = 0x2f;
const TYPES_OF_FILES = new Set([TAR_TYPES.file, '\0', '7']);
const KINDS_WITHOUT_CONTENT = new Map<string, TarReadEntry['kind']>([
  [TAR_TYPES.hardlink, 'hardlink'],
  [TAR_TYPES.symlink, 'symlink'],
  [TAR_TYPES.directory, 'directory'],
  ['3', 'other'],
  ['4', 'other'],
  ['6', 'other'],
]);

type Records = Map<string, Buffer>;

/** The content of an entry that is on its way. */
type Body = { left: number; take: (chunk: Buffer) => void; end: () => void };

/**
 * Takes an archive apart as it arrives, in chunks of any size: ustar, GNU (long names, large numbers) and pax.
 * It holds one block and at most one MiB of names. Throws an Error where the archive is not one, and from then
 * on whatever is pushed. Sparse entries are not understood: create the archive without `--sparse`.
 */
export class TarReader {
  readonly #handlers: TarHandlers;
  readonly #block = Buffer.alloc(TAR_BLOCK);
  #blockBytes = 0;
  #body: Body | undefined;
  #padding = 0;
  #zeroBlocks = 0;
  #failure: Error | undefined;
  /** What was said about the entry that comes next. */
  #longName: Buffer | undefined;
  #longTarget: Buffer | undefined;
  #records: Records | undefined;
  readonly #globalRecords: Records = new Map();

  constructor(handlers: TarHandlers) {
    this.#handlers = handlers;
  }

  push(chunk: Buffer): void {
    if (this.#failure) throw this.#failure;
    try {
      for (let rest = chunk; rest.length > 0; ) rest = rest.subarray(this.#take(rest));
    } catch (error) {
      this.#failure = error instanceof Error ? error : new Error(String(error));
      throw error;
    }
  }

  /** To be called when nothing more comes. Throws if the archive has not come to its own end. */
  end(): void {
    if (this.#failure) throw this.#failure;
    if (this.#zeroBlocks < 2) throw new Error('The archive is cut off before its end.');
  }

  /** Takes something off the front of `data`, and returns how many bytes: one at least. */
  #take(data: Buffer): number {
    if (this.#body) return this.#takeBody(this.#body, data);
    if (this.#padding > 0) {
      const count = Math.min(this.#padding, data.length);
      this.#padding -= count;
      return count;
    }
    const count = data.copy(this.#block, this.#blockBytes);
    this.#blockBytes += count;
    if (this.#blockBytes === TAR_BLOCK) {
      this.#blockBytes = 0;
      this.#readBlock(this.#block);
    }
    return count;
  }

  #takeBody(body: Body, data: Buffer): number {
    const chunk = data.subarray(0, body.left);
    body.left -= chunk.length;
    if (body.left === 0) this.#body = undefined;
    body.take(chunk);
    if (body.left === 0) body.end();
    return chunk.length;
  }

  #expectBody(size: number, take: Body['take'], end: Body['end']): void {
    this.#padding = tarPadding(size);
    if (size > 0) this.#body = { left: size, take, end };
    else end();
  }

  #readBlock(block: Buffer): void {
    if (block.every((byte) => byte === 0)) {
      if (this.#records || this.#longName || this.#longTarget) {
        throw malformed('it ends after a header that is about the next entry');
      }
      this.#zeroBlocks++;
      return;
    }
    // After the end there are only zeros, up to some round length.
    if (this.#zeroBlocks > 0) throw malformed('there is something behind its end');
    if (numberIn(block, 'checksum') !== BigInt(tarChecksum(block))) {
      throw malformed('the checksum of a header is wrong');
    }
    const type = block.toString('latin1', TAR_FIELDS.type.at, TAR_FIELDS.type.at + TAR_FIELDS.type.bytes);
    if (type === TAR_TYPES.longName) {
      this.#expectMeta(block, (content) => {
        this.#longName = upToNul(content);
      });
    } else if (type === TAR_TYPES.longTarget) {
      this.#expectMeta(block, (content) => {
        this.#longTarget = upToNul(content);
      });
    } else if (type === TAR_TYPES.records) {
      this.#expectMeta(block, (content) => {
        this.#records = readRecords(content);
      });
    } else if (type === TAR_TYPES.globalRecords) {
      this.#expectMeta(block, (content) => {
        for (const [key, value] of readRecords(content)) this.#globalRecords.set(key, value);
      });
    } else {
      this.#readEntry(block, type);
    }
  }

  #expectMeta(block: Buffer, use: (content: Buffer) => void): void {
    const size = checkedSize(numberIn(block, 'size'));
    if (size > MAX_META_BYTES) throw malformed(`a name or a set of records has ${size} bytes`);
    const content = Buffer.alloc(size);
    let filled = 0;
    const take = (chunk: Buffer) => {
      filled += chunk.copy(content, filled);
    };
    this.#expectBody(size, take, () => use(content));
  }

  #readEntry(block: Buffer, type: string): void {
    const name = this.#record('path') ?? this.#longName ?? nameIn(block);
    const target = this.#record('linkpath') ?? this.#longTarget ?? textIn(block, 'target');
    const sizeRecord = this.#record('size');
    const size = sizeRecord ? sizeFromRecord(sizeRecord) : checkedSize(numberIn(block, 'size'));
    const mtimeRecord = this.#record('mtime');
    const mtimeNs = mtimeRecord
      ? timeFromRecord(mtimeRecord)
      : checkedTime(numberIn(block, 'mtime') * SECOND_NS);
    const mode = Number(BigInt.asUintN(12, numberIn(block, 'mode')));
    this.#longName = this.#longTarget = this.#records = undefined;

    // An old type of sparse file, whose header goes on for an unknown number of blocks.
    if (type === 'S') throw sparse();
    const kind = kindOf(type, name);
    if (KINDS_WITHOUT_CONTENT.has(type) && size > 0)
      throw malformed(`a ${kind} has ${size} bytes of content`);
    this.#handlers.entry({
      path: kind === 'directory' && name.length > 1 && name.at(-1) === SLASH ? name.subarray(0, -1) : name,
      kind,
      size: kind === 'file' ? size : 0,
      mode,
      mtimeNs,
      ...(kind === 'symlink' || kind === 'hardlink' ? { target } : {}),
    });
    const take = kind === 'file' ? (chunk: Buffer) => this.#handlers.data(chunk) : () => {};
    this.#expectBody(size, take, () => this.#handlers.endEntry());
  }

  /** What pax records say of the next entry; an empty value takes back what a global record said. */
  #record(key: RecordKey): Buffer | undefined {
    const value = this.#records?.get(key) ?? this.#globalRecords.get(key);
    return value && value.length > 0 ? value : undefined;
  }
}

const RECORD_KEYS = ['path', 'linkpath', 'size', 'mtime'] as const;
type RecordKey = (typeof RECORD_KEYS)[number];

/** The records of a pax header, `<length> <key>=<value>\n` each, as far as they matter here. */
function readRecords(content: Buffer): Records {
  const records: Records = new Map();
  for (let at = 0; at < content.length; ) {
    const digits = /^[1-9]\d{0,6}(?= )/.exec(content.toString('latin1', at, at + 8))?.[0];
    if (digits === undefined) throw malformed('a pax record has no length');
    const end = at + Number(digits);
    const record = content.subarray(at + digits.length + 1, end);
    const equals = record.indexOf('=');
    if (end > content.length || equals < 1 || record.at(-1) !== 0x0a) {
      throw malformed('a pax record has not the length that it says');
    }
    const key = record.toString('utf8', 0, equals);
    const value = record.subarray(equals + 1, -1);
    if (key.startsWith('GNU.sparse.')) throw sparse();
    if (RECORD_KEYS.some((known) => known === key)) {
      if (value.includes(0)) throw malformed(`there is a NUL in a ${key} record`);
      records.set(key, Buffer.from(value));
    }
    at = end;
  }
  return records;
}

function kindOf(type: string, name: Buffer): TarReadEntry['kind'] {
  // Before directories had a type of their own they were files whose name ends in a slash.
  if (TYPES_OF_FILES.has(type)) return name.at(-1) === SLASH ? 'directory' : 'file';
  return KINDS_WITHOUT_CONTENT.get(type) ?? 'other';
}

function nameIn(block: Buffer): Buffer {
  const name = textIn(block, 'name');
  // Only POSIX has a prefix; of its magic, that of GNU shares all but the end.
  const { at } = TAR_FIELDS.magic;
  const isPosix = block.subarray(at, at + 6).equals(USTAR_MAGIC.subarray(0, 6));
  const prefix = isPosix ? textIn(block, 'prefix') : Buffer.alloc(0);
  return prefix.length > 0 ? Buffer.concat([prefix, Buffer.from('/'), name]) : name;
}

/** A copy of what is in a field, up to a NUL if there is one. */
function textIn(block: Buffer, field: keyof typeof TAR_FIELDS): Buffer {
  const { at, bytes } = TAR_FIELDS[field];
  const text = block.subarray(at, at + bytes);
  const nul = text.indexOf(0);
  return Buffer.from(nul < 0 ? text : text.subarray(0, nul));
}

/** A copy without the NUL that GNU puts at the end. */
function upToNul(content: Buffer): Buffer {
  const nul = content.indexOf(0);
  const text = nul < 0 ? content : content.subarray(0, nul);
  if (content.subarray(text.length).some((byte) => byte !== 0)) throw malformed('there is a NUL in a name');
  return Buffer.from(text);
}

/** Octal digits, or where the first bit is set a big-endian number with a sign (GNU). An empty field is 0. */
function numberIn(block: Buffer, field: keyof typeof TAR_FIELDS): bigint {
  const { at, bytes } = TAR_FIELDS[field];
  const first = block[at] ?? 0;
  if (first === 0x80 || first === 0xff) {
    const magnitude = BigInt(`0x${block.toString('hex', at + 1, at + bytes)}`);
    return first === 0x80 ? magnitude : magnitude - (1n << BigInt(8 * (bytes - 1)));
  }
  const match = /^ *([0-7]*)(?:[ \0]|$)/.exec(block.toString('latin1', at, at + bytes));
  if (!match) throw malformed(`the ${field} of a header is no number`);
  return BigInt(`0o${match[1] || '0'}`);
}

function checkedSize(size: bigint): number {
  if (size < 0n || size > BigInt(Number.MAX_SAFE_INTEGER)) throw malformed(`an entry has ${size} bytes`);
  return Number(size);
}

function sizeFromRecord(value: Buffer): number {
  const text = value.toString('latin1');
  if (!/^\d{1,20}$/.test(text)) throw malformed('a size record is no number');
  return checkedSize(BigInt(text));
}

function checkedTime(ns: bigint): bigint {
  const limit = (1n << 63n) * SECOND_NS;
  if (ns < -limit || ns >= limit) throw malformed('the time of an entry is out of range');
  return ns;
}

/** Such as `-1.5`; digits past the ninth behind the point are dropped. */
function timeFromRecord(value: Buffer): bigint {
  const match = /^(-?)(\d{1,20})(?:\.(\d{0,100}))?$/.exec(value.toString('latin1'));
  if (!match) throw malformed('an mtime record is no number');
  const [, sign, seconds = '', fraction = ''] = match;
  const ns = BigInt(seconds) * SECOND_NS + BigInt(fraction.slice(0, 9).padEnd(9, '0'));
  return checkedTime(sign === '-' ? -ns : ns);
}

function malformed(why: string): Error {
  return new Error(`The archive is malformed: ${why}.`);
}

function sparse(): Error {
  return new Error(
    'The archive holds a sparse entry, which is not understood here: create it without --sparse.',
  );
}
