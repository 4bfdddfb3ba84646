import { type BigIntStats, lstatSync, readlinkSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { Failure } from '../../failure.ts';
import { codeOf } from '../../local/error-code.ts';
import type { GitIgnore, PatternList } from './ignore-rules.ts';

/** One thing in a local tree. `path` is relative to the tree's root, in bytes: not every legal name is UTF-8. */
export type TreeEntry = {
  path: Buffer;
  /** Permission bits, with setuid, setgid and sticky. */
  mode: number;
  /** Nanoseconds since 1970. */
  mtimeNs: bigint;
} & ({ kind: 'file'; size: number } | { kind: 'directory' } | { kind: 'symlink'; target: Buffer });

/** What is not sent though no pattern leaves it out, and why, as a short clause. */
export type SkippedEntry = { path: Buffer; why: string };

export type TreeListing = {
  /** In the order of their bytes, so that a folder comes before what is in it. */
  entries: TreeEntry[];
  skipped: SkippedEntry[];
};

export type TreeOptions = {
  /** The caller's own patterns, relative to the root. */
  exclude?: PatternList;
  /** Whether to look into this folder; default all. */
  enters?: (path: Buffer) => boolean;
  /** Leave out what git would (`.git` too). */
  gitIgnore?: GitIgnore;
  /** Why this absolute path must not be sent (the guard); undefined when it may be. Bytes that are no UTF-8 arrive as U+FFFD. */
  refuse?: (absolutePath: string) => string | undefined;
  signal?: AbortSignal;
  /** Past so many entries it fails: the list is held in memory. */
  maxEntries?: number;
};

const MAX_ENTRIES = 1_000_000;
/** So many files are looked at before anything else gets its turn. */
const AT_ONCE = 32;
const SLASH = Buffer.from('/');

/**
 * Everything below the folder `root` (an absolute real path), which itself is not listed. Symlinks are listed,
 * never followed. Sockets, devices and pipes are skipped and said so, as are folders that can't be read; what
 * vanishes meanwhile is not listed. Fails as `no-such-file` or `no-permission` when the root can't be read.
 */
export async function listTree(root: string, options: TreeOptions = {}): Promise<TreeListing> {
  const walk = new TreeWalk(Buffer.from(root), options);
  await walk.run();
  return walk.listing();
}

class TreeWalk {
  readonly #root: Buffer;
  readonly #options: TreeOptions;
  readonly #entries: TreeEntry[] = [];
  readonly #skipped: SkippedEntry[] = [];
  readonly #folders: Buffer[] = [Buffer.alloc(0)];

  constructor(root: Buffer, options: TreeOptions) {
    this.#root = root;
    this.#options = options;
  }

  async run(): Promise<void> {
    for (let folder = this.#folders.pop(); folder; folder = this.#folders.pop()) {
      const names = await this.#namesIn(folder);
      await this.#options.gitIgnore?.enter(folder.toString('utf8'), this.#absolute(folder));
      for (let i = 0; i < names.length; i += AT_ONCE) {
        this.#options.signal?.throwIfAborted();
        // Without promises: one costs ten times as much as the look itself.
        for (const name of names.slice(i, i + AT_ONCE)) this.#visit(join(folder, name));
        await setImmediate();
      }
    }
  }

  listing(): TreeListing {
    const inOrder = (a: { path: Buffer }, b: { path: Buffer }) => Buffer.compare(a.path, b.path);
    return { entries: this.#entries.sort(inOrder), skipped: this.#skipped.sort(inOrder) };
  }

  #absolute(path: Buffer): Buffer {
    return path.length === 0 ? this.#root : join(this.#root, path);
  }

  async #namesIn(folder: Buffer): Promise<Buffer[]> {
    try {
      return await readdir(this.#absolute(folder), { encoding: 'buffer' });
    } catch (error) {
      if (folder.length === 0) throw unreadableRoot(this.#root.toString('utf8'), error);
      if (codeOf(error) !== 'ENOENT') this.#skip(folder, 'the folder can’t be read');
      return [];
    }
  }

  #visit(path: Buffer): void {
    const stats = attempt(() => lstatSync(this.#absolute(path), { bigint: true, throwIfNoEntry: false }));
    if (!stats || this.#isLeftOut(path, stats.isDirectory())) return;
    const refusal = this.#options.refuse?.(this.#absolute(path).toString('utf8'));
    if (refusal !== undefined) {
      this.#skip(path, refusal);
      return;
    }
    const common = { path, mode: Number(stats.mode & 0o7777n), mtimeNs: stats.mtimeNs };
    if (stats.isFile()) {
      this.#add({ ...common, kind: 'file', size: Number(stats.size) });
    } else if (stats.isDirectory()) {
      this.#add({ ...common, kind: 'directory' });
      if (this.#options.enters?.(path) ?? true) this.#folders.push(path);
    } else if (stats.isSymbolicLink()) {
      const target = attempt(() => readlinkSync(this.#absolute(path), { encoding: 'buffer' }));
      if (target) this.#add({ ...common, kind: 'symlink', target });
    } else {
      this.#skip(path, specialKind(stats));
    }
  }

  #isLeftOut(path: Buffer, isFolder: boolean): boolean {
    const { exclude, gitIgnore } = this.#options;
    if (!exclude && !gitIgnore) return false;
    const name = path.toString('utf8');
    if (gitIgnore?.leavesOut(name, isFolder)) return true;
    return exclude?.test(isFolder ? `${name}/` : name).ignored ?? false;
  }

  #add(entry: TreeEntry): void {
    const { maxEntries = MAX_ENTRIES } = this.#options;
    if (this.#entries.length >= maxEntries) {
      throw new Failure({
        kind: 'bad-input',
        happened: `${this.#root.toString('utf8')} holds more than ${maxEntries.toLocaleString('en-US')} files and folders.`,
        next: 'send it in parts, or leave some of it out with exclude.',
      });
    }
    this.#entries.push(entry);
  }

  #skip(path: Buffer, why: string): void {
    this.#skipped.push({ path, why });
  }
}

/** What vanishes or can't be looked at is not listed. */
function attempt<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}

function join(folder: Buffer, name: Buffer): Buffer {
  return folder.length === 0 ? name : Buffer.concat([folder, SLASH, name]);
}

function specialKind(stats: BigIntStats): string {
  if (stats.isSocket()) return 'a socket';
  if (stats.isFIFO()) return 'a named pipe';
  return 'a device';
}

function unreadableRoot(root: string, error: unknown): Failure {
  const code = codeOf(error);
  const denied = code === 'EACCES' || code === 'EPERM';
  const why = denied ? 'no permission' : code === 'ENOTDIR' ? 'it is not a folder' : 'it is not there';
  return new Failure(
    {
      kind: denied ? 'no-permission' : 'no-such-file',
      happened: `The folder ${root} can't be read: ${why}.`,
      next: 'check the path.',
      byHand: `ls -la ${root}`,
    },
    { cause: error },
  );
}
