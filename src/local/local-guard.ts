import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { decide, type LocalRules, notAllowed } from './local-paths.ts';
import { loadLocalRules } from './local-rules.ts';
import { looksLikePrivateKey, PRIVATE_KEY_PROBE_BYTES } from './private-key.ts';
import { type LocalPath, resolveLocal } from './resolve-local.ts';

export type GuardOptions = {
  workingDir: string;
  homeDir: string;
  env: NodeJS.ProcessEnv;
  /** The client's roots as URIs; undefined if it has none. */
  roots(): Promise<string[] | undefined>;
  ask(question: string): Promise<boolean | undefined>;
};

type Intent = 'read' | 'write';

/** Decides what of the user's machine a transfer may touch; asks the user where the client can. */
export class LocalGuard {
  readonly #options: GuardOptions;
  readonly #rules: LocalRules;
  /** What the user has agreed to in this call. */
  readonly #agreed: string[] = [];

  private constructor(options: GuardOptions, rules: LocalRules) {
    this.#options = options;
    this.#rules = rules;
  }

  static async load(options: GuardOptions): Promise<LocalGuard> {
    const roots = await options.roots().catch(() => undefined);
    const rules = await loadLocalRules({
      roots: roots?.filter((uri) => uri.startsWith('file://')).map((uri) => fileURLToPath(uri)),
      cwd: options.workingDir,
      homeDir: options.homeDir,
      localDirs: options.env.RUNPOD_LOCAL_DIRS,
    });
    return new LocalGuard(options, rules);
  }

  /** The path as it really is, if it may be touched. Throws Failure `not-allowed`, `bad-input`. */
  async allow(asked: string, intent: Intent): Promise<LocalPath> {
    const path = await resolveLocal(asked, this.#options.workingDir, this.#options.homeDir);
    const decision = this.#decide(path.realPath, intent);
    if (decision.allowed) return path;
    if (decision.why === 'outside') {
      const verb = intent === 'read' ? 'read' : 'write';
      const agreed = await this.#options
        .ask(
          `May the agent ${verb} ${path.realPath}? It lies outside of the folders that this session works in.`,
        )
        .catch(() => undefined);
      if (agreed) {
        this.#agreed.push(path.realPath);
        return path;
      }
    }
    throw notAllowed(decision, { asked, realPath: path.realPath, intent, rules: this.#rules });
  }

  /** Why a path below one that was allowed must not be touched all the same; undefined if it may be. */
  refuse(realPath: string, intent: Intent): string | undefined {
    const decision = this.#decide(realPath, intent);
    if (decision.allowed) return undefined;
    return decision.why === 'protected'
      ? decision.reason
      : 'it lies outside of the folders that may be touched';
  }

  #decide(realPath: string, intent: Intent) {
    const decision = decide(realPath, { ...this.#rules, intent });
    if (decision.allowed || decision.why === 'protected') return decision;
    return decide(realPath, {
      ...this.#rules,
      extraDirs: [...this.#rules.extraDirs, ...this.#agreed],
      intent,
    });
  }
}

/** Whether a file begins like a private key: such a one is never sent, whatever its name. */
export async function isPrivateKey(path: Buffer | string): Promise<boolean> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const { buffer, bytesRead } = await file.read(
      Buffer.alloc(PRIVATE_KEY_PROBE_BYTES),
      0,
      PRIVATE_KEY_PROBE_BYTES,
      0,
    );
    return looksLikePrivateKey(buffer.subarray(0, bytesRead));
  } finally {
    await file.close();
  }
}
