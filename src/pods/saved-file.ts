import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isObject, parseJson } from './json.ts';

export type SavedFile = { text?: string; content: Record<string, unknown>; problem?: string };

/** The config file; like the original, we don't look at XDG_CONFIG_HOME. */
export function savedFile(homeDir: string): string {
  return join(homeDir, '.config', 'runpod-ssh.json');
}

/**
 * The file as it is: its text (undefined if there is none), what it says ({} if nothing can be read), and, if
 * so, what is broken in it.
 */
export async function readSaved(path: string): Promise<SavedFile> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return { content: {} };
    return { content: {}, problem: `It can’t be read (${error instanceof Error ? error.message : error}).` };
  }
  const parsed = parseJson(text.replace(/^\ufeff/, ''));
  if ('line' in parsed) {
    return {
      text,
      content: {},
      problem: `It is no JSON from line ${parsed.line}, column ${parsed.column} on.`,
    };
  }
  if (!isObject(parsed.value)) return { text, content: {}, problem: 'It is JSON, but not an object.' };
  return { text, content: parsed.value };
}
