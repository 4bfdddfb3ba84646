import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readlink, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import packageJson from '../package.json';
import { builtServer } from './server/practice-server.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'package-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Runs a program with nothing on its standard input. */
function run(file: string, args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = execFile(file, args, { cwd: root }, (error, stdout, stderr) => {
      if (error && typeof error.code !== 'number') reject(error);
      else resolve({ code: Number(error?.code ?? 0), stdout, stderr });
    });
    child.stdin?.end();
  });
}

/** npm without a network, and without the scripts that would build anew beneath the other tests. */
async function npm(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run('npm', [...args, '--offline', '--ignore-scripts', '--json']);
  if (code !== 0) throw new Error(`npm ${args.join(' ')}: ${stderr}`);
  return stdout;
}

describe('the package', () => {
  it('has the built server in it and nothing else, and pulls in nothing', async () => {
    const packed: [{ filename: string; files: { path: string }[] }] = JSON.parse(
      await npm('pack', '--pack-destination', folder),
    );
    const [{ filename, files }] = packed;
    expect(files.map(({ path }) => path).sort()).toEqual([
      'README.md',
      'dist/main.js',
      'dist/package.json',
      'package.json',
    ]);
    const app = join(folder, 'app');
    await npm('install', '--prefix', app, join(folder, filename));
    const installed = await readdir(join(app, 'node_modules'));
    expect(installed.filter((name) => !name.startsWith('.'))).toEqual(['runpod-ssh-mcp']);
    const { code, stdout } = await run(join(app, 'node_modules/.bin/runpod-ssh-mcp'), ['--version']);
    expect({ code, stdout }).toEqual({ code: 0, stdout: `${packageJson.version}\n` });
  });

  it('can be installed from a checkout, as a link to it', async () => {
    const prefix = join(folder, 'global');
    await npm('install', '--global', '--prefix', prefix, '.');
    const link = join(prefix, 'lib/node_modules/runpod-ssh-mcp');
    expect(await realpath(join(link, '..', await readlink(link)))).toBe(await realpath(root));
    const { stdout } = await run(join(prefix, 'bin/runpod-ssh-mcp'), ['--version']);
    expect(stdout).toBe(`${packageJson.version}\n`);
  });
});

describe('the command', () => {
  const server = (...args: string[]) => run(process.execPath, [builtServer, ...args]);

  it('tells how it is registered', async () => {
    for (const flag of ['--help', '-h']) {
      const { code, stdout, stderr } = await server(flag);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout).toMatch(/claude mcp add --transport stdio --scope user runpod -- runpod-ssh-mcp/);
    }
  });

  it('ends quietly when its input does', async () => {
    expect(await server()).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  it('takes no other argument', async () => {
    const { code, stdout, stderr } = await server('serve');
    expect({ code, stdout, stderr }).toEqual({
      code: 1,
      stdout: '',
      stderr: 'runpod-ssh-mcp takes no argument serve; see --help.\n',
    });
  });

  it.each([
    [
      'an old Node',
      "Object.defineProperty(process.versions, 'node', { value: '18.20.4' });",
      'runpod-ssh-mcp needs Node 20 or newer; this is 18.20.4.\n',
    ],
    [
      'Windows',
      "Object.defineProperty(process, 'platform', { value: 'win32' });",
      'runpod-ssh-mcp does not run on Windows itself; use it inside WSL.\n',
    ],
  ])('says in one sentence that it does not run on %s', async (what, disguise, sentence) => {
    const file = join(folder, `${what.replaceAll(' ', '-')}.cjs`);
    await writeFile(file, disguise);
    const { code, stdout, stderr } = await run(process.execPath, ['--require', file, builtServer]);
    expect({ code, stdout, stderr }).toEqual({ code: 1, stdout: '', stderr: sentence });
  });
});
