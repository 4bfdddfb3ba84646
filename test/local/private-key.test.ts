import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { looksLikePrivateKey } from '../../src/local/private-key.ts';

const looks = (text: string) => looksLikePrivateKey(Buffer.from(text, 'latin1'));
// Put together here, so that no scanner takes this file for a key.
const pem = (kind: string) => `-----${'BEGIN'} ${kind}-----\nAAAA\n-----END ${kind}-----\n`;

describe('a private key is known by its content', () => {
  test.each(['ed25519', 'rsa', 'ecdsa'])('that ssh-keygen made: %s', (type) => {
    const folder = mkdtempSync(join(tmpdir(), 'key-'));
    try {
      for (const format of ['RFC4716', 'PEM']) {
        const file = join(folder, format);
        execFileSync('ssh-keygen', ['-q', '-t', type, '-m', format, '-N', '', '-f', file]);
        expect(looksLikePrivateKey(readFileSync(file))).toBe(true);
        expect(looksLikePrivateKey(readFileSync(`${file}.pub`))).toBe(false);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test.each([
    ['PKCS#8', pem('PRIVATE KEY')],
    ['encrypted', pem('ENCRYPTED PRIVATE KEY')],
    ['elliptic', pem('EC PRIVATE KEY')],
    ['PGP', pem('PGP PRIVATE KEY BLOCK')],
    ['SSH2', `---- ${'BEGIN'} SSH2 ENCRYPTED PRIVATE KEY ----\n`],
    ['PuTTY', 'PuTTY-User-Key-File-3: ssh-ed25519\n'],
    ['age', `# created: 2024\n# public key: age1x\nAGE-SECRET-${'KEY'}-1XXXX\n`],
    ['below a certificate', pem('CERTIFICATE') + pem('PRIVATE KEY')],
    ['below attributes', `Bag Attributes\n    friendlyName: x\n${pem('PRIVATE KEY')}`],
    ['after blank lines', `\n\n  ${pem('RSA PRIVATE KEY')}`],
    ['after a byte order mark', `\xef\xbb\xbf${pem('RSA PRIVATE KEY')}`],
    ['with Windows line ends', pem('RSA PRIVATE KEY').replaceAll('\n', '\r\n')],
    ['with a comment above', `# my key\n${pem('RSA PRIVATE KEY')}`],
    [
      'a service account',
      `{\n "type": "service_account",\n "private_key": "-----${'BEGIN'} PRIVATE KEY-----\\n"}`,
    ],
  ])('%s', (_, text) => expect(looks(text)).toBe(true));

  test.each([
    ['nothing', ''],
    ['a certificate', pem('CERTIFICATE')],
    ['a public key', pem('PUBLIC KEY')],
    ['a program that mentions keys', `const begin = "-----${'BEGIN'} PRIVATE KEY-----";\n`],
    ['prose', 'A key begins with -----BEGIN OPENSSH PRIVATE KEY-----.'],
    ['a picture', '\x89PNG\r\n\x1a\n'],
  ])('and not: %s', (_, text) => expect(looks(text)).toBe(false));
});
