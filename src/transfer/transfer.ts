import type { PodConnection } from '../session/pod-connection.ts';
import type { Channels } from './channels.ts';

/** One upload or download under way. */
export type Transfer = {
  connection: PodConnection;
  channels: Channels;
  signal: AbortSignal;
  /** Counts bytes that have moved; negative when they have to move again. */
  moved(bytes: number): void;
};
