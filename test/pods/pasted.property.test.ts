import { isIPv6 } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Failure } from '../../src/failure.ts';
import { parsePasted } from '../../src/pods/pasted.ts';
import { type Address, GATEWAY_HOST } from '../../src/pods/pod.ts';
import { isPodName, nameFor } from '../../src/pods/pod-name.ts';

const HOME = '/home/alice';

const LETTER = fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz0123456789');
const label = fc.array(LETTER, { minLength: 1, maxLength: 12 }).map((letters) => `h${letters.join('')}`);
const domain = fc.array(label, { minLength: 2, maxLength: 4 }).map((labels) => labels.join('.'));
const keyPath = fc
  .array(fc.constantFrom(..."abcXYZ019_.+@:,=# '()&;|é"), { minLength: 1, maxLength: 12 })
  .chain((letters) =>
    fc.constantFrom('~/.ssh/', '/keys/', '/a b/').map((folder) => `${folder}k${letters.join('')}k`),
  );

const direct: fc.Arbitrary<Address> = fc.record(
  {
    host: fc.oneof(
      fc.ipV4(),
      domain,
      fc.ipV6().filter((ip) => isIPv6(ip) && !ip.includes('%')),
    ),
    port: fc.integer({ min: 1, max: 65535 }),
    user: fc.constantFrom('root', 'ubuntu', 'a.b-c_d', '_x', 'R2'),
    keyPath,
  },
  { requiredKeys: ['host', 'port', 'user'] },
);
const proxy: fc.Arbitrary<Address> = fc.record(
  {
    host: fc.constant(GATEWAY_HOST),
    port: fc.constantFrom(22, 2222),
    user: fc
      .tuple(label, fc.integer({ min: 0x10000000, max: 0xffffffff }))
      .map(([id, n]) => `${id}-${n.toString(16)}`),
    keyPath,
  },
  { requiredKeys: ['host', 'port', 'user'] },
);
const anyAddress = fc.oneof(direct, proxy);

type Choices = {
  keyFirst: boolean;
  portFirst: boolean;
  glued: boolean;
  quote: "'" | '"' | '\\';
  login: 'at' | 'option' | 'url' | 'colon';
  harmless: string;
  blank: string;
  before: string;
  after: string;
};

const choices: fc.Arbitrary<Choices> = fc.record({
  keyFirst: fc.boolean(),
  portFirst: fc.boolean(),
  glued: fc.boolean(),
  quote: fc.constantFrom("'", '"', '\\'),
  login: fc.constantFrom('at', 'option', 'url', 'colon'),
  harmless: fc.constantFrom('', '-t', '-tt', '-T', '-4', '-vq', '-xaC'),
  blank: fc.constantFrom(' ', '  ', '\t', '\u00a0', ' \\\n ', ' \\\r\n'),
  before: fc.constantFrom(
    '',
    '$ ',
    '> ',
    'use: ',
    'PS C:\\> ',
    'me@box:~$ ',
    '```sh\n',
    'Here is my pod: ',
    '\n\n',
  ),
  after: fc.constantFrom('', ' ', '\n', '\r\n', '\n```', '\nThanks!'),
});

function quoted(path: string, quote: Choices['quote']): string {
  if (path.startsWith('~/')) return `~/${quoted(path.slice(2), quote)}`;
  if (quote === '"') return `"${path}"`;
  if (quote === "'") return `'${path.replaceAll("'", `'"'"'`)}'`;
  return path.replace(/[^A-Za-z0-9._/~-]/g, '\\$&');
}

function rendered(address: Address, how: Choices): string {
  const { host, port, user, keyPath } = address;
  const joint = how.glued ? '' : how.blank;
  const bracketed = host.includes(':') ? `[${host}]` : host;
  const place = {
    at: [`${user}@${host.includes(':') ? bracketed : host}`],
    option: [`-l${joint}${user}`, bracketed],
    url: [`ssh://${user}@${bracketed}:${port}`],
    colon: [`${user}@${bracketed}:${port}`],
  }[how.login];
  const portWords = how.login === 'at' || how.login === 'option' ? [`-p${joint}${port}`] : [];
  const keyWords = keyPath === undefined ? [] : [`-i${joint}${quoted(keyPath, how.quote)}`];
  const words = [
    'ssh',
    how.harmless,
    ...(how.keyFirst ? keyWords : []),
    ...(how.portFirst ? portWords : []),
    ...place,
    ...(how.portFirst ? [] : portWords),
    ...(how.keyFirst ? [] : keyWords),
  ];
  return how.before + words.filter((word) => word !== '').join(how.blank) + how.after;
}

function parseOrRefuse(text: string) {
  try {
    return parsePasted(text, HOME);
  } catch (error) {
    if (error instanceof Failure && error.kind === 'bad-input') return undefined;
    throw error;
  }
}

const PIECES = fc.constantFrom(
  ...[
    'ssh',
    'scp',
    'sftp',
    'ssh://',
    'root',
    '@',
    '1.2.3.4',
    ':',
    '22',
    '-p',
    '-i',
    '-l',
    '-o',
    '-t',
    '--',
    ' ',
    '\n',
  ],
  ...[
    '"',
    "'",
    '`',
    '\\',
    '#',
    '$',
    '%',
    '[',
    ']',
    '{',
    '}',
    ',',
    '->',
    ':22',
    'TCP port',
    'Host ',
    'HostName ',
    '=',
  ],
  ...[
    'IdentityFile ',
    'ssh.runpod.io',
    '~/.ssh/k',
    'pod {',
    'name: "x"',
    '\t',
    '\u00a0',
    '::1',
    '"ssh_command":',
    '*',
  ],
);

describe('parsePasted', () => {
  it('reads back any address from any dialect of an ssh command', () => {
    fc.assert(
      fc.property(anyAddress, choices, (address, how) => {
        expect(parsePasted(rendered(address, how), HOME).address).toEqual(address);
      }),
      { numRuns: 1500 },
    );
  });

  it('reads back any address from a Host block', () => {
    fc.assert(
      fc.property(anyAddress, fc.constantFrom('\n', '\r\n'), (address, end) => {
        const { host, port, user, keyPath } = address;
        const lines = ['Host pod', `  HostName ${host}`, `  User ${user}`, `  Port ${port}`];
        if (keyPath !== undefined) lines.push(`  IdentityFile "${keyPath}"`);
        expect(parsePasted(lines.join(end), HOME).address).toEqual(address);
      }),
    );
  });

  it('fails with nothing but a Failure, and gives nothing that could be an option or a config line', () => {
    const texts = fc.oneof(
      fc.array(PIECES, { maxLength: 25 }).map((pieces) => pieces.join('')),
      fc.array(PIECES, { maxLength: 25 }).map((pieces) => `ssh root@1.2.3.4 ${pieces.join('')}`),
      fc.string({ unit: 'binary', maxLength: 80 }),
      fc.string({ unit: 'binary', maxLength: 20 }).map((noise) => `ssh ${noise}@1.2.3.4 -i "${noise}"`),
      fc.jsonValue().map((value) => JSON.stringify(value)),
      fc
        .dictionary(
          fc.constantFrom(
            'ssh',
            'ip',
            'port',
            'ssh_command',
            'direct',
            'error',
            '__proto__',
            'name',
            'connections',
          ),
          fc.oneof(
            fc.jsonValue(),
            fc.array(PIECES).map((pieces) => pieces.join('')),
          ),
        )
        .map((value) => JSON.stringify(value)),
    );
    fc.assert(
      fc.property(texts, (text) => {
        const pod = parseOrRefuse(text);
        if (!pod) return;
        const { host, port, user, keyPath } = pod.address;
        expect(isIPv6(host) || /^[A-Za-z0-9][A-Za-z0-9.-]*$/.test(host)).toBe(true);
        expect(user).toMatch(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/);
        expect(Number.isInteger(port) && port > 0 && port < 65536).toBe(true);
        expect(keyPath ?? 'k').toMatch(/^[^-\p{Cc}%"$`][^\p{Cc}%"$`]*$/u);
        expect(isPodName(nameFor(pod.address, pod.suggestedName))).toBe(true);
      }),
      { numRuns: 5000 },
    );
  });

  it('takes no long time over any repetition', () => {
    // The longest line and the longest text that are read at all.
    const length = fc.constantFrom(3_950, 19_950);
    const openings = ['', 'ssh ', 'ssh root@1.2.3.4 ', '{', 'Host a\nHostName ', 'TCP port -> '];
    fc.assert(
      fc.property(fc.constantFrom(...openings), PIECES, PIECES, length, (opening, one, other, longest) => {
        const text = opening + `${one}${other}`.repeat(longest / (one.length + other.length));
        const began = performance.now();
        parseOrRefuse(text);
        // Far above what is measured (0.1 s), far below anything exponential or cubic.
        expect(performance.now() - began).toBeLessThan(5000);
      }),
      { numRuns: 150 },
    );
  });
});
