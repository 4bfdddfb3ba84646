import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import {
  CallToolRequestSchema,
  type CallToolResult,
  ElicitResultSchema,
  type JSONRPCMessage,
  ListToolsRequestSchema,
} from '@modelcontextprotocol/sdk/types.js';
import type { RequestId } from './first-answer.ts';
import { introduction } from './introduction.ts';
import { type AnsweredCall, answerCall } from './tools/answer-call.ts';
import type { Context } from './tools/tool.ts';
import { toolList } from './tools/tool-list.ts';

export type ServerOptions = {
  /** The requests that have been answered before the SDK was there; they are still to be read. */
  answered: Set<RequestId>;
  /** What of a call's context doesn't come from the client. */
  base: Omit<Context, 'signal' | 'progress' | 'roots' | 'ask'>;
};

/** Serves MCP on stdin and stdout until the client goes. The only file that imports the SDK. */
export async function serve({ answered, base }: ServerOptions): Promise<void> {
  const { serverInfo, ...options } = introduction;
  const server = new Server(serverInfo, options);
  server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: toolList }));
  server.setRequestHandler(CallToolRequestSchema, async ({ params }, extra) => {
    const token = params._meta?.progressToken;
    let step = 0;
    const answer = await answerCall(params.name, params.arguments ?? {}, {
      ...base,
      signal: extra.signal,
      progress: ({ message, done, total }) => {
        if (token === undefined || extra.signal.aborted) return;
        step += 1;
        const note = {
          progressToken: token,
          message,
          progress: done ?? step,
          ...(total === undefined ? {} : { total }),
        };
        void extra.sendNotification({ method: 'notifications/progress', params: note }).catch(() => {});
      },
      roots: async () => {
        if (!server.getClientCapabilities()?.roots) return undefined;
        const { roots } = await server.listRoots();
        return roots.map(({ uri }) => uri);
      },
      ask: async (question) => {
        if (!server.getClientCapabilities()?.elicitation?.form) return undefined;
        // Not `elicitInput`: it needs a JSON Schema validator, which the build leaves out.
        const { action, content } = await server.request(
          {
            method: 'elicitation/create',
            params: {
              mode: 'form',
              message: question,
              requestedSchema: {
                type: 'object',
                properties: { allow: { type: 'boolean', title: 'Allow', default: false } },
                required: ['allow'],
              },
            },
          },
          ElicitResultSchema,
        );
        return action === 'accept' && content?.allow === true;
      },
    });
    return asResult(answer);
  });
  await server.connect(new Transport(answered));
}

/** stdin and stdout, without the SDK's answer to what has been answered already. */
class Transport extends StdioServerTransport {
  readonly #answered: Set<RequestId>;

  constructor(answered: Set<RequestId>) {
    super();
    this.#answered = answered;
  }

  override async send(message: JSONRPCMessage): Promise<void> {
    if (!('method' in message) && message.id !== undefined && this.#answered.delete(message.id)) return;
    await super.send(message);
  }
}

function asResult({ text, isError, facts, image }: AnsweredCall): CallToolResult {
  return {
    content: [{ type: 'text', text }, ...(image ? [{ type: 'image' as const, ...image }] : [])],
    ...(isError ? { isError: true } : {}),
    ...(facts ? { _meta: { 'runpod-ssh/result': facts } } : {}),
  };
}
