import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadImages } from '../../../src/images/programs.ts';
import { base64Line, word } from '../../../src/session/request.ts';
import { type Link, PodPlace, shells } from '../../session/pod-place.ts';
import { makePng } from '../sample-images.ts';

const HOSTILE_NAME = `-a 'b' "c" $(d) [e]*\\f:g%d é\n.png`;

describe.each(shells)('%s', (shell) => {
  let place: PodPlace;
  let link: Link;
  const bin = (name: string) => join(place.root, 'bin', name);
  beforeAll(async () => {
    place = await PodPlace.make({ shell });
    for (const tool of ['sha256sum', 'timeout', 'find', 'df', 'cut']) {
      if (!existsSync(bin(tool))) await symlink(`/usr/bin/${tool}`, bin(tool));
    }
    link = await place.open();
    loadImages(link.session);
  });
  afterAll(() => place.remove());

  /** Bytes that a program gives, checked against the hash that it gives. */
  const given = async (program: string, words: (string | number)[]) => {
    const frames: Buffer[] = [];
    const call = link.session.call({
      program,
      words,
      onFrame: ({ type, payload }) => {
        if (type === 'image') frames.push(payload);
      },
    });
    const [how, sum] = await call.done;
    const bytes = Buffer.concat(frames);
    if (how === 'ok') expect(createHash('sha256').update(bytes).digest('hex')).toBe(sum);
    return { how, bytes };
  };
  const smaller = (path: string, kind: string, most: number) =>
    given('rp_smaller_image', [word(path), kind, most, 1500]);
  /** Draws ever fewer bytes, and notes how it was called. */
  const addDrawer = (name: string) =>
    writeFile(
      bin(name),
      `#!/bin/sh
        printf '%s ' ${name} "$@" >>'${place.root}/calls'
        head -c 4 >>'${place.root}/calls'
        echo >>'${place.root}/calls'
        case "$*" in
        *png:-) head -c 3000 /dev/zero ;;
        *1500x*) head -c 2000 /dev/zero ;;
        *) head -c 1000 /dev/zero ;;
        esac`,
      { mode: 0o755 },
    );
  const calls = async () => {
    const text = await readFile(join(place.root, 'calls'), 'latin1').catch(() => '');
    await writeFile(join(place.root, 'calls'), '');
    return text.split('\n').filter((line) => line !== '');
  };

  test.each(['raw', 'base64'])('gives the bytes of a file, with %s on the way', async (encoding) => {
    if (encoding === 'base64') link.session.wire.write(base64Line);
    const image = makePng(200, 200, { noise: true });
    const path = join(place.home, HOSTILE_NAME);
    await writeFile(path, image);
    expect((await given('rp_image', [word(path), image.length])).bytes.equals(image)).toBe(true);
    expect((await given('rp_image', [word(path), 1000])).bytes.equals(image.subarray(0, 1000))).toBe(true);
    expect((await given('rp_image', [word(`${path}?`), 1000])).bytes.length).toBe(0);
  });

  test('says so when the pod has no means to draw, or they fail', async () => {
    const path = join(place.home, 'plot.png');
    await writeFile(path, makePng(10, 10));
    expect((await smaller(path, 'png', 5000)).how).toBe('none');
    for (const name of ['python3', 'python', 'magick', 'convert']) {
      await writeFile(bin(name), '#!/bin/sh\necho no such module >&2\nexit 1\n', { mode: 0o755 });
    }
    expect((await smaller(path, 'png', 5000)).how).toBe('none');
  });

  test('takes the first means that works, and the best drawing that fits', async () => {
    const path = join(place.home, HOSTILE_NAME);
    await writeFile(path, makePng(10, 10));
    await addDrawer('convert');
    expect((await smaller(path, 'png', 3000)).bytes.length).toBe(3000);
    expect(await calls()).toEqual(['convert png:-[0] -auto-orient -resize 1500x1500> -strip png:- \x89PNG']);
    await addDrawer('magick');
    expect((await smaller(path, 'gif', 2999)).bytes.length).toBe(2000);
    const [first, second] = await calls();
    expect(first).toMatch(/^magick gif:-\[0\] .* png:- /);
    expect(second).toMatch(/^magick gif:-\[0\] .*1500x1500> .* -quality 85 jpeg:- /);
    expect((await smaller(path, 'jpeg', 1999)).bytes.length).toBe(1000);
    expect((await calls()).map((call) => call.match(/jpeg:-\[0\].* (\d+)x.*jpeg:-/)?.[1])).toEqual([
      '1500',
      '1000',
    ]);
    expect((await smaller(path, 'webp', 999)).how).toBe('none');
  });
});
