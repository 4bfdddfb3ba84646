import type { z } from 'zod';
import type { Pod } from '../pods/pod.ts';
import type { SavedPods } from '../pods/saved.ts';
import type { Connections } from '../session/connections.ts';
import type { PodConnection } from '../session/pod-connection.ts';

/** What a tool answers: text for the agent, and the same facts for programs. */
export type Answer = {
  text: string;
  facts?: Record<string, unknown>;
  image?: { data: string; mimeType: string };
};

export type Progress = (note: { message: string; done?: number; total?: number }) => void;

/** What a tool works with; one for each call. */
export type Context = {
  /** The connection to the current pod. Throws Failure `no-pod`. */
  pod(): Promise<PodConnection>;
  connections: Connections;
  saved(): Promise<SavedPods>;
  save(pod: Pod): Promise<{ keptBroken?: string }>;
  homeDir: string;
  workingDir: string;
  env: NodeJS.ProcessEnv;
  /** Aborted when the client cancels the call. */
  signal: AbortSignal;
  progress: Progress;
  /** The folders that the client works in, undefined if it doesn't say. */
  roots(): Promise<string[] | undefined>;
  /** Asks the user to agree; undefined where the client can't ask. */
  ask(question: string): Promise<boolean | undefined>;
};

export type Tool<Schema extends z.ZodObject = z.ZodObject> = {
  name: string;
  description: string;
  schema: Schema;
  annotations: {
    readOnlyHint: boolean;
    destructiveHint?: boolean;
    idempotentHint?: boolean;
    openWorldHint?: boolean;
  };
  handle(args: z.infer<Schema>, context: Context): Promise<Answer>;
};

/** Keeps the types of a tool's arguments together while it is written down. */
export function tool<Schema extends z.ZodObject>(definition: Tool<Schema>): Tool<Schema> {
  return definition;
}
