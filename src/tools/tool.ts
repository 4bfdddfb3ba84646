import * as z from 'zod';
import { Failure } from '../failure.ts';
import type { Pod } from '../pods/pod.ts';
import type { SavedPods } from '../pods/saved.ts';
import type { Connections } from '../session/connections.ts';
import type { PodConnection } from '../session/pod-connection.ts';
import type { Channels } from '../transfer/channels.ts';

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
  channels: Channels;
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

export type Tool = {
  name: string;
  description: string;
  schema: z.ZodObject;
  annotations: Annotations;
  /** Checks the arguments and does the work. Throws Failure. */
  call(args: unknown, context: Context): Promise<Answer>;
};

type Annotations = {
  readOnlyHint: boolean;
  destructiveHint?: boolean;
  idempotentHint?: boolean;
  openWorldHint?: boolean;
};

type Definition<Schema extends z.ZodObject> = Omit<Tool, 'schema' | 'call'> & {
  schema: Schema;
  handle(args: z.infer<Schema>, context: Context): Promise<Answer>;
};

/** Makes a tool of its definition, in which the schema gives the arguments their types. */
export function tool<Schema extends z.ZodObject>({ handle, ...definition }: Definition<Schema>): Tool {
  const { name, schema } = definition;
  return {
    ...definition,
    async call(args, context) {
      const parsed = schema.safeParse(args);
      if (!parsed.success) throw badArguments(name, schema, parsed.error);
      return handle(parsed.data, context);
    },
  };
}

function badArguments(name: string, schema: z.ZodObject, error: z.ZodError): Failure {
  return new Failure({
    kind: 'bad-input',
    happened: `The arguments of ${name} are not right: ${z.prettifyError(error).replaceAll('\n', ' ')}`,
    next: `${name} takes ${Object.keys(schema.shape).join(', ') || 'no arguments'}.`,
  });
}
