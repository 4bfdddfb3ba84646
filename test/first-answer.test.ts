import { PassThrough } from 'node:stream';
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { SUPPORTED_PROTOCOL_VERSIONS } from '@modelcontextprotocol/sdk/types.js';
import { describe, expect, it } from 'vitest';
import { firstAnswer, isInitialized, listAnswer, PROTOCOL_VERSIONS } from '../src/first-answer.ts';
import { introduction } from '../src/introduction.ts';
import { PeekedLines } from '../src/peeked-lines.ts';
import { toolList } from '../src/tools/tool-list.ts';

const initialize = (protocolVersion: string, id: unknown = 0) => ({
  jsonrpc: '2.0',
  id,
  method: 'initialize',
  params: { protocolVersion, capabilities: { roots: {} }, clientInfo: { name: 'tests', version: '1' } },
});

/** What the SDK answers to `line`. */
async function answerOfSdk(line: string): Promise<unknown> {
  const { serverInfo, ...options } = introduction;
  const [stdin, stdout] = [new PassThrough(), new PassThrough()];
  await new Server(serverInfo, options).connect(new StdioServerTransport(stdin, stdout));
  stdin.end(`${line}\n`);
  return JSON.parse((await new PeekedLines(stdout).next()) ?? '');
}

describe('the answer to the first message', () => {
  it('knows the versions of the protocol that the SDK knows', () => {
    expect(PROTOCOL_VERSIONS).toEqual(SUPPORTED_PROTOCOL_VERSIONS);
  });

  it.each([...SUPPORTED_PROTOCOL_VERSIONS, '1999-01-01', '2099-01-01', ''])(
    'is the one that the SDK gives to a client of version %j',
    async (version) => {
      for (const id of [0, 7, 'seven', '']) {
        const line = JSON.stringify(initialize(version, id));
        const answer = firstAnswer(line);
        expect(answer?.id).toBe(id);
        expect(JSON.parse(answer?.line ?? '')).toEqual(await answerOfSdk(line));
      }
    },
  );

  it.each([
    ['another request', { jsonrpc: '2.0', id: 1, method: 'ping' }],
    ['a request without an id', { ...initialize('2025-06-18'), id: undefined }],
    ['an odd id', initialize('2025-06-18', [1])],
    ['a fraction for an id', initialize('2025-06-18', 1.5)],
    ['no parameters', { ...initialize('2025-06-18'), params: undefined }],
    ['no client', { ...initialize('2025-06-18'), params: { protocolVersion: 'x', capabilities: {} } }],
    ['no version of JSON-RPC', { ...initialize('2025-06-18'), jsonrpc: undefined }],
    ['a batch', [initialize('2025-06-18')]],
  ])('is left to the SDK for %s', (_, message) => {
    expect(firstAnswer(JSON.stringify(message))).toBeUndefined();
  });

  it('is left to the SDK for what is no JSON', () => {
    for (const line of ['', '{', 'Content-Length: 12', 'null', '"initialize"']) {
      expect(firstAnswer(line)).toBeUndefined();
    }
  });
});

describe('the list of tools', () => {
  const ask = (more: object = {}) => JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list', ...more });

  it('is answered to whoever asks for it as clients do', () => {
    for (const more of [{}, { id: 'one' }, { params: {} }, { params: { _meta: { progressToken: 7 } } }]) {
      const answer = listAnswer(ask(more));
      expect(JSON.parse(answer?.line ?? '')).toEqual({
        jsonrpc: '2.0',
        id: answer?.id,
        result: { tools: JSON.parse(JSON.stringify(toolList)) },
      });
    }
  });

  it('is left to the SDK in every other case', () => {
    for (const more of [
      { params: { cursor: 'x' } },
      { params: [] },
      { id: null },
      { method: 'tools/call' },
    ]) {
      expect(listAnswer(ask(more))).toBeUndefined();
    }
    expect(listAnswer('{')).toBeUndefined();
  });

  it('is asked for after a notice that is none of a request', () => {
    const notice = { jsonrpc: '2.0', method: 'notifications/initialized' };
    expect(isInitialized(JSON.stringify(notice))).toBe(true);
    expect(isInitialized(JSON.stringify({ ...notice, id: 1 }))).toBe(false);
    expect(isInitialized(ask())).toBe(false);
    expect(isInitialized('')).toBe(false);
  });
});
