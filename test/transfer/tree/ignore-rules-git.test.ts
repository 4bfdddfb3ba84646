import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import ignore from 'ignore';
import { expect, test } from 'vitest';
import { GitIgnore } from '../../../src/transfer/tree/ignore-rules.ts';
import { listTree } from '../../../src/transfer/tree/tree-entries.ts';

const newList = () => ignore({ ignorecase: false, allowRelativePaths: true });

const name = fc.constantFrom('a', 'b', 'log', 'x.py', 'tmp', 'A', '...', '#c', '!n', 'sp ace', 'é');
const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join('/'));
const pattern = fc
  .tuple(
    fc.constantFrom('', '', '!', '/'),
    fc.constantFrom(
      'a',
      'b',
      '*.py',
      'log',
      'tmp/',
      'a/b',
      '**/b',
      'a/**',
      'a/*',
      '[ab]',
      '*',
      '\\#c',
      '\\!n',
      'sp ace',
      '**/a/*.py',
      '#c',
      'A/',
    ),
  )
  .map((parts) => parts.join(''));
const patterns = fc.array(pattern, { maxLength: 4 }).map((lines) => `${lines.join('\n')}\n`);

test('a random tree with random patterns is listed as git lists it', async () => {
  const tree = fc.record({
    files: fc.array(path, { maxLength: 25 }),
    top: patterns,
    exclude: patterns,
    nested: fc.array(fc.tuple(path, patterns), { maxLength: 3 }),
  });
  await fc.assert(
    fc.asyncProperty(
      tree,
      fc.constantFrom('', 'a', 'b/a'),
      async ({ files, top, exclude, nested }, below) => {
        const root = realpathSync(mkdtempSync(join(tmpdir(), 'git-')));
        const put = (file: string, content: string) => {
          try {
            mkdirSync(dirname(join(root, file)), { recursive: true });
            writeFileSync(join(root, file), content);
          } catch {} // a file stands where a folder should be, or the other way round
        };
        try {
          execFileSync('git', ['init', '-q', root]);
          for (const file of files) put(file, '');
          put('.gitignore', top);
          put('.git/info/exclude', exclude);
          for (const [folder, lines] of nested) put(`${folder}/.gitignore`, lines);
          const folder = join(root, below);
          mkdirSync(folder, { recursive: true });
          const args = [
            '-C',
            folder,
            '-c',
            'core.excludesFile=/dev/null',
            'ls-files',
            '-o',
            '--exclude-standard',
            '-z',
          ];
          const expected = execFileSync('git', args, { encoding: 'utf8' }).split('\0').filter(Boolean).sort();
          const { entries } = await listTree(folder, { gitIgnore: await GitIgnore.forTree(folder, newList) });
          const found = entries.filter(({ kind }) => kind === 'file').map((entry) => entry.path.toString());
          expect(found.sort()).toEqual(expected);
        } catch (error) {
          if (!String(error).includes('EEXIST') && !String(error).includes('ENOTDIR')) throw error;
        } finally {
          rmSync(root, { recursive: true, force: true });
        }
      },
    ),
    { numRuns: 60 },
  );
});
