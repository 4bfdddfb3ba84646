import { describe, expect, it } from 'vitest';
import { Failure } from '../../src/failure.ts';
import { parsePasted } from '../../src/pods/pasted.ts';
import type { Address } from '../../src/pods/pod.ts';

const HOME = '/home/alice';
const KEY = '~/.ssh/id_ed25519';

function address(text: string): Address {
  return parsePasted(text, HOME).address;
}

function refusal(text: string): Failure {
  try {
    parsePasted(text, HOME);
  } catch (error) {
    if (error instanceof Failure && error.kind === 'bad-input') return error;
    throw error;
  }
  throw new Error(`not refused: ${text}`);
}

const PROXY = { user: '8y5rumuyb50m78-6441103b', host: 'ssh.runpod.io', port: 22 };
const DIRECT = { user: 'root', host: '213.173.108.12', port: 17445 };

describe('the strings of the web page', () => {
  it.each<[string, Address]>([
    [`ssh 8y5rumuyb50m78-6441103b@ssh.runpod.io -i ${KEY}`, { ...PROXY, keyPath: KEY }],
    ['ssh 8y5rumuyb50m78-6441103b@ssh.runpod.io', PROXY],
    [`ssh root@213.173.108.12 -p 17445 -i ${KEY}`, { ...DIRECT, keyPath: KEY }],
    ['TCP port ->  213.173.108.12:17445 -> :22', DIRECT],
    ['TCP port   213.173.108.12:17445 -> :22', DIRECT],
    ['TCP port\u00a0→ 213.173.108.12:17445\u00a0→ :22', DIRECT],
    ['TCP port\n->\n213.173.108.12:17445\n->\n:22', DIRECT],
    ['TCP port -> 1.2.3.4:5 -> :8888\nTCP port -> 213.173.108.12:17445 -> :22', DIRECT],
    ['213.173.108.12:17445->22\u00a0(pub,tcp), 213.173.108.12:17446->8888\u00a0(pub,tcp)', DIRECT],
    ['100.65.0.119:60051->22\u00a0(prv,tcp),213.173.108.12:17445->22\u00a0(pub,tcp)', DIRECT],
  ])('%j', (text, expected) => {
    expect(address(text)).toEqual(expected);
  });
});

describe('the dialects of an ssh command', () => {
  it.each([
    `ssh -i ${KEY} root@213.173.108.12 -p 17445`,
    `ssh -p17445 -i${KEY} root@213.173.108.12`,
    `ssh root@213.173.108.12 -p17445 -i "${KEY}"`,
    `ssh -l root 213.173.108.12 -p 17445 -i '${KEY}'`,
    `ssh -lroot -p 17445 -i ${KEY} -- 213.173.108.12`,
    `ssh -tt -4vq -T -x -a -C -i $HOME/.ssh/id_ed25519 -p 17445 root@213.173.108.12`,
    'ssh -i "${HOME}/.ssh/id_ed25519" -p 17445 root@213.173.108.12',
    'ssh -i ~alice/.ssh/id_ed25519 -p 17445 root@213.173.108.12',
    `ssh ssh://root@213.173.108.12:17445 -i ${KEY}`,
    `ssh ssh://root@213.173.108.12:17445/ -i ${KEY}`,
    `ssh://root@213.173.108.12:17445 -i ${KEY}`,
    `ssh root@213.173.108.12:17445 -i ${KEY}`,
    `root@213.173.108.12:17445 -i ${KEY}`,
    `root@213.173.108.12 -p 17445 -i ${KEY}`,
    `-p 17445 -i ${KEY} root@213.173.108.12`,
    `/usr/bin/ssh root@213.173.108.12 -p 17445 -i ${KEY}`,
    `ssh.exe root@213.173.108.12 -p 17445 -i ${KEY}`,
    `SSH root@213.173.108.12 -p 17445 -i ${KEY}`,
    `ssh  root@213.173.108.12\t-p\u00a017445  -i ${KEY}  `,
    `ssh root@213.173.108.12 \\\n  -p 17445 \\\r\n  -i ${KEY}`,
    `ssh root@213.173.108.12\n  -p 17445\n  -i ${KEY}`,
    `ssh root@213.173.108.12 -p 17445 -i\n${KEY}`,
    `scp -P 17445 -i ${KEY} root@213.173.108.12:/workspace/a.txt .`,
    `scp -r -P17445 -i ${KEY} ./a b.txt root@213.173.108.12:`,
    `sftp -P 17445 -i ${KEY} root@213.173.108.12`,
  ])('%j', (text) => {
    expect(address(text)).toEqual({ ...DIRECT, keyPath: KEY });
  });

  it('keeps a key path with blanks and backslashes', () => {
    expect(address('ssh -i "/k e/y" root@1.2.3.4 -p 5').keyPath).toBe('/k e/y');
    expect(address('ssh -i /k\\ e/y root@1.2.3.4 -p 5').keyPath).toBe('/k e/y');
    expect(address('ssh -i C:\\Users\\me\\.ssh\\id root@1.2.3.4 -p 5').keyPath).toBe(
      'C:\\Users\\me\\.ssh\\id',
    );
  });

  it('says that a relative key path depends on the folder', () => {
    const { address, remarks } = parsePasted('ssh -i ./key root@1.2.3.4 -p 5', HOME);
    expect(address.keyPath).toBe('./key');
    expect(remarks.join()).toContain('./key');
  });

  it('uses the first of two keys, and says so', () => {
    const { address, remarks } = parsePasted('ssh -i ~/a -i ~/b root@1.2.3.4 -p 5', HOME);
    expect(address.keyPath).toBe('~/a');
    expect(remarks.join()).toContain('~/b');
  });

  it('takes IPv6, with and without brackets', () => {
    const expected = { user: 'root', host: '2001:db8::1', port: 22 };
    expect(address('root@[2001:db8::1] -p 22')).toEqual(expected);
    expect(address('ssh root@2001:db8::1 -p 22')).toEqual(expected);
    expect(address('ssh root@[2001:db8::1]:22')).toEqual(expected);
    expect(address('ssh -p 22 2001:db8::1')).toEqual(expected);
    expect(address('ssh://root@[::1]:22')).toEqual({ ...expected, host: '::1' });
  });

  it('takes a host by name', () => {
    expect(address('ssh root@pod.example.com -p 22')).toEqual({
      user: 'root',
      host: 'pod.example.com',
      port: 22,
    });
    expect(address('ssh mypod').host).toBe('mypod');
    expect(address('SSH: ssh pod.example.com -p 7').port).toBe(7);
  });

  it('takes root where no user is named, and says so', () => {
    const { address, remarks } = parsePasted('ssh 1.2.3.4 -p 5', HOME);
    expect(address.user).toBe('root');
    expect(remarks.join()).toContain('root');
  });

  it('takes root at the gateway, with a remark', () => {
    const { address, remarks } = parsePasted('root@ssh.runpod.io -p 13262', HOME);
    expect(address).toEqual({ user: 'root', host: 'ssh.runpod.io', port: 13262 });
    expect(remarks.join()).toContain('unusual');
  });
});

describe('what stands around the command', () => {
  it.each([
    '`ssh root@213.173.108.12 -p 17445`',
    '```\nssh root@213.173.108.12 -p 17445\n```',
    '```bash\n$ ssh root@213.173.108.12 -p 17445\n```',
    '```ssh root@213.173.108.12 -p 17445```',
    '"ssh root@213.173.108.12 -p 17445"',
    '“ssh root@213.173.108.12 -p 17445”',
    '$ ssh root@213.173.108.12 -p 17445',
    '> ssh root@213.173.108.12 -p 17445',
    '# ssh root@213.173.108.12 -p 17445',
    'PS C:\\> ssh root@213.173.108.12 -p 17445',
    'PS C:\\Users\\me> ssh root@213.173.108.12 -p 17445',
    'me@laptop:~$ ssh root@213.173.108.12 -p 17445',
    'root@213.173.100.1:/# ssh root@213.173.108.12 -p 17445',
    '- ssh root@213.173.108.12 -p 17445',
    '1. ssh root@213.173.108.12 -p 17445',
    'use: ssh root@213.173.108.12 -p 17445 to connect.',
    'ssh root@213.173.108.12 -p 17445 to connect',
    'ssh root@213.173.108.12 -p 17445.',
    'ssh root@213.173.108.12 -p 17445;',
    'ssh root@213.173.108.12 -p 17445, please',
    'Run `ssh root@213.173.108.12 -p 17445` and wait; it’s quick.',
    "Here's my pod: ssh root@213.173.108.12 -p 17445 thanks",
    'To ssh into it, run "ssh root@213.173.108.12 -p 17445" on your machine',
    'My pod (ssh root@213.173.108.12 -p 17445) is up.',
    '| SSH | ssh root@213.173.108.12 -p 17445 |',
    'use:ssh root@213.173.108.12 -p 17445',
    'SSH over exposed TCP\nssh root@213.173.108.12 -p 17445\n(Supports SCP & SFTP)',
    'ssh root@213.173.108.12 -p 17445  # my pod',
    'connect to root@213.173.108.12:17445 please',
    'it is at <ssh://root@213.173.108.12:17445>.',
    '213.173.108.12:17445',
    '\ufeffssh root@213.173.108.12 -p 17445\u200b\r\n',
    'ssh root@213.173.108.12 -p 17445\nssh root@213.173.108.12 -p 17445',
    'echo `date`; `ssh root@213.173.108.12 -p 17445`',
  ])('%j', (text) => {
    expect(address(text)).toEqual(DIRECT);
  });

  it('takes the name from runpodctl’s comment, else the id', () => {
    const named = (pod: string) => parsePasted(`ssh root@1.2.3.4 -p 12345  # pod ${pod}`, HOME).suggestedName;
    expect(named('{ id: "abc", name: "trainer" }')).toBe('trainer');
    expect(named('{ id: "abc", name: "my trainer" }')).toBe('abc');
    expect(named('{"id":"abc","name":"trainer"}')).toBe('trainer');
    expect(named('{ }')).toBeUndefined();
  });

  it('prefers the direct login where the gateway’s stands beside it, and says so', () => {
    const both = parsePasted(
      `SSH\nssh ${PROXY.user}@ssh.runpod.io -i ${KEY}\nSSH over exposed TCP\nssh root@213.173.108.12 -p 17445 -i ${KEY}`,
      HOME,
    );
    expect(both.address).toEqual({ ...DIRECT, keyPath: KEY });
    expect(both.remarks.join()).toContain(PROXY.user);
  });

  it('joins the port list with the command that has the key', () => {
    const text = `ssh root@213.173.108.12 -p 17445 -i ${KEY}\nTCP port -> 213.173.108.12:17445 -> :22`;
    expect(address(text)).toEqual({ ...DIRECT, keyPath: KEY });
  });

  it('asks which, if there are two', () => {
    const { message } = refusal('ssh root@1.2.3.4 -p 5\nssh root@5.6.7.8 -p 9');
    expect(message).toContain('ssh root@1.2.3.4 -p 5');
    expect(message).toContain('ssh root@5.6.7.8 -p 9');
  });
});

describe('the JSON of RunPod’s tools', () => {
  const command = `ssh -i ${KEY} root@213.173.108.12 -p 17445`;
  const proxy = `ssh ${PROXY.user}@ssh.runpod.io`;
  it.each<[string, unknown]>([
    ['ssh info', { id: 'abc', name: 'my pod', ssh_command: command, ip: '213.173.108.12', port: 17445 }],
    ['the docs’ spelling', { sshCommand: command }],
    ['ip and port only', { ip: '213.173.108.12', port: '17445', ssh_key: { path: KEY, exists: true } }],
    ['pod get', { id: 'abc', command: 'bash -c x', ssh: { ssh_command: command } }],
    ['REST v2', { id: 'abc', ssh: { proxy: { command: proxy }, direct: { command } } }],
    ['REST v2, direct only', { ssh: { proxy: null, direct: { command } } }],
    ['ssh connect', { connections: [{ id: 'abc', ssh_command: command }] }],
    ['a list of one', [{ id: 'abc', ssh_command: command }]],
    [
      'our own file',
      { host: '213.173.108.12', port: 17445, user: 'root', ssh_key_path: KEY, mode: 'direct' },
    ],
  ])('%s', (_, json) => {
    expect(address(JSON.stringify(json))).toEqual({ ...DIRECT, keyPath: KEY });
    expect(address(`$ runpodctl ssh info abc\n${JSON.stringify(json, null, 2)}`).host).toBe('213.173.108.12');
  });

  it('takes REST v1’s port mappings', () => {
    const json = JSON.stringify({ publicIp: '213.173.108.12', portMappings: { '22': 17445 } });
    expect(address(json)).toEqual(DIRECT);
  });

  it('takes the gateway’s login where there is no direct one', () => {
    expect(address(JSON.stringify({ ssh: { proxy: { command: proxy }, direct: null } }))).toEqual(PROXY);
  });

  it('suggests the name where it can be one, else the id', () => {
    const name = (name: string) =>
      parsePasted(JSON.stringify({ id: 'abc', name, ssh_command: command }), HOME).suggestedName;
    expect(name('trainer')).toBe('trainer');
    expect(name('my trainer')).toBe('abc');
  });

  it.each<[string, string, string]>([
    [
      'the pod is not ready',
      '{"error":"pod not ready: no public 22","id":"x"}',
      'pod not ready: no public 22',
    ],
    ['the pod has ended', '{"id":"x","desiredStatus":"EXITED"}', 'EXITED'],
    ['it says nothing', '{"id":"x"}', 'neither'],
    ['it breaks off', '{"id":"x",\n"ssh_command":', 'line 2, column 15'],
    ['a line break is in the command', '{"ssh_command":"ssh root@1.2.3.4\\nProxyCommand x"}', 'control'],
    ['its command is none', '{"ssh_command":"rm -rf ssh"}', 'no ssh command'],
    ['its host is none', '{"ip":"-oProxyCommand=x","port":22}', '-oProxyCommand=x'],
  ])('refuses it if %s', (_, json, said) => {
    expect(refusal(json).message).toContain(said);
  });
});

describe('a Host block', () => {
  it('says host, user, port and key; the rest is ignored with a remark', () => {
    const pod = parsePasted(
      `Add this to ~/.ssh/config:

      # mine
      Host trainer other
        HostName 213.173.108.12
        User "root"
        Port=17445
        IdentityFile ${KEY}   # the key
        IdentitiesOnly yes
        serveraliveinterval 30
        StrictHostKeyChecking no
        UserKnownHostsFile /dev/null`,
      HOME,
    );
    expect(pod.address).toEqual({ ...DIRECT, keyPath: KEY });
    expect(pod.suggestedName).toBe('trainer');
    expect(pod.remarks.join()).toContain('StrictHostKeyChecking');
  });

  it('takes the first value, as ssh does, and fills from Host *', () => {
    const text = 'Host a\nHostName 1.2.3.4\nPort 5\nPort 6\nHost *\nUser bob\nPort 7';
    expect(address(text)).toEqual({ user: 'bob', host: '1.2.3.4', port: 5 });
  });

  it('needs no Host line, and takes a Host line that is an address', () => {
    expect(address('HostName 1.2.3.4\nPort 5')).toEqual({ user: 'root', host: '1.2.3.4', port: 5 });
    expect(address('Host 1.2.3.4\nPort 5')).toEqual({ user: 'root', host: '1.2.3.4', port: 5 });
  });

  it.each<[string, string]>([
    ['Host a\nHostName 1.2.3.4\nProxyCommand touch /tmp/x', 'ProxyCommand'],
    ['Host a\nHostName 1.2.3.4\nLocalForward 1 localhost:2', 'LocalForward'],
    ['Host a\nHostName 1.2.3.4\nProxyJump bastion', 'ProxyJump'],
    ['Host a\nHostName 1.2.3.4\nForwardAgent yes', 'ForwardAgent'],
    ['Match exec "touch /tmp/x"\nHostName 1.2.3.4', 'Match'],
    ['Include x\nHost a\nHostName 1.2.3.4', 'Include'],
    ['Host *.example.com\nHostName 1.2.3.4', '*.example.com'],
    ['Host a\nHostName -oProxyCommand=x', '-oProxyCommand=x'],
    ['Host a\nHostName %h.example.com', '%h.example.com'],
    ['Host a\nHostName 1.2.3.4 5.6.7.8', 'a blank'],
    ['Host a\nHostName "1.2.3.4', 'quote'],
    ['Host a\nUser root', 'HostName'],
    ['Host\nHostName 1.2.3.4', 'Host'],
    ['Host a\nHostName 1.2.3.4\nIdentityFile /a#b', '/a#b'],
    ['Host a\nHostName 1.2.3.4\nIdentityFile %d/key', '%d/key'],
    ['Host a\nHostName 1.2.3.4\nPort 0', '0'],
    ['Host a\nHostName 1.2.3.4\nHost b\nHostName 5.6.7.8', '5.6.7.8'],
  ])('%j is refused', (text, said) => {
    expect(refusal(text).message).toContain(said);
  });

  it('takes a directive that switches something off', () => {
    expect(address('Host a\nHostName 1.2.3.4\nForwardAgent no\nProxyJump none').host).toBe('1.2.3.4');
  });
});

describe('what is refused, with the word that is wrong', () => {
  it.each<[string, string]>([
    ['', 'empty'],
    ['   \n', 'empty'],
    ['hello there', 'hello there'],
    ['mypod', 'mypod'],
    ['ssh', 'ssh'],
    ['ssh -p 22', '-p 22'],
    ['ssh root@1.2.3.4 -o StrictHostKeyChecking=no', '-o'],
    ['ssh -oProxyCommand=x root@1.2.3.4', '-oProxyCommand=x'],
    ["ssh '-oProxyCommand=x' root@1.2.3.4", '-oProxyCommand=x'],
    ['ssh -L 8888:localhost:8888 root@1.2.3.4', '-L'],
    ['ssh -L8888:localhost:8888 root@1.2.3.4', '-L8888'],
    ['ssh -R 1:a:2 root@1.2.3.4', '-R'],
    ['ssh -D 1080 root@1.2.3.4', '-D'],
    ['ssh -J me@bastion root@1.2.3.4', '-J'],
    ['ssh -F /tmp/x root@1.2.3.4', '-F'],
    ['ssh -A root@1.2.3.4', '-A'],
    ['ssh -W a:1 root@1.2.3.4', '-W'],
    ['ssh -N root@1.2.3.4', '-N'],
    ['ssh root@1.2.3.4 -Z', '-Z'],
    ['ssh --help root@1.2.3.4', '--help'],
    ['ssh -tti key root@1.2.3.4', '-tti'],
    ['ssh -tN root@1.2.3.4', '-tN'],
    ['scp -P 22 -o ProxyCommand=x root@1.2.3.4:/a .', '-o'],
    ['scp -S /tmp/x root@1.2.3.4:/a .', '-S'],
    ['scp -P 22 a@1.2.3.4:/a b@5.6.7.8:/b', '5.6.7.8'],
    ['ssh root@1.2.3.4 -p 22 nvidia-smi', 'nvidia-smi'],
    ['ssh root@1.2.3.4 -p 22 which python', 'which'],
    ['ssh root@1.2.3.4 -p 22 "nvidia-smi -l"', 'nvidia-smi'],
    ['ssh root@1.2.3.4 -- ls', 'ls'],
    ['ssh root@1.2.3.4 ls -la', 'ls'],
    ['$ ssh root@1.2.3.4 -p 22 nvidia-smi', 'nvidia-smi'],
    ['`ssh root@1.2.3.4 nvidia-smi`', 'nvidia-smi'],
    ['ssh root@1.2.3.4 && ls', '&&'],
    ['ssh root@1.2.3.4 | tee x', '|'],
    ['ssh root@1.2.3.4; ls', 'ls'],
    ['use ssh root@1.2.3.4 with the option -p 22', '-p'],
    ['My pod: root@1.2.3.4 port 17445', 'port 17445'],
    ['ssh -i key ssh.runpod.io', 'ssh.runpod.io'],
    ['ssh root@1.2.3.4 -p 0', '0'],
    ['ssh root@1.2.3.4 -p 65536', '65536'],
    ['ssh root@1.2.3.4 -p 22x', '22x'],
    ['ssh root@1.2.3.4 -p', '-p'],
    ['ssh root@1.2.3.4 -p=22', '=22'],
    ['ssh root@1.2.3.4 -p -22', '-22'],
    ['ssh root@1.2.3.4 -i', '-i'],
    ['ssh root@1.2.3.4 -i # none', '-i'],
    ["ssh root@1.2.3.4 -i ''", 'empty'],
    ['ssh root@1.2.3.4:22 -p 23', '22 and 23'],
    ['ssh root@1.2.3.4 -p 22 -p 23', '"22" and "23"'],
    ['ssh -l alice root@1.2.3.4', 'alice'],
    ['ssh root@-oProxyCommand=x', '-oProxyCommand=x'],
    ['ssh -- -oProxyCommand=x@1.2.3.4', '-oProxyCommand=x'],
    ['ssh -l -oProxyCommand=x 1.2.3.4', '-oProxyCommand=x'],
    ['ssh root@1.2.3.4 -i -oProxyCommand=x', '-oProxyCommand=x'],
    ['ssh root@%h', '%h'],
    ['ssh root@1.2.3.4;id', ';'],
    ['ssh root@$(id)', '$'],
    ['ssh root@`id`', '`'],
    ["ssh 'ro ot@1.2.3.4'", 'ro ot'],
    ["ssh 'root@1.2.3.4 x'", 'a blank'],
    ['ssh "ro\'ot@1.2.3.4"', "'"],
    ['ssh ro|ot@1.2.3.4', '|'],
    ['ssh @1.2.3.4', 'empty'],
    ['ssh root@', 'empty'],
    ['ssh root@1.2.3.999', '1.2.3.999'],
    ['ssh root@[2001:db8::g]', '2001:db8::g'],
    ['ssh root@fe80::1%eth0', '%'],
    ['ssh root:secret@1.2.3.4', 'password'],
    ['ssh ssh://root@1.2.3.4:22/path', 'path'],
    ['ssh ssh://root@1.2.3.4%00:22', '%'],
    [`ssh ${'a'.repeat(65)}@1.2.3.4`, '64'],
    [`ssh root@${'a'.repeat(254)}.io`, 'too long'],
    ['ssh root@<POD_IP> -p 22', '<'],
    ['ssh root@1.2.3.4 -i "unclosed', 'never closed'],
    ['ssh root@1.2.3.4 -i "a\nProxyCommand x"', 'never closed'],
    ['ssh root@1.2.3.4 -i $KEY', '$KEY'],
    ['ssh root@1.2.3.4 -i ~bob/key', '~bob/key'],
    ['ssh root@1.2.3.4 -i ~/%h', '%h'],
    ["ssh root@1.2.3.4 -i 'a\"b'", 'quote'],
    ['ssh root@1.2.3.4 -p 22\u0007', 'U+0007'],
    ['\u001b[1mssh root@1.2.3.4\u001b[0m', 'U+001B'],
    ['TCP port -> 1.2.3.4:5 -> :8888', '22'],
    ['TCP port -> 1.2.3.4:99999 -> :22', '99999'],
    ['# pod { id: "abc", name: "x" } not yet ready', 'not yet ready'],
  ])('%j', (text, said) => {
    expect(refusal(text).message).toContain(said);
  });

  it('a text without measure', () => {
    expect(refusal(`ssh root@1.2.3.4 ${'x'.repeat(20_000)}`).message).toContain('too long');
    expect(refusal('ssh -p 5 a@1.2.3.4 '.repeat(30)).message).toContain('too many');
  });

  it('says that a command belongs into run_command', () => {
    expect(refusal('ssh root@1.2.3.4 -p 22 nvidia-smi').text.next).toContain('run_command');
  });

  it('shows nothing invisible and nothing long', () => {
    const { message } = refusal(`ssh root@a\u202eb${'c'.repeat(300)} -p 22`);
    expect(message).toContain('<U+202E>');
    expect(message.length).toBeLessThan(300);
  });
});
