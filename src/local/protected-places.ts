import { posix } from 'node:path';

/**
 * Folders and files in a home folder that hold credentials, or that some program runs without being asked:
 * never read, never written. A folder stands for everything in it.
 */
const IN_HOME = [
  // credentials
  '.ssh',
  '.aws',
  '.azure',
  '.gnupg',
  '.kube',
  '.config/gh',
  '.config/gcloud',
  '.config/op',
  '.config/rclone',
  '.config/git/credentials',
  '.docker/config.json',
  '.git-credentials',
  '.netrc',
  '.npmrc',
  '.pypirc',
  '.pgpass',
  '.my.cnf',
  '.vault-token',
  '.runpod',
  '.cache/huggingface/token',
  '.cache/huggingface/stored_tokens',
  '.huggingface',
  '.claude/.credentials.json',
  '.claude.json',
  '.password-store',
  '.local/share/keyrings',
  'Library/Keychains',
  'Library/Cookies',
  '.mozilla',
  '.config/google-chrome',
  '.config/chromium',
  'Library/Application Support/Google/Chrome',
  'Library/Application Support/Firefox',
  // shell start-up files
  '.bashrc',
  '.bash_profile',
  '.bash_login',
  '.bash_logout',
  '.bash_aliases',
  '.profile',
  '.zshrc',
  '.zshenv',
  '.zprofile',
  '.zlogin',
  '.zlogout',
  '.kshrc',
  '.mkshrc',
  '.shrc',
  '.cshrc',
  '.tcshrc',
  '.login',
  '.logout',
  '.inputrc',
  '.pam_environment',
  '.xprofile',
  '.xinitrc',
  '.xsession',
  '.xsessionrc',
  '.xserverrc',
  '.config/bash',
  '.config/fish',
  '.config/zsh',
  '.config/nushell',
  '.config/environment.d',
  // what starts by itself
  '.config/autostart',
  '.config/systemd',
  '.local/share/systemd',
  'Library/LaunchAgents',
  'Library/LaunchDaemons',
  // programs that git runs are named there
  '.gitconfig',
  '.config/git/config',
];

/** The same for the whole machine. */
const ON_MACHINE = [
  '/etc/profile',
  '/etc/profile.d',
  '/etc/bash.bashrc',
  '/etc/bashrc',
  '/etc/zsh',
  '/etc/zshrc',
  '/etc/zshenv',
  '/etc/zprofile',
  '/etc/fish',
  '/etc/environment',
  '/etc/shadow',
  '/etc/gshadow',
  '/etc/passwd',
  '/etc/sudoers',
  '/etc/sudoers.d',
  '/etc/pam.d',
  '/etc/ld.so.preload',
  '/etc/ssh',
  '/etc/cron.d',
  '/etc/cron.hourly',
  '/etc/cron.daily',
  '/etc/cron.weekly',
  '/etc/cron.monthly',
  '/etc/crontab',
  '/etc/anacrontab',
  '/etc/systemd',
  '/etc/xdg/autostart',
  '/usr/lib/cron',
  '/usr/lib/systemd',
  '/lib/systemd',
  '/var/spool/cron',
  '/var/at',
  '/Library/LaunchAgents',
  '/Library/LaunchDaemons',
  '/Library/Keychains',
  // the environment of every process, keys of APIs among it
  '/proc',
];

/** Protected wherever they lie: other people's homes, backups, repositories. */
const ANYWHERE = ['.ssh', '.aws', '.gnupg', '.kube'];

const KEY_NAMES =
  /^id_(?:rsa|dsa|ecdsa|ed25519|ecdsa_sk|ed25519_sk|xmss)$|\.(?:ppk|p12|pfx)$|^ssh_host_.*_key$/;

export type Intent = 'read' | 'write';

/**
 * Why a real path (absolute, symlinks resolved) must never be touched, as a clause; undefined when it may be.
 * Names are compared as `comparable` spells them on every platform: on macOS two spellings are one file, a disk
 * that ignores case can be mounted anywhere, and refusing a `.SSH` that is another one costs nothing.
 * `homeDir` is a real path too.
 */
export function protectedReason(realPath: string, homeDir: string, intent: Intent): string | undefined {
  const path = comparable(realPath);
  const { places, ourOwn } = protectedIn(homeDir);
  for (let end = path.indexOf('/', 1); ; end = path.indexOf('/', end + 1)) {
    const reason = places.get(end < 0 ? path : path.slice(0, end));
    if (reason) return reason;
    if (end < 0) break;
  }
  // Our own files name the pods and hold their keys' places: runpod-ssh.json, runpod-ssh/…
  if (path.startsWith(ourOwn)) return '~/.config/runpod-ssh* is protected';
  return reasonByName(path.split('/'), intent);
}

type Protected = { places: Map<string, string>; ourOwn: string };
const known = new Map<string, Protected>();

/** Every protected place, spelled as `comparable` does, and why it is one: made once, since trees have many files. */
function protectedIn(homeDir: string): Protected {
  const before = known.get(homeDir);
  if (before) return before;
  const home = comparable(homeDir);
  const places = new Map([
    ...ON_MACHINE.map((place) => [comparable(place), `${place} is protected`] as const),
    ...IN_HOME.map((place) => [posix.join(home, comparable(place)), `~/${place} is protected`] as const),
  ]);
  const found = { places, ourOwn: posix.join(home, '.config/runpod-ssh') };
  known.set(homeDir, found);
  return found;
}

/** Every place in this home folder whose real path has to be known too, since it may be a link to somewhere else. */
export function protectedPlacesIn(homeDir: string): string[] {
  return [...IN_HOME, '.config/runpod-ssh', '.config/runpod-ssh.json'].map((place) =>
    posix.join(homeDir, place),
  );
}

/** Whether `path` is `folder` or lies in it; both absolute and without `.`, `..` or a slash at the end. */
export function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith('/') ? folder : `${folder}/`);
}

/**
 * The one spelling of all that a file system may take for the same name: without regard to case, to how accents
 * are composed (APFS), and to invisible characters (HFS+; git's CVE-2014-9390). Only for refusing, never for
 * finding a file.
 */
export function comparable(path: string): string {
  const visible = /^[ -~]*$/.test(path) ? path.toLowerCase() : folded(path);
  // The data volume of macOS can be reached by two paths (firmlinks), which realpath doesn't resolve.
  return visible
    .replace(/^\/system\/volumes\/data(?=\/)/, '')
    .replace(/^\/private(?=\/(?:etc|var|tmp)(?:\/|$))/, '');
}

function folded(path: string): string {
  // Upper case first, for the letters that only it brings together (ß, ſ, the Kelvin sign).
  const oneCase = path.normalize('NFKC').toUpperCase().toLowerCase().normalize('NFKC');
  return oneCase.replace(/\p{Default_Ignorable_Code_Point}/gu, '');
}

function reasonByName(names: string[], intent: Intent): string | undefined {
  const secret = ANYWHERE.find((name) => names.includes(name));
  if (secret) return `everything in a ${secret} folder is protected`;
  const last = names.at(-1) ?? '';
  if (last === 'authorized_keys' || last === 'authorized_keys2') return 'authorized_keys is protected';
  if (KEY_NAMES.test(last)) return 'it has the name of a private key';
  for (const [i, name] of names.entries()) {
    const reason = name.endsWith('.git') ? reasonInRepository(names.slice(i + 1), intent) : undefined;
    if (reason) return reason;
  }
  return undefined;
}

function reasonInRepository(inside: string[], intent: Intent): string | undefined {
  // Branches may be called anything.
  if (inside[0] === 'refs' || inside[0] === 'logs') return undefined;
  if (inside.includes('hooks')) return 'git hooks are protected';
  const last = inside.at(-1);
  // core.hooksPath, core.fsmonitor, filters and aliases: who writes the configuration chooses programs to run.
  if (intent === 'write' && (last === 'config' || last === 'config.worktree')) {
    return 'the configuration of a git repository is protected, since it names programs that git runs';
  }
  return undefined;
}
