import { mkdir, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { compileFunction } from 'node:vm';
import { type BuildOptions, build, type Plugin } from 'esbuild';

/** Makes dist/main.js: everything in one file. Run by `npm run build`. */
const require = createRequire(import.meta.url);
const root = fileURLToPath(new URL('..', import.meta.url));

const options: BuildOptions = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  format: 'cjs',
  loader: { '.sh': 'text' },
  logLevel: 'warning',
};

/** What packages import and nobody here needs: half of the whole. */
const LEFT_OUT = new Map([
  [/zod\/v4\/locales\/index\.js$/, 'export {};'],
  [/sdk\/dist\/esm\/validation\/ajv-provider\.js$/, 'export class AjvJsonSchemaValidator {}'],
]);

const leftOut: Plugin = {
  name: 'left-out',
  setup({ onLoad }) {
    for (const [filter, contents] of LEFT_OUT) onLoad({ filter }, () => ({ contents }));
  },
};

/** The list of tools is worked out here and now, not whenever a client asks. */
const listAsConstant: Plugin = {
  name: 'list-as-constant',
  setup({ onLoad }) {
    onLoad({ filter: /\/tools\/tool-list\.ts$/ }, async ({ path }) => {
      const module: { exports: { toolList?: unknown } } = { exports: {} };
      compileFunction(await bundled({ entryPoints: [path] }), ['require', 'module'])(require, module);
      if (!Array.isArray(module.exports.toolList)) throw new Error('there is no list of tools');
      return { contents: `export const toolList = ${JSON.stringify(module.exports.toolList)};` };
    });
  },
};

/**
 * What main.ts imports with `import()` becomes a text that is compiled when it is wanted. V8 parses all of a file
 * before it runs the first line of it, so that a client would wait for a megabyte to be read before its
 * `initialize` is answered.
 */
const importsAsText: Plugin = {
  name: 'imports-as-text',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^\./ }, ({ kind, path, resolveDir }) =>
      kind === 'dynamic-import' ? { path: `${resolveDir}/${path}`, namespace: 'text' } : undefined,
    );
    onLoad({ filter: /./, namespace: 'text' }, async ({ path }) => {
      const program = await bundled({
        entryPoints: [path],
        target: 'node20',
        plugins: [leftOut, listAsConstant],
        minifyWhitespace: true,
        minifySyntax: true,
      });
      return {
        contents: `require('node:vm').compileFunction(
          ${JSON.stringify(program)},
          ['require', 'module', 'exports'],
          { filename: __filename + ':server' },
        )(require, module, exports);`,
      };
    });
  },
};

async function bundled(more: BuildOptions): Promise<string> {
  const { outputFiles } = await build({ ...options, ...more, write: false });
  const [file] = outputFiles;
  if (!file) throw new Error('esbuild gave no output');
  return file.text;
}

// node-version.ts is for a node that knows nothing newer.
const main = await bundled({
  entryPoints: ['src/main.ts'],
  target: 'node14',
  plugins: [importsAsText, listAsConstant],
});
await mkdir(`${root}/dist`, { recursive: true });
await writeFile(`${root}/dist/main.js`, main, { mode: 0o755 });
await writeFile(`${root}/dist/package.json`, '{"type":"commonjs"}\n');
