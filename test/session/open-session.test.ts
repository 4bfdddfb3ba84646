import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import onTerminalProgram from '../../src/jobs/pod/on-terminal.sh';
import { jobPrograms } from '../../src/jobs/programs.ts';
import { withoutComments } from '../../src/session/open-session.ts';
import { shells } from './pod-place.ts';

const whole = jobPrograms.join('');

describe('a program without its comments and indentation', () => {
  test('has no line left that is a comment, empty or indented', () => {
    const lines = withoutComments(whole).split('\n').slice(0, -1);
    expect(lines.filter((line) => /^\s*#|^\s|^$/.test(line))).toEqual([]);
    expect(withoutComments(whole).length).toBeLessThan(whole.length * 0.8);
  });

  test.each([
    ['# a comment\n  # another\n\n\t#\necho a # not at the beginning\n', 'echo a # not at the beginning\n'],
    ['if x; then\n  echo "#1"\nfi\n', 'if x; then\necho "#1"\nfi\n'],
    ['echo ${a#b}\n  ${a##c}\n', 'echo ${a#b}\n${a##c}\n'],
  ])('%j', (program, left) => {
    expect(withoutComments(program)).toBe(left);
    expect(withoutComments(left)).toBe(left);
  });

  // bash prints a function as it has understood it: here-documents and strings as they stand, nothing else.
  test('is the same program to a shell, to the last here-document and string of several lines', () => {
    expect(understood(withoutComments(whole))).toBe(understood(whole));
    expect(understood(whole)).toContain('rp_environment_of_init ()');
  });

  test('may lose the indentation of a program within a string, and nothing else', () => {
    const job = (text: string): string => understood(`job() {\n${text}\n}\n`).replace(/^[ \t]+/gm, '');
    expect(job(withoutComments(onTerminalProgram))).toBe(job(onTerminalProgram));
  });

  test.each(shells)('is a program that %s takes', (shell) => {
    const [file, ...args] = shell === 'busybox' ? ['busybox', 'sh'] : [shell];
    for (const program of [whole, withoutComments(whole), withoutComments(onTerminalProgram)]) {
      expect(execFileSync(file ?? '', [...args, '-n'], { input: program, encoding: 'utf8' })).toBe('');
    }
  });
});

/** All functions of a program as bash prints them. */
function understood(program: string): string {
  return execFileSync('bash', ['--norc', '-s'], {
    input: `${program}\ndeclare -f\nprintf '%s\\n' "$_rp_text" "$_rp_encoding"\n`,
    encoding: 'utf8',
  });
}
