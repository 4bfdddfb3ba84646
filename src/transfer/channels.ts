import { setTimeout as delay } from 'node:timers/promises';
import { Failure, type FailureKind } from '../failure.ts';
import type { Connections } from '../session/connections.ts';
import type { PodConnection } from '../session/pod-connection.ts';
import { type Session, SessionLost } from '../session/session.ts';
import { type Channel, openChannel } from './open-channel.ts';
import { SpareChannels } from './spare-channels.ts';
import { asTransferFailure } from './transfer-failures.ts';

/** How often a channel that was lost is opened anew without a block getting through. */
const TRIES = 8;

/** The channels for files of all pods. One that has done its work is kept for a while for the next transfer. */
export class Channels {
  readonly #connections: Connections;
  readonly #spare = new SpareChannels();

  constructor(connections: Connections) {
    this.#connections = connections;
  }

  /**
   * Lets `count` workers share out work, each over a channel of its own to the pod. When a channel is lost its worker
   * gets another one; the piece of work that it had is done again. `work` takes the next piece and returns false
   * when there is none. Fewer channels than asked for are enough. Throws Failure.
   */
  async over(
    { connection, count, signal }: { connection: PodConnection; count: number; signal: AbortSignal },
    work: (channel: Channel, delivered: () => void) => Promise<boolean>,
  ): Promise<void> {
    const letGo = connection.hold();
    const ended = new AbortController();
    const all = AbortSignal.any([signal, ended.signal]);
    const open = new Set<Session>();
    const closeAll = (): void => {
      for (const session of open) session.close();
    };
    all.addEventListener('abort', closeAll, { once: true });
    const worker = async (number: number): Promise<void> => {
      let misses = 0;
      let hadOne = number === 0;
      while (!all.aborted) {
        let channel: Channel | undefined;
        try {
          channel = await this.#channel(connection, all, open);
          hadOne = true;
          while (!all.aborted && (await work(channel, () => (misses = 0)))) {}
          if (all.aborted) return;
          open.delete(channel.session);
          this.#spare.keep(connection, channel);
          return;
        } catch (error) {
          if (all.aborted) return;
          // Beside the first channel each one more is a gain that may be denied (MaxSessions).
          if (!hadOne) return;
          misses += 1;
          if (!isPassing(error, channel === undefined) || misses > TRIES) throw asTransferFailure(error);
          if (channel) await bury(connection, channel.session, all);
          // One that can't be opened just now is no reason to turn in circles.
          else await delay(100 * misses, undefined, { signal: all }).catch(() => {});
        } finally {
          if (channel && open.has(channel.session)) channel.session.close();
        }
      }
    };
    const workers = Array.from({ length: count }, (_, number) => worker(number));
    try {
      await Promise.all(workers);
      signal.throwIfAborted();
    } finally {
      letGo();
      ended.abort();
      closeAll();
      all.removeEventListener('abort', closeAll);
      // Whoever asked may close now what they worked on.
      await Promise.allSettled(workers);
    }
  }

  async #channel(connection: PodConnection, signal: AbortSignal, open: Set<Session>): Promise<Channel> {
    const opened = (session: Session): void => {
      open.add(session);
    };
    const spare = await this.#spare.take(connection, opened);
    return spare ?? (await openChannel(this.#connections, connection.pod, { signal, opened }));
  }
}

/** Ends on the pod what may still run of a lost channel: what is still on its way must not be written any more. */
async function bury(
  connection: PodConnection,
  { description: { pid, started } }: Session,
  signal: AbortSignal,
): Promise<void> {
  const main = await connection.session({ signal }).catch(() => undefined);
  main?.housekeep('rp_bury', [pid, started]);
}

/** Failures that another try doesn't change. What else keeps a channel from opening may be the end of its master. */
const LASTING: FailureKind[] = [
  'permission-denied',
  'too-many-keys',
  'passphrase-needed',
  'host-key-changed',
  'name-not-found',
  'config-rejected',
  'no-ssh',
];

function isPassing(error: unknown, wasOpening: boolean): boolean {
  if (error instanceof SessionLost) return true;
  if (!(error instanceof Failure)) return false;
  return wasOpening ? !LASTING.includes(error.kind) : error.kind === 'lost-contact';
}
