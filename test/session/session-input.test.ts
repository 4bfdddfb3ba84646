import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Session } from '../../src/session/session.ts';
import type { Wire } from '../../src/session/wire.ts';

let written = '';
let pending = 0;
let session: Session;
beforeEach(() => {
  vi.useFakeTimers();
  written = '';
  pending = 0;
  const wire: Wire = {
    write: (text) => {
      written += Buffer.from(text).toString();
    },
    pendingBytes: () => pending,
    drained: async () => {},
    listen: () => {},
    ended: new Promise(() => {}),
    close: () => {},
  };
  const description = {
    pid: 1,
    started: 1,
    container: '',
    hostname: '',
    home: '/root',
    tools: new Set<string>(),
  };
  session = new Session(wire, 'nonce', { description, rest: Buffer.alloc(0), clean: true } as never);
});
afterEach(() => vi.useRealTimers());

function call(): void {
  session.call({ program: 'rp_put', words: [], inputBytes: 6 }).done.catch(() => {});
}

it('a session writes no ping between the bytes of a call’s input, however slowly they come', async () => {
  call();
  await session.send(Buffer.from('abc'));
  await vi.advanceTimersByTimeAsync(60_000);
  await session.send(Buffer.from('def'));
  expect(written).toBe('u 1 rp_put\nabcdef');
  expect(session.isLost).toBe(false);
  await vi.advanceTimersByTimeAsync(6_000);
  expect(written).toBe('u 1 rp_put\nabcdefp 0\n');
});

it('a session writes no ping into the input of a call after a pause', async () => {
  await vi.advanceTimersByTimeAsync(60_000);
  call();
  await session.send(Buffer.from('abcdef'));
  expect(written).toBe('u 1 rp_put\nabcdef');
});

it('a session is lost when its input does not flow for half a minute', async () => {
  call();
  await session.send(Buffer.from('abc'));
  pending = 3;
  await vi.advanceTimersByTimeAsync(25_000);
  expect(session.isLost).toBe(false);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(session.isLost).toBe(true);
});
