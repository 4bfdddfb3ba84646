import { createHash } from 'node:crypto';
import { Failure } from '../failure.ts';
import type { PodConnection } from '../session/pod-connection.ts';
import { word } from '../session/request.ts';
import type { CallRequest } from '../session/session.ts';
import { untilAnswered } from '../session/until-answered.ts';
import { absoluteOnPod, type PodPlace, surveyOnPod } from '../transfer/pod-files.ts';
import { type ImageFacts, imageFacts, isWhole } from './image-facts.ts';
import { changedMeanwhile, cutOff, notAnImage, notViewable, tooLarge } from './image-failures.ts';
import { loadImages } from './programs.ts';

/** Above either an image is made smaller: models see no more pixels than these, and every byte is context. */
const MAX_BYTES = 1_000_000;
const MAX_SIDE = 1568;
/**
 * Above either it is not shown at all. Anthropic's API takes 5 MB of base64 an image, and 2000 pixels a side in a
 * conversation with many; one that it refuses stays in the conversation and breaks it.
 */
const MOST_BYTES = 3_700_000;
const MOST_SIDE = 2000;
/** Where an image's size stands, however much metadata comes before it. */
const HEAD_BYTES = 256 * 1024;
const READS = 3;

/** An image as it is shown. */
export type View = ImageFacts & {
  bytes: Buffer;
  /** The file's own facts, and its length in bytes. */
  original: ImageFacts & { size: number; path: string };
  /** `as-it-is`; `smaller`, made so on the pod; `large`: it should be smaller, but the pod has no means. */
  how: 'as-it-is' | 'smaller' | 'large';
};

/**
 * An image from the pod, made smaller there when it is too large for a client; nothing is written on either side.
 * Throws Failure.
 */
export async function viewImage(
  connection: PodConnection,
  remotePath: string,
  signal?: AbortSignal,
): Promise<View> {
  const { description } = await connection.session(signal ? { signal } : {});
  const asked = absoluteOnPod(remotePath, description.home);
  const place = await surveyOnPod(connection, asked, signal);
  const problem = notViewable(place, connection);
  if (problem) throw problem;
  const small = place.size <= MAX_BYTES;
  const head = await read(connection, place, small ? place.size : HEAD_BYTES, signal);
  const facts = imageFacts(head);
  if (!facts) throw notAnImage(place, connection);
  if (small && !isWhole(head, facts.type)) throw cutOff(place.path);
  const original = { ...facts, size: place.size, path: place.path };
  if (small && fits(facts, MAX_SIDE)) return { ...facts, bytes: head, original, how: 'as-it-is' };
  const smaller = await drawnSmaller(connection, place, facts, signal);
  if (smaller) return { ...smaller, original, how: 'smaller' };
  if (place.size > MOST_BYTES || !fits(facts, MOST_SIDE)) throw tooLarge(original, connection);
  const bytes = small ? head : await read(connection, place, place.size, signal);
  if (!isWhole(bytes, facts.type)) throw cutOff(place.path);
  return { ...facts, bytes, original, how: 'large' };
}

function fits({ width, height }: ImageFacts, side: number): boolean {
  return width !== undefined && height !== undefined && Math.max(width, height) <= side;
}

async function read(
  connection: PodConnection,
  place: PodPlace,
  count: number,
  signal: AbortSignal | undefined,
): Promise<Buffer> {
  for (let tries = 0; tries < READS; tries++) {
    const bytes = await image(connection, { program: 'rp_image', words: [word(place.bytes), count] }, signal);
    if (bytes?.length === count) return bytes;
  }
  throw changedMeanwhile(place.path);
}

async function drawnSmaller(
  connection: PodConnection,
  place: PodPlace,
  { type }: ImageFacts,
  signal: AbortSignal | undefined,
): Promise<(ImageFacts & { bytes: Buffer }) | undefined> {
  const words = [word(place.bytes), type, MAX_BYTES, MAX_SIDE];
  const bytes = await image(connection, { program: 'rp_smaller_image', words }, signal);
  const facts = bytes && imageFacts(bytes);
  return facts && fits(facts, MAX_SIDE) && isWhole(bytes, facts.type) ? { ...facts, bytes } : undefined;
}

/** The bytes that a program gives; undefined if it gives none. What came is what was sent, or Failure. */
async function image(
  connection: PodConnection,
  request: Omit<CallRequest, 'onFrame'>,
  signal: AbortSignal | undefined,
): Promise<Buffer | undefined> {
  const { words, frames } = await untilAnswered(connection, request, {
    ...(signal ? { signal } : {}),
    prepare: loadImages,
  });
  const [how, sum] = words;
  if (how !== 'ok') return undefined;
  const bytes = Buffer.concat(frames.filter(({ type }) => type === 'image').map(({ payload }) => payload));
  if (createHash('sha256').update(bytes).digest('hex') !== sum) {
    throw new Failure({
      kind: 'transfer-failed',
      happened: 'The image did not arrive as it was sent.',
      next: 'repeat the call.',
    });
  }
  return bytes;
}
