/** Archives are made of blocks of so many bytes. */
export const TAR_BLOCK = 512;

type Field = { at: number; bytes: number };

/** Where the fields of a header block are (POSIX.1-2017, pax, "ustar Interchange Format"). */
export const TAR_FIELDS = {
  name: { at: 0, bytes: 100 },
  mode: { at: 100, bytes: 8 },
  uid: { at: 108, bytes: 8 },
  gid: { at: 116, bytes: 8 },
  size: { at: 124, bytes: 12 },
  mtime: { at: 136, bytes: 12 },
  checksum: { at: 148, bytes: 8 },
  type: { at: 156, bytes: 1 },
  target: { at: 157, bytes: 100 },
  magic: { at: 257, bytes: 8 },
  prefix: { at: 345, bytes: 155 },
} satisfies Record<string, Field>;

/** The type field of the entries that are written and read alike. */
export const TAR_TYPES = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  directory: '5',
  /** GNU: its content is the name of the entry that follows. */
  longName: 'L',
  /** GNU: its content is the link target of the entry that follows. */
  longTarget: 'K',
  /** pax: its content are records for the entry that follows. */
  records: 'x',
  /** pax: its content are records for all entries that follow. */
  globalRecords: 'g',
};

/** Magic and version in one: POSIX, where long names may use the prefix field. */
export const USTAR_MAGIC = Buffer.from('ustar\x0000');
/** Magic and version in one: GNU, which keeps other things where POSIX has the prefix. */
export const GNU_MAGIC = Buffer.from('ustar  \0');

/** How many bytes follow `size` bytes of content, to the end of the block. */
export function tarPadding(size: number): number {
  return (TAR_BLOCK - (size % TAR_BLOCK)) % TAR_BLOCK;
}

/** The sum of a header block's bytes, its checksum field taken as eight spaces. */
export function tarChecksum(block: Uint8Array): number {
  const { at, bytes } = TAR_FIELDS.checksum;
  let sum = bytes * 0x20;
  for (const byte of block) sum += byte;
  for (const byte of block.subarray(at, at + bytes)) sum -= byte;
  return sum;
}
