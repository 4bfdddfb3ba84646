import { Failure } from '../failure.ts';
import type { Pod } from '../pods/pod.ts';
import { controlDirectory } from '../ssh/control-socket.ts';
import { explainFailure } from '../ssh/explain-failure.ts';
import type { OwnFiles } from '../ssh/own-files.ts';
import type { PodConfig } from '../ssh/pod-config.ts';
import { openBeside, openOnPod } from './open-on-pod.ts';
import { NoSession } from './open-session.ts';
import { type OnBegin, PodConnection } from './pod-connection.ts';
import type { Session } from './session.ts';

/** What the gateway answers to whoever comes without a terminal; with exit status 0 (gliderlabs/ssh). */
const NEEDS_TERMINAL = "Your SSH client doesn't support PTY";

export type ConnectionsOptions = {
  config: PodConfig;
  homeDir: string;
  env: NodeJS.ProcessEnv;
  /** Loaded into every session. */
  programs: string[];
  onBegin: OnBegin;
};

/** The connections to all pods that this server works on, one a pod. */
export class Connections {
  readonly #options: ConnectionsOptions;
  readonly #open = new Map<string, PodConnection>();
  readonly #beside = new Set<Session>();
  readonly #ended = new AbortController();
  /** What is being tried out, which leaves files if it doesn't come to its end. */
  readonly #trials = new Set<Promise<unknown>>();

  constructor(options: ConnectionsOptions) {
    this.#options = options;
  }

  /** The connection to `pod`; `others` are the saved pods, which our ssh_config has as well. */
  to(pod: Pod, others: readonly Pod[] = []): PodConnection {
    const key = JSON.stringify([pod.name, pod.host, pod.port, pod.user, pod.keyPath, pod.mode]);
    let connection = this.#open.get(key);
    if (!connection) {
      const { config } = this.#options;
      connection = new PodConnection(
        pod,
        async (_, signal) => {
          await config.ensure(pod, others);
          return this.#session(pod, config.files, signal);
        },
        this.#options.onBegin,
      );
      this.#open.set(key, connection);
    }
    return connection;
  }

  /**
   * Tries an address that nothing is saved of yet, and finds out its mode. The session that shows that it works
   * is handed on to the connection that the pod has from now on. Throws Failure.
   */
  async tryOut(pod: Pod): Promise<Pod> {
    const trial = this.#tryOut(pod);
    this.#trials.add(trial);
    try {
      return await trial;
    } finally {
      this.#trials.delete(trial);
    }
  }

  async #tryOut(pod: Pod): Promise<Pod> {
    try {
      return await this.#tryAs(pod);
    } catch (error) {
      if (!(error instanceof Failure) || error.kind !== 'needs-terminal') throw error;
      // Anew from the beginning: its host key is kept under another name.
      return this.#tryAs({ ...pod, mode: 'proxy' });
    }
  }

  async #tryAs(pod: Pod): Promise<Pod> {
    const { config, env, homeDir } = this.#options;
    const { files, remove } = await config.tryOut(pod, await controlDirectory({ env, homeDir }));
    try {
      const session = await this.#session(pod, files, this.#ended.signal);
      this.to(pod).adopt(session);
      return pod;
    } finally {
      await remove();
    }
  }

  /** Writes our ssh_config with `pod` and `others` in it, for whoever wants to repeat by hand. Throws Failure. */
  async keepConfig(pod: Pod, others: readonly Pod[]): Promise<void> {
    await this.#options.config.ensure(pod, others);
  }

  /** A further session on the pod, with programs of its own, beside the one that serves calls. Throws Failure. */
  async beside(pod: Pod, programs: string[], signal?: AbortSignal): Promise<Session> {
    const { config } = this.#options;
    const main = await this.to(pod).session(signal ? { signal } : {});
    const session = await this.#explained(pod, () =>
      openBeside(pod, main, { ...this.#opening(config.files, signal), programs }),
    );
    this.#beside.add(session);
    void session.lost.then(() => this.#beside.delete(session));
    return session;
  }

  /** Ends all connections, and resolves when nothing is left of them here. What runs on the pods goes on. */
  async closeAll(): Promise<void> {
    this.#ended.abort();
    const beside = [...this.#beside];
    for (const session of beside) session.close();
    const closing = [...this.#open.values()].map((connection) => connection.close());
    this.#open.clear();
    await Promise.allSettled([...closing, ...beside.map(({ wire }) => wire.ended), ...this.#trials]);
  }

  #session(pod: Pod, files: OwnFiles, signal: AbortSignal): Promise<Session> {
    return this.#explained(pod, () => openOnPod(pod, this.#opening(files, signal)));
  }

  #opening(files: OwnFiles, signal: AbortSignal | undefined) {
    const { config, homeDir, programs } = this.#options;
    return { files, env: config.env, homeDir, programs, ...(signal ? { signal } : {}) };
  }

  async #explained(pod: Pod, open: () => Promise<Session>): Promise<Session> {
    try {
      return await open();
    } catch (error) {
      // On leaving nobody is left to explain it to.
      if (!(error instanceof NoSession) || this.#ended.signal.aborted) throw error;
      if (error.heard.includes(NEEDS_TERMINAL)) throw needsTerminal();
      const { heard, end, timedOut } = error;
      throw await explainFailure(
        { stdout: heard, stderr: end?.stderr ?? '', exitCode: end?.exitCode, timedOut },
        pod,
        this.#options.config,
      );
    }
  }
}

function needsTerminal(): Failure {
  return new Failure({
    kind: 'needs-terminal',
    happened: 'The server takes only clients with a terminal: it is a gateway like ssh.runpod.io.',
    next: 'connect again with the same string; it will be reached through a terminal.',
  });
}
