import { describe, expect, it } from 'vitest';
import { isPodName, nameFor } from '../../src/pods/pod-name.ts';

describe('isPodName', () => {
  it.each(['a', 'my-pod_1.2', '8y5rumuyb50m78', '__proto__', 'x'.repeat(64)])('%s can be a name', (name) => {
    expect(isPodName(name)).toBe(true);
  });
  it.each(['', '-a', '.a', '..', 'a b', 'a/b', 'a\nb', 'a\n', 'ä', '*', 'x'.repeat(65)])(
    '%j can be none',
    (name) => {
      expect(isPodName(name)).toBe(false);
    },
  );
});

describe('nameFor', () => {
  const direct = { host: '213.173.108.12', port: 17445, user: 'root' };

  it('is the pod’s id where the gateway’s user has it', () => {
    expect(nameFor({ host: 'ssh.runpod.io', port: 22, user: '8y5rumuyb50m78-6441103b' })).toBe(
      '8y5rumuyb50m78',
    );
  });
  it('is the suggested name where that can be one', () => {
    expect(nameFor(direct, 'trainer')).toBe('trainer');
    expect(nameFor({ host: 'ssh.runpod.io', port: 22, user: 'root' }, 'trainer')).toBe('trainer');
  });
  it('is else made of host and port', () => {
    expect(nameFor(direct)).toBe('pod-213.173.108.12-17445');
    expect(nameFor(direct, 'my trainer')).toBe('pod-213.173.108.12-17445');
    expect(nameFor({ ...direct, host: '2001:db8::1' })).toBe('pod-2001-db8--1-17445');
    expect(isPodName(nameFor({ ...direct, host: `${'a'.repeat(240)}.io` }))).toBe(true);
  });
});
