import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { failureAsText } from '../../src/failure.ts';
import { decide, type LocalRules, notAllowed, splitLocalDirs } from '../../src/local/local-paths.ts';

const HOME = '/home/u';
const rules: LocalRules = { roots: ['/home/u/project'], extraDirs: ['/data/sets'], homeDir: HOME };
const wideOpen: LocalRules = { roots: ['/'], extraDirs: [], homeDir: HOME };

const why = (path: string, given: LocalRules = rules, intent: 'read' | 'write' = 'read'): string => {
  const decision = decide(path, { ...given, intent });
  return decision.allowed ? 'allowed' : decision.why;
};

describe('what is open', () => {
  test.each([
    '/home/u/project',
    '/home/u/project/a',
    '/home/u/project/.env',
    '/home/u/project/src/.bashrc',
    '/home/u/project/ssh/id.txt',
    '/home/u/project/id_rsa.pub',
    '/home/u/project/.github/workflows/ci.yml',
    '/home/u/project/.git/HEAD',
    '/home/u/project/.git/refs/heads/hooks/x',
    '/home/u/project/hooks/useThing.ts',
    '/data/sets/x y/"z"\n',
  ])('%j', (path) => {
    expect(why(path, rules, 'read')).toBe('allowed');
    expect(why(path, rules, 'write')).toBe('allowed');
  });

  test('a root is a folder, not the beginning of a name', () => {
    expect(why('/home/u/project2/a')).toBe('outside');
    expect(why('/home/u/projec')).toBe('outside');
    expect(why('/home/u')).toBe('outside');
    expect(why('/')).toBe('outside');
    expect(why('/data/set')).toBe('outside');
  });

  test('without roots nothing is', () => {
    expect(why('/home/u/project/a', { roots: [], extraDirs: [], homeDir: HOME })).toBe('outside');
    expect(why('/x', { roots: ['', '.', 'x', '/x/..', '/y/'], extraDirs: [], homeDir: HOME })).toBe(
      'outside',
    );
  });

  test('another case may be another folder, so it opens nothing', () => {
    expect(why('/home/u/Project/a')).toBe('outside');
  });
});

describe('what is never touched, whatever the roots', () => {
  test.each([
    '/home/u/.ssh',
    '/home/u/.ssh/id_ed25519',
    '/home/u/.ssh/config',
    '/home/u/.ssh/authorized_keys',
    '/home/other/.ssh/known_hosts',
    '/mnt/backup/u/.aws/credentials',
    '/home/u/.aws/config',
    '/home/u/.gnupg/secring.gpg',
    '/home/u/.kube/config',
    '/home/u/.docker/config.json',
    '/home/u/.netrc',
    '/home/u/.npmrc',
    '/home/u/.pypirc',
    '/home/u/.git-credentials',
    '/home/u/.config/gh/hosts.yml',
    '/home/u/.config/gcloud/credentials.db',
    '/home/u/.config/runpod-ssh.json',
    '/home/u/.config/runpod-ssh.json.tmp',
    '/home/u/.config/runpod-ssh/known_hosts',
    '/home/u/.runpod/config.toml',
    '/home/u/.bashrc',
    '/home/u/.zshenv',
    '/home/u/.profile',
    '/home/u/.config/fish/conf.d/x.fish',
    '/home/u/.config/autostart/x.desktop',
    '/home/u/.config/systemd/user/x.service',
    '/home/u/Library/LaunchAgents/x.plist',
    '/Library/LaunchDaemons/x.plist',
    '/var/spool/cron/crontabs/u',
    '/etc/cron.d/x',
    '/etc/profile.d/x.sh',
    '/etc/ssh/sshd_config',
    '/proc/self/environ',
    '/srv/authorized_keys',
    '/home/u/project/id_rsa',
    '/home/u/project/deploy/id_ed25519',
    '/home/u/project/key.ppk',
    '/home/u/project/.git/hooks/pre-commit',
    '/home/u/project/.git/hooks',
    '/home/u/project/.git/modules/sub/hooks/post-checkout',
    '/home/u/project/.git/modules/refs/hooks/post-checkout',
    '/home/u/project/sub/.git/hooks/x',
    '/srv/bare.git/hooks/update',
    '/srv/x.git/refs/.git/hooks/update',
  ])('%s', (path) => {
    for (const intent of ['read', 'write'] as const) {
      expect(why(path, wideOpen, intent)).toBe('protected');
      expect(why(path, rules, intent)).toBe('protected');
    }
  });

  test.each([
    ['another case', '/Home/U/.SSH/ID_RSA'],
    ['another case of a file', '/home/u/.Bash_Profile'],
    ['git hooks in another case', '/home/u/project/.GIT/Hooks/pre-commit'],
    ['letters that only upper case brings together', '/home/u/.\u017f\u017fh/x'],
    ['the Kelvin sign', '/home/u/.\u212aube/config'],
    ['wide letters', '/home/u/\uff0essh/x'],
    ['invisible characters', '/home/u/project/.g\u200cit/hooks/x'],
    ['invisible characters at the end', '/home/u/.ssh\u200b/x'],
    ['the data volume of macOS', '/System/Volumes/Data/home/u/.npmrc'],
    ['/private of macOS', '/private/etc/ssh/ssh_config'],
  ])('in a spelling that some file system takes for the same: %s', (_, path) => {
    expect(why(path, wideOpen)).toBe('protected');
  });

  test('accents composed either way are the same home', () => {
    const given = { ...wideOpen, homeDir: '/Users/Jos\u00e9' };
    expect(why('/Users/Jose\u0301/.npmrc', given)).toBe('protected');
    expect(why('/users/jose\u0301/.npmrc', given)).toBe('protected');
  });

  test('where a protected file of the home folder is a link to', () => {
    const given = { ...wideOpen, alsoProtected: ['/home/u/project/dotfiles/bashrc', '/data/keys'] };
    expect(why('/home/u/project/dotfiles/bashrc', given, 'write')).toBe('protected');
    expect(why('/data/Keys/k', given)).toBe('protected');
    expect(why('/data/keys2/k', given)).toBe('allowed');
  });

  test('the configuration of a repository may be read, not written', () => {
    for (const path of [
      '/srv/x/.git/config',
      '/srv/x/.git/config.worktree',
      '/srv/x/.git/modules/s/config',
      '/home/u/.gitconfig',
    ]) {
      expect(why(path, wideOpen, 'write')).toBe('protected');
    }
    expect(why('/srv/x/.git/config', wideOpen, 'read')).toBe('allowed');
  });

  test('a path that is not real is not believed', () => {
    for (const path of ['', 'a', '~/a', '/a/../b', '/a/./b', '/a//b', '/a/', '/a\0', '\\a', '//a']) {
      expect(why(path, wideOpen)).toBe('protected');
    }
  });

  test('however it is written, in the home folder of anyone', () => {
    const scramble = (text: string, seed: number[]) =>
      [...text].map((c, i) => ((seed[i] ?? 0) % 2 ? c.toUpperCase() : c)).join('');
    const below = fc.array(fc.stringMatching(/^[^/\0]{1,8}$/), { maxLength: 3 });
    fc.assert(
      fc.property(
        fc.constantFrom(
          '.ssh',
          '.aws',
          '.gnupg',
          '.bashrc',
          '.config/runpod-ssh',
          '.docker/config.json',
          '.netrc',
        ),
        fc.array(fc.nat(1), { minLength: 30, maxLength: 30 }),
        below,
        fc.constantFrom('NFC' as const, 'NFD' as const),
        (place, seed, names, form) => {
          fc.pre(names.every((name) => name !== '.' && name !== '..'));
          const home = '/home/Zo\u00eb';
          const path = [scramble(`${home}/${place}`, seed).normalize(form), ...names].join('/');
          expect(why(path, { roots: ['/', path], extraDirs: [path], homeDir: home })).toBe('protected');
        },
      ),
    );
  });
});

describe('the settings', () => {
  test('RUNPOD_LOCAL_DIRS is a list with the separator of the platform', () => {
    expect(splitLocalDirs('/a:/b c: :~/d:', ':')).toEqual(['/a', '/b c', '~/d']);
    expect(splitLocalDirs('', ':')).toEqual([]);
    expect(splitLocalDirs(undefined, ':')).toEqual([]);
  });
});

describe('the answer', () => {
  test('outside: says what it really is, what is open, and the setting that opens it', () => {
    const failure = notAllowed(
      { allowed: false, why: 'outside' },
      { asked: 'link/x', realPath: '/etc/x', intent: 'write', rules },
    );
    expect(failure.kind).toBe('not-allowed');
    const text = failureAsText(failure.text);
    for (const part of ['link/x', '/etc/x', '/home/u/project, /data/sets', 'RUNPOD_LOCAL_DIRS'])
      expect(text).toContain(part);
  });

  test('protected: says what protects it, and offers no setting', () => {
    const decision = decide('/home/u/.ssh/id_rsa', { ...wideOpen, intent: 'read' });
    if (decision.allowed) throw new Error('was allowed');
    const text = failureAsText(
      notAllowed(decision, { asked: '~/.ssh/id_rsa', realPath: '/home/u/.ssh/id_rsa', intent: 'read', rules })
        .text,
    );
    expect(text).toContain('~/.ssh is protected');
    expect(text).not.toContain('RUNPOD_LOCAL_DIRS');
  });
});
