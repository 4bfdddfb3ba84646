import { introduction } from './introduction.ts';
import { toolList } from './tools/tool-list.ts';

/** As the SDK has them, the latest first. */
export const PROTOCOL_VERSIONS = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05', '2024-10-07'];

export type RequestId = string | number;
export type FirstAnswer = { id: RequestId; line: string };

/**
 * The answer to `line` if that is an ordinary `initialize`, the same that the SDK gives. Loading the SDK takes
 * longer than node's own start, and clients wait for this answer before they show that a server is there.
 */
export function firstAnswer(line: string): FirstAnswer | undefined {
  const message = requestIn(line, 'initialize');
  const params = message?.params;
  if (!message || !isRecord(params)) return undefined;
  if (typeof params.protocolVersion !== 'string' || !isRecord(params.capabilities)) return undefined;
  const { clientInfo, protocolVersion: wanted } = params;
  if (
    !isRecord(clientInfo) ||
    typeof clientInfo.name !== 'string' ||
    typeof clientInfo.version !== 'string'
  ) {
    return undefined;
  }
  const protocolVersion = PROTOCOL_VERSIONS.includes(wanted) ? wanted : PROTOCOL_VERSIONS[0];
  return answerTo(message.id, { protocolVersion, ...introduction });
}

/** The answer to `line` if that asks for the list of tools, the same that the server gives. */
export function listAnswer(line: string): FirstAnswer | undefined {
  const message = requestIn(line, 'tools/list');
  if (!message) return undefined;
  const { params } = message;
  if (params !== undefined && (!isRecord(params) || params.cursor !== undefined)) return undefined;
  return answerTo(message.id, { tools: toolList });
}

/** Whether `line` is what clients say between the two, and wait for no answer to. */
export function isInitialized(line: string): boolean {
  const message = parsed(line);
  return isRecord(message) && message.method === 'notifications/initialized' && message.id === undefined;
}

function requestIn(line: string, method: string): { id: RequestId; params: unknown } | undefined {
  const message = parsed(line);
  if (!isRecord(message) || message.jsonrpc !== '2.0' || message.method !== method) return undefined;
  const { id, params } = message;
  if (typeof id === 'string') return { id, params };
  return typeof id === 'number' && Number.isSafeInteger(id) ? { id, params } : undefined;
}

function answerTo(id: RequestId, result: unknown): FirstAnswer {
  return { id, line: `${JSON.stringify({ result, jsonrpc: '2.0', id })}\n` };
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
