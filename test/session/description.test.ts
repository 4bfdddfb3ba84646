import { expect, test } from 'vitest';
import { parseDescription } from '../../src/session/description.ts';

test('each line is a key, a blank and a value that may hold blanks', () => {
  const { has, ...values } = parseDescription(
    'pid 42\nstarted 4711\nhostname my pod\nhome /home/a b \nhas bash\nhas tmux\ncontainer boot/30\ndisk /d\nmemory /m\n',
  );
  expect(values).toEqual({
    pid: '42',
    started: '4711',
    container: 'boot/30',
    hostname: 'my pod',
    home: '/home/a b ',
    disk: '/d',
    memory: '/m',
  });
  expect([...has]).toEqual(['bash', 'tmux']);
});

test('what the pod does not say is empty, and what nobody asked for is passed over', () => {
  const description = parseDescription('hostname pod\n\nnonsense\ncolour blue\n');
  expect(description).toEqual({
    pid: '',
    started: '',
    container: '',
    hostname: 'pod',
    home: '',
    disk: '',
    memory: '',
    has: new Set(),
  });
});
