import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
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
  const partOf = (token: string, version?: string) => `${base(version)}-${token}`;
  const leftovers = () => readdirSync(place.home).filter((name) => name.endsWith('.part'));

  /** Opens a temporary file; what of it is there already, and its inode. */
  async function open(session: Session, part: string, version?: string, fresh = '') {
    let blocks = '';
    const [how, inode] = await session.call({
      program: 'rp_open',
      words: [word(base(version)), word(part), SIZE, fresh],
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

  test('of two uploads of one file at a time the later one goes on with what has come, the other one anew', async () => {
    const [mine, other, anew] = [partOf('aa'), partOf('bb'), partOf('cc')];
    const { inode } = await open(first, mine);
    await put(first, mine, 0, 'a');
    const { inode: otherInode, blocks } = await open(second, other);
    expect(blocks).toMatch(new RegExp(`^0 ${BLOCK} `));
    expect(await put(first, mine, BLOCK, 'a')).toEqual(['failed', 'gone']);
    await first.lost;
    first = await openSession();
    expect(await putInPlace(first, mine, inode)).toEqual(['gone', 'other']);
    const { inode: inodeAnew, blocks: none } = await open(first, anew, undefined, 'fresh');
    expect(none).toBe('\n');
    await put(second, other, BLOCK, 'a');
    expect(await putInPlace(second, other, otherInode)).toEqual(['ok', 'other']);
    expect(hasOnly('a')).toBe(true);
    await send(first, anew, inodeAnew, 'a');
    expect(hasOnly('a')).toBe(true);
    expect(leftovers()).toEqual([]);
  });

  test('nothing half is put in place when a removed file’s inode is that of the next', async () => {
    const [old, fresh, again] = [
      partOf('aa', '00000000'),
      partOf('bb', '11111111'),
      partOf('cc', '00000000'),
    ];
    const { inode } = await open(first, old, '00000000');
    await put(first, old, 0, 'a');
    await open(second, fresh, '11111111');
    await second.call({ program: 'rp_discard', words: [word(fresh)] }).done;
    await open(second, again, '00000000');
    await put(second, again, BLOCK, 'a');
    expect(await putInPlace(first, old, inode)).toEqual(['gone', 'other']);
    expect(existsSync(target())).toBe(false);
    await second.call({ program: 'rp_discard', words: [word(again)] }).done;
    expect(leftovers()).toEqual([]);
  });

  test('opened twice, as when the answer was lost, it is as it was', async () => {
    const part = partOf('aa');
    const { inode } = await open(first, part);
    await put(first, part, 0, 'a');
    const { blocks, inode: same } = await open(second, part);
    expect(blocks).toMatch(new RegExp(`^0 ${BLOCK} [0-9a-f]{64}\n$`));
    expect(same).toBe(inode);
    await put(second, part, BLOCK, 'a');
    expect(await putInPlace(second, part, inode)).toEqual(['ok', 'other']);
    expect(hasOnly('a')).toBe(true);
  });

  test('what somebody took away is told from what could not be written, and nothing half is put in place', async () => {
    const part = partOf('aa');
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
      const part = partOf('aa');
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

    test('what was garbled is written nowhere else, and taken off the way', async () => {
      const part = partOf('aa');
      await open(first, part);
      await put(first, part, BLOCK, 'n');
      for (let at = 30; at < packed.length - 8; at += Math.ceil(packed.length / 25)) {
        const garbled = Buffer.from(packed);
        garbled[at] = (garbled[at] ?? 0) ^ 0x55;
        for (const input of [garbled, Buffer.from(asText(garbled))]) {
          const call = first.call({
            program: 'rp_put_coded',
            words: [
              word(part),
              0,
              content.length,
              '-',
              'gzip',
              garbled.length,
              ...(input === garbled ? [] : [input.length]),
            ],
            inputBytes: input.length,
          });
          await first.send(input);
          expect((await call.done)[1]).not.toBe(createHash('sha256').update(content).digest('hex'));
        }
      }
      const rest = readFileSync(`${part}.part/bytes`).subarray(content.length);
      expect(rest.subarray(0, BLOCK - content.length).every((byte) => byte === 0)).toBe(true);
      expect(rest.subarray(BLOCK - content.length).equals(Buffer.alloc(BLOCK, 'n'))).toBe(true);
      // More than a pipe holds.
      const rubbish = Buffer.alloc(300_000, '!');
      for (const lengths of [[rubbish.length], [200_000, rubbish.length]]) {
        const call = first.call({
          program: 'rp_put_coded',
          words: [word(part), 0, content.length, '-', 'gzip', ...lengths],
          inputBytes: rubbish.length,
        });
        await first.send(rubbish);
        await call.done;
        expect(await first.call({ program: 'rp_say', words: ['.', 'here'] }).done).toEqual(['here']);
      }
      await first.call({ program: 'rp_discard', words: [word(part)] }).done;
    });

    test('what can’t be written or unpacked is taken off the way, and the session goes on', async () => {
      const part = partOf('aa');
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

  test('an archive that was garbled on its way is told from one that can’t be written', async () => {
    const stage = join(place.home, '.runpod-ssh-0123456789ab-stage');
    const rubbish = Buffer.alloc(300_000, '!');
    const tar = Buffer.alloc(10_240, 'x');
    for (const [code, input] of [
      ['gzip', rubbish],
      ['gzip', gzipSync(tar)],
      ['gzip', gzipSync(randomBytes(20_000)).subarray(0, 9_000)],
      ['-', tar],
    ] as const) {
      const call = first.call({
        program: 'rp_unpack',
        words: [word(stage), code, input.length],
        inputBytes: input.length,
      });
      await first.send(input);
      expect(await call.done).toEqual(['failed', 'garbled']);
      expect(await first.call({ program: 'rp_say', words: ['.', 'here'] }).done).toEqual(['here']);
    }
    expect(leftovers()).toEqual([]);
  });

  test('being put in place twice, as when the answer was lost, is as good as once', async () => {
    const part = partOf('aa');
    const { inode } = await open(first, part);
    await send(first, part, inode, 'a');
    expect(await putInPlace(first, part, inode)).toEqual(['ok', 'other']);
    expect(hasOnly('a')).toBe(true);
  });

  describe('what an upload has left', () => {
    async function leave(): Promise<string> {
      const part = partOf('left');
      await open(second, part);
      await put(second, part, 0, 'a');
      return part;
    }

    test('is taken over by the next one', async () => {
      await leave();
      const part = partOf('next');
      const { inode, blocks } = await open(first, part);
      expect(blocks).toMatch(new RegExp(`^0 ${BLOCK} [0-9a-f]{64}\n$`));
      expect(leftovers()).toHaveLength(1);
      await put(first, part, BLOCK, 'a');
      expect(await putInPlace(first, part, inode)).toEqual(['ok', 'other']);
      expect(hasOnly('a')).toBe(true);
      expect(leftovers()).toEqual([]);
    });

    test('is written to by nobody else any more', async () => {
      const part = partOf('left');
      await open(second, part);
      const call = second.call({ program: 'rp_put', words: [word(part), 0, BLOCK, '-'], inputBytes: BLOCK });
      await second.send(Buffer.alloc(70_000, 'x'));
      await expect.poll(() => readFileSync(`${part}.part/bytes`)[0]).toBe(0x78);
      const next = partOf('next');
      const { inode } = await open(first, next);
      // What it still holds is not flushed when its connection ends.
      expect(await call.done).toEqual(['failed', 'gone']);
      await second.lost;
      second = await openSession();
      await send(first, next, inode, 'a');
      expect(hasOnly('a')).toBe(true);
      expect(leftovers()).toEqual([]);
    });

    test('is told with the hashes as they are now', async () => {
      const left = await leave();
      await writeFile(join(`${left}.part`, 'bytes'), Buffer.alloc(SIZE, 'x'));
      const part = partOf('next');
      const { inode, blocks } = await open(first, part);
      const sum = createHash('sha256').update(Buffer.alloc(BLOCK, 'x')).digest('hex');
      expect(blocks).toBe(`0 ${BLOCK} ${sum}\n`);
      expect(statSync(join(`${part}.part`, 'bytes')).size).toBe(SIZE);
      await send(first, part, inode, 'a');
      expect(hasOnly('a')).toBe(true);
    });

    test('is that which has come furthest, if there are several; the others go', async () => {
      await leave();
      const little = partOf('little');
      await open(second, little, undefined, 'fresh');
      const { blocks } = await open(first, partOf('next'));
      expect(blocks).not.toBe('\n');
      expect(leftovers()).toHaveLength(1);
      await first.call({ program: 'rp_discard', words: [word(partOf('next'))] }).done;
    });

    test('of another version is removed, and what is somebody else’s or a link stays', async () => {
      await open(second, partOf('old', '00000000'), '00000000');
      await mkdir(join(place.home, 'elsewhere'));
      await symlink('elsewhere', `${partOf('link')}.part`);
      const part = partOf('next');
      const { blocks } = await open(first, part);
      expect(blocks).toBe('\n');
      expect(leftovers().sort()).toEqual([`${part}.part`, `${partOf('link')}.part`].map(nameOf).sort());
      await rm(`${partOf('link')}.part`);
      await first.call({ program: 'rp_discard', words: [word(part)] }).done;
    });

    test('of a small file goes when its session is gone, and not before', async () => {
      const { pid, started } = second.description;
      const files = [`${base()}-${pid}-${started}-7.part`, `${base('11111111')}-${pid}-1-7.part`];
      for (const file of files) await writeFile(file, 'some');
      const content = Buffer.from('small');
      const answer = await first.call({
        program: 'rp_write',
        words: [
          word(base()),
          word(target()),
          content.length,
          '644',
          '1',
          createHash('sha256').update(content).digest('hex'),
        ],
        text: content.toString('base64'),
      }).done;
      expect(answer[0]).toBe('ok');
      expect(readFileSync(target(), 'utf8')).toBe('small');
      expect(leftovers()).toEqual([nameOf(files[0] ?? '')]);
      await rm(files[0] ?? '');
    });
  });
});

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
