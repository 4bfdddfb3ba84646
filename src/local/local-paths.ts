import { delimiter } from 'node:path';
import { Failure } from '../failure.ts';
import { comparable, type Intent, isWithin, protectedReason } from './protected-places.ts';

/** What a guard decides by; all paths absolute and real (symlinks resolved, no slash at the end). */
export type LocalRules = {
  /** The client's roots, else the working directory. */
  roots: readonly string[];
  /** What RUNPOD_LOCAL_DIRS adds. */
  extraDirs: readonly string[];
  homeDir: string;
  /** Where the protected places of the home folder really are, when they are links (`loadLocalRules` finds them). */
  alsoProtected?: readonly string[];
};

export type LocalDecision =
  | { allowed: true }
  /** The user may still be asked. */
  | { allowed: false; why: 'outside' }
  /** Nobody is asked: `reason` is a clause that says what protects it. */
  | { allowed: false; why: 'protected'; reason: string };

const ALLOWED: LocalDecision = { allowed: true };

/**
 * Whether the agent may read or write this file on the user's machine. `realPath` must come from `resolveLocal`:
 * what a path says is worth nothing before its symlinks are resolved. What is protected is so whatever the roots.
 *
 * Between this answer and the opening of the file, links can still be changed by another process of the user. So
 * open `realPath` itself and not what was asked for, with O_NOFOLLOW; write to a new file with O_CREAT | O_EXCL
 * | O_NOFOLLOW in the target's real folder and rename it; after opening, see that the folder's real path is
 * still the same. And look into what is read (`looksLikePrivateKey`): a hard link has no other name to resolve.
 */
export function decide(
  realPath: string,
  { intent, ...rules }: LocalRules & { intent: Intent },
): LocalDecision {
  if (!isPlainAbsolute(realPath)) return { allowed: false, why: 'protected', reason: 'it is no real path' };
  const reason = protectedReason(realPath, rules.homeDir, intent);
  if (reason) return { allowed: false, why: 'protected', reason };
  const spelled = comparable(realPath);
  for (const place of rules.alsoProtected ?? []) {
    if (isWithin(spelled, comparable(place))) {
      return {
        allowed: false,
        why: 'protected',
        reason: 'a protected file of your home folder is a link to it',
      };
    }
  }
  // Exactly as spelled: realpath gives the case that the disk has, and another one may be another folder.
  const open = [...rules.roots, ...rules.extraDirs].some(
    (folder) => isPlainAbsolute(folder) && isWithin(realPath, folder),
  );
  return open ? ALLOWED : { allowed: false, why: 'outside' };
}

/** The folders that a value of RUNPOD_LOCAL_DIRS names, as they are written there. */
export function splitLocalDirs(value: string | undefined, separator: string = delimiter): string[] {
  return (value ?? '')
    .split(separator)
    .map((folder) => folder.trim())
    .filter((folder) => folder !== '');
}

/** What the agent reads when a path was not allowed (and the user, where the client could ask, didn't allow it). */
export function notAllowed(
  decision: Exclude<LocalDecision, { allowed: true }>,
  { asked, realPath, intent, rules }: { asked: string; realPath: string; intent: Intent; rules: LocalRules },
): Failure {
  const verb = intent === 'read' ? 'read' : 'written';
  const leadsTo = asked === realPath ? asked : `${asked} (really ${realPath})`;
  if (decision.why === 'protected') {
    return new Failure({
      kind: 'not-allowed',
      happened: `${leadsTo} is not ${verb}: ${decision.reason}.`,
      meaning:
        'Keys, credentials, start-up files and git hooks on this machine are never touched, and no setting changes that.',
      next: 'use another file. If it has to be this one, the user can copy it by hand.',
    });
  }
  const open = [...new Set([...rules.roots, ...rules.extraDirs])];
  const folders = open.length === 0 ? 'No folder is open to it.' : `Open to it: ${open.join(', ')}.`;
  return new Failure({
    kind: 'not-allowed',
    happened: `${leadsTo} is not ${verb}: it lies outside the folders of this machine that are open to the agent.`,
    meaning: folders,
    next:
      `use a path in one of these, or let the user add the folder to RUNPOD_LOCAL_DIRS (a list separated by ` +
      `"${delimiter}") in the environment of this server and restart it.`,
  });
}

function isPlainAbsolute(path: string): boolean {
  if (!path.startsWith('/') || path.includes('\0')) return false;
  return (
    path === '/' ||
    path
      .slice(1)
      .split('/')
      .every((name) => name !== '' && name !== '.' && name !== '..')
  );
}
