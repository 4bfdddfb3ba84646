import { spawnSync } from 'node:child_process';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type PracticePod, startPracticePod } from '../../fixtures/practice-pod.ts';
import { imageFacts } from '../../src/images/image-facts.ts';
import { makePng, samples } from '../images/sample-images.ts';
import { asAnswer, bothModes, type PracticeServer, startPracticeServer } from './practice-server.ts';

const MEANS = ['python3', 'python', 'magick', 'convert'];
const pillow = spawnSync('/usr/bin/python3', ['-c', 'import PIL']).status === 0;

describe.each(bothModes)('view_image, %s', (mode) => {
  let pod: PracticePod;
  let server: PracticeServer;
  beforeAll(async () => {
    pod = await startPracticePod({ gpu: true });
    server = await startPracticeServer(mode, { pod });
  });
  afterAll(async () => {
    await server?.stop();
    await pod?.stop();
  });

  /** A program that comes first on the pod's PATH. */
  const install = async (name: string, program: string) => {
    const path = join(dirname(pod.home), 'gpu', name);
    await writeFile(path, `#!/bin/sh\n${program}\n`);
    await chmod(path, 0o755);
  };
  const withoutMeans = () => Promise.all(MEANS.map((name) => install(name, 'exit 1')));
  const put = async (name: string, bytes: Buffer | string) => {
    const path = join(pod.home, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, bytes);
  };
  const view = async (remotePath: string) => {
    const result = await server.client.callTool({
      name: 'view_image',
      arguments: { remote_path: remotePath },
    });
    const { content } = result;
    const image = Array.isArray(content) ? content.find(({ type }) => type === 'image') : undefined;
    const bytes = image && Buffer.from(String(image.data), 'base64');
    return {
      ...asAnswer(result),
      mimeType: image?.mimeType,
      bytes,
      pieces: Array.isArray(content) && content.length,
    };
  };

  it.each(samples)('shows a $kind as it is, whatever its name', async ({ type, bytes }) => {
    await put(`out puts/it's "loss" é.txt`, bytes);
    const shown = await view(`~/out puts/it's "loss" é.txt`);
    expect(shown).toMatchObject({ isError: false, mimeType: `image/${type}`, pieces: 2 });
    expect(shown.bytes?.equals(bytes)).toBe(true);
    expect(shown.text).toBe(
      `${pod.home}/out puts/it's "loss" é.txt: ${type}, 3 × 2 pixels, ${bytes.length} bytes.`,
    );
    expect(shown.facts).toMatchObject({
      width: 3,
      height: 2,
      bytes: bytes.length,
      made_smaller: false,
      mode,
    });
  });

  it('shows an image of nearly a megabyte', async () => {
    const image = makePng(600, 550, { noise: true });
    await put('sample.png', image);
    expect((await view('sample.png')).bytes?.equals(image)).toBe(true);
  });

  it.each([
    ['missing.png', undefined, 'no-such-file', /There is no .*missing\.png on the pod/],
    ['.', undefined, 'not-an-image', /is a folder, not an image/],
    ['empty.png', '', 'not-an-image', /is empty/],
    ['text.png', 'epoch 1 loss 0.3\n', 'not-an-image', /is no png, jpeg, webp or gif.*download_file/s],
    [
      'cut.png',
      makePng(300, 300, { noise: true }).subarray(0, 200_000),
      'not-an-image',
      /still being written, or was cut/,
    ],
  ])('says what is wrong with %s', async (name, bytes, kind, words) => {
    if (bytes !== undefined) await put(name, bytes);
    const { text, isError, facts, pieces } = await view(name);
    expect({ isError, pieces, kind: facts.failure }).toEqual({ isError: true, pieces: 1, kind });
    expect(text).toMatch(words);
  });

  it('shows what the pod has made smaller, and says so', async () => {
    await withoutMeans();
    const small = makePng(1568, 7);
    await put('small.png', small);
    await install('magick', `cat >/dev/null; cat '${pod.home}/small.png'`);
    await put('wide.png', makePng(4000, 20));
    const { text, bytes, facts } = await view('wide.png');
    expect(bytes?.equals(small)).toBe(true);
    expect(text).toMatch(
      /png, 4000 × 20 pixels, .*; made smaller on the pod to be shown: png, 1568 × 7 pixels/,
    );
    expect(facts).toMatchObject({ made_smaller: true, width: 1568, original: { width: 4000, height: 20 } });
  });

  it('does not show what an odd program on the pod has made of it', async () => {
    await withoutMeans();
    await put('wide.png', makePng(4000, 20));
    for (const program of [
      'echo "no image"',
      `cat '${pod.home}/wide.png'`,
      `head -c 60 '${pod.home}/wide.png'`,
    ]) {
      await install('magick', program);
      expect((await view('wide.png')).facts.failure).toBe('image-too-large');
    }
  });

  it('shows it as it is where the pod has no means, if clients can bear it, and else says why not', async () => {
    await withoutMeans();
    const bearable = makePng(1000, 1000, { noise: true });
    await put('bearable.png', bearable);
    const shown = await view('bearable.png');
    expect(shown.bytes?.equals(bearable)).toBe(true);
    expect(shown.text).toMatch(
      /1000 × 1000 pixels, 3\.0 MB; shown as it is, since .* Pillow, or ImageMagick/,
    );
    for (const image of [makePng(2001, 1), makePng(1200, 1200, { noise: true })]) {
      await put('huge.png', image);
      const { text, isError, facts } = await view('huge.png');
      expect({ isError, kind: facts.failure }).toEqual({ isError: true, kind: 'image-too-large' });
      expect(text).toMatch(/too large to be shown.*Pillow, or ImageMagick.*download_file/s);
    }
  });

  it.skipIf(!pillow)('makes it smaller with Pillow', async () => {
    await withoutMeans();
    await install('python3', 'exec /usr/bin/python3 "$@"');
    await put('noise.png', makePng(2400, 1200, { noise: true }));
    const noise = await view('noise.png');
    expect(noise).toMatchObject({ isError: false, mimeType: 'image/jpeg' });
    expect(noise.bytes?.length).toBeLessThan(1_000_000);
    await put('plot.png', makePng(3000, 2000));
    const plot = await view('plot.png');
    expect(plot.bytes && imageFacts(plot.bytes)).toEqual({ type: 'png', width: 1568, height: 1045 });
  });
});
