import type { Connections } from '../session/connections.ts';
import type { PodConnection } from '../session/pod-connection.ts';

/** One upload or download under way. */
export type Transfer = {
  connection: PodConnection;
  connections: Connections;
  signal: AbortSignal;
  /** Counts bytes that have moved; negative when they have to move again. */
  moved(bytes: number): void;
};
