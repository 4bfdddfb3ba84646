import {
  GNU_MAGIC,
  TAR_BLOCK,
  TAR_FIELDS,
  TAR_TYPES,
  tarChecksum,
  tarPadding,
  USTAR_MAGIC,
} from './tar-header.ts';

export { tarPadding };

// No package writes the tar of this project: those there are take names as strings, so that a name that is not
// UTF-8 is lost, and what they write for a long one is pax only, which busybox passes over.

/** One thing in an archive; a file's content follows its header, with `tarPadding(size)` zeros behind it. */
export type TarEntry = {
  /** Relative, with `/` between its parts and none at the end. */
  path: Buffer;
  kind: 'file' | 'directory' | 'symlink';
  /** Bytes of content; only a file's counts. */
  size: number;
  /** Permission bits, with setuid, setgid and sticky. */
  mode: number;
  /** Nanoseconds since 1970. */
  mtimeNs: bigint;
  /** Where a symlink points. */
  target?: Buffer;
};

/**
 * `pax` is for GNU tar: times to the nanosecond. It converts the names in pax records from UTF-8 to its locale:
 * run it with LC_ALL=C, where it leaves all of them as they are. `gnu` is for busybox, which ignores pax
 * records: whole seconds, and long names in entries of their own.
 */
export type TarFormat = 'pax' | 'gnu';

/** What stands at the end of an archive: two blocks of zeros. */
export const tarEnd: Buffer = Buffer.alloc(2 * TAR_BLOCK);

const SECOND_NS = 1_000_000_000n;
/** The most that eleven octal digits hold: 8 GiB, or the year 2242. */
const MAX_OCTAL = 0o77777777777n;
/** The name of the entries that only describe the next one, in programs that don't know them. */
const META_NAME = { gnu: Buffer.from('././@LongLink'), pax: Buffer.from('././@PaxHeader') };

/**
 * The header block or blocks of one entry. It belongs to uid and gid 0, without names. Throws on what no file
 * system holds: an empty path, a NUL in a name, a negative size, a symlink without a target.
 */
export function tarHeader(entry: TarEntry, format: TarFormat): Buffer {
  const { path, kind, mode, mtimeNs } = entry;
  const target = kind === 'symlink' ? (entry.target ?? Buffer.alloc(0)) : undefined;
  const size = kind === 'file' ? entry.size : 0;
  checkName(path, 'path');
  if (target) checkName(target, 'link target');
  if (!Number.isSafeInteger(size) || size < 0) throw new Error(`A tar entry can't have ${size} bytes.`);

  const name = kind === 'directory' ? Buffer.concat([path, Buffer.from('/')]) : path;
  const fields = { name, target, size: BigInt(size), mode: mode & 0o7777, type: TAR_TYPES[kind] };
  const seconds = floorToSeconds(mtimeNs);
  if (format === 'gnu') {
    return Buffer.concat([
      ...(fits(name, TAR_FIELDS.name) ? [] : [longField(TAR_TYPES.longName, name)]),
      ...(!target || fits(target, TAR_FIELDS.target) ? [] : [longField(TAR_TYPES.longTarget, target)]),
      headerBlock({ ...fields, seconds }, 'gnu'),
    ]);
  }
  // Short names stay in the header whatever their bytes are: there, no program converts them.
  const records: Buffer[] = [];
  if (!fits(name, TAR_FIELDS.name)) records.push(paxRecord('path', name));
  if (target && !fits(target, TAR_FIELDS.target)) records.push(paxRecord('linkpath', target));
  if (fields.size > MAX_OCTAL) records.push(paxRecord('size', Buffer.from(String(size))));
  if (seconds * SECOND_NS !== mtimeNs || seconds < 0n || seconds > MAX_OCTAL) {
    records.push(paxRecord('mtime', Buffer.from(decimalSeconds(mtimeNs))));
  }
  const main = headerBlock(
    { ...fields, size: fields.size > MAX_OCTAL ? 0n : fields.size, seconds: clampToOctal(seconds) },
    'pax',
  );
  if (records.length === 0) return main;
  return Buffer.concat([metaEntry(TAR_TYPES.records, Buffer.concat(records), 'pax'), main]);
}

/** The exact length of the archive of these entries, its end included, so that it can be told before it is sent. */
export function tarSize(entries: Iterable<TarEntry>, format: TarFormat): number {
  let bytes = tarEnd.length;
  for (const entry of entries) {
    bytes += tarHeader(entry, format).length;
    if (entry.kind === 'file') bytes += entry.size + tarPadding(entry.size);
  }
  return bytes;
}

function checkName(name: Buffer, what: string): void {
  if (name.length === 0) throw new Error(`A tar entry can't have an empty ${what}.`);
  if (name.includes(0)) throw new Error(`A tar entry can't have a NUL in its ${what}.`);
}

function fits(name: Buffer, field: { bytes: number }): boolean {
  return name.length <= field.bytes;
}

function floorToSeconds(ns: bigint): bigint {
  const seconds = ns / SECOND_NS;
  return seconds * SECOND_NS > ns ? seconds - 1n : seconds;
}

function clampToOctal(value: bigint): bigint {
  if (value < 0n) return 0n;
  return value > MAX_OCTAL ? MAX_OCTAL : value;
}

/** Such as `-1.5`: the sign counts for the whole number, as pax has it. */
function decimalSeconds(ns: bigint): string {
  const size = ns < 0n ? -ns : ns;
  const fraction = String(size % SECOND_NS)
    .padStart(9, '0')
    .replace(/0+$/, '');
  return `${ns < 0n ? '-' : ''}${size / SECOND_NS}${fraction && `.${fraction}`}`;
}

/** `<length> <key>=<value>\n`, where the length counts its own digits too. */
function paxRecord(key: string, value: Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from('\n')]);
  let length = rest.length;
  while (length !== rest.length + String(length).length) length = rest.length + String(length).length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

function longField(type: string, value: Buffer): Buffer {
  return metaEntry(type, Buffer.concat([value, Buffer.alloc(1)]), 'gnu');
}

function metaEntry(type: string, content: Buffer, format: TarFormat): Buffer {
  const name = META_NAME[format];
  const header = { name, target: undefined, size: BigInt(content.length), mode: 0o644, type, seconds: 0n };
  return Buffer.concat([headerBlock(header, format), content, Buffer.alloc(tarPadding(content.length))]);
}

type HeaderFields = {
  name: Buffer;
  target: Buffer | undefined;
  size: bigint;
  mode: number;
  type: string;
  seconds: bigint;
};

/** One header block; of names that are too long it holds as much as fits. */
function headerBlock({ name, target, size, mode, type, seconds }: HeaderFields, format: TarFormat): Buffer {
  const block = Buffer.alloc(TAR_BLOCK);
  name.copy(block, TAR_FIELDS.name.at, 0, TAR_FIELDS.name.bytes);
  target?.copy(block, TAR_FIELDS.target.at, 0, TAR_FIELDS.target.bytes);
  putNumber(block, TAR_FIELDS.mode, BigInt(mode));
  putNumber(block, TAR_FIELDS.uid, 0n);
  putNumber(block, TAR_FIELDS.gid, 0n);
  putNumber(block, TAR_FIELDS.size, size);
  putNumber(block, TAR_FIELDS.mtime, seconds);
  block.write(type, TAR_FIELDS.type.at, 'latin1');
  (format === 'gnu' ? GNU_MAGIC : USTAR_MAGIC).copy(block, TAR_FIELDS.magic.at);
  const checksum = tarChecksum(block).toString(8).padStart(6, '0');
  block.write(`${checksum}\0 `, TAR_FIELDS.checksum.at, 'latin1');
  return block;
}

/** Octal digits and a NUL; what they can't hold as GNU has it: binary, big-endian, with the first bit set. */
function putNumber(block: Buffer, { at, bytes }: { at: number; bytes: number }, value: bigint): void {
  const digits = value < 0n ? '' : value.toString(8);
  if (digits !== '' && digits.length < bytes) {
    block.write(digits.padStart(bytes - 1, '0'), at, 'latin1');
    return;
  }
  const unsigned = BigInt.asUintN(8 * bytes, value) | (1n << BigInt(8 * bytes - 1));
  block.write(unsigned.toString(16), at, 'hex');
}
