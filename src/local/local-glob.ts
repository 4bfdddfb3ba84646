import { isUtf8 } from 'node:buffer';
import { lstat, readdir, stat } from 'node:fs/promises';
import { Failure } from '../failure.ts';
import { expandBraces, hasWildcard, isPattern, matchesName, unescaped } from './glob-pattern.ts';
import { expandLocal } from './resolve-local.ts';

/** So many names are looked at before a pattern counts as too wide. */
const MAX_NAMES = 200_000;
const MAX_LENGTH = 4096;
const SLASH = Buffer.from('/');

/**
 * The absolute paths of this machine that a path or pattern means, in bytes and sorted; none when nothing matches.
 * A path that exists as it is written wins over its reading as a pattern, so `[1].csv` can be named. Double-star
 * folders stand for any number of folders, without hidden ones and without following symlinks; at the end they
 * are a plain `*`, as a folder is sent with all that is in it. Symlinks are not resolved: that is `resolveLocal`'s,
 * for each match.
 *
 * Fails as `bad-input` for what `expandLocal` refuses and for a pattern that is too wide.
 */
export async function matchLocalGlob(pattern: string, cwd: string, homeDir: string): Promise<Buffer[]> {
  const absolute = expandLocal(pattern, cwd, homeDir);
  if (await exists(Buffer.from(absolute))) return [Buffer.from(absolute)];
  if (!isPattern(pattern)) return [];
  // What stands before the user's words is no pattern, whatever is in it.
  const given = pattern.startsWith('~') ? pattern.slice(1) : pattern;
  const base = absolute.slice(0, absolute.length - given.length);
  const alternatives = given.length > MAX_LENGTH ? undefined : expandBraces(given);
  if (!alternatives) throw tooWide(pattern);
  const search = new GlobSearch(pattern);
  const found = new Map<string, Buffer>();
  for (const alternative of alternatives) {
    for (const match of await search.find(Buffer.from(base), alternative))
      found.set(match.toString('latin1'), match);
  }
  return [...found.values()].sort(Buffer.compare);
}

class GlobSearch {
  readonly #pattern: string;
  #looked = 0;

  constructor(pattern: string) {
    this.#pattern = pattern;
  }

  /** `base` is a folder, with or without a slash at its end, that the pattern is appended to. */
  async find(base: Buffer, pattern: string): Promise<Buffer[]> {
    const parts = pattern
      .split('/')
      .filter((part, i, all) => part !== '' && (part !== '**' || all[i + 1] !== '**'));
    const absoluteStart = base.length === 0 || pattern.startsWith('/') ? join(base, Buffer.alloc(0)) : base;
    let paths = [absoluteStart];
    for (const [i, part] of parts.entries()) {
      const isLast = i === parts.length - 1 && !pattern.endsWith('/');
      const next: Buffer[] = [];
      for (const path of paths) next.push(...(await this.#step(path, part, isLast)));
      paths = next;
    }
    return paths;
  }

  async #step(folder: Buffer, part: string, isLast: boolean): Promise<Buffer[]> {
    if (part === '**' && !isLast) return this.#foldersBelow(folder);
    if (!hasWildcard(part)) {
      const path = join(folder, Buffer.from(unescaped(part)));
      return (await exists(path)) ? [path] : [];
    }
    const matches = (await this.#names(folder)).filter((name) => matchesName(part, comparableName(name)));
    const paths = matches.map((name) => join(folder, name));
    if (isLast) return paths;
    const areFolders = await Promise.all(paths.map(isFolder));
    return paths.filter((_, i) => areFolders[i]);
  }

  /** The folder itself and all below it, but for hidden ones and links. */
  async #foldersBelow(top: Buffer): Promise<Buffer[]> {
    const folders: Buffer[] = [top];
    // The list grows while it is gone through.
    for (const folder of folders) {
      for (const name of await this.#names(folder)) {
        if (name[0] === 0x2e) continue;
        const path = join(folder, name);
        if (await isRealFolder(path)) folders.push(path);
      }
    }
    return folders;
  }

  async #names(folder: Buffer): Promise<Buffer[]> {
    const names = await readdir(folder, { encoding: 'buffer' }).catch(() => []);
    this.#looked += names.length + 1;
    if (this.#looked > MAX_NAMES) throw tooWide(this.#pattern);
    return names;
  }
}

/** A name as patterns see it; one that is no UTF-8 has one character for each byte. */
function comparableName(name: Buffer): string {
  return name.toString(isUtf8(name) ? 'utf8' : 'latin1');
}

function join(folder: Buffer, name: Buffer): Buffer {
  const slash = folder.at(-1) === 0x2f ? Buffer.alloc(0) : SLASH;
  return Buffer.concat([folder, slash, name]);
}

const exists = (path: Buffer): Promise<boolean> =>
  lstat(path).then(
    () => true,
    () => false,
  );

const isFolder = (path: Buffer): Promise<boolean> =>
  stat(path).then(
    (stats) => stats.isDirectory(),
    () => false,
  );

const isRealFolder = (path: Buffer): Promise<boolean> =>
  lstat(path).then(
    (stats) => stats.isDirectory(),
    () => false,
  );

function tooWide(pattern: string): Failure {
  return new Failure({
    kind: 'bad-input',
    happened: `The pattern ${pattern} stands for too much.`,
    next: 'name the folder, or a narrower pattern.',
  });
}
