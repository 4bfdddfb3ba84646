import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { findGreeting } from '../../src/session/greeting.ts';

const NONCE = '0123456789abcdef01234567';
const ALL_BYTES = Buffer.from(Array.from({ length: 256 }, (_, value) => value));
const DESCRIPTION = `pid 42\nhostname pod.example\nhome /root\n${'has tool\n'.repeat(20)}`;

/** What a session's shell sends, with the bytes as they arrive. */
function sent({ bytes = ALL_BYTES, newline = '\n' }: { bytes?: Buffer; newline?: string } = {}): Buffer {
  const lines = Buffer.from(DESCRIPTION)
    .toString('base64')
    .replace(/(.{76})/g, `$1${newline}`);
  return Buffer.concat([
    Buffer.from(`@${NONCE} 0 bytes 256${newline}`),
    bytes,
    Buffer.from(`${newline}@${NONCE} 0 ready b${newline}${lines}${newline}.${newline}`),
  ]);
}

describe('the greeting is found', () => {
  test('behind whatever a login prints, and what comes behind it is left whole', () => {
    const banner = fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.string().map(Buffer.from));
    fc.assert(
      fc.property(banner, fc.uint8Array({ maxLength: 100 }), (before, rest) => {
        const greeting = findGreeting(Buffer.concat([before, sent(), rest]), NONCE);
        expect(greeting?.clean).toBe(true);
        expect(greeting?.description).toMatchObject({ pid: '42', hostname: 'pod.example', home: '/root' });
        expect(greeting?.rest).toEqual(Buffer.from(rest));
      }),
    );
  });

  test('behind the echo of the lines that asked for it', () => {
    const echo = `$ _rp_nonce=${NONCE.slice(0, 12)}; _rp_nonce=\${_rp_nonce}${NONCE.slice(12)}\r\nprintf "@$_rp_nonce 0 ready b"\r\n`;
    expect(findGreeting(Buffer.concat([Buffer.from(echo), sent()]), NONCE)?.description.pid).toBe('42');
  });

  test('as soon as it is complete, and not before', () => {
    const whole = sent();
    for (let length = 0; length < whole.length; length++) {
      expect(findGreeting(whole.subarray(0, length), NONCE)).toBeUndefined();
    }
    expect(findGreeting(whole, NONCE)?.rest.length).toBe(0);
  });

  test('only under its own nonce', () => {
    expect(findGreeting(sent(), 'f'.repeat(24))).toBeUndefined();
  });
});

describe('the way counts as clean only if each byte arrived as it was sent', () => {
  test('any one of them changed', () => {
    fc.assert(
      fc.property(fc.nat(255), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const bytes = Buffer.from(ALL_BYTES);
        bytes[at] = (bytes[at] ?? 0) ^ change;
        expect(findGreeting(sent({ bytes }), NONCE)).toMatchObject({
          clean: false,
          description: { pid: '42' },
        });
      }),
    );
  });

  test('any one of them lost or doubled', () => {
    fc.assert(
      fc.property(fc.nat(255), fc.boolean(), (at, lost) => {
        const [before, after] = [ALL_BYTES.subarray(0, at), ALL_BYTES.subarray(lost ? at + 1 : at)];
        const bytes = Buffer.concat(lost ? [before, after] : [before, ALL_BYTES.subarray(at, at + 1), after]);
        expect(findGreeting(sent({ bytes }), NONCE)?.clean).toBe(false);
      }),
    );
  });

  test('a terminal that ends lines with CRLF', () => {
    const greeting = findGreeting(sent({ newline: '\r\n' }), NONCE);
    expect(greeting).toMatchObject({ clean: false, description: { pid: '42', home: '/root' } });
    expect(greeting?.rest.length).toBe(0);
  });

  test('seven bits', () => {
    const bytes = Buffer.from(ALL_BYTES.map((byte) => byte & 0x7f));
    expect(findGreeting(sent({ bytes }), NONCE)).toMatchObject({ clean: false, description: { pid: '42' } });
  });
});
