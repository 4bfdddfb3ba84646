import { checkedKeyPath, checkedPort, checkedUser } from './address-rules.ts';
import { badInput, shown } from './bad-input.ts';
import type { Login } from './login.ts';
import { skipBlanks, wordAt } from './shell-words.ts';
import { type Destination, parseCopyOperand, parseDestination } from './ssh-destination.ts';

export type Program = 'ssh' | 'scp' | 'sftp';

/** A login, where in the line its words end, and whether a mark such as `.` or `,` closed it. */
export type ReadCommand = { login: Login; end: number; sentenceEnded: boolean };

type Value = 'port' | 'keyPath' | 'user';

const VALUES: Record<Program, Record<string, Value>> = {
  ssh: { p: 'port', i: 'keyPath', l: 'user' },
  scp: { P: 'port', i: 'keyPath' },
  sftp: { P: 'port', i: 'keyPath' },
};

/** Options that change nothing about where the login goes or what may happen there; all without a value. */
const HARMLESS: Record<Program, string> = {
  ssh: 'tT46vqxaC',
  scp: 'rpqvC46OBT3',
  sftp: 'rpqvC46aN',
};

const WHY_NOT: Record<string, string> = {
  o: 'it can set anything, a program to run on this computer among it',
  F: 'it names another configuration file',
  J: 'a jump host belongs into ~/.ssh/config, as ProxyJump for this host; it is read from there',
  L: 'a connection forwards no ports',
  R: 'a connection forwards no ports',
  D: 'a connection forwards no ports',
  W: 'a connection forwards no ports',
  A: 'the agent is never forwarded to a pod',
  N: 'it keeps commands from running',
};

type Found = Partial<Record<Value, string>> & { operands: string[]; remarks: string[] };

/**
 * Reads the words of an ssh, scp or sftp command from `from` on, up to the first word that is neither an
 * option nor the destination (for scp and sftp: up to the end or a comment).
 * Throws a `bad-input` Failure that names the word and what is wrong with it.
 */
export function readCommand(line: string, from: number, program: Program, homeDir: string): ReadCommand {
  const found: Found = { operands: [], remarks: [] };
  let at = skipBlanks(line, from);
  let ending = '';
  let optionsEnded = false;
  const take = () => {
    const word = wordAt(line, at);
    const marks = program === 'ssh' && !word.quoted ? punctuationOf(word.text) : '';
    return { text: word.text.slice(0, word.text.length - marks.length), marks, end: word.end };
  };
  while (at < line.length && line[at] !== '#' && ending === '') {
    let word = take();
    const isOption = !optionsEnded && word.text.startsWith('-') && word.text !== '-';
    // After ssh's destination anything else is the command to run there; that is for the caller to judge.
    if (!isOption && program === 'ssh' && (found.operands.length > 0 || word.text === '')) break;
    if (word.text === '--' && isOption) {
      optionsEnded = true;
    } else if (isOption) {
      const value = valueOption(program, word.text);
      if (value !== undefined) {
        let text = word.text.slice(2);
        if (text === '') {
          const option = word.text;
          at = skipBlanks(line, word.end);
          word = take();
          if (word.end === at || line[at] === '#')
            throw badInput(`The option ${shown(option)} has no value after it.`);
          text = word.text;
        }
        keep(found, value, text);
      }
    } else {
      found.operands.push(word.text);
    }
    at = skipBlanks(line, word.end);
    ending = word.marks;
  }
  const destination = program === 'ssh' ? sshDestination(found, line) : copyDestination(found, line);
  const sentenceEnded = ending !== '' && !ending.includes(';');
  return { login: asLogin(found, destination, program, homeDir), end: at, sentenceEnded };
}

/** Which value the option carries; undefined for one that can be ignored. Throws for every other. */
function valueOption(program: Program, option: string): Value | undefined {
  const letters = option.slice(1);
  const value = Object.hasOwn(VALUES[program], letters.charAt(0))
    ? VALUES[program][letters.charAt(0)]
    : undefined;
  if (value !== undefined) return value;
  const refused = [...letters].find((letter) => !HARMLESS[program].includes(letter));
  if (refused === undefined) return undefined;
  const why = program === 'ssh' && Object.hasOwn(WHY_NOT, refused) ? WHY_NOT[refused] : undefined;
  const taken = Object.keys(VALUES[program]).map((letter) => `-${letter}`);
  throw badInput(
    `The option ${shown(option)} is not taken over: ${why ?? `only ${taken.join(', ')} say where a pod is`}.`,
    'Leave it out and paste the rest: user, host, port (-p) and key (-i).',
  );
}

function keep(found: Found, value: Value, text: string): void {
  const before = found[value];
  if (before === undefined) {
    found[value] = text;
  } else if (before !== text) {
    if (value !== 'keyPath') throw badInput(`Two ${value}s are named: ${shown(before)} and ${shown(text)}.`);
    found.remarks.push(`Of the keys named, only the first is used; ${shown(text)} is not.`);
  }
}

function sshDestination(found: Found, line: string): Destination {
  const [word] = found.operands;
  if (word === undefined) throw noHost(line);
  return parseDestination(word);
}

function copyDestination(found: Found, line: string): Destination {
  const named = found.operands.filter((word) => word.includes('@'));
  const remote = (named.length > 0 ? named : found.operands).flatMap((word) => parseCopyOperand(word) ?? []);
  // sftp takes a host without a path.
  const [first, ...others] = remote.length > 0 ? remote : named.map(parseDestination);
  if (first === undefined) throw noHost(line);
  const other = others.find((each) => each.host !== first.host || each.user !== first.user);
  if (other) throw badInput(`Two hosts are named: ${shown(first.host)} and ${shown(other.host)}.`);
  return first;
}

function noHost(line: string) {
  return badInput(`There is no user@host in ${shown(line.trim())}.`);
}

function asLogin(found: Found, destination: Destination, program: Program, homeDir: string): Login {
  const login: Login = { ...destination, remarks: found.remarks };
  if (found.port !== undefined) {
    const port = checkedPort(found.port);
    if (login.port !== undefined && login.port !== port) {
      throw badInput(`Two ports are named: ${login.port} and ${port}.`);
    }
    login.port = port;
  }
  if (found.user !== undefined) {
    const user = checkedUser(found.user);
    if (login.user !== undefined && login.user !== user) {
      throw badInput(`Two users are named: ${shown(login.user)} and ${shown(user)}.`);
    }
    login.user = user;
  }
  if (found.keyPath !== undefined) login.keyPath = checkedKeyPath(found.keyPath, homeDir);
  if (login.keyPath !== undefined && !/^(?:[/~\\]|[A-Za-z]:)/.test(login.keyPath)) {
    login.remarks.push(
      `The key path ${shown(login.keyPath)} depends on the folder; written in full it doesn’t.`,
    );
  }
  if (program !== 'ssh') login.remarks.push(`Of the ${program} command only the login was taken.`);
  return login;
}

/** The marks at the end of a word that belong to the sentence around it. */
function punctuationOf(word: string): string {
  let start = word.length;
  while (start > 0 && '.,;:!?)*>»'.includes(word.charAt(start - 1))) start -= 1;
  return word.slice(start);
}
