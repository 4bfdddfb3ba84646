import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { runOn } from '../../jobs/pod/run-on.ts';
import { PodPlace, shells } from '../pod-place.ts';

/** What the image writes, and what is meant by it. */
const LINES: [line: string, value: string | undefined][] = [
  ['export PLAIN="plain"', 'plain'],
  ['export EMPTY=""', ''],
  ['export BARE=bare words', 'bare words'],
  ["export SINGLE='single'", 'single'],
  ['export DOLLAR="$HOME ${HOME} $(echo x) $1"', '$HOME ${HOME} $(echo x) $1'],
  ['export BACKQUOTES="`echo x`"', '`echo x`'],
  ['export QUOTES="say "hello" twice"', 'say "hello" twice'],
  ['export ONE_QUOTE="', '"'],
  ['export HALF="half', '"half'],
  ['export BACKSLASH="C:\\new\\\\table\\"', 'C:\\new\\\\table\\'],
  ['export EQUALS="a=b=c"', 'a=b=c'],
  ['export BLANKS="  two  "', '  two  '],
  ['export STARS="* ? [a] ~"', '* ? [a] ~'],
  ['export SEMICOLON="a; rm -rf /tmp/never & b | c"', 'a; rm -rf /tmp/never & b | c'],
  ['export UNICODE="é€😀"', 'é€😀'],
  ['export HASH="# no comment"', '# no comment'],
  ['export JSON={"a": "b"}', '{"a": "b"}'],
  ['PLAIN_ASSIGNMENT="x"', undefined],
  ['# export COMMENT="x"', undefined],
  ['export NOTHING', undefined],
  ['export 1BAD="x"', undefined],
  ['export BAD-NAME="x"', undefined],
  ['export _rp_nonce="evil"', undefined],
  ['', undefined],
  ['export LAST="without a newline"', 'without a newline'],
];
const SYSTEM = {
  HOME: '/evil',
  SHELL: '/evil',
  PWD: '/evil',
  IFS: 'x',
  PS4: '$(evil)',
  UID: '7',
  TMOUT: '1',
  ENV: '/evil',
};

function read(environ: Buffer): Map<string, string> {
  const entries = environ.toString().split('\0').slice(0, -1);
  return new Map(
    entries.map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]),
  );
}

describe.each(shells)('%s', (shell) => {
  describe("the image's file of exports", () => {
    let place: PodPlace;
    beforeAll(async () => {
      const system = Object.entries(SYSTEM).map(([name, value]) => `export ${name}="${value}"\n`);
      place = await PodPlace.make({
        shell,
        rpEnvironment: system.join('') + LINES.map(([line]) => line).join('\n'),
      });
    });
    afterAll(() => place.remove());

    test('is read as it is meant: nothing in it is run or changed', async () => {
      const given = read(
        await place.evaluate('rp_environment_of_image; exec cat /proc/self/environ', { UNTOUCHED: 'yes' }),
      );
      const seen = LINES.map(([line]) => [
        line,
        given.get(/^(?:# )?(?:export )?([^=]*)/.exec(line)?.[1] ?? ''),
      ]);
      expect(seen).toEqual(LINES);
      expect(given.get('UNTOUCHED')).toBe('yes');
      expect(given.get('HOME')).toBe(place.home);
      expect([...given.values()].filter((value) => value.includes('evil'))).toEqual([]);
      expect(given.has('TMOUT')).toBe(false);
    });

    test('is read anew for every call', async () => {
      const { session } = await place.open();
      const value = async (name: string) => (await runOn(session, `printf %s "$${name}"`)).out.toString();
      expect(await value('DOLLAR')).toBe('$HOME ${HOME} $(echo x) $1');
      expect(await value('LATE')).toBe('');
      appendFileSync(join(place.root, 'rp_environment'), '\nexport LATE="later"\n');
      expect(await value('LATE')).toBe('later');
      session.close();
    });
  });

  describe("the environment of the pod's first process", () => {
    let place: PodPlace;
    afterEach(() => place.remove());

    const environ = {
      SIMPLE: 'simple',
      EMPTY: '',
      LINES: '\nfirst\n\nlast\n',
      LOOKS_LIKE: 'a\nFAKE=injected\nexport X="y"',
      DOLLAR: '$HOME `echo x` $(echo x) "quoted" \'single\' \\n \\',
      EQUALS: '=a=b=',
      TAB: '\tx ',
      UNICODE: 'é€😀',
      'BAD-NAME': 'x',
      _rp_text: 'evil',
      _rp_nonce: 'evil',
      ...SYSTEM,
    };

    test('reaches every command, value for value, whatever is in it', async () => {
      place = await PodPlace.make({ shell, environ, rpEnvironment: 'export FROM_IMAGE="x"\n' });
      const { session } = await place.open();
      const given = read((await runOn(session, 'exec cat /proc/self/environ')).out);
      const { 'BAD-NAME': _, _rp_text, _rp_nonce, ...rest } = environ;
      for (const [name, value] of Object.entries(rest)) {
        if (!(name in SYSTEM)) expect([name, given.get(name)]).toEqual([name, value]);
      }
      expect(given.has('FAKE')).toBe(false);
      expect(given.has('FROM_IMAGE')).toBe(false);
      expect([...given].filter(([name, value]) => name.startsWith('_rp_') || value.includes('evil'))).toEqual(
        [],
      );
      session.close();
    });

    test('where it is empty, the image is asked', async () => {
      place = await PodPlace.make({ shell, rpEnvironment: 'export FROM_IMAGE="x"\n' });
      writeFileSync(join(place.root, 'environ'), '');
      const { session } = await place.open();
      expect((await runOn(session, 'printf %s "$FROM_IMAGE"')).out.toString()).toBe('x');
      session.close();
    });

    test('thousands of variables', async () => {
      const many = Object.fromEntries(Array.from({ length: 2_000 }, (_, i) => [`V${i}`, `value\n${i}`]));
      place = await PodPlace.make({ shell, environ: many });
      const { session } = await place.open();
      const given = read((await runOn(session, 'exec cat /proc/self/environ')).out);
      expect(Object.entries(many).filter(([name, value]) => given.get(name) !== value)).toEqual([]);
      session.close();
    });
  });
});
