import { type GuardOptions, LocalGuard } from '../local/local-guard.ts';
import type { PodConnection } from '../session/pod-connection.ts';
import type { Channels } from './channels.ts';
import { Meter } from './meter.ts';
import type { Summary } from './summary.ts';
import type { Transfer } from './transfer.ts';
import { transferAnswer } from './transfer-answer.ts';
import type { LocalWorld } from './transfer-request.ts';

type World = GuardOptions & {
  pod(): Promise<PodConnection>;
  channels: Channels;
  signal: AbortSignal;
  progress(note: { message: string; done?: number; total?: number }): void;
};

/** Runs an upload or a download with its guard, its progress and its answer. Throws Failure. */
export async function runTransfer(
  direction: 'upload' | 'download',
  what: string,
  world: World,
  work: (transfer: Transfer & { meter: Meter }, local: LocalWorld) => Promise<Summary>,
): Promise<{ text: string; facts: Record<string, unknown> }> {
  const connection = await world.pod();
  const guard = await LocalGuard.load(world);
  const meter = new Meter(what, world.progress);
  try {
    const summary = await work(
      {
        connection,
        channels: world.channels,
        signal: world.signal,
        moved: (bytes) => meter.count(bytes),
        meter,
      },
      { guard, workingDir: world.workingDir, homeDir: world.homeDir },
    );
    world.signal.throwIfAborted();
    return transferAnswer({ ...summary, direction, seconds: meter.seconds, mode: connection.pod.mode });
  } finally {
    meter.end();
  }
}
