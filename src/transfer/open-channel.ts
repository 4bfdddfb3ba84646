import { createHash, randomBytes } from 'node:crypto';
import type { Pod } from '../pods/pod.ts';
import type { Connections } from '../session/connections.ts';
import type { Session } from '../session/session.ts';
import { transferPrograms } from './programs.ts';

/** A session that carries files, and how bytes go up over it. */
export type Channel = { session: Session; raw: boolean };

const CHECK_MS = 4_000;

/** Opens a channel beside the pod's own session. `opened` hears of every session at once. Throws Failure. */
export async function openChannel(
  connections: Connections,
  pod: Pod,
  { signal, opened }: { signal: AbortSignal; opened: (session: Session) => void },
): Promise<Channel> {
  const session = await connections.beside(pod, transferPrograms, signal);
  opened(session);
  if (pod.mode === 'direct') return { session, raw: true };
  if (!session.clean) return { session, raw: false };
  if (await waysAreClean(session)) return { session, raw: true };
  session.close();
  const other = await connections.beside(pod, transferPrograms, signal);
  opened(other);
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
