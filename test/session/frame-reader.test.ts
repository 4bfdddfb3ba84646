import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Frame, FrameReader } from '../../src/session/frame-reader.ts';

const NONCE = '0123456789abcdef01234567';
const OTHER = 'fedcba9876543210fedcba98';
const MARK = `@${NONCE} `;

/** A frame as the pod writes it; noise is what stands before it. */
type Written = {
  noise: string;
  call: number;
  type: string;
  words: string[];
  payload: Uint8Array;
  encoding: 'raw' | 'base64' | 'base64 with CRLF';
};

describe('any way in which a stream may be split gives the same frames', () => {
  test('of whatever payloads, between whatever noise', () => {
    fc.assert(
      fc.property(fc.array(written(), { maxLength: 6 }), splits(), (frames, points) => {
        const stream = Buffer.concat(frames.map(asWritten));
        expect(read(pieces(stream, points))).toEqual(frames.map(expected));
      }),
      { numRuns: 400 },
    );
  });

  test('byte by byte', () => {
    fc.assert(
      fc.property(fc.array(written(), { maxLength: 4 }), (frames) => {
        const stream = Buffer.concat(frames.map(asWritten));
        expect(read([...stream].map((byte) => Buffer.of(byte)))).toEqual(frames.map(expected));
      }),
      { numRuns: 60 },
    );
  });

  test.each(['raw', 'base64', 'base64 with CRLF'] as const)('a payload of 900 kB, %s', (encoding) => {
    const payload = Buffer.alloc(900_000, `${MARK}1 . 0\n@${OTHER} . \r\n`);
    const frame: Written = { noise: '', call: 3, type: 'o', words: ['77'], payload, encoding };
    const stream = Buffer.concat([asWritten(frame), asWritten({ ...frame, payload: Buffer.from('x') })]);
    for (const size of [stream.length, 65_536, 4_095]) {
      const chunks: Buffer[] = [];
      for (let at = 0; at < stream.length; at += size) chunks.push(stream.subarray(at, at + size));
      const [large, small, ...more] = read(chunks);
      expect(large?.payload.equals(payload)).toBe(true);
      expect(large?.words).toEqual(['77']);
      expect(small?.payload.toString()).toBe('x');
      expect(more).toEqual([]);
    }
  });
});

test('a long payload in base64 is looked at only when its end has come', { timeout: 10_000 }, () => {
  let bytes = 0;
  const reader = new FrameReader(NONCE, ({ payload }) => {
    bytes += payload.length;
  });
  reader.push(Buffer.from(`${MARK}1 o b 0\n`));
  const lines = Buffer.alloc(77 * 53, `${'A'.repeat(76)}\n`);
  for (let i = 0; i < 6_000; i++) reader.push(lines);
  reader.push(Buffer.from('.'));
  expect(bytes).toBe(0);
  reader.push(Buffer.from('\n'));
  expect(bytes).toBe(6_000 * 53 * 57);
});

test('a payload in base64 that never ends throws', () => {
  const reader = new FrameReader(NONCE, () => {});
  reader.push(Buffer.from(`${MARK}1 o b 0\n`));
  const lines = Buffer.alloc(1024 * 1024, 'A');
  const pushAll = (): void => {
    for (let i = 0; i < 200; i++) reader.push(lines);
  };
  expect(pushAll).toThrow('a frame without an end');
});

describe('what a payload holds is only payload', () => {
  test.each([
    ['a whole frame of ours', `${MARK}1 . 0 exited 0\n`],
    ["another session's frame", `@${OTHER} 1 . 0 exited 0\n`],
    ['the beginning of a frame', MARK],
    ['the end of a payload in base64', '.\n.\r\n'],
    ['nothing but newlines', '\n\n\n'],
  ])('%s', (_, text) => {
    const payload = Buffer.from(text);
    const frames: Written[] = [
      { noise: '', call: 1, type: 'o', words: ['0'], payload, encoding: 'raw' },
      { noise: '', call: 2, type: '.', words: ['done'], payload: Buffer.alloc(0), encoding: 'raw' },
    ];
    expect(read([Buffer.concat(frames.map(asWritten))])).toEqual(frames.map(expected));
  });
});

describe('noise between frames is passed over', () => {
  test("a login's banner, an echo, a half mark, another session's frame", () => {
    const stream = `Welcome!\r\n@${NONCE.slice(0, 20)}\n@${OTHER} 1 . 0 no\n@@${MARK}4 . 0 yes\nlogout\r\n`;
    expect(read([Buffer.from(stream, 'latin1')])).toEqual([
      { call: 4, type: '.', words: ['yes'], payload: Buffer.alloc(0) },
    ]);
  });

  test('without keeping it', () => {
    const reader = new FrameReader(NONCE, () => {});
    const noise = Buffer.alloc(65_536, 'y\n');
    const before = process.memoryUsage().rss;
    for (let i = 0; i < 4_000; i++) reader.push(noise);
    expect(process.memoryUsage().rss - before).toBeLessThan(100 * 1024 * 1024);
  });

  test('a terminal that ends lines with CRLF', () => {
    const encoded = Buffer.from('bytes\n').toString('base64');
    const stream = `${MARK}4 o b 0\r\n${encoded}\r\n.\r\n${MARK}4 . 0 6 exited\r\n`;
    expect(read([Buffer.from(stream)])).toEqual([
      { call: 4, type: 'o', words: ['0'], payload: Buffer.from('bytes\n') },
      { call: 4, type: '.', words: ['6', 'exited'], payload: Buffer.alloc(0) },
    ]);
  });
});

describe('a stream that breaks the form throws', () => {
  test.each([
    ['no newline where the payload should end', `${MARK}1 o 3 0\nabcd\n`],
    ['no number of a call', `${MARK}x o 3 0\nabc\n`],
    ['no length', `${MARK}1 o\n`],
    ['a length that is no number', `${MARK}1 o three\nabc\n`],
    ['a negative length', `${MARK}1 o -3\nabc\n`],
    ['a first line without an end', `${MARK}1 o ${'x'.repeat(2000)}`],
    ['a payload that is not base64', `${MARK}1 o b 0\nab*d\n.\n`],
    ['a frame within a payload in base64: its end was lost', `${MARK}1 o b 0\nYWJj\n${MARK}1 . 0\n.\n`],
    [
      'another frame where a payload lost its end',
      `${MARK}1 o 40 0\nabc\n${MARK}1 . 0 this is long enough\n`,
    ],
  ])('%s', (_, stream) => {
    expect(() => read([Buffer.from(stream)])).toThrow(/^a frame/);
    expect(() => read([...Buffer.from(stream)].map((byte) => Buffer.of(byte)))).toThrow(/^a frame/);
  });

  test('bytes lost anywhere in a payload never pass for the whole', () => {
    const frame: Written = {
      noise: '',
      call: 1,
      type: 'o',
      words: ['0'],
      payload: Buffer.from('0123456789'.repeat(5)),
      encoding: 'raw',
    };
    const stream = Buffer.concat([asWritten(frame), Buffer.from(`${MARK}1 . 0 50 exited 0\n`)]);
    const payloadAt = stream.indexOf('0123456789'.repeat(2));
    fc.assert(
      fc.property(fc.nat(48), fc.integer({ min: 1, max: 40 }), (at, count) => {
        const from = payloadAt + at;
        const to = Math.min(from + count, payloadAt + 50);
        const damaged = Buffer.concat([stream.subarray(0, from), stream.subarray(to)]);
        let frames: Omit<Frame, 'at'>[] = [];
        try {
          frames = read([damaged]);
        } catch {
          return;
        }
        expect(frames).toEqual([]);
      }),
    );
  });
});

function written(): fc.Arbitrary<Written> {
  const marks = fc.constantFrom(MARK, `@${OTHER} `, `${MARK}1 . 0\n`, '@', '\n', '.\n', '\r\n', '@0123');
  const payload = fc
    .array(fc.oneof(fc.uint8Array({ maxLength: 20 }), marks.map(Buffer.from)), { maxLength: 8 })
    .map((parts) => Buffer.concat(parts));
  return fc.record({
    noise: fc
      .array(fc.oneof(fc.string(), fc.constantFrom('@', `@${OTHER} 1 . 0\n`, '@0123', '\n', 'motd\r\n')), {
        maxLength: 3,
      })
      .map((parts) => parts.join('')),
    call: fc.nat(999),
    type: fc.constantFrom('o', 'e', 's', '.', 'j', 'ready'),
    words: fc.array(fc.stringMatching(/^[!-~]{1,8}$/), { maxLength: 4 }),
    payload,
    encoding: fc.constantFrom('raw', 'base64', 'base64 with CRLF'),
  });
}

function asWritten({ noise, call, type, words, payload, encoding }: Written): Buffer {
  const header = `${noise}${MARK}${call} ${type}`;
  const rest = words.map((word) => ` ${word}`).join('');
  if (encoding === 'raw' && payload.length === 0) return Buffer.from(`${header} 0${rest}\n`);
  if (encoding === 'raw') {
    return Buffer.concat([Buffer.from(`${header} ${payload.length}${rest}\n`), payload, Buffer.from('\n')]);
  }
  const newline = encoding === 'base64' ? '\n' : '\r\n';
  const lines = Buffer.from(payload)
    .toString('base64')
    .replace(/(.{76})/g, `$1${newline}`);
  return Buffer.from(`${header} b${rest}${newline}${lines}${newline}.${newline}`);
}

function expected({ call, type, words, payload }: Written): Omit<Frame, 'at'> {
  return { call, type, words, payload: Buffer.from(payload) };
}

/** Where to split a stream, as shares of its length. */
function splits(): fc.Arbitrary<number[]> {
  return fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 20 });
}

function pieces(stream: Buffer, points: number[]): Buffer[] {
  const ends = points.map((point) => Math.round(point * stream.length)).sort((a, b) => a - b);
  let from = 0;
  return [...ends, stream.length].map((end) => {
    const piece = stream.subarray(from, end);
    from = end;
    return piece;
  });
}

/** The frames of a stream; the parts of a payload that comes in several are put together. */
function read(chunks: Buffer[]): Omit<Frame, 'at'>[] {
  const frames: Omit<Frame, 'at'>[] = [];
  const reader = new FrameReader(NONCE, ({ at, ...frame }) => {
    const last = frames.at(-1);
    if (at === 0 || !last) {
      frames.push(frame);
      return;
    }
    expect(frame).toMatchObject({ call: last.call, type: last.type, words: last.words });
    expect(at).toBe(last.payload.length);
    last.payload = Buffer.concat([last.payload, frame.payload]);
  });
  for (const chunk of chunks) reader.push(chunk);
  return frames;
}
