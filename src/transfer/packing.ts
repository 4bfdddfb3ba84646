import { once } from 'node:events';
import { promisify } from 'node:util';
import { createGzip, type Gzip, gunzip, gzip } from 'node:zlib';
import type { Pod } from '../pods/pod.ts';
import type { Session } from '../session/session.ts';

/** How much is looked at to see whether the rest is worth a compressor's time. */
export const SAMPLE_BYTES = 64 * 1024;
const WORTH = 0.7;
/** The fastest: the next better one takes twice as long for a tenth less. */
const LEVEL = 1;

/** Whether files may travel packed at all: through the gateway, which is slow, where the pod has gzip. */
export function mayPack({ pod }: { pod: Pod }, { description }: Session): boolean {
  return pod.mode === 'proxy' && description.has.has('gzip');
}

/** Whether bytes like these become so much fewer by packing that the way is worth it. */
export async function isWorthPacking(sample: Buffer): Promise<boolean> {
  const packed = await promisify(gzip)(sample, { level: LEVEL });
  return packed.length < WORTH * sample.length;
}

export type Packed = { pieces: readonly Buffer[]; bytes: number };

/** Packs what is written to it, in pieces. */
export class Packer {
  readonly #gzip: Gzip = createGzip({ level: LEVEL });
  readonly #pieces: Buffer[] = [];

  constructor() {
    this.#gzip.on('data', (piece: Buffer) => this.#pieces.push(piece));
  }

  async write(bytes: Buffer): Promise<void> {
    if (!this.#gzip.write(bytes)) await once(this.#gzip, 'drain');
  }

  /** All of it, packed. */
  async end(): Promise<Packed> {
    this.#gzip.end();
    await once(this.#gzip, 'end');
    return { pieces: this.#pieces, bytes: this.#pieces.reduce((sum, { length }) => sum + length, 0) };
  }
}

/** What was packed; undefined if it is no such thing, or if more than `maxBytes` come out. */
export async function unpacked(bytes: Buffer, maxBytes: number): Promise<Buffer | undefined> {
  try {
    return await promisify<Buffer, { maxOutputLength: number }, Buffer>(gunzip)(bytes, {
      maxOutputLength: Math.max(1, maxBytes),
    });
  } catch {
    return undefined;
  }
}
