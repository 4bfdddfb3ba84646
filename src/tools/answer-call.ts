import { z } from 'zod';
import { Failure, failureAsText } from '../failure.ts';
import { allTools } from './all-tools.ts';
import type { Answer, Context } from './tool.ts';

export type AnsweredCall = Answer & { isError?: true };

/** The one place where a call becomes an answer: arguments are checked, failures become text. Never throws. */
export async function answerCall(name: string, args: unknown, context: Context): Promise<AnsweredCall> {
  try {
    const tool = allTools.find((candidate) => candidate.name === name);
    if (!tool) throw unknownTool(name);
    const parsed = tool.schema.safeParse(args);
    if (!parsed.success) throw badArguments(name, tool.schema, parsed.error);
    return await tool.handle(parsed.data, context);
  } catch (error) {
    return asFailedAnswer(error, context.signal);
  }
}

function asFailedAnswer(error: unknown, signal: AbortSignal): AnsweredCall {
  if (error instanceof Failure) {
    return { isError: true, text: failureAsText(error.text), facts: { failure: error.kind } };
  }
  if (signal.aborted) {
    return { isError: true, text: 'The call was cancelled.', facts: { failure: 'cancelled' } };
  }
  const words = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return {
    isError: true,
    text: failureAsText({
      kind: 'unexpected',
      happened: `runpod-ssh-mcp met a fault of its own: ${words}`,
      next: 'try again; if it happens again, report it with this text.',
    }),
    facts: { failure: 'unexpected' },
  };
}

function unknownTool(name: string): Failure {
  return new Failure({
    kind: 'bad-input',
    happened: `There is no tool ${name}.`,
    next: `take one of ${allTools.map((tool) => tool.name).join(', ')}.`,
  });
}

function badArguments(name: string, schema: z.ZodObject, error: z.ZodError): Failure {
  return new Failure({
    kind: 'bad-input',
    happened: `The arguments of ${name} are not right: ${z.prettifyError(error).replaceAll('\n', ' ')}`,
    next: `${name} takes ${Object.keys(schema.shape).join(', ') || 'no arguments'}.`,
  });
}
