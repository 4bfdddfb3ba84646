import { isIP } from 'node:net';
import { basename } from 'node:path';
import { badInput, shown } from './bad-input.ts';

// These rules stand between text from outside (a paste, a config file, the environment) and ssh's argv and
// config file. OpenSSH before 9.6 checks neither user nor host itself (CVE-2023-51385), and no version checks
// what stands in a config file.

/** A host name or an IP address (IPv6 without brackets). Throws a `bad-input` Failure that says what is wrong. */
export function checkedHost(host: string): string {
  const problem =
    oddity(host) ??
    (isIP(host) !== 0 ? undefined : host.length > 253 ? 'is too long for a host name' : notAHostName(host));
  if (problem) throw badInput(`The host ${shown(host)} ${problem}.`);
  return host;
}

/** A login name of at most 64 characters. Throws a `bad-input` Failure that says what is wrong. */
export function checkedUser(user: string): string {
  const problem =
    oddity(user) ??
    (user.length > 64
      ? 'is longer than 64 characters'
      : /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(user)
        ? undefined
        : `has ${strangerIn(user, /[A-Za-z0-9_.-]/)} in it, which no user name on a pod has`);
  if (problem) throw badInput(`The user ${shown(user)} ${problem}.`);
  return user;
}

/** A port from 1 to 65535, as a number or in digits. Throws a `bad-input` Failure otherwise. */
export function checkedPort(port: string | number): number {
  const digits = String(port);
  if (!/^[0-9]{1,9}$/.test(digits)) throw badInput(`The port ${shown(digits)} is not a number.`);
  const value = Number(digits);
  if (value < 1 || value > 65535) throw badInput(`The port ${shown(digits)} is not between 1 and 65535.`);
  return value;
}

/**
 * The path of a key file as we keep it: `~/…` for everything in the home directory that was written with `~`,
 * `$HOME` or `${HOME}`, all else as it was. Throws a `bad-input` Failure for what ssh would read in another way.
 */
export function checkedKeyPath(path: string, homeDir: string): string {
  const fromHome = path.replace(/^\$(?:HOME|\{HOME\})(?=\/)/, '~');
  const own = `~${basename(homeDir)}/`;
  const kept = fromHome.startsWith(own) && own !== '~/' ? `~/${fromHome.slice(own.length)}` : fromHome;
  const problem =
    oddity(kept) ??
    (kept.length > 1024
      ? 'is too long'
      : /["`]/.test(kept)
        ? 'has a quote in it'
        : kept.includes('$')
          ? 'has a variable in it: only $HOME is understood, write the path out'
          : /^~(?!\/)/.test(kept)
            ? 'is in the home directory of somebody else: write the path out'
            : kept.endsWith('/')
              ? 'is a folder, not a key file'
              : undefined);
  if (problem) throw badInput(`The key path ${shown(path)} ${problem}.`);
  return kept;
}

/** What may stand in no value at all. */
function oddity(value: string): string | undefined {
  if (value === '') return 'is empty';
  if (/[\p{Cc}\p{Zl}\p{Zp}]/u.test(value)) return 'has a line break or another control character in it';
  if (value.startsWith('-')) return 'starts with "-", so that ssh could take it for an option';
  if (value.includes('%')) return 'has a "%" in it, which ssh would expand';
  return undefined;
}

function notAHostName(host: string): string | undefined {
  if (!/^[A-Za-z0-9][A-Za-z0-9.-]*$/.test(host)) {
    return `has ${strangerIn(host, /[A-Za-z0-9.-]/)} in it, which no host name has`;
  }
  if (/^[0-9.]+$/.test(host)) return 'is not a whole IP address';
  return undefined;
}

function strangerIn(value: string, known: RegExp): string {
  const stranger = [...value].find((character) => !known.test(character)) ?? value.charAt(0);
  return /\s/.test(stranger) ? 'a blank' : shown(stranger);
}
