import { Failure } from '../failure.ts';
import type { PodConnection } from '../session/pod-connection.ts';
import { byHand } from '../ssh/ssh-argv.ts';
import { megabytes } from '../transfer/meter.ts';
import type { PodPlace } from '../transfer/pod-files.ts';
import type { ImageFacts } from './image-facts.ts';

/** Why nothing at this place can be looked at; undefined if it may be tried. */
export function notViewable(place: PodPlace, { pod }: PodConnection): Failure | undefined {
  const { path, kind, readable, size } = place;
  if (kind === 'none') {
    return new Failure({
      kind: 'no-such-file',
      happened: `There is no ${path} on the pod ${pod.name}.`,
      next: 'look with run_command("ls -la …"); relative paths are taken from the home directory there.',
    });
  }
  if (kind !== 'file') {
    const what = kind === 'directory' ? 'a folder' : 'no ordinary file';
    return new Failure({
      kind: 'not-an-image',
      happened: `${path} is ${what}, not an image.`,
      next: 'name one image file; run_command("ls -la …") lists them.',
    });
  }
  if (!readable) {
    return new Failure({
      kind: 'no-permission',
      happened: `The pod's user may not read ${path}.`,
      next: 'change its permissions with run_command, or choose another path.',
    });
  }
  if (size === 0) {
    return new Failure({
      kind: 'not-an-image',
      happened: `${path} is empty.`,
      meaning: 'It may be about to be written.',
      next: 'repeat the call when the program that makes it has written it.',
    });
  }
  return undefined;
}

export function notAnImage({ path, size }: PodPlace, { pod }: PodConnection): Failure {
  return new Failure({
    kind: 'not-an-image',
    happened: `${path} (${megabytes(size)}) is no png, jpeg, webp or gif: its first bytes are another's.`,
    next: 'read it with run_command, fetch it with download_file, or convert it on the pod to one of these.',
    byHand: `${byHand(pod)} file ${JSON.stringify(path)}`,
  });
}

export function cutOff(path: string): Failure {
  return new Failure({
    kind: 'not-an-image',
    happened: `${path} begins like an image but ends before its end.`,
    meaning: 'It is still being written, or was cut.',
    next: 'repeat the call when the program that makes it has written it.',
  });
}

export function changedMeanwhile(path: string): Failure {
  return new Failure({
    kind: 'transfer-failed',
    happened: `${path} changed while it was read.`,
    next: 'repeat the call when nothing writes to it any more.',
  });
}

export function tooLarge(
  image: ImageFacts & { size: number; path: string },
  { pod }: PodConnection,
): Failure {
  const { path, size, width, height } = image;
  const pixels = width === undefined || height === undefined ? '' : `${width} × ${height} pixels, `;
  return new Failure({
    kind: 'image-too-large',
    happened: `${path} is too large to be shown (${pixels}${megabytes(size)}), and the pod could not make it smaller.`,
    meaning: 'That takes python with Pillow, or ImageMagick, and an image that they can read.',
    next: `fetch it as it is with download_file(${JSON.stringify(path)}, …), or give the pod the means with run_command("pip install pillow") and repeat the call.`,
    byHand: `${byHand(pod, 'sftp')}`,
  });
}
