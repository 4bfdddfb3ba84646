import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import {
  CallToolRequestSchema,
  type CallToolResult,
  ListToolsRequestSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { z } from 'zod';
import { allTools } from './tools/all-tools.ts';
import { type AnsweredCall, answerCall } from './tools/answer-call.ts';
import { instructions } from './tools/instructions.ts';
import type { Context } from './tools/tool.ts';

/** What of a call's context doesn't come from the client. */
export type ServerOptions = { version: string; base: Omit<Context, 'signal' | 'progress' | 'roots' | 'ask'> };

/**
 * Serves MCP on stdin and stdout until the client goes. The only file beside main.ts that knows the SDK.
 * `onInitialized` is called once the client has been answered.
 */
export async function serve({ version, base }: ServerOptions, onInitialized: () => void): Promise<void> {
  const server = new Server(
    { name: 'runpod-ssh-mcp', version },
    { capabilities: { tools: {} }, instructions },
  );
  server.oninitialized = onInitialized;
  server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: toolList() }));
  server.setRequestHandler(CallToolRequestSchema, async ({ params }, extra) => {
    const token = params._meta?.progressToken;
    let step = 0;
    const answered = await answerCall(params.name, params.arguments ?? {}, {
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
        if (!server.getClientCapabilities()?.elicitation) return undefined;
        const { action, content } = await server.elicitInput({
          message: question,
          requestedSchema: {
            type: 'object',
            properties: { allow: { type: 'boolean', title: 'Allow', default: false } },
            required: ['allow'],
          },
        });
        return action === 'accept' && content?.allow === true;
      },
    });
    return asResult(answered);
  });
  await server.connect(new StdioServerTransport());
}

function asResult({ text, isError, facts, image }: AnsweredCall): CallToolResult {
  return {
    content: [{ type: 'text', text }, ...(image ? [{ type: 'image' as const, ...image }] : [])],
    ...(isError ? { isError: true } : {}),
    ...(facts ? { _meta: { 'runpod-ssh/result': facts } } : {}),
  };
}

let listed: { name: string; description: string; inputSchema: { type: 'object' } }[] | undefined;

function toolList() {
  listed ??= allTools.map(({ name, description, schema, annotations }) => {
    const { $schema: _, ...inputSchema } = z.toJSONSchema(schema, { io: 'input' });
    return { name, description, inputSchema: { ...inputSchema, type: 'object' as const }, annotations };
  });
  return listed;
}
