import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { ElicitRequestSchema, ListRootsRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  makeFiles,
  startTransferPlace,
  succeeded,
  type TransferPlace,
  transfersOf,
} from './transfer-place.ts';

describe('what a transfer may touch on this machine', () => {
  let place: TransferPlace;
  let outside: string;
  beforeAll(async () => {
    place = await startTransferPlace('direct');
    outside = mkdtempSync('/var/tmp/outside-');
    await makeFiles(outside, { 'file.txt': 'outside' });
    await makeFiles(place.podHome, { 'file.txt': 'pod' });
  });
  afterAll(async () => {
    await place?.stop();
    await rm(outside, { recursive: true, force: true });
  });

  /** A server for a client that has these roots, or answers a question so. */
  function clientWith({ roots, answer }: { roots?: string[]; answer?: 'yes' | 'no' | 'decline' | 'cancel' }) {
    const asked: string[] = [];
    const makeClient = (): Client => {
      const capabilities = {
        ...(roots ? { roots: {} } : {}),
        ...(answer ? { elicitation: { form: {} } } : {}),
      };
      const client = new Client({ name: 'tests', version: '1' }, { capabilities });
      if (roots) {
        client.setRequestHandler(ListRootsRequestSchema, () => ({
          roots: roots.map((path) => ({ uri: pathToFileURL(path).href })),
        }));
      }
      if (answer) {
        client.setRequestHandler(ElicitRequestSchema, ({ params }) => {
          asked.push(params.message);
          if (answer === 'decline' || answer === 'cancel') return { action: answer };
          return { action: 'accept', content: { allow: answer === 'yes' } };
        });
      }
      return client;
    };
    return { makeClient, asked };
  }

  it('is the working directory, unless a setting opens more, which the refusal names', async () => {
    const up = await place.upload(join(outside, 'file.txt'), 'x');
    const down = await place.download('file.txt', join(outside, 'new.txt'));
    for (const { isError, text, facts } of [up, down]) {
      expect(isError).toBe(true);
      expect(text).toContain('RUNPOD_LOCAL_DIRS');
      expect(text).toContain(place.work);
      expect(facts.failure).toBe('not-allowed');
    }
    expect(readdirSync(outside)).toEqual(['file.txt']);
    const opened = transfersOf(
      await place.another({ env: { RUNPOD_LOCAL_DIRS: `/nonexistent:${outside}` } }),
    );
    succeeded(await opened.upload(join(outside, 'file.txt'), 'opened'));
    succeeded(await opened.download('file.txt', join(outside, 'opened.txt')));
    expect(readFileSync(join(outside, 'opened.txt'), 'utf8')).toBe('pod');
  });

  it('is not widened by links and dots', async () => {
    await symlink(outside, join(place.work, 'way-out'));
    await makeFiles(place.work, { 'inside/x': 'x' });
    for (const path of ['way-out/file.txt', '../../etc/hostname', 'inside/../../x', '~/x']) {
      expect((await place.upload(path, 'x')).isError).toBe(true);
      expect((await place.download('file.txt', path)).isError).toBe(true);
    }
    expect((await place.download('file.txt', 'way-out/')).isError).toBe(true);
    expect(readFileSync(join(outside, 'file.txt'), 'utf8')).toBe('outside');
  });

  it('is the client’s roots where it has some', async () => {
    const { makeClient } = clientWith({ roots: [outside] });
    const other = transfersOf(await place.another({ makeClient }));
    succeeded(await other.upload(join(outside, 'file.txt'), 'by-root'));
    await makeFiles(place.work, { 'in-cwd.txt': 'x' });
    expect((await other.upload(join(place.work, 'in-cwd.txt'), 'x')).isError).toBe(true);
  });

  it('is more when the user agrees, once', async () => {
    const { makeClient, asked } = clientWith({ answer: 'yes' });
    const other = transfersOf(await place.another({ makeClient }));
    succeeded(await other.upload(join(outside, 'file.txt'), 'agreed'));
    expect(asked).toHaveLength(1);
    expect(asked[0]).toContain(join(outside, 'file.txt'));
    expect(asked[0]).toContain('read');
    succeeded(await other.upload(join(outside, 'file.txt'), 'agreed'));
    expect(asked).toHaveLength(2);
  });

  it.each(['no', 'decline', 'cancel'] as const)('is not more when the user says %s', async (answer) => {
    const { makeClient, asked } = clientWith({ answer });
    const other = transfersOf(await place.another({ makeClient }));
    const { isError, text } = await other.download('file.txt', join(outside, 'asked.txt'));
    expect(isError).toBe(true);
    expect(text).toContain('RUNPOD_LOCAL_DIRS');
    expect(asked).toHaveLength(1);
    expect(readdirSync(outside)).not.toContain('asked.txt');
  });

  it('is never keys, credentials and hooks, whatever is opened and whoever agrees', async () => {
    const { makeClient, asked } = clientWith({ roots: ['/'], answer: 'yes' });
    const other = transfersOf(await place.another({ makeClient, env: { RUNPOD_LOCAL_DIRS: '/' } }));
    await makeFiles(place.home, { '.ssh/config': 'x', '.aws/credentials': 'x', '.bashrc': 'x' });
    await makeFiles(place.work, { 'repo/.git/hooks/pre-commit': 'x', 'repo/file': 'x' });
    execFileSync('cp', [place.pod.keyPath, join(place.work, 'innocent.txt')]);
    for (const path of [
      join(place.home, '.ssh/config'),
      join(place.home, '.aws/credentials'),
      join(place.home, '.config/runpod-ssh.json'),
      join(place.work, 'repo/.git/hooks/pre-commit'),
      join(place.work, 'innocent.txt'),
    ]) {
      const { isError, text } = await other.upload(path, 'x');
      expect(text).toMatch(/protected|private key/);
      expect(isError).toBe(true);
    }
    for (const path of [
      '.ssh/authorized_keys',
      '.bashrc',
      '.config/runpod-ssh/ssh_config',
      '.config/fish/x.fish',
    ]) {
      expect((await other.download('file.txt', join(place.home, path))).isError).toBe(true);
    }
    expect(
      (await other.download('file.txt', join(place.work, 'repo/.git/hooks/post-checkout'))).isError,
    ).toBe(true);
    expect(asked).toEqual([]);
  });

  it('leaves out of trees what is protected, both ways, and says so', async () => {
    await makeFiles(join(place.work, 'tree'), {
      'ok.txt': 'ok',
      '.ssh/id': 'x',
      'repo/.git/hooks/pre-push': 'x',
      'repo/.git/HEAD': 'ref',
    });
    execFileSync('cp', [place.pod.keyPath, join(place.work, 'tree/notes.md')]);
    const up = succeeded(await place.upload('tree', 'tree'));
    expect(up.text).toMatch(/^Not taken along: .*notes.md \(a private key\)/m);
    expect(up.text).toMatch(/\.ssh \(/);
    const sent = execFileSync('find', ['.', '-type', 'f'], {
      cwd: join(place.podHome, 'tree'),
      encoding: 'utf8',
    });
    expect(sent.split('\n').filter(Boolean).sort()).toEqual(['./ok.txt', './repo/.git/HEAD']);

    await makeFiles(join(place.podHome, 'evil'), {
      'ok.txt': 'ok',
      '.ssh/authorized_keys': 'x',
      'repo/.git/hooks/post-checkout': 'x',
      'repo/.git/config': 'x',
      'repo/.git/HEAD': 'ref',
    });
    await symlink('/etc/passwd', join(place.podHome, 'evil/absolute'));
    await symlink('../../x', join(place.podHome, 'evil/upwards'));
    await symlink('ok.txt', join(place.podHome, 'evil/fine'));
    const down = succeeded(await place.download('evil', 'evil'));
    expect(down.text).toMatch(
      /^Not taken along: .*absolute \(a link that leads out of the tree: \/etc\/passwd\)/m,
    );
    const come = execFileSync('find', ['.', '!', '-type', 'd'], {
      cwd: join(place.work, 'evil'),
      encoding: 'utf8',
    });
    expect(come.split('\n').filter(Boolean).sort()).toEqual(['./fine', './ok.txt', './repo/.git/HEAD']);
  });

  it('is never what a link in the target leads to', async () => {
    await makeFiles(join(place.podHome, 'deep'), { 'sub/file.txt': 'pod', 'other.txt': 'pod' });
    await makeFiles(outside, { 'sub/file.txt': 'precious', 'other.txt': 'precious' });
    await makeFiles(join(place.work, 'deep'), { x: 'x' });
    await symlink(join(outside, 'sub'), join(place.work, 'deep/sub'));
    await symlink(join(outside, 'other.txt'), join(place.work, 'deep/other.txt'));
    succeeded(await place.download('deep', 'deep', { delete: true }));
    expect(readFileSync(join(outside, 'sub/file.txt'), 'utf8')).toBe('precious');
    expect(readFileSync(join(outside, 'other.txt'), 'utf8')).toBe('precious');
    expect(readFileSync(join(place.work, 'deep/sub/file.txt'), 'utf8')).toBe('pod');
    expect(readFileSync(join(place.work, 'deep/other.txt'), 'utf8')).toBe('pod');
  });
});
