import { checkedHost, checkedKeyPath, checkedPort, checkedUser } from './address-rules.ts';
import { badInput, shown } from './bad-input.ts';
import { isObject } from './json.ts';
import type { Login } from './login.ts';
import { isPodName } from './pod-name.ts';

/** Where the JSON of RunPod's tools keeps the part about SSH, or one pod of several. */
const INSIDE = ['ssh', 'direct', 'proxy', 'connections', 'pods', 'pod', 'data', 'result'];
const COMMANDS = ['ssh_command', 'sshCommand', 'ssh', 'command'];
const DEEPEST = 6;

type ReadCommand = (command: string) => Login[];
type JsonObject = Record<string, unknown>;
/** What an object says for those inside it. */
type Around = { name?: string; keyPath?: string };

/**
 * The logins in the JSON of `runpodctl ssh info`, `runpodctl pod get`, RunPod's REST API (v1 and v2) or our own
 * config file. `readCommand` reads an ssh command in it. Throws a `bad-input` Failure if there are none, with
 * what the JSON itself gives as the reason ("pod not ready").
 */
export function loginsInJson(value: unknown, readCommand: ReadCommand, homeDir: string): Login[] {
  const logins = loginsIn(value, { readCommand, homeDir }, {}, 0);
  if (logins.length > 0) return logins;
  const error = textIn(value, ['error', 'message']);
  const status = textIn(value, ['desiredStatus', 'runtimeStatus', 'status']);
  if (error !== undefined || status !== undefined) {
    throw badInput(
      error !== undefined
        ? `RunPod says of this pod: ${shown(error)}.`
        : `The JSON has no ssh command in it; the pod’s status is ${shown(status ?? '')}.`,
      'Start the pod and wait until it is ready, then ask for the string again. If it says so for long, the pod exposes no TCP port 22: add it in the pod’s settings, or paste the string under “SSH” on its Connect page.',
    );
  }
  throw badInput('The JSON has neither an ssh command nor ip and port in it.');
}

function loginsIn(
  value: unknown,
  how: { readCommand: ReadCommand; homeDir: string },
  around: Around,
  depth: number,
): Login[] {
  if (depth > DEEPEST) return [];
  if (Array.isArray(value))
    return value.slice(0, 50).flatMap((each) => loginsIn(each, how, around, depth + 1));
  if (!isObject(value)) return [];
  const here = { ...around, ...said(value) };
  // A pod has a `command` too, which its container runs.
  const commands = COMMANDS.flatMap((key) => fieldText(value, key) ?? []).filter((text) =>
    /\bssh\b/.test(text),
  );
  const own =
    commands.length > 0 ? commands.flatMap((command) => fromCommand(command, how)) : fromFields(value, how);
  for (const login of own) {
    if (here.keyPath !== undefined) login.keyPath ??= checkedKeyPath(here.keyPath, how.homeDir);
    if (here.name !== undefined) login.suggestedName ??= here.name;
  }
  return [...own, ...INSIDE.flatMap((key) => loginsIn(field(value, key), how, here, depth + 1))];
}

function fromCommand(command: string, how: { readCommand: ReadCommand }): Login[] {
  if (/\p{Cc}/u.test(command)) throw badInput(`The command ${shown(command)} has a control character in it.`);
  const logins = how.readCommand(command);
  if (logins.length === 0) throw badInput(`The JSON’s command ${shown(command)} is no ssh command.`);
  return logins;
}

/** `ip` and `port`, `publicIp` and `portMappings`, or `host`, `port` and `username`. */
function fromFields(object: JsonObject, { homeDir }: { homeDir: string }): Login[] {
  const host = textIn(object, ['ip', 'publicIp', 'host']);
  const mappings = field(object, 'portMappings');
  const port = field(isObject(mappings) ? mappings : object, isObject(mappings) ? '22' : 'port');
  if (host === undefined || (typeof port !== 'number' && typeof port !== 'string')) return [];
  const login: Login = { host: checkedHost(host), port: checkedPort(port), remarks: [] };
  const user =
    textIn(object, ['username', 'user']) ?? (fieldText(object, 'host') === undefined ? 'root' : undefined);
  if (user !== undefined) login.user = checkedUser(user);
  const key = fieldText(object, 'ssh_key_path');
  if (key !== undefined) login.keyPath = checkedKeyPath(key, homeDir);
  return [login];
}

/** The pod's name, or its id where the name can be none of ours, and the key that runpodctl found. */
function said(object: JsonObject): Around {
  const around: Around = {};
  const name = ['name', 'id'].flatMap((key) => fieldText(object, key) ?? []).find(isPodName);
  if (name !== undefined) around.name = name;
  const key = field(object, 'ssh_key');
  const path = isObject(key) && field(key, 'exists') === true ? fieldText(key, 'path') : undefined;
  if (path !== undefined) around.keyPath = path;
  return around;
}

function textIn(value: unknown, keys: string[]): string | undefined {
  const object: unknown = Array.isArray(value) ? value[0] : value;
  if (!isObject(object)) return undefined;
  for (const key of keys) {
    const text = fieldText(object, key);
    if (text !== undefined) return text;
  }
  return isObject(field(object, 'ssh')) ? textIn(field(object, 'ssh'), keys) : undefined;
}

function fieldText(object: JsonObject, key: string): string | undefined {
  const value = field(object, key);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function field(object: JsonObject, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}
