import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Frame } from '../../../src/session/frame-reader.ts';
import { word } from '../../../src/session/request.ts';
import type { Session } from '../../../src/session/session.ts';
import { asText } from '../../../src/transfer/file/text-lines.ts';
import { loadTransfer } from '../../../src/transfer/programs.ts';
import { PodPlace, shells } from '../../session/pod-place.ts';

const BLOCK = 100_000;
const SIZE = 2 * BLOCK;

describe.each(shells)('%s', (shell) => {
  let place: PodPlace;
  let first: Session;
  let second: Session;
  beforeAll(async () => {
    place = await PodPlace.make({ shell });
    for (const tool of ['cut', 'df', 'find', 'gzip', 'sha256sum', 'tar', 'xargs']) {
      const path = join(place.root, 'bin', tool);
      if (!existsSync(path)) await symlink(`/usr/bin/${tool}`, path);
    }
    [first, second] = await Promise.all([openSession(), openSession()]);
  });
  afterAll(() => place.remove());
  beforeEach(() => rm(target(), { force: true }));

  async function openSession(): Promise<Session> {
    const { session } = await place.open();
    loadTransfer(session);
    return session;
  }
  const target = () => join(place.home, 'target');
  const base = (version = '01234567') => join(place.home, `.runpod-ssh-0123456789ab-${version}`);
  const partOf = ({ description: { pid, started } }: Session, token: string, version?: string) =>
    `${base(version)}-${pid}-${started}-${token}`;
  const leftovers = () => readdirSync(place.home).filter((name) => name.endsWith('.part'));

  /** Opens a temporary file; what of it is there already, and its inode. */
  async function open(session: Session, part: string, version?: string) {
    let blocks = '';
    const [how, inode] = await session.call({
      program: 'rp_open',
      words: [word(base(version)), word(part), SIZE],
      onFrame: ({ payload }) => {
        blocks = payload.toString();
      },
    }).done;
    expect(how).toBe('ok');
    return { inode: inode ?? '', blocks };
  }

  async function put(session: Session, part: string, from: number, byte: string): Promise<string[]> {
    const call = session.call({
      program: 'rp_put',
      words: [word(part), from, BLOCK, '-'],
      inputBytes: BLOCK,
    });
    await session.send(Buffer.alloc(BLOCK, byte));
    return call.done;
  }

  const putInPlace = (session: Session, part: string, inode: string) =>
    session.call({
      program: 'rp_place',
      words: [word(part), word(target()), SIZE, '644', '1', inode],
    }).done;

  /** Sends the whole file. */
  async function send(session: Session, part: string, inode: string, byte: string): Promise<void> {
    for (const from of [0, BLOCK]) expect((await put(session, part, from, byte))[0]).toBe('ok');
    expect(await putInPlace(session, part, inode)).toEqual(['ok', 'other']);
  }
  const hasOnly = (byte: string) => readFileSync(target()).equals(Buffer.alloc(SIZE, byte));

  test('two uploads of one file at a time know nothing of each other', async () => {
    const [mine, other] = [partOf(first, 'aa'), partOf(second, 'bb')];
    const { inode } = await open(first, mine);
    await put(first, mine, 0, 'a');
    const { inode: otherInode, blocks } = await open(second, other);
    expect(blocks).toBe('');
    await put(first, mine, BLOCK, 'a');
    expect(await putInPlace(first, mine, inode)).toEqual(['ok', 'other']);
    expect(hasOnly('a')).toBe(true);
    await send(second, other, otherInode, 'b');
    expect(hasOnly('b')).toBe(true);
    expect(leftovers()).toEqual([]);
  });

  test('nor do two versions of one file, whose inodes may be the same one after the other', async () => {
    const [old, fresh] = [partOf(first, 'aa', '00000000'), partOf(second, 'bb', '11111111')];
    const { inode } = await open(first, old, '00000000');
    await put(first, old, 0, 'a');
    const { inode: freshInode } = await open(second, fresh, '11111111');
    await put(first, old, BLOCK, 'a');
    await send(second, fresh, freshInode, 'b');
    expect(hasOnly('b')).toBe(true);
    expect(await putInPlace(first, old, inode)).toEqual(['ok', 'other']);
    expect(hasOnly('a')).toBe(true);
    expect(leftovers()).toEqual([]);
  });

  test('what somebody took away is told from what could not be written, and nothing half is put in place', async () => {
    const part = partOf(second, 'aa');
    const { inode } = await open(second, part);
    await put(second, part, 0, 'a');
    await rm(`${part}.part`, { recursive: true });
    expect(await putInPlace(first, part, inode)).toEqual(['gone', 'other']);
    expect(await put(second, part, BLOCK, 'a')).toEqual(['failed', 'gone']);
    // How much of the block was read is not known, so that session is over.
    await second.lost;
    second = await openSession();
    expect(leftovers()).toEqual([]);
    expect(existsSync(target())).toBe(false);
  });

  describe('packed, in base64, or both', () => {
    const content = Buffer.from(Array.from({ length: 30_000 }, (_, i) => `${i % 97} `).join(''));
    const packed = gzipSync(content);
    const way = (code: string, asBase64: boolean) => {
      const bytes = code === 'gzip' ? packed : content;
      const input = asBase64 ? Buffer.from(asText(bytes)) : bytes;
      return { input, words: [code, bytes.length, ...(asBase64 ? [input.length] : [])] };
    };

    test.each([
      ['gzip', false],
      ['gzip', true],
      ['-', true],
    ] as const)('a block comes up: %s, base64 %s', async (code, asBase64) => {
      const part = partOf(first, 'aa');
      await open(first, part);
      const { input, words } = way(code, asBase64);
      const call = first.call({
        program: 'rp_put_coded',
        words: [word(part), 1_000, content.length, '-', ...words],
        inputBytes: input.length,
      });
      await first.send(input);
      const sum = createHash('sha256').update(content).digest('hex');
      expect(await call.done).toEqual(['ok', sum]);
      const there = readFileSync(`${part}.part/bytes`);
      expect(there.subarray(1_000, 1_000 + content.length).equals(content)).toBe(true);
      await first.call({ program: 'rp_discard', words: [word(part)] }).done;
    });

    test('what can’t be written or unpacked is taken off the way, and the session goes on', async () => {
      const part = partOf(first, 'aa');
      await open(first, part);
      await rm(`${part}.part`, { recursive: true });
      const { input, words } = way('gzip', true);
      for (const bytes of [input, Buffer.from(asText(content.subarray(0, 50_000)))]) {
        const call = first.call({
          program: 'rp_put_coded',
          words: [word(part), 0, content.length, '-', ...words.slice(0, 2), bytes.length],
          inputBytes: bytes.length,
        });
        await first.send(bytes);
        expect(await call.done).toEqual(['failed', 'gone']);
      }
      expect(await first.call({ program: 'true', words: [] }).done).toEqual([]);
    });

    test('a block comes down packed if that makes it smaller, and as it is if not', async () => {
      for (const [bytes, type] of [
        [content, 'z'],
        [randomBytes(content.length), 'd'],
      ] as const) {
        await writeFile(target(), bytes);
        const frames: Frame[] = [];
        const [how, sum] = await first.call({
          program: 'rp_get',
          words: [word(target()), 100, 70_000, '-', 'packed'],
          onFrame: (frame) => frames.push(frame),
        }).done;
        expect(how).toBe('ok');
        expect(frames.map((frame) => frame.type)).toEqual([type]);
        const payload = frames[0]?.payload ?? Buffer.alloc(0);
        const got = type === 'z' ? gunzipSync(payload) : payload;
        expect(got.equals(bytes.subarray(100, 70_100))).toBe(true);
        expect(sum).toBe(createHash('sha256').update(got).digest('hex'));
      }
    });
  });

  test('being put in place twice, as when the answer was lost, is as good as once', async () => {
    const part = partOf(first, 'aa');
    const { inode } = await open(first, part);
    await send(first, part, inode, 'a');
    expect(await putInPlace(first, part, inode)).toEqual(['ok', 'other']);
    expect(hasOnly('a')).toBe(true);
  });

  describe('what an upload has left', () => {
    async function leave(session: Session): Promise<string> {
      const part = partOf(session, 'left');
      await open(session, part);
      await put(session, part, 0, 'a');
      return part;
    }
    async function takeOver(): Promise<void> {
      const part = partOf(first, 'next');
      const { inode, blocks } = await open(first, part);
      expect(blocks).toMatch(new RegExp(`^0 ${BLOCK} [0-9a-f]{64}\n$`));
      expect(leftovers()).toHaveLength(1);
      await put(first, part, BLOCK, 'a');
      expect(await putInPlace(first, part, inode)).toEqual(['ok', 'other']);
      expect(hasOnly('a')).toBe(true);
      expect(leftovers()).toEqual([]);
    }

    test('that was given up is taken over, by the same session too', async () => {
      const part = await leave(first);
      first.housekeep('rp_release', [word(part), word(`${base()}-0-freed`)]);
      await takeOver();
    });

    test('whose session has just ended is taken over', async () => {
      const session = await openSession();
      await leave(session);
      session.close();
      await takeOver();
    });

    test('whose session has written nothing for long is taken over', async () => {
      const part = await leave(second);
      const old = Date.now() / 1000 - 60;
      for (const name of ['bytes', 'done', '']) await utimes(join(`${part}.part`, name), old, old);
      await takeOver();
    });

    test('is as long as it was, and what was changed in it does not count', async () => {
      const session = await openSession();
      const part = await leave(session);
      session.close();
      await writeFile(join(`${part}.part`, 'bytes'), Buffer.alloc(SIZE, 'x'));
      const next = partOf(first, 'next');
      const { inode, blocks } = await open(first, next);
      expect(blocks).toBe('');
      expect(statSync(join(`${next}.part`, 'bytes')).size).toBe(SIZE);
      await send(first, next, inode, 'a');
      expect(hasOnly('a')).toBe(true);
    });

    test('of another version is removed, and that of one under way is not', async () => {
      const session = await openSession();
      await open(session, partOf(session, 'old', '00000000'), '00000000');
      session.close();
      const underWay = partOf(second, 'other', '11111111');
      await open(second, underWay, '11111111');
      const part = partOf(first, 'next');
      await expect
        .poll(async () => {
          await open(first, part);
          return leftovers().length;
        })
        .toBe(2);
      expect(existsSync(`${underWay}.part`)).toBe(true);
      for (const each of [part, underWay]) {
        await first.call({ program: 'rp_discard', words: [word(each)] }).done;
      }
      expect(leftovers()).toEqual([]);
    });
  });
});
