import { isUtf8 } from 'node:buffer';
import { lstat, readlink, realpath } from 'node:fs/promises';
import { posix } from 'node:path';
import { Failure } from '../failure.ts';
import { codeOf } from './error-code.ts';

export type LocalPath = {
  /** As it was given. */
  asked: string;
  /** Absolute, every symlink resolved: what it means even where the last names don't exist yet. */
  realPath: string;
  exists: boolean;
  /** It was written as a folder: with a slash, `/.` or `/..` at its end. */
  namesFolder: boolean;
};

/** As many links as Linux follows before it says ELOOP (path_resolution(7)). */
const MAX_LINKS = 40;

/**
 * What a path of the user's machine really means: `~` and relative paths expanded (nothing else is: no shell reads
 * it), symlinks resolved name by name as the kernel does it, so that `..` goes up from where a link leads, and a
 * link to something that isn't there yet stands for the place where it would be created.
 *
 * Fails as `bad-input` (empty, NUL, another user's `~`, a loop of links, `..` after a missing folder),
 * `no-such-file` (a file where a folder should be), `no-permission`.
 */
export async function resolveLocal(asked: string, cwd: string, homeDir: string): Promise<LocalPath> {
  const absolute = expandLocal(asked, cwd, homeDir);
  const pending = absolute.split('/').reverse();
  let current = '/';
  const missing: string[] = [];
  let links = 0;
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (name === '' || name === '.') continue;
    if (missing.length > 0) {
      if (name === '..')
        throw badPath(asked, `it goes up ("..") from ${missing.join('/')}, which does not exist`);
      missing.push(name);
      continue;
    }
    if (name === '..') {
      current = posix.dirname(current);
      continue;
    }
    const step = posix.join(current, name);
    const stats = await look(step, asked);
    if (stats === undefined) {
      missing.push(name);
    } else if (stats.isSymbolicLink()) {
      if (++links > MAX_LINKS) throw badPath(asked, `its symbolic links go round in a circle at ${step}`);
      const target = await linkTarget(step, asked);
      if (target.startsWith('/')) current = '/';
      pending.push(...target.split('/').reverse());
    } else {
      const goesOn = pending.some((rest) => rest !== '' && rest !== '.');
      if (goesOn && !stats.isDirectory()) throw notAFolder(asked, step);
      current = step;
    }
  }
  // The C library's realpath also gives the spelling that the disk has, where case or accents differ (macOS).
  const realFolder = await realpathAsIs(current, asked);
  return {
    asked,
    realPath: posix.join(realFolder, ...missing),
    exists: missing.length === 0,
    namesFolder: /(?:^|\/)(?:\.{1,2})?$/.test(absolute),
  };
}

/** The absolute path that a person means who writes this, links and `..` left as they are. Fails as `bad-input`. */
export function expandLocal(asked: string, cwd: string, homeDir: string): string {
  if (asked === '') throw badPath(asked, 'it is empty');
  if (asked.includes('\0')) throw badPath(asked, 'it contains a NUL character');
  if (/\p{Surrogate}/u.test(asked)) throw badPath(asked, 'it is no valid Unicode');
  if (asked === '~' || asked.startsWith('~/')) return `${homeDir}${asked.slice(1)}`;
  if (asked.startsWith('~')) {
    throw badPath(
      asked,
      'other users’ home folders are not looked up (a file of that name is written ./~name)',
    );
  }
  return asked.startsWith('/') ? asked : `${cwd}/${asked}`;
}

async function look(path: string, asked: string) {
  try {
    return await lstat(path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw lookFailure(error, path, asked);
  }
}

async function linkTarget(path: string, asked: string): Promise<string> {
  const target = await readlink(path, { encoding: 'buffer' }).catch((error: unknown) => {
    throw lookFailure(error, path, asked);
  });
  if (!isUtf8(target)) throw badPath(asked, `the symbolic link ${path} leads to a name that is no text`);
  return target.toString('utf8');
}

async function realpathAsIs(path: string, asked: string): Promise<string> {
  const real = await realpath(path, { encoding: 'buffer' }).catch((error: unknown) => {
    throw lookFailure(error, path, asked);
  });
  if (!isUtf8(real)) throw badPath(asked, 'it leads to a name that is no text');
  return real.toString('utf8');
}

function lookFailure(error: unknown, path: string, asked: string): Failure {
  const code = codeOf(error);
  if (code === 'ENOTDIR') return notAFolder(asked, posix.dirname(path));
  if (code === 'EACCES' || code === 'EPERM') {
    return new Failure(
      {
        kind: 'no-permission',
        happened: `${asked} can't be looked up: no permission for ${path}.`,
        next: 'name a path that this user may enter.',
        byHand: `ls -ld ${path}`,
      },
      { cause: error },
    );
  }
  const said = error instanceof Error ? error.message : String(error);
  return new Failure(
    { kind: 'bad-input', happened: `${asked} can't be looked up: ${said}.`, next: 'check the path.' },
    { cause: error },
  );
}

function notAFolder(asked: string, file: string): Failure {
  return new Failure({
    kind: 'no-such-file',
    happened: `There is no ${asked}: ${file} is not a folder.`,
    next: 'check the path.',
  });
}

function badPath(asked: string, why: string): Failure {
  return new Failure({
    kind: 'bad-input',
    happened: `"${asked.replaceAll('\0', '\\0')}" is no path that can be used: ${why}.`,
    next: 'give the path of a file or folder on this machine.',
  });
}
