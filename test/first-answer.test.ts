import { PassThrough } from 'node:stream';
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { SUPPORTED_PROTOCOL_VERSIONS } from '@modelcontextprotocol/sdk/types.js';
import { describe, expect, it } from 'vitest';
import { firstAnswer, PROTOCOL_VERSIONS, peekLine } from '../src/first-answer.ts';
import { introduction } from '../src/introduction.ts';

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
  return JSON.parse(await peekLine(stdout));
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

describe('peeking at the first line', () => {
  const readAll = async (stream: PassThrough): Promise<string> => {
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  };

  it('leaves everything to the next reader, however it came', async () => {
    const stream = new PassThrough();
    const line = peekLine(stream);
    const text = '{"naïve": "💚"}';
    for (const byte of Buffer.from(`${text}\n{"more": 1}`)) stream.write(Buffer.from([byte]));
    expect(await line).toBe(text);
    stream.end('\n');
    expect(await readAll(stream)).toBe(`${text}\n{"more": 1}\n`);
  });

  it('is over when the stream ends without a line', async () => {
    const silent = new PassThrough();
    silent.end();
    expect(await peekLine(silent)).toBe('');
    expect(silent.readableEnded).toBe(true);

    const begun = new PassThrough();
    begun.end('{"half');
    expect(await peekLine(begun)).toBe('');
  });

  it('gives up a line that is too long, and loses nothing of it', async () => {
    const stream = new PassThrough({ highWaterMark: 1024 * 1024 });
    const text = 'x'.repeat(600_000);
    stream.write(text);
    expect(await peekLine(stream)).toBe('');
    stream.end();
    expect(await readAll(stream)).toBe(text);
  });
});
