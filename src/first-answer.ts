import type { Readable } from 'node:stream';
import { introduction } from './introduction.ts';

/** As the SDK has them, the latest first. */
export const PROTOCOL_VERSIONS = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05', '2024-10-07'];

const MAX_FIRST_LINE_BYTES = 256 * 1024;

export type RequestId = string | number;
export type FirstAnswer = { id: RequestId; line: string };

/**
 * The answer to `line` if that is an ordinary `initialize`, the same that the SDK gives. Loading the SDK takes
 * longer than node's own start, and clients wait for this answer before they show that a server is there.
 */
export function firstAnswer(line: string): FirstAnswer | undefined {
  const message = parsed(line);
  if (!isRecord(message) || message.jsonrpc !== '2.0' || message.method !== 'initialize') return undefined;
  const { id, params } = message;
  if (typeof id !== 'string' && !Number.isSafeInteger(id)) return undefined;
  if (!isRecord(params) || typeof params.protocolVersion !== 'string' || !isRecord(params.capabilities)) {
    return undefined;
  }
  const { clientInfo, protocolVersion: wanted } = params;
  if (
    !isRecord(clientInfo) ||
    typeof clientInfo.name !== 'string' ||
    typeof clientInfo.version !== 'string'
  ) {
    return undefined;
  }
  const protocolVersion = PROTOCOL_VERSIONS.includes(wanted) ? wanted : PROTOCOL_VERSIONS[0];
  const answer = { result: { protocolVersion, ...introduction }, jsonrpc: '2.0', id };
  return { id: typeof id === 'string' ? id : Number(id), line: `${JSON.stringify(answer)}\n` };
}

/** The first line of `stream`, which stays in it for the next reader; less if it ends before or is endless. */
export async function peekLine(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      stream.off('readable', look).off('end', done).off('error', done);
      resolve();
    };
    const look = (): void => {
      for (let chunk = stream.read(); chunk !== null; chunk = stream.read()) {
        chunks.push(chunk);
        bytes += chunk.length;
        if (chunk.includes('\n') || bytes > MAX_FIRST_LINE_BYTES) {
          done();
          return;
        }
      }
    };
    stream.on('readable', look).on('end', done).on('error', done);
  });
  const read = Buffer.concat(chunks);
  if (bytes > 0 && !stream.readableEnded) stream.unshift(read);
  return read.toString('utf8', 0, Math.max(0, read.indexOf('\n')));
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
