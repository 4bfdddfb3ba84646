import { Failure, failureAsText } from '../failure.ts';
import { allTools } from './all-tools.ts';
import type { Answer, Context } from './tool.ts';

export type AnsweredCall = Answer & { isError?: true };

/** The one place where a call becomes an answer: arguments are checked, failures become text. Never throws. */
export async function answerCall(name: string, args: unknown, context: Context): Promise<AnsweredCall> {
  try {
    const tool = allTools.find((candidate) => candidate.name === name);
    if (!tool) throw unknownTool(name);
    const answer = await tool.call(args, context);
    return name === 'connect' ? answer : await withWarning(answer, context);
  } catch (error) {
    return asFailedAnswer(error, context.signal);
  }
}

/** A pod that comes from the environment, because its file is broken, is perhaps not the one that is meant. */
async function withWarning(answer: Answer, context: Context): Promise<Answer> {
  const { warning } = await context.saved();
  if (warning === undefined) return answer;
  return { ...answer, text: `${answer.text}\n[configuration: ${warning.replaceAll('\n', ' ')}]` };
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
