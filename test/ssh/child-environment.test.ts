import { expect, test } from 'vitest';
import { childEnvironment } from '../../src/ssh/child-environment.ts';

test('API keys, display and askpass programs of the server do not reach ssh', () => {
  const environment = childEnvironment({
    PATH: '/bin',
    HOME: '/home/me',
    SSH_AUTH_SOCK: '/run/agent',
    ANTHROPIC_API_KEY: 'secret',
    RUNPOD_API_KEY: 'secret',
    DISPLAY: ':0',
    WAYLAND_DISPLAY: 'wayland-0',
    SSH_ASKPASS: '/usr/bin/askpass',
    SSH_ASKPASS_REQUIRE: 'force',
    LANG: 'de_DE.UTF-8',
    LC_MESSAGES: 'de_DE.UTF-8',
    TERM: 'xterm-256color',
    BASH_ENV: '/tmp/evil',
  });
  expect(environment).toEqual({
    PATH: '/bin',
    HOME: '/home/me',
    SSH_AUTH_SOCK: '/run/agent',
    LC_ALL: 'C',
    TERM: 'dumb',
    SSH_ASKPASS_REQUIRE: 'never',
  });
});

test('without a PATH ssh is still looked for where systems keep it', () => {
  expect(childEnvironment({}).PATH).toContain('/usr/bin');
});
