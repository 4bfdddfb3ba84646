import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Failure, type FailureKind } from '../failure.ts';
import type { Pod } from '../pods/pod.ts';
import type { Connections } from '../session/connections.ts';
import { type Session, SessionLost } from '../session/session.ts';
import { transferPrograms } from './programs.ts';
import { asTransferFailure } from './transfer-failures.ts';

/** A session that carries files, and how bytes go up over it. */
export type Channel = { session: Session; raw: boolean };

/** How often a channel that was lost is opened anew without a block getting through. */
const TRIES = 8;
const CHECK_MS = 4_000;

/**
 * Lets `count` workers share out work, each over a channel of its own to the pod. When a channel is lost its worker
 * gets another one; the piece of work that it had is done again. `work` takes the next piece and returns false
 * when there is none. Fewer channels than asked for are enough. Throws Failure.
 */
export async function overChannels(
  {
    connections,
    pod,
    count,
    signal,
  }: { connections: Connections; pod: Pod; count: number; signal: AbortSignal },
  work: (channel: Channel, delivered: () => void) => Promise<boolean>,
): Promise<void> {
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
        channel = await openChannel(connections, pod, all, open);
        hadOne = true;
        while (!all.aborted && (await work(channel, () => (misses = 0)))) {}
        return;
      } catch (error) {
        if (all.aborted) return;
        // Beside the first channel each one more is a gain that may be denied (MaxSessions).
        if (!hadOne) return;
        misses += 1;
        if (!isPassing(error, channel === undefined) || misses > TRIES) throw asTransferFailure(error);
        if (channel) await bury(connections, pod, channel.session, all);
        // One that can't be opened just now is no reason to turn in circles.
        else await delay(100 * misses, undefined, { signal: all }).catch(() => {});
      } finally {
        channel?.session.close();
      }
    }
  };
  try {
    await Promise.all(Array.from({ length: count }, (_, number) => worker(number)));
    signal.throwIfAborted();
  } finally {
    ended.abort();
    closeAll();
    all.removeEventListener('abort', closeAll);
  }
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

/** Ends on the pod what may still run of a lost channel: what is still on its way must not be written any more. */
async function bury(
  connections: Connections,
  pod: Pod,
  { description: { pid, started } }: Session,
  signal: AbortSignal,
): Promise<void> {
  const main = await connections
    .to(pod)
    .session({ signal })
    .catch(() => undefined);
  main?.housekeep('rp_bury', [pid, started]);
}

async function openChannel(
  connections: Connections,
  pod: Pod,
  signal: AbortSignal,
  open: Set<Session>,
): Promise<Channel> {
  const session = await connections.beside(pod, transferPrograms, signal);
  open.add(session);
  void session.lost.then(() => open.delete(session));
  if (pod.mode === 'direct') return { session, raw: true };
  if (!session.clean) return { session, raw: false };
  if (await waysAreClean(session)) return { session, raw: true };
  session.close();
  const other = await connections.beside(pod, transferPrograms, signal);
  open.add(other);
  return { session: other, raw: false };
}

/** Whether bytes of every value reach the pod as they are, through however many terminals. */
async function waysAreClean(session: Session): Promise<boolean> {
  const bytes = Buffer.concat([
    Buffer.from(Array.from({ length: 256 }, (_, value) => value)),
    randomBytes(256),
  ]);
  const call = session.call({ program: 'rp_check_way', words: [bytes.length], inputBytes: bytes.length });
  await session.send(bytes);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string[]>((resolve) => {
    timer = setTimeout(() => resolve([]), CHECK_MS);
  });
  try {
    const [sum] = await Promise.race([call.done, late]);
    return sum === createHash('sha256').update(bytes).digest('hex');
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
  }
}
