import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, readdirSync, readFileSync, statSync, writeSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { hashOfBlock } from '../../../src/transfer/file/fetch-blocks.ts';
import { LocalPart } from '../../../src/transfer/file/local-part.ts';

const source = { path: Buffer.from('/source'), size: 200_000, mtimeNs: 1_000_000_000n };
const half = { from: 0, count: 100_000 };
const { signal } = new AbortController();
const facts = { mode: 0o640, mtimeNs: source.mtimeNs };

let folder = '';
let target: Buffer;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'part-'));
  target = Buffer.from(join(folder, 'target'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Writes and lists the first half. */
function fillHalf({ file, done }: LocalPart): void {
  writeSync(file, Buffer.alloc(half.count, 'a'), 0, half.count, 0);
  appendFileSync(done, `${half.from} ${half.count} ${hashOfBlock(file, half)}\n`);
}
const only = () => {
  const [name, ...others] = readdirSync(folder);
  expect(others).toEqual([]);
  return join(folder, name ?? '');
};
const named = (path: string, owner: number | string) =>
  path.replace(/-\d+\.([0-9a-f]+\.part)$/, `-${owner}.$1`);

it('takes the target’s place with its mode and time, and leaves nothing', async () => {
  const part = await LocalPart.open(target, source);
  fillHalf(part);
  await part.putInPlace(target, facts);
  expect(readdirSync(folder)).toEqual(['target']);
  const { size, mode, mtimeMs } = statSync(target);
  expect({ size, mode: mode & 0o7777, mtimeMs }).toEqual({ size: 200_000, mode: 0o640, mtimeMs: 1_000 });
});

it('two of one file at a time know nothing of each other', async () => {
  const [one, other] = [await LocalPart.open(target, source), await LocalPart.open(target, source)];
  expect(other.fresh).toBe(true);
  fillHalf(one);
  await other.putInPlace(target, facts);
  expect(readFileSync(target).equals(Buffer.alloc(source.size))).toBe(true);
  await one.putInPlace(target, facts);
  expect(readFileSync(target)[0]).toBe(0x61);
  expect(readdirSync(folder)).toEqual(['target']);
});

it('that was given up is taken over with what it has', async () => {
  const part = await LocalPart.open(target, source);
  fillHalf(part);
  await part.release();
  const next = await LocalPart.open(target, source);
  expect(next.fresh).toBe(false);
  expect(await next.blocks(source.size, signal)).toEqual([{ ...half, sum: expect.any(String) }]);
  await next.discard();
  expect(readdirSync(folder)).toEqual([]);
});

it('is taken over when the process that it belongs to has ended, and not before', async () => {
  const owner = spawn('/bin/sh', ['-c', 'read -r line']);
  const part = await LocalPart.open(target, source);
  fillHalf(part);
  const path = only();
  await rename(path, named(path, owner.pid ?? 0));
  const beside = await LocalPart.open(target, source);
  expect(beside.fresh).toBe(true);
  await beside.discard();
  owner.stdin.end();
  await once(owner, 'exit');
  const next = await LocalPart.open(target, source);
  expect(await next.blocks(source.size, signal)).toEqual([{ ...half, sum: expect.any(String) }]);
  await next.discard();
  expect(readdirSync(folder)).toEqual([]);
});

it('of another version goes, and what was changed in one of ours does not count', async () => {
  const old = await LocalPart.open(target, { ...source, mtimeNs: 2n });
  fillHalf(old);
  await old.release();
  const part = await LocalPart.open(target, source);
  expect(part.fresh).toBe(true);
  fillHalf(part);
  await part.release();
  const path = join(only(), 'bytes');
  await writeFile(path, 'x', { flag: 'r+' });
  const next = await LocalPart.open(target, source);
  expect(await next.blocks(source.size, signal)).toEqual([]);
  await next.discard();
});

it('of several that were left one is taken over, and the others go', async () => {
  const parts = [await LocalPart.open(target, source), await LocalPart.open(target, source)];
  for (const part of parts) await part.release();
  await (await LocalPart.open(target, source)).release();
  expect(only()).toMatch(/-0\.[0-9a-f]+\.part$/);
});

it('never goes through a link that somebody has put in its place', async () => {
  const part = await LocalPart.open(target, source);
  await part.release();
  const path = only();
  await rm(path, { recursive: true });
  await mkdir(join(folder, 'elsewhere'));
  await symlink('elsewhere', path);
  const next = await LocalPart.open(target, source);
  expect(next.fresh).toBe(true);
  fillHalf(next);
  await next.putInPlace(target, facts);
  expect(readdirSync(join(folder, 'elsewhere'))).toEqual([]);
  expect(readdirSync(folder).sort()).toEqual(['elsewhere', 'target']);

  const linked = await LocalPart.open(target, source);
  await linked.release();
  const left = join(folder, readdirSync(folder).find((name) => name.endsWith('.part')) ?? '');
  await rm(join(left, 'bytes'));
  await symlink('../elsewhere/bytes', join(left, 'bytes'));
  const last = await LocalPart.open(target, source);
  expect(last.fresh).toBe(true);
  expect(readdirSync(join(folder, 'elsewhere'))).toEqual([]);
});
