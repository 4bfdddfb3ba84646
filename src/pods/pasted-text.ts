import { isIP, isIPv4, isIPv6 } from 'node:net';
import { badInput, shown } from './bad-input.ts';
import type { Login } from './login.ts';
import { isPodName } from './pod-name.ts';
import { type Program, readCommand } from './ssh-command.ts';

/** How surely a word begins a login: `clear` in the midst of a sentence too, `alone` only as a whole line. */
type Sureness = 'clear' | 'alone';

/** The place in a line where a login begins. */
type Start = {
  program: Program;
  /** Index of the first word that belongs to the login. */
  args: number;
  /** What stands before it in the line. */
  before: string;
  /** The quote or backtick in which it stands, or ''. */
  inside: string;
};

const MOST_LOGINS = 20;
/** No login stands in a longer line; what is looked at in one grows with the square of its length. */
const LONGEST_LINE = 4000;

/**
 * The logins in a text that a person pasted: ssh, scp and sftp commands, with prose and prompts around them;
 * only if there are none, and unless `commandsOnly`, addresses without a command (`root@1.2.3.4:17445`,
 * `ssh://…`). Throws a `bad-input` Failure for a login that can't be taken as it is.
 */
export function loginsInText(text: string, homeDir: string, commandsOnly = false): Login[] {
  const lines = withoutLineBreaks(text).split('\n');
  const places = commandsOnly ? [commandAt] : [commandAt, addressAt];
  for (const sureness of commandsOnly ? (['clear'] as const) : (['clear', 'alone'] as const)) {
    for (const place of places) {
      const logins = lines.flatMap((line) => loginsInLine(line, place, sureness, homeDir));
      if (logins.length > MOST_LOGINS) throw badInput('There are too many addresses in this text.');
      if (logins.length > 0) return logins;
    }
  }
  return [];
}

/** Commands that go on in the next line: after a backslash, before an option, and after one that lacks its value. */
function withoutLineBreaks(text: string): string {
  return text
    .replace(/\\\n/g, ' ')
    .replace(/(?<=\s-[ilpP])[ \t]{0,9}\n/g, ' ')
    .replace(/\n(?=[ \t]{0,40}-[A-Za-z])/g, ' ');
}

type StartAt = (line: string, word: RegExpExecArray, sureness: Sureness) => Start | undefined;

function loginsInLine(line: string, startAt: StartAt, sureness: Sureness, homeDir: string): Login[] {
  const logins: Login[] = [];
  if (line.length > LONGEST_LINE) return logins;
  const words = /\S+/g;
  for (let word = words.exec(line); word && logins.length <= MOST_LOGINS; word = words.exec(line)) {
    const start = startAt(line, word, sureness);
    if (!start || (sureness === 'alone' && !isPrompt(start.before))) continue;
    const close = start.inside === '' ? -1 : line.indexOf(start.inside, start.args);
    const command = close < 0 ? line : line.slice(0, close);
    const { login, end, sentenceEnded } = readCommand(command, start.args, start.program, homeDir);
    words.lastIndex = end;
    const rest = command.slice(end, nextStart(command, end, startAt));
    const prose = sureness === 'clear' && close < 0 && (sentenceEnded || !isPrompt(start.before));
    judgeRest(rest.trim(), prose, login);
    logins.push(login);
  }
  return logins;
}

function nextStart(line: string, from: number, startAt: StartAt): number {
  const words = /\S+/g;
  words.lastIndex = from;
  for (let word = words.exec(line); word; word = words.exec(line)) {
    if (startAt(line, word, 'clear')) return word.index;
  }
  return line.length;
}

/** What follows the login: nothing, a comment, prose, or a command, which is refused. */
function judgeRest(rest: string, prose: boolean, login: Login): void {
  if (rest === '') return;
  if (rest.startsWith('#')) {
    const name = nameInComment(rest);
    if (name !== undefined) login.suggestedName = name;
    return;
  }
  const words = rest.split(/\s+/);
  const first = words[0] ?? '';
  const option = words.find((word) => /^--?[A-Za-z0-9]/.test(word));
  if (option !== undefined && !/^(?:[&|;<>]|\d>)/.test(first)) {
    throw badInput(
      `After the login comes ${shown(first)}, and then the option ${shown(option)}.`,
      'Paste the login only: ssh, user@host, the port (-p) and the key (-i). A command on the pod goes into run_command.',
    );
  }
  const opening = /^(?:to|and|or|then|with|from|when)$/i.test(first);
  if (!prose && !opening && !/^[—–←→(,.!?*/]/.test(first) && first !== '-') {
    throw badInput(
      `After the login comes a command, beginning with ${shown(first)}; connect takes the login only.`,
      'Paste the login without it, and run the command with run_command.',
    );
  }
  const port = login.port === undefined ? /\bport\b\D{0,5}\d+/i.exec(rest) : null;
  if (port) throw badInput(`The port stands in words: ${shown(port[0])}.`, 'Write it as -p and the number.');
  if (/[\p{L}\p{N}]/u.test(rest)) login.remarks.push(`Ignored after the login: ${shown(rest)}.`);
}

/** The name, else the id, in runpodctl's `# pod { id: "…", name: "…" }`. */
function nameInComment(comment: string): string | undefined {
  const pod = /\bpod\s{0,9}\{(.*)/i.exec(comment)?.[1] ?? '';
  for (const key of ['name', 'id']) {
    const value = new RegExp(`\\b${key}["']?\\s{0,9}:\\s{0,9}["']?([^"',}\\s]+)["']?\\s{0,9}[,}]`).exec(
      pod,
    )?.[1];
    if (value !== undefined && isPodName(value)) return value;
  }
  return undefined;
}

/** `ssh`, also with its path, in quotes or after `use:`. */
const commandAt: StartAt = (line, word, sureness) => {
  const text = word[0];
  const cut = 1 + Math.max(...[...'`"\'(*<|>:/\\'].map((mark) => text.lastIndexOf(mark)));
  const name = text
    .slice(cut)
    .toLowerCase()
    .replace(/\.exe$/, '');
  if (name !== 'ssh' && name !== 'scp' && name !== 'sftp') return undefined;
  const args = word.index + text.length;
  const rest = line.slice(args, args + 600);
  const [first = '', second = ''] = rest
    .trim()
    .split(/\s+/)
    .map((next) => next.replace(/^["'<]{1,3}/, ''));
  const clear =
    /^-[A-Za-z0-9-]/.test(first) ||
    /^\s*["'][^"']*@/.test(rest) ||
    first.includes('@') ||
    /^ssh:\/\//i.test(first) ||
    isIpPlace(first.replace(/[.,;:!?)"'`]{1,9}$/, '')) ||
    (name !== 'ssh' && /[@:]/.test(second)) ||
    (first.includes('.') && /^-[A-Za-z]/.test(second));
  if (!clear && (sureness === 'clear' || first === '')) return undefined;
  const isPath = /[/\\]/.test(text.charAt(cut - 1));
  return startOf(line, name, word.index + (isPath ? 0 : cut), args);
};

/** An address without a command, or options that lead up to one. */
const addressAt: StartAt = (line, word, sureness) => {
  const text = word[0];
  const opening = /^[`"'(*<|]*/.exec(text)?.[0].length ?? 0;
  const address = text.slice(opening).replace(/[`"'.,;:!?)*>»|]{1,20}$/, '');
  const place = address.slice(address.lastIndexOf('@') + 1);
  const end = word.index + text.length;
  const [following = ''] = line
    .slice(end, end + 600)
    .trim()
    .split(/\s+/);
  const withUser = /.@./.test(address);
  const at = word.index + opening;
  const options = /^-[ilptT46vqxaC]/.test(text) && line.includes('@') && isPrompt(line.slice(0, at));
  const clear =
    options ||
    /^ssh:\/\/./i.test(address) ||
    (withUser && (isIpPlace(place) || /^\[|:\d+$|^ssh\.runpod\.io$/i.test(place))) ||
    (withUser && /^-[ilp]/.test(following)) ||
    (isIpPlace(address) && isIP(address) === 0);
  const alone = (following === '' || /^-[A-Za-z]/.test(following)) && (withUser || isIpPlace(address));
  return clear || (alone && sureness === 'alone') ? startOf(line, 'ssh', at, at) : undefined;
};

function startOf(line: string, program: Program, at: number, args: number): Start {
  const before = line.slice(0, at);
  return { program, args, before, inside: enclosing(before) };
}

/** Whether it is an IP address, with or without brackets and port. */
function isIpPlace(place: string): boolean {
  const bracketed = /^\[([^\]]*)\](?::\d+)?$/.exec(place);
  if (bracketed) return isIPv6(bracketed[1] ?? '');
  return isIP(place) !== 0 || isIPv4(place.replace(/:\d{1,9}$/, ''));
}

/** The quote right before a login, or the backtick that is open there. */
function enclosing(before: string): string {
  const last = before.charAt(before.length - 1);
  if (last === '"' || last === "'") return last;
  return (before.match(/`+/g)?.length ?? 0) % 2 === 1 ? '`' : '';
}

/** Whether what stands before a login is a prompt, a list mark, a quote sign or nothing: no prose. */
function isPrompt(before: string): boolean {
  const bare = before.replace(/[`"']/g, '').trim();
  return bare === '' || /(?:[$#%>❯➜»λ]|^[-*•|]|^\d{1,3}[.)])$/u.test(bare);
}
