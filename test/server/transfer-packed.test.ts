import { readFileSync, statSync } from 'node:fs';
import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  leftoversIn,
  makeFiles,
  randomFile,
  startTransferPlace,
  succeeded,
  type TransferPlace,
  treeFacts,
} from './transfer-place.ts';

const MIB = 1024 * 1024;

/** Text as it is in a log: of so many bytes, and not the same twice. */
function log(bytes: number, seed = 0): Buffer {
  const lines: string[] = [];
  for (let step = seed, length = 0; length < bytes; step++) {
    const line = `{"step": ${step}, "loss": ${Math.abs(Math.sin(step)).toFixed(6)}, "lr": 0.0003, "epoch": ${step % 7}}\n`;
    lines.push(line);
    length += line.length;
  }
  return Buffer.from(lines.join('')).subarray(0, bytes);
}

describe.each(['raw', 'seven-bit'] as const)('through a gateway whose terminal is %s', (gatewayTerminal) => {
  let place: TransferPlace;
  beforeAll(async () => {
    place = await startTransferPlace('proxy', { gatewayTerminal });
  });
  afterAll(() => place?.stop());
  const here = (name: string) => join(place.work, name);
  const there = (name: string) => join(place.podHome, name);

  /** How many bytes a transfer takes, up and down. */
  async function cost(transfer: () => Promise<unknown>): Promise<{ up: number; down: number }> {
    const before = place.hop.bytes();
    await transfer();
    const after = place.hop.bytes();
    return { up: after.up - before.up, down: after.down - before.down };
  }
  const up = (name: string) => cost(async () => succeeded(await place.upload(name, name)));
  const down = (name: string, to: string) => cost(async () => succeeded(await place.download(name, to)));

  it('text takes less than half of its bytes, and arrives as it was', async () => {
    const text = log(9 * MIB + 17);
    await writeFile(here('log'), text);
    expect((await up('log')).up).toBeLessThan(text.length / 2);
    expect(readFileSync(there('log')).equals(text)).toBe(true);
    expect((await down('log', 'log-back')).down).toBeLessThan(text.length / 2);
    expect(readFileSync(here('log-back')).equals(text)).toBe(true);
    expect(leftoversIn(place.work, place.podHome)).toEqual([]);
  });

  it('a tree of texts too', async () => {
    const files = Object.fromEntries(
      Array.from({ length: 300 }, (_, i) => [`d${i % 9}/f${i}`, log(20_000, i * 1_000)]),
    );
    await makeFiles(here('tree'), files);
    expect((await up('tree')).up).toBeLessThan(3_000_000);
    expect(treeFacts(there('tree'))).toBe(treeFacts(here('tree')));
    expect((await down('tree', 'tree-back')).down).toBeLessThan(3_000_000);
    expect(treeFacts(here('tree-back'))).toBe(treeFacts(here('tree')));
    expect(leftoversIn(place.work, place.podHome)).toEqual([]);
  });

  it('what cannot be packed travels as it is', async () => {
    const most = gatewayTerminal === 'raw' ? 1.05 : 1.45;
    const content = await randomFile(here('random'), 4 * MIB);
    expect((await up('random')).up).toBeLessThan(most * content.length);
    expect((await down('random', 'random-back')).down).toBeLessThan(most * content.length);
    expect(readFileSync(here('random-back')).equals(content)).toBe(true);
  });

  it('what begins as text and goes on otherwise, or the other way round, arrives as it was', async () => {
    const random = await randomFile(here('random'), 3 * MIB);
    for (const content of [
      Buffer.concat([log(3 * MIB), random, log(MIB)]),
      Buffer.concat([random, log(4 * MIB)]),
    ]) {
      await writeFile(here('mixed'), content);
      await up('mixed');
      expect(readFileSync(there('mixed')).equals(content)).toBe(true);
      await down('mixed', 'mixed-back');
      expect(readFileSync(here('mixed-back')).equals(content)).toBe(true);
    }
  });

  it('holes stay holes', async () => {
    const file = await open(here('sparse'), 'w');
    await file.write(log(MIB), 0, MIB, 0);
    await file.write(log(MIB), 0, MIB, 3 * MIB);
    await file.truncate(20 * MIB);
    await file.close();
    const content = readFileSync(here('sparse'));
    await up('sparse');
    expect(readFileSync(there('sparse')).equals(content)).toBe(true);
    expect(statSync(there('sparse')).blocks * 512).toBeLessThan(3 * MIB);
    await down('sparse', 'sparse-back');
    expect(readFileSync(here('sparse-back')).equals(content)).toBe(true);
    expect(statSync(here('sparse-back')).blocks * 512).toBeLessThan(3 * MIB);
  });
});
