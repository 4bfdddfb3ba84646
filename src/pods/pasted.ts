import { badInput, shown } from './bad-input.ts';
import { isObject, parseJson } from './json.ts';
import { addressOf, type Login, sameLogin } from './login.ts';
import { isHostBlock, loginsInHostBlock } from './pasted-host-block.ts';
import { loginsInJson } from './pasted-json.ts';
import { loginsInTcpPorts, noSshPort } from './pasted-tcp-port.ts';
import { loginsInText } from './pasted-text.ts';
import { type Address, modeOfHost } from './pod.ts';

export type PastedPod = {
  address: Address;
  /** What the person should know of how the string was read. */
  remarks: string[];
  /** What the string calls the pod (runpodctl's name or id, a `Host` alias), where that can be a name of ours. */
  suggestedName?: string;
};

const LONGEST_JSON = 200_000;
const LONGEST_TEXT = 20_000;

/**
 * Reads a pod's address from whatever a person copied: the web page's strings, an ssh, scp or sftp command with
 * prose or prompts around it, `ssh://…`, a line of “Direct TCP Ports”, JSON of RunPod's tools, or a `Host`
 * block. `homeDir` is the home directory of the person who pasted. Nothing is expanded, run or looked up.
 * Throws a `bad-input` Failure that says which word is not taken, and why.
 */
export function parsePasted(text: string, homeDir: string): PastedPod {
  const pasted = plain(text);
  if (pasted === '') throw badInput('The pasted string is empty.');
  const json = jsonIn(pasted);
  const logins =
    json === undefined ? loginsInWords(words(pasted), homeDir) : loginsInJson(json, commands, homeDir);
  return theOne(logins.map((login) => ({ login, ...addressOf(login) })));

  function commands(command: string): Login[] {
    return loginsInText(words(command), homeDir);
  }
}

function loginsInWords(text: string, homeDir: string): Login[] {
  if (text.length > LONGEST_TEXT) throw badInput('The pasted text is too long to be a connection string.');
  if (isHostBlock(text)) return loginsInHostBlock(text, homeDir);
  const tcp = loginsInTcpPorts(text);
  const isPortList = tcp.logins.length + tcp.others.length > 0;
  // `IP:PORT` in a list of ports would be read once more as an address.
  const all = [...loginsInText(text, homeDir, isPortList), ...tcp.logins];
  if (all.length > 0) return all;
  if (tcp.others.length > 0) throw noSshPort(tcp.others);
  if (/not yet ready/i.test(text)) {
    throw badInput(
      'RunPod says that the pod is not yet ready.',
      'Wait until it runs, then ask for the string again and paste the new one.',
    );
  }
  throw badInput(`There is no ssh command and no user@host in ${shown(text)}.`);
}

type Candidate = { login: Login; address: Address; remarks: string[] };

/** The one address that all candidates mean, or the direct one if the other leads through the gateway. */
function theOne(candidates: Candidate[]): PastedPod {
  const different: Candidate[] = [];
  for (const candidate of candidates) {
    const known = different.find(({ address }) => sameLogin(address, candidate.address));
    if (known) merge(known, candidate);
    else different.push(candidate);
  }
  const direct = different.filter(({ address }) => modeOfHost(address.host) === 'direct');
  const [first, second] = different;
  const onePlusGateway = different.length === 2 && direct.length === 1;
  const chosen = onePlusGateway ? direct[0] : first;
  if (!chosen) throw badInput('There is no address in the pasted text.');
  if (second && !onePlusGateway) {
    const all = different.slice(0, 5).map(({ address }) => inWords(address));
    throw badInput(
      `The pasted text names ${different.length} different logins: ${all.join('; ')}.`,
      'Paste only the one that is meant.',
    );
  }
  const remarks = [...new Set(chosen.remarks)];
  const other = different.find((each) => each !== chosen);
  if (other) {
    remarks.push(`The direct login is taken, since it can do more; ${inWords(other.address)} is not.`);
  }
  const suggestedName = chosen.login.suggestedName ?? other?.login.suggestedName;
  return { address: chosen.address, remarks, ...(suggestedName === undefined ? {} : { suggestedName }) };
}

function merge(known: Candidate, other: Candidate): void {
  const key = other.address.keyPath;
  if (key !== undefined) known.address.keyPath ??= key;
  const name = other.login.suggestedName;
  if (name !== undefined) known.login.suggestedName ??= name;
  known.remarks.push(...other.remarks);
}

function inWords({ user, host, port }: Address): string {
  return `ssh ${user}@${host} -p ${port}`;
}

/** With one kind of line break and of blank, and without Markdown's fences. */
function plain(text: string): string {
  const even = text
    .replace(/\r\n?/g, '\n')
    .replace(/[\p{Zs}]/gu, ' ')
    .replace(/[\u200b-\u200d\u2060\ufeff]/g, '');
  const control = /[^\P{Cc}\n\t]/u.exec(even);
  if (control) throw badInput(`The pasted text has the control character ${shown(control[0])} in it.`);
  if (even.length > LONGEST_JSON) throw badInput('The pasted text is too long to be a connection string.');
  return even.replace(/^[ \t]{0,40}(?:`{3}|~{3})[ \t]{0,9}\w{0,20}[ \t]{0,9}$/gm, '').trim();
}

/** Without typographic quotes and without quotes around the whole. */
function words(text: string): string {
  const straight = text.replace(/[“”„]/g, '"').replace(/[‘’]/g, "'");
  const quote = straight.charAt(0);
  const whole = /^["']$/.test(quote) && straight.indexOf(quote, 1) === straight.length - 1;
  return whole ? straight.slice(1, -1).trim() : straight;
}

/** The JSON that the text is or has in it; undefined if there is none. Throws for JSON that breaks off. */
function jsonIn(text: string): unknown {
  const from = text.search(/[{[]/);
  if (from < 0) return undefined;
  const until = Math.max(text.lastIndexOf('}'), text.lastIndexOf(']'));
  const parsed = parseJson(text.slice(from, until + 1));
  if ('value' in parsed && (text.startsWith('{') || saysHowToLogIn(parsed.value))) return parsed.value;
  if (!text.startsWith('{')) return undefined;
  const broken = parseJson(text);
  throw badInput(
    `The pasted JSON is broken${'line' in broken ? ` in line ${broken.line}, column ${broken.column}` : ''}.`,
    'Paste all of it, or only the ssh command in it.',
  );
}

/** Not so for `# pod {"id": "…"}` after a command, and not for `[1]` in prose. */
function saysHowToLogIn(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(saysHowToLogIn);
  const keys = [
    'ssh_command',
    'sshCommand',
    'ssh',
    'ip',
    'publicIp',
    'host',
    'connections',
    'error',
    'desiredStatus',
  ];
  return isObject(value) && keys.some((key) => Object.hasOwn(value, key));
}
