import { rm } from 'node:fs/promises';
import { Failure } from '../failure.ts';
import type { Pod } from '../pods/pod.ts';
import { childEnvironment } from './child-environment.ts';
import { writeSshConfig } from './config-file.ts';
import { newControlPath } from './control-socket.ts';
import { type HostEntry, renderHostEntry } from './host-entry.ts';
import { existingIdentityFile } from './identity-file.ts';
import { type OwnFiles, ownFiles } from './own-files.ts';
import { askUserConfig, type UserSettings } from './user-config.ts';

/** Our ssh_config, kept in step with the pods. */
export class PodConfig {
  readonly files: OwnFiles;
  /** What ssh's programs get. */
  readonly env: Record<string, string>;
  readonly homeDir: string;
  readonly #userConfigFile: string | undefined;
  readonly #settings = new Map<string, Promise<UserSettings>>();
  #writing: Promise<void> = Promise.resolve();

  /** `userConfigFile`: instead of the user's own configuration. */
  constructor({
    homeDir,
    env,
    userConfigFile,
  }: { homeDir: string; env: NodeJS.ProcessEnv; userConfigFile?: string }) {
    this.files = ownFiles(homeDir);
    this.env = childEnvironment(env);
    this.homeDir = homeDir;
    this.#userConfigFile = userConfigFile;
  }

  /**
   * Sees to it that the file has `pod` and `others`, one entry each; quick when it has. Of the others, those
   * that can't be written are left out. Fails as `writeSshConfig` does, on behalf of `pod`.
   */
  async ensure(pod: Pod, others: readonly Pod[] = []): Promise<void> {
    const entries = [await this.#entry(pod)];
    const names = new Set([pod.name]);
    for (const other of others) {
      if (names.has(other.name)) continue;
      const entry = await this.#entryIfWritable(other);
      if (entry === undefined) continue;
      names.add(other.name);
      entries.push(entry);
    }
    // In one order, whichever of the pods is asked for.
    entries.sort((one, two) => (one.pod.name < two.pod.name ? -1 : 1));
    const turn = this.#writing.then(() => writeSshConfig(entries, this.files, this.env));
    this.#writing = turn.catch(() => {});
    return turn;
  }

  /**
   * A file in `directory` with `pod` alone, so that an address can be tried before it replaces anything. What the
   * user's own configuration says is asked anew. Fails as `ensure` does.
   */
  async tryOut(pod: Pod, directory: string): Promise<{ files: OwnFiles; remove: () => Promise<void> }> {
    this.#settings.delete(addressKey(pod));
    const files = { ...this.files, sshConfig: `${newControlPath(directory)}.config` };
    await writeSshConfig([await this.#entry(pod)], files, this.env);
    return { files, remove: () => rm(files.sshConfig, { force: true }) };
  }

  /** What the user's own configuration says for this address; asked once, until `tryOut`. Fails with `no-ssh`. */
  settings(pod: Pod): Promise<UserSettings> {
    const key = addressKey(pod);
    const known = this.#settings.get(key);
    if (known) return known;
    const source = { env: this.env };
    const asked = askUserConfig(
      pod,
      this.#userConfigFile === undefined ? source : { ...source, configFile: this.#userConfigFile },
    );
    this.#settings.set(key, asked);
    asked.catch(() => this.#settings.delete(key));
    return asked;
  }

  async #entry(pod: Pod): Promise<HostEntry> {
    const settings = await this.settings(pod);
    const identityFile = existingIdentityFile(pod.keyPath, this.homeDir);
    return identityFile === undefined ? { pod, settings } : { pod, settings, identityFile };
  }

  async #entryIfWritable(pod: Pod): Promise<HostEntry | undefined> {
    try {
      const entry = await this.#entry(pod);
      renderHostEntry(entry, this.files);
      return entry;
    } catch (error) {
      if (error instanceof Failure && error.kind !== 'no-ssh') return undefined;
      throw error;
    }
  }
}

function addressKey({ user, host, port }: Pod): string {
  return `${user}@${host}:${port}`;
}
