import { randomUUID } from 'node:crypto';
import { mkdir, open, readlink, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { Failure } from '../failure.ts';
import { checkedHost, checkedKeyPath, checkedPort, checkedUser } from './address-rules.ts';
import { badInput, shown } from './bad-input.ts';
import { isObject } from './json.ts';
import type { Pod } from './pod.ts';
import { isPodName } from './pod-name.ts';
import { entryOf, readEntry } from './saved-entry.ts';
import { readSaved, type SavedFile, savedFile } from './saved-file.ts';

/** How often a file that changes under our hands is merged again before the last one wins. */
const MERGES = 20;

let lastSave: Promise<unknown> = Promise.resolve();

/**
 * Makes the pod the current one in the config file and saves it there by its name. All else in the file stays,
 * unknown keys too. The file is replaced whole (0600), a link stays a link. A broken file is kept next to it;
 * `keptBroken` is its path.
 * Throws a `config-unwritable` Failure, or `bad-input` for a pod whose values break the rules.
 */
export async function savePod(pod: Pod, { homeDir }: { homeDir: string }): Promise<{ keptBroken?: string }> {
  checkPod(pod, homeDir);
  // One after the other, so that of several saves in this process none is lost.
  const save = lastSave.then(() => write(pod, homeDir));
  lastSave = save.catch(() => undefined);
  try {
    return await save;
  } catch (error) {
    const path = savedFile(homeDir);
    throw new Failure(
      {
        kind: 'config-unwritable',
        happened: `The pod could not be saved in ${path}: ${error instanceof Error ? error.message : error}.`,
        meaning: 'The file is as it was before.',
        next: 'Make the file and its folder writable for you, then connect again.',
        byHand: `ls -ld '${dirname(path)}' '${path}'`,
      },
      { cause: error },
    );
  }
}

async function write(pod: Pod, homeDir: string): Promise<{ keptBroken?: string }> {
  await mkdir(dirname(savedFile(homeDir)), { recursive: true, mode: 0o700 });
  const path = await linkTarget(savedFile(homeDir));
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    let before = await readable(path);
    for (let merge = 1; ; merge += 1) {
      await writeThrough(temporary, merged(before.content, pod));
      // Another process may have saved its pod meanwhile; only the instant up to the rename is left to chance.
      const now = await readable(path);
      if (now.text === before.text || merge === MERGES) break;
      before = now;
    }
    const keptBroken = await keepIfBroken(before, homeDir);
    await rename(temporary, path);
    return keptBroken === undefined ? {} : { keptBroken };
  } finally {
    await rm(temporary, { force: true });
  }
}

async function readable(path: string): Promise<SavedFile> {
  const file = await readSaved(path);
  // There, but not for us to read: we would replace what we can't keep.
  if (file.text === undefined && file.problem !== undefined) throw new Error(file.problem);
  return file;
}

function merged(content: Record<string, unknown>, pod: Pod): string {
  const pods = isObject(content.pods) ? content.pods : {};
  const known = Object.hasOwn(pods, pod.name) ? pods[pod.name] : undefined;
  const entry = entryOf(pod);
  return `${JSON.stringify(
    {
      ...content,
      ...entry,
      name: pod.name,
      // Computed, so that the name `__proto__` is a key like any other.
      pods: { ...pods, [pod.name]: { ...(isObject(known) ? known : {}), ...entry } },
    },
    null,
    2,
  )}\n`;
}

async function writeThrough(path: string, text: string): Promise<void> {
  const file = await open(path, 'w', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Keeps what the merge would lose: a text that is no JSON object, or values of the current pod that are wrong. */
async function keepIfBroken(file: SavedFile, homeDir: string): Promise<string | undefined> {
  if (file.text === undefined) return undefined;
  const { pods } = file.content;
  const isBroken =
    file.problem !== undefined ||
    readEntry(file.content, homeDir).problems.length > 0 ||
    (pods !== undefined && pods !== null && !isObject(pods));
  if (!isBroken) return undefined;
  const timestamp = new Date().toISOString().replace(/[:.]/g, '-');
  const path = `${savedFile(homeDir)}.broken-${timestamp}`;
  await writeFile(path, file.text, { mode: 0o600, flag: 'wx' });
  return path;
}

/** Where a chain of links ends, also if nothing is there yet. */
async function linkTarget(path: string): Promise<string> {
  let target = path;
  for (let links = 0; links < 40; links += 1) {
    const next = await readlink(target).catch(() => undefined);
    if (next === undefined) return target;
    target = resolve(dirname(target), next);
  }
  throw new Error(`the links at ${path} lead in a circle`);
}

function checkPod(pod: Pod, homeDir: string): void {
  if (!isPodName(pod.name)) throw badInput(`The name ${shown(pod.name)} can’t be the name of a pod.`);
  checkedHost(pod.host);
  checkedPort(pod.port);
  checkedUser(pod.user);
  if (pod.keyPath !== undefined) checkedKeyPath(pod.keyPath, homeDir);
}
