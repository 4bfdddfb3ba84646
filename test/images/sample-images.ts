import { randomFillSync } from 'node:crypto';
import { deflateSync } from 'node:zlib';
import type { ImageType } from '../../src/images/image-facts.ts';

const encoded: { kind: string; type: ImageType; base64: string }[] = [
  {
    kind: 'png',
    type: 'png',
    base64:
      'iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAIAAAASFvFNAAAAHElEQVR4nGM8ISfHwMDAwMDAxMDAYPHoIQMDAwAcbAMDlJYfTwAAAABJRU5ErkJggg==',
  },
  {
    kind: 'jpeg',
    type: 'jpeg',
    base64:
      '/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABsSFBcUERsXFhceHBsgKEIrKCUlKFE6PTBCYFVlZF9VXVtqeJmBanGQc1tdhbWGkJ6jq62rZ4C8ybqmx5moq6T/2wBDARweHigjKE4rK06kbl1upKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKT/wAARCAACAAMDASIAAhEBAxEB/8QAFQABAQAAAAAAAAAAAAAAAAAAAAX/xAAZEAEAAgMAAAAAAAAAAAAAAAAAAQIhgbH/xAAVAQEBAAAAAAAAAAAAAAAAAAADBf/EABcRAAMBAAAAAAAAAAAAAAAAAAABMQL/2gAMAwEAAhEDEQA/AJ9MxuegA1WV1D//2Q==',
  },
  {
    kind: 'progressive jpeg with an end marker in its metadata',
    type: 'jpeg',
    base64:
      '/9j/4AAQSkZJRgABAQAAAQABAAD/4QAeRXhpZgAAeHh4eHh4eHh4eHh4eHh4eHh4eHj/2f/bAEMAGxIUFxQRGxcWFx4cGyAoQisoJSUoUTo9MEJgVWVkX1VdW2p4mYFqcZBzW12FtYaQnqOrratngLzJuqbHmairpP/bAEMBHB4eKCMoTisrTqRuXW6kpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpP/CABEIAAIAAwMBIgACEQEDEQH/xAAVAAEBAAAAAAAAAAAAAAAAAAAABP/EABUBAQEAAAAAAAAAAAAAAAAAAAME/9oADAMBAAIQAxAAAAGcHX//xAAUEAEAAAAAAAAAAAAAAAAAAAAA/9oACAEBAAEFAn//xAAUEQEAAAAAAAAAAAAAAAAAAAAA/9oACAEDAQE/AX//xAAVEQEBAAAAAAAAAAAAAAAAAAAAAf/aAAgBAgEBPwGv/8QAFBABAAAAAAAAAAAAAAAAAAAAAP/aAAgBAQAGPwJ//8QAFRABAQAAAAAAAAAAAAAAAAAAAAH/2gAIAQEAAT8hj//aAAwDAQACAAMAAAAQD//EABYRAAMAAAAAAAAAAAAAAAAAAAABMf/aAAgBAwEBPxBQ/8QAFhEAAwAAAAAAAAAAAAAAAAAAAAEx/9oACAECAQE/EKZ//8QAGBAAAgMAAAAAAAAAAAAAAAAAAAEhgbH/2gAIAQEAAT8Qmren/9k=',
  },
  { kind: 'gif', type: 'gif', base64: 'R0lGODdhAwACAIEAAMgeHgAA/wAAAAAAACwAAAAAAwACAAAICAABCAQQAEBAADs=' },
  {
    kind: 'lossy webp',
    type: 'webp',
    base64:
      'UklGRkIAAABXRUJQVlA4IDYAAADQAQCdASoDAAIABABoJagCdAEO+M3dAAD+3HqLZXobmtJOakRpjSLv/iVG//t3/u+OXUAAAAA=',
  },
  {
    kind: 'lossless webp',
    type: 'webp',
    base64: 'UklGRiIAAABXRUJQVlA4TBUAAAAvAkAAAA8wHoP8j//5Dx684CCi/xEA',
  },
  {
    kind: 'transparent webp',
    type: 'webp',
    base64:
      'UklGRmQAAABXRUJQVlA4WAoAAAAQAAAAAgAAAQAAQUxQSAcAAAAAgICAgICAAFZQOCA2AAAA0AEAnQEqAwACAAQAaCWoAnQBDvjN3QAA/tx6i2V6G5rSTmpEaY0i7/4lRv/7d/7vjl1AAAAA',
  },
];

/** Images of 3 × 2 pixels, as Pillow writes them. */
export const samples = encoded.map(({ base64, ...sample }) => ({
  ...sample,
  bytes: Buffer.from(base64, 'base64'),
}));

/** A PNG of this size; with noise it is about three bytes a pixel, else next to nothing. */
export function makePng(width: number, height: number, { noise = false } = {}): Buffer {
  const stride = 1 + 3 * width;
  const pixels = Buffer.alloc(stride * height);
  if (noise) {
    randomFillSync(pixels);
    for (let row = 0; row < height; row++) pixels[row * stride] = 0;
  }
  const header = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 8, 2, 0, 0, 0]);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  return Buffer.concat([
    Buffer.from('89504e470d0a1a0a', 'hex'),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(pixels, { level: noise ? 0 : 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(name: string, data: Buffer): Buffer {
  const named = Buffer.concat([Buffer.from(name), data]);
  const framed = Buffer.alloc(named.length + 8);
  framed.writeUInt32BE(data.length, 0);
  named.copy(framed, 4);
  framed.writeUInt32BE(crc32(named), named.length + 4);
  return framed;
}

/** The checksum of a PNG's chunks; Node 20 has none. */
function crc32(bytes: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (CRC_TABLE[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

const CRC_TABLE = Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});
