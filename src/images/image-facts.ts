export type ImageType = 'png' | 'jpeg' | 'webp' | 'gif';

/** What an image says of itself; the size is undefined where it lies beyond the bytes that are there. */
export type ImageFacts = { type: ImageType; width: number | undefined; height: number | undefined };

type Size = { width: number; height: number };

/** What the first bytes of a file say; undefined if it is none of these images, whatever its name. */
export function imageFacts(head: Buffer): ImageFacts | undefined {
  const type = typeOf(head);
  if (type === undefined) return undefined;
  const { width, height } = sizeOf(type, head) ?? {};
  return { type, width, height };
}

/**
 * Whether the image ends where it should: one that is still being written, or was cut, breaks the conversation
 * that it is shown in, since the model's side refuses it.
 */
export function isWhole(bytes: Buffer, type: ImageType): boolean {
  switch (type) {
    case 'png':
      return pngEnds(bytes);
    case 'jpeg':
      return jpegEnds(bytes);
    case 'gif':
      return /;\0*$/.test(bytes.toString('latin1', Math.max(13, bytes.length - 64)));
    case 'webp':
      return bytes.length >= 20 && bytes.readUInt32LE(4) + 8 <= bytes.length;
  }
}

function typeOf(head: Buffer): ImageType | undefined {
  const begin = head.toString('latin1', 0, 16);
  if (begin.startsWith('\x89PNG\r\n\x1a\n')) return 'png';
  if (begin.startsWith('\xff\xd8\xff')) return 'jpeg';
  if (/^GIF8[79]a/.test(begin)) return 'gif';
  if (/^RIFF.{4}WEBPVP8[ LX]/s.test(begin)) return 'webp';
  return undefined;
}

function sizeOf(type: ImageType, head: Buffer): Size | undefined {
  switch (type) {
    case 'png':
      return head.length < 24 ? undefined : { width: head.readUInt32BE(16), height: head.readUInt32BE(20) };
    case 'gif':
      return head.length < 10 ? undefined : { width: head.readUInt16LE(6), height: head.readUInt16LE(8) };
    case 'jpeg':
      return jpegSize(head);
    case 'webp':
      return webpSize(head);
  }
}

const SOS = 0xda;

/** The size stands in the frame header (SOF), behind segments of any number. */
function jpegSize(head: Buffer): Size | undefined {
  for (const { marker, at } of jpegSegments(head)) {
    if (!isFrameHeader(marker) || at + 9 > head.length) continue;
    return { height: head.readUInt16BE(at + 5), width: head.readUInt16BE(at + 7) };
  }
  return undefined;
}

/** Its own end, not that of a thumbnail in its metadata: behind its data, in which no end marker can stand. */
function jpegEnds(bytes: Buffer): boolean {
  for (const { marker, at } of jpegSegments(bytes)) {
    if (marker === SOS) return bytes.includes('ffd9', at, 'hex');
  }
  return false;
}

/** Up to the first scan; `at` is where the marker stands. */
function* jpegSegments(bytes: Buffer): Generator<{ marker: number; at: number }> {
  for (let at = 2; at + 4 <= bytes.length && bytes[at] === 0xff; ) {
    const marker = bytes[at + 1] ?? 0;
    if (marker === 0xff) {
      at += 1;
      continue;
    }
    yield { marker, at };
    if (marker === SOS) return;
    at += 2 + bytes.readUInt16BE(at + 2);
  }
}

/** C4, C8 and CC are tables. */
function isFrameHeader(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
}

/** RFC 9649 */
function webpSize(head: Buffer): Size | undefined {
  if (head.length < 30) return undefined;
  switch (head.toString('latin1', 12, 16)) {
    case 'VP8X':
      return { width: head.readUIntLE(24, 3) + 1, height: head.readUIntLE(27, 3) + 1 };
    case 'VP8L': {
      const bits = head.readUInt32LE(21);
      return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
    }
    default:
      return { width: head.readUInt16LE(26) & 0x3fff, height: head.readUInt16LE(28) & 0x3fff };
  }
}

/** From chunk to chunk to the last one, IEND. */
function pngEnds(bytes: Buffer): boolean {
  for (let at = 8; at + 12 <= bytes.length; at += 12 + bytes.readUInt32BE(at)) {
    if (bytes.toString('latin1', at + 4, at + 8) === 'IEND') return true;
  }
  return false;
}
