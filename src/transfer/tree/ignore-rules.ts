import { constants } from 'node:fs';
import { lstat, open, readFile } from 'node:fs/promises';
import { posix } from 'node:path';
import ignore from 'ignore';

/** What gitignore patterns say of a path relative to their folder; a folder's path ends in `/`. */
export type PatternList = { test(path: string): { ignored: boolean } };

/** An empty list to which patterns are added; later ones override. */
export const newIgnoreList = () => ignore({ ignorecase: false, allowRelativePaths: true });

export type NewPatternList = () => PatternList & { add(patterns: readonly string[]): unknown };

const MAX_LIST_BYTES = 1_000_000;

/**
 * What git would leave out, as far as files tell: the `.gitignore` of every folder from the repository's top down
 * to the path, and `.git/info/exclude`. Not the user's own excludes file, and not that a tracked file stays
 * tracked though a pattern matches it.
 *
 * All patterns go into one list, each rewritten to be relative to the repository's top: only so can a folder's
 * `.gitignore` take back what one above it said.
 */
export class GitIgnore {
  readonly #list: ReturnType<NewPatternList>;
  /** From the repository's top to the tree's root: '' or 'a/b/'. */
  #prefix = '';

  private constructor(list: ReturnType<NewPatternList>) {
    this.#list = list;
  }

  /** For the tree at `root`, an absolute real path; looks upwards for the repository it lies in. */
  static async forTree(root: string, newList: NewPatternList): Promise<GitIgnore> {
    const rules = new GitIgnore(newList());
    const above: string[] = [];
    for (let folder = root; ; folder = posix.dirname(folder)) {
      if (await exists(posix.join(folder, '.git'))) {
        if (folder !== root) rules.#prefix = `${posix.relative(folder, root)}/`;
        await rules.#addFrom(posix.join(folder, '.git/info/exclude'), '');
        for (const outer of above.reverse()) {
          const place = posix.relative(folder, outer);
          await rules.#addFrom(posix.join(outer, '.gitignore'), place === '' ? '' : `${place}/`);
        }
        return rules;
      }
      if (folder === '/') return rules;
      above.push(posix.dirname(folder));
    }
  }

  /** Takes note of the `.gitignore` in this folder of the tree, if there is one; outer folders are entered first. */
  async enter(folder: string, absolute: Buffer): Promise<void> {
    const place = folder === '' ? this.#prefix : `${this.#prefix}${folder}/`;
    await this.#addFrom(Buffer.concat([absolute, Buffer.from('/.gitignore')]), place);
  }

  /** Whether git leaves this path out; its folder was entered before, and is not left out itself. */
  leavesOut(path: string, isFolder: boolean): boolean {
    if (posix.basename(path) === '.git') return true;
    return this.#list.test(`${this.#prefix}${path}${isFolder ? '/' : ''}`).ignored;
  }

  async #addFrom(file: string | Buffer, folder: string): Promise<void> {
    const text = await patternsIn(file);
    if (text !== undefined) this.#list.add(text.split(/\r?\n/).map((line) => anchored(line, folder)));
  }
}

/** A line of a `.gitignore` in `folder` ('' or 'a/b/'), as it would be written at the repository's top. */
export function anchored(line: string, folder: string): string {
  if (folder === '' || line.trim() === '' || line.startsWith('#')) return line;
  const negation = line.startsWith('!') ? '!' : '';
  const pattern = line.slice(negation.length);
  // With a slash before its end a pattern is relative to its folder, else it means a name at any depth (gitignore(5)).
  const atAnyDepth = !/\/(?=.*\S)/.test(pattern);
  return `${negation}/${folder.replace(/[\\*?[\]!# ]/g, '\\$&')}${atAnyDepth ? '**/' : ''}${pattern.replace(/^\//, '')}`;
}

async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

/** The patterns in a file; undefined when there is none that git would read (it follows no symlink there). */
async function patternsIn(file: string | Buffer): Promise<string | undefined> {
  // Without O_NONBLOCK a named pipe of that name would be waited for.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const handle = await open(file, flags).catch(() => undefined);
  if (!handle) return undefined;
  try {
    const stats = await handle.stat();
    if (!stats.isFile() || stats.size > MAX_LIST_BYTES) return undefined;
    return (await readFile(handle, 'utf8')).replace(/^\ufeff/, '');
  } catch {
    return undefined;
  } finally {
    await handle.close();
  }
}
