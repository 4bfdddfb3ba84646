import { isIPv6 } from 'node:net';
import { checkedHost, checkedPort, checkedUser } from './address-rules.ts';
import { badInput, shown } from './bad-input.ts';

/** What stands where ssh expects the destination; every part is checked. */
export type Destination = { host: string; port?: number; user?: string };

/**
 * Reads `[user@]host`, `[user@]host:port`, `[user@][IPv6]:port` or `ssh://[user@]host[:port]`.
 * Throws a `bad-input` Failure that names the part and what is wrong with it.
 */
export function parseDestination(word: string): Destination {
  const url = /^ssh:\/\//i.test(word);
  const rest = url ? word.slice('ssh://'.length).replace(/\/$/, '') : word;
  if (url && rest.includes('/')) throw badInput(`The address ${shown(word)} has a path after the host.`);
  const at = rest.lastIndexOf('@');
  const user = rest.slice(0, Math.max(at, 0));
  if (user.includes(':')) {
    throw badInput(
      `A password seems to stand before the @, after the user ${shown(user.slice(0, user.indexOf(':')))}.`,
      'Leave it out: only keys are used. Paste user@host and the port.',
    );
  }
  const { host, port } = splitPort(rest.slice(at + 1));
  const destination: Destination = { host: checkedHost(host.replace(/(?<=.)\.$/, '')) };
  if (at >= 0) destination.user = checkedUser(user);
  if (port !== undefined) destination.port = checkedPort(port);
  return destination;
}

/** What scp and sftp name: `[user@]host:path`, or a URL; the path is dropped. Undefined for a local path. */
export function parseCopyOperand(word: string): Destination | undefined {
  const url = /^(?:scp|sftp):\/\/([^/]*)/i.exec(word);
  if (url) return parseDestination(url[1] ?? '');
  const operand = /^(?:([^@:/\\]*)@)?(\[[^\]]*\]|[^@:/\\[\]]*):/.exec(word);
  const host = operand?.[2] ?? '';
  // One letter before a colon is a drive.
  if (!operand || (host.length < 2 && operand[1] === undefined)) return undefined;
  return parseDestination(operand[1] === undefined ? host : `${operand[1]}@${host}`);
}

function splitPort(place: string): { host: string; port?: string } {
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/s.exec(place);
  if (bracketed) {
    const host = bracketed[1] ?? '';
    return bracketed[2] === undefined ? { host } : { host, port: bracketed[2] };
  }
  const colon = place.indexOf(':');
  if (colon < 0 || isIPv6(place)) return { host: place };
  return { host: place.slice(0, colon), port: place.slice(colon + 1) };
}
