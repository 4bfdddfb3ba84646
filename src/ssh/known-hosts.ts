import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';

/** The fingerprints kept under a name in a known_hosts text, as ssh shows them: `ED25519 SHA256:…`. */
export function fingerprintsIn(knownHosts: string, name: string): string[] {
  const found: string[] = [];
  for (const line of knownHosts.split('\n')) {
    const [names = '', type = '', key = ''] = line.trim().split(/\s+/);
    if (key === '' || !names.toLowerCase().split(',').includes(name.toLowerCase())) continue;
    const digest = createHash('sha256').update(Buffer.from(key, 'base64')).digest('base64');
    found.push(`${shortType(type)} SHA256:${digest.replace(/=+$/, '')}`);
  }
  return found;
}

/** The same of a file; none when it can't be read. */
export async function recordedFingerprints(path: string, name: string): Promise<string[]> {
  return fingerprintsIn(await readFile(path, 'utf8').catch(() => ''), name);
}

/** `ssh-ed25519` is ED25519 in ssh's messages, `ecdsa-sha2-nistp256` ECDSA. */
function shortType(type: string): string {
  return (/^(?:ssh-|sk-ssh-)?([a-z0-9]+)/.exec(type)?.[1] ?? type).toUpperCase();
}
