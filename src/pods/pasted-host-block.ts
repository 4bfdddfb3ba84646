import SSHConfig, { type Line, LineType } from 'ssh-config';
import { checkedHost, checkedKeyPath, checkedPort, checkedUser } from './address-rules.ts';
import { badInput, shown } from './bad-input.ts';
import type { Login } from './login.ts';
import { isPodName } from './pod-name.ts';

/** Directives that say nothing about where the pod is; we have our own settings for what they do. */
const IGNORED = new Set(
  `addkeystoagent addressfamily batchmode checkhostip compression connectionattempts connecttimeout controlmaster
  controlpath controlpersist gssapiauthentication hashknownhosts hostkeyalgorithms hostkeyalias
  identitiesonly ignoreunknown kbdinteractiveauthentication loglevel nohostauthenticationforlocalhost
  numberofpasswordprompts passwordauthentication preferredauthentications pubkeyacceptedalgorithms
  pubkeyacceptedkeytypes pubkeyauthentication requesttty serveralivecountmax serveraliveinterval
  stricthostkeychecking tcpkeepalive updatehostkeys usekeychain userknownhostsfile visualhostkey`.split(
    /\s+/,
  ),
);

const TAKEN = ['hostname', 'user', 'port', 'identityfile'] as const;
type Taken = (typeof TAKEN)[number];
type Settings = Partial<Record<Taken, string>> & { ignored: Set<string> };
type Block = { alias: string | undefined; settings: Settings };

/** Whether a text looks like a piece of an ssh_config rather than a command. */
export function isHostBlock(text: string): boolean {
  if (/^[ \t]{0,40}HostName(?:[ \t]|=)[^\n]*$/im.test(text) && !/^[ \t]{0,40}ssh\s/im.test(text)) return true;
  return (
    /^[ \t]{0,40}(?:Host|Match)(?:[ \t]|=)[ \t]{0,40}\S/im.test(text) &&
    /^[ \t]{0,40}(?:HostName|User|Port|IdentityFile|Proxy[A-Za-z]+)(?:[ \t]|=)[ \t]{0,40}\S/im.test(text)
  );
}

/**
 * The logins in one or more pasted `Host` blocks of an ssh_config; nothing in it is expanded or run. As in ssh,
 * the first value counts, and what stands above all blocks or under `Host *` fills what a block leaves open.
 * Throws a `bad-input` Failure that names the directive that is not taken.
 */
export function loginsInHostBlock(text: string, homeDir: string): Login[] {
  const lines = withoutProse(text);
  for (const line of lines) refuseGluedComment(line);
  const blocks: Block[] = [{ alias: undefined, settings: { ignored: new Set() } }];
  for (const line of parsed(lines.join('\n'))) {
    if (line.type !== LineType.DIRECTIVE) continue;
    if (!('config' in line)) {
      readDirective(line, blocks[0]);
      continue;
    }
    const block: Block = { alias: aliasOf(line), settings: { ignored: new Set() } };
    blocks.push(block);
    for (const inner of line.config) readDirective(inner, block);
  }
  const logins = blocks
    .filter((block) => block.alias !== undefined)
    .map((block) => loginOf(block, blocks, homeDir));
  const [first] = blocks;
  if (logins.length > 0 || !first) return logins;
  // Without any `Host` line, the directives alone say it.
  return [loginOf({ alias: '', settings: first.settings }, [], homeDir)];
}

function parsed(text: string): Line[] {
  try {
    // Only `compute` of this package runs programs (`Match exec`, nslookup); parsing doesn't.
    return SSHConfig.parse(text);
  } catch {
    // Its own errors are a TypeError for `Host` without a name, and one for a quote that isn't closed.
    throw badInput('The Host block can’t be read: a value is missing in it, or a quote is not closed.');
  }
}

/** The first name of a `Host` line; undefined for `Host *`, which is no pod. */
function aliasOf(line: Line): string | undefined {
  if (!('param' in line)) return undefined;
  const names = typeof line.value === 'string' ? [line.value] : line.value.map(({ val }) => val);
  const [alias = ''] = names;
  if (!/^host$/i.test(line.param)) throw notTaken(line.param);
  if (names.length === 1 && alias === '*') return undefined;
  const pattern = names.find((name) => /[*?!]/.test(name));
  if (pattern !== undefined) {
    throw badInput(`The Host line has the pattern ${shown(pattern)} in it; paste the block of one pod.`);
  }
  return alias;
}

function readDirective(line: Line, block: Block | undefined): void {
  if (line.type !== LineType.DIRECTIVE || !block) return;
  const { settings } = block;
  const name = line.param.toLowerCase();
  const value = typeof line.value === 'string' ? line.value : line.value.map(({ val }) => val).join(' ');
  const taken = TAKEN.find((each) => each === name);
  if (taken !== undefined) {
    if (settings[taken] === undefined) settings[taken] = value;
    else if (settings[taken] !== value) settings.ignored.add(`${line.param} ${value}`);
  } else if (IGNORED.has(name) || (/^[a-z0-9]+$/.test(name) && /^(?:no|none)$/i.test(value))) {
    settings.ignored.add(line.param);
  } else {
    throw notTaken(line.param);
  }
}

function notTaken(directive: string) {
  return badInput(
    `The directive ${shown(directive)} is not taken over from a Host block: only HostName, User, Port and IdentityFile are.`,
    'Leave that line out. ProxyJump, IdentityAgent and CertificateFile are read from your ~/.ssh/config if it has them for this host.',
  );
}

function loginOf(block: Block, blocks: Block[], homeDir: string): Login {
  const common = blocks.filter(({ alias }) => alias === undefined);
  const ignored = new Set([block, ...common].flatMap(({ settings }) => [...settings.ignored]));
  const get = (key: Taken) =>
    [block, ...common].map(({ settings }) => settings[key]).find((value) => value !== undefined);
  const alias = block.alias ?? '';
  const host = get('hostname') ?? (/[.:]/.test(alias) ? alias : undefined);
  if (host === undefined)
    throw badInput(`The Host block ${alias && `${shown(alias)} `}has no HostName line.`);
  const login: Login = { host: checkedHost(host.replace(/^\[(.*)\]$/, '$1')), remarks: [] };
  const user = get('user');
  const port = get('port');
  const key = get('identityfile');
  if (user !== undefined) login.user = checkedUser(user);
  if (port !== undefined) login.port = checkedPort(port);
  if (key !== undefined && key.toLowerCase() !== 'none') login.keyPath = checkedKeyPath(key, homeDir);
  if (isPodName(alias)) login.suggestedName = alias;
  if (ignored.size > 0) login.remarks.push(`Not taken over from the Host block: ${[...ignored].join(', ')}.`);
  return login;
}

/** The lines from the first directive on, without “add this to ~/.ssh/config:” before it. */
function withoutProse(text: string): string[] {
  const lines = text.split('\n').map((line) => line.trim());
  const first = lines.findIndex((line) => line !== '' && !line.endsWith(':'));
  return lines.slice(Math.max(first, 0)).filter((line) => line !== '');
}

/** ssh keeps the `#` of `/keys/a#b`; the package cuts there. */
function refuseGluedComment(line: string): void {
  const bare = line.replace(/"[^"]*"/g, '""');
  const word = bare.split(/\s+/).find((each) => each.indexOf('#') > 0);
  const comment = bare.search(/(?:^|\s)#/);
  if (word !== undefined && (comment < 0 || bare.indexOf(word) < comment)) {
    throw badInput(`A # stands in the midst of ${shown(word)}.`, 'Put the value into double quotes.');
  }
}
