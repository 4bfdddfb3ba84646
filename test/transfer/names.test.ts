import { expect, it } from 'vitest';
import { checkNamesDiffer, nameOf, withName } from '../../src/transfer/names.ts';
import { absoluteOnPod, namesFolder } from '../../src/transfer/pod-files.ts';

it('a path on the pod is taken from the home directory, and has no dots and slashes too many', () => {
  const cases: [string, string][] = [
    ['~', '/root'],
    ['~/', '/root'],
    ['~/a', '/root/a'],
    ['a/b/', '/root/a/b'],
    ['./a', '/root/a'],
    ['.', '/root'],
    ['../x', '/x'],
    ['/a//b/../c/', '/a/c'],
    ['/', '/'],
    ['~user', '/root/~user'],
    ['-a', '/root/-a'],
  ];
  for (const [asked, absolute] of cases) expect(absoluteOnPod(asked, '/root')).toBe(absolute);
  expect(() => absoluteOnPod('', '/root')).toThrow();
  expect(() => absoluteOnPod('a\0b', '/root')).toThrow();
});

it('a path names a folder to put something into when it ends so', () => {
  for (const path of ['a/', '/', '~/', '~', '.', './', '..', 'a/..', 'a/.'])
    expect(namesFolder(path)).toBe(true);
  for (const path of ['a', '/a', '~/a', 'a.', '...', 'a/.b']) expect(namesFolder(path)).toBe(false);
});

it('names are put below a folder, and never lead out of it', () => {
  expect(withName(Buffer.from('/a'), Buffer.from('b')).toString()).toBe('/a/b');
  expect(withName(Buffer.from('/'), Buffer.from('b')).toString()).toBe('/b');
  expect(withName(Buffer.from('/a'), Buffer.alloc(0)).toString()).toBe('/a');
  for (const name of ['..', '.', 'a/b', 'a\0']) {
    expect(() => withName(Buffer.from('/a'), Buffer.from(name))).toThrow(/is no name of a file/);
  }
});

it('paths with the same last name are refused', () => {
  expect(nameOf(Buffer.from('/a/b//')).toString()).toBe('b');
  expect(() => checkNamesDiffer([Buffer.from('/1/m'), Buffer.from('/2/m')])).toThrow(/same name/);
  checkNamesDiffer([Buffer.from('/1/m'), Buffer.from('/1/n')]);
});
