import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { fingerprintsIn, recordedFingerprints } from '../../src/ssh/known-hosts.ts';
import { run } from './on-loopback.ts';

test.each([
  ['ed25519', []],
  ['rsa', ['-b', '2048']],
  ['ecdsa', []],
])('the fingerprint of an %s key is the one that ssh-keygen shows', async (type, size) => {
  const folder = await mkdtemp(join(tmpdir(), 'known-'));
  const key = join(folder, 'key');
  await run('ssh-keygen', ['-q', '-t', type, ...size, '-N', '', '-f', key]);
  const file = join(folder, 'known_hosts');
  await writeFile(
    file,
    `# a remark\n\nother ssh-ed25519 AAAA\nRunpod-Trainer,x ${await readFile(`${key}.pub`, 'utf8')}`,
  );
  const { stdout } = await run('ssh-keygen', ['-l', '-f', `${key}.pub`]);
  const [, fingerprint] = stdout.split(' ');
  expect(await recordedFingerprints(file, 'runpod-trainer')).toEqual([
    `${type.toUpperCase()} ${fingerprint}`,
  ]);
  await rm(folder, { recursive: true });
});

test('an unknown name and a missing file have none', async () => {
  expect(fingerprintsIn('a ssh-ed25519 AAAA\n', 'b')).toEqual([]);
  expect(await recordedFingerprints('/nonexistent', 'b')).toEqual([]);
});
