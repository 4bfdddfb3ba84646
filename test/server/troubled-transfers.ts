import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { becomesEmpty } from './many-cuts.ts';
import { troubles } from './numbered-lines.ts';
import {
  leftoversIn,
  makeFiles,
  randomFile,
  succeeded,
  type TransferPlace,
  treeFacts,
} from './transfer-place.ts';

const FILE_BYTES = 30_000_000;
const TROUBLES = 3;
const kinds = Object.entries(troubles);

/** Transfers whose connection is cut, frozen, reset or refused some times; each has to come through whole. */
export class TroubledTransfers {
  /** What has been done to the connection. */
  readonly log: string[] = [];
  readonly #place: TransferPlace;

  constructor(place: TransferPlace) {
    this.#place = place;
    // Far enough away that there is time to be cut.
    place.hop.setDelayMs(15);
  }

  /** A file takes the place of an old one on the pod; nobody ever sees anything but one of the two. */
  async up(): Promise<void> {
    const { work, podHome } = this.#place;
    const old = await randomFile(join(work, 'file'), 1_000_000);
    succeeded(await this.#place.upload('file', 'file'));
    const content = await randomFile(join(work, 'file'), FILE_BYTES);
    const polled = pollFile(join(podHome, 'file'), [old, content]);
    try {
      succeeded(await this.#troubled(this.#place.upload('file', 'file')));
    } finally {
      assert.equal(await polled.end(), 'only whole files');
    }
    assert.ok(readFileSync(join(podHome, 'file')).equals(content));
    assert.deepEqual(leftoversIn(work, podHome), []);
  }

  /** The same in the other direction. */
  async down(): Promise<void> {
    const { work, podHome } = this.#place;
    const old = await randomFile(join(podHome, 'source'), 1_000_000);
    await rm(join(work, 'back'), { force: true });
    succeeded(await this.#place.download('source', 'back'));
    const content = await randomFile(join(podHome, 'source'), FILE_BYTES);
    const polled = pollFile(join(work, 'back'), [old, content]);
    try {
      succeeded(await this.#troubled(this.#place.download('source', 'back')));
    } finally {
      assert.equal(await polled.end(), 'only whole files');
    }
    assert.ok(readFileSync(join(work, 'back')).equals(content));
    assert.deepEqual(leftoversIn(work, podHome), []);
  }

  /** A tree of small files and a large one, up and down. */
  async tree(): Promise<void> {
    const { work, podHome } = this.#place;
    const [here, there, back] = [join(work, 'tree'), join(podHome, 'tree'), join(work, 'tree-back')];
    for (const folder of [here, there, back]) await rm(folder, { recursive: true, force: true });
    const files: Record<string, Buffer> = { large: await randomFile(join(work, 'large'), 20_000_000) };
    for (let i = 0; i < 600; i++) files[`d${i % 9}/e${i % 5}/f${i}`] = Buffer.alloc(i * 90, `${i} `);
    await makeFiles(here, files);
    succeeded(await this.#troubled(this.#place.upload('tree', 'tree')));
    assert.equal(treeFacts(there), treeFacts(here));
    succeeded(await this.#troubled(this.#place.download('tree', 'tree-back')));
    assert.equal(treeFacts(back), treeFacts(here));
    // Stages whose sessions were lost are found by the next upload.
    succeeded(await this.#place.upload('tree', 'tree'));
    await becomesEmpty('temporary files', async () => leftoversIn(work, podHome));
  }

  /** Lets the connection go on. */
  async calm(): Promise<void> {
    this.#place.hop.thaw();
    await this.#place.hop.accept();
  }

  async #troubled<T>(work: Promise<T>): Promise<T> {
    let over = false;
    const done = work.finally(() => {
      over = true;
    });
    done.catch(() => {});
    for (let i = 0; i < TROUBLES && !over; i++) {
      const waitMs = Math.floor(Math.random() * 900);
      const [kind, trouble] = kinds[Math.floor(Math.random() * kinds.length)] ?? [];
      await delay(waitMs);
      if (over) break;
      this.log.push(`${kind} after ${waitMs} ms`);
      await trouble?.(this.#place.hop);
    }
    return done;
  }
}

/** Reads a file again and again: whether it was ever anything but one of these. */
function pollFile(path: string, versions: Buffer[]): { end(): Promise<string> } {
  let over = false;
  const watching = (async () => {
    while (!over) {
      const found = readFileSync(path);
      if (!versions.some((version) => version.equals(found))) return `half a file of ${found.length} bytes`;
      await delay(20);
    }
    return 'only whole files';
  })();
  return {
    end: () => {
      over = true;
      return watching;
    },
  };
}
