import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Meter, megabytes } from '../../src/transfer/meter.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('says every second how far it is, how fast, and how long it will take', () => {
  const notes: { message: string; done: number; total: number }[] = [];
  const meter = new Meter('model.pt', (note) => notes.push(note));
  meter.expect('model.pt', 40_000_000);
  meter.count(10_000_000);
  vi.advanceTimersByTime(1_000);
  meter.count(10_000_000);
  vi.advanceTimersByTime(1_000);
  meter.end();
  vi.advanceTimersByTime(5_000);
  expect(notes).toEqual([
    { message: 'model.pt: 10.0 MB of 40.0 MB, 10.0 MB/s, 3 s left', done: 10_000_000, total: 40_000_000 },
    { message: 'model.pt: 20.0 MB of 40.0 MB, 10.0 MB/s, 2 s left', done: 20_000_000, total: 40_000_000 },
  ]);
});

it('names no rest before it knows what there is to do', () => {
  const notes: string[] = [];
  const meter = new Meter('data', ({ message }) => notes.push(message));
  vi.advanceTimersByTime(1_000);
  meter.end();
  expect(notes).toEqual(['data: 0 bytes, 0.0 MB/s']);
});

it('amounts are told as people do', () => {
  expect([0, 1, 999, 1_000, 99_999, 100_000, 12_345_678].map(megabytes)).toEqual([
    '0 bytes',
    '1 byte',
    '999 bytes',
    '1.0 kB',
    '100.0 kB',
    '0.1 MB',
    '12.3 MB',
  ]);
});
