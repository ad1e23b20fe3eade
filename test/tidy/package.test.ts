/** The package holds what it needs at run time and nothing else; its install script ends in one line or a binary. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, posix } from 'node:path';
import { after, test } from 'node:test';
import { ROOT } from './sources.js';

// Without scripts: they would build dist anew under the tests that run from it.
const listed = spawnSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: ROOT, encoding: 'utf8' });
const [{ files }] = JSON.parse(listed.stdout) as [{ files: { path: string }[] }];
const paths = new Set(files.map(({ path }) => path));
const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  dependencies: Record<string, string>;
};
/** Not imported by name: what binding.gyp includes, where no prebuilt binary fits. */
const BUILD_ONLY = ['node-addon-api'];

test('no test, source map or build output is packed', () => {
  const wrong = [...paths].filter(
    (path) => /\.(map|tsbuildinfo|log)$/.test(path) || /(^|\/)(test|bench|build|node_modules)\//.test(path),
  );
  assert.deepEqual(wrong, []);
});

test('what is needed to run and to build is packed', () => {
  const needed = ['dist/engine/main.js', 'dist/engine/worker/worker.js', 'native/install.mjs', 'native/headers.mjs'];
  const gyp = readFileSync(join(ROOT, 'binding.gyp'), 'utf8');
  needed.push(
    'binding.gyp',
    'LICENSE',
    ...[...gyp.matchAll(/"(native\/\w+\.cc)"/g)].map((match) => match[1] as string),
  );
  for (const [, included] of needed
    .filter((path) => path.endsWith('.cc'))
    .flatMap((path) => [...readFileSync(join(ROOT, path), 'utf8').matchAll(/#include "(.+)"/g)]))
    needed.push(`native/${included}`);
  assert.deepEqual(
    needed.filter((path) => !paths.has(path)),
    [],
  );
});

test('imports of packed files are packed, or dependencies; dependencies are imported', () => {
  const wrong: string[] = [];
  const used = new Set(BUILD_ONLY);
  for (const path of [...paths].filter((each) => each.endsWith('.js'))) {
    const text = readFileSync(join(ROOT, path), 'utf8');
    for (const [, name] of text.matchAll(/(?:\bfrom |\bimport |\brequire\(|\bimport\()'([^']+)'/g)) {
      const target = name as string;
      if (target.startsWith('.')) {
        if (!paths.has(posix.join(dirname(path), target))) wrong.push(`${path}: ${target}`);
      } else if (target in dependencies) used.add(target);
      else if (!isBuiltin(target)) wrong.push(`${path}: ${target}`);
    }
  }
  assert.deepEqual(wrong, []);
  assert.deepEqual(
    Object.keys(dependencies).filter((name) => !used.has(name)),
    [],
  );
});

/** A checkout as the install script sees one, with a PATH of our making and a node-gyp that we wrote. */
const checkout = mkdtempSync(join(tmpdir(), 'millrace-install-'));
after(() => rmSync(checkout, { recursive: true }));
for (const name of ['native', 'package.json', 'binding.gyp'])
  cpSync(join(ROOT, name), join(checkout, name), { recursive: true });
mkdirSync(join(checkout, 'engine'));
mkdirSync(join(checkout, 'bin'));
symlinkSync(join(ROOT, 'node_modules'), join(checkout, 'node_modules'));

function install(tools: readonly string[], gyp: string): { readonly status: number | null; readonly lines: string[] } {
  rmSync(join(checkout, 'bin'), { recursive: true });
  mkdirSync(join(checkout, 'bin'));
  for (const tool of tools) writeFileSync(join(checkout, 'bin', tool), '#!/bin/sh\n', { mode: 0o755 });
  writeFileSync(join(checkout, 'gyp.cjs'), gyp);
  const run = spawnSync(process.execPath, [join(checkout, 'native', 'install.mjs')], {
    encoding: 'utf8',
    env: { PATH: join(checkout, 'bin'), npm_config_node_gyp: join(checkout, 'gyp.cjs') },
  });
  return { status: run.status, lines: `${run.stdout}${run.stderr}`.trimEnd().split('\n') };
}

test('without a compiler the install script succeeds with one line', () => {
  assert.deepEqual(install([], 'process.exit(1)'), {
    status: 0,
    lines: ['millrace: addon not built (no g++, make, python3 on PATH); the node transport will be used'],
  });
  assert.match(install(['g++', 'make'], 'process.exit(1)').lines[0] as string, /\(no python3 on PATH\)/);
});

test('a build that fails says why in one line', () => {
  const tools = ['g++', 'make', 'python3'];
  const headers = install(
    tools,
    "console.error('gyp WARN install got an error, rolling back install');process.exit(1)",
  );
  assert.deepEqual([headers.status, headers.lines.length], [0, 1]);
  assert.match(headers.lines[0] as string, /no headers beside .*, and they can't be downloaded/);
  const compiler = install(tools, "console.log('x\\n../a.cc:1:2: error: no such thing\\ny');process.exit(1)");
  assert.deepEqual([compiler.status, compiler.lines.length], [0, 1]);
  assert.match(compiler.lines[0] as string, /\(\.\.\/a\.cc:1:2: error: no such thing\)/);
});

test('headers that came with Node.js are used', (t) => {
  const prefix = dirname(dirname(process.execPath));
  const show = "require('fs').writeFileSync(__dirname + '/args', process.argv.join('\\n'));process.exit(1)";
  install(['g++', 'make', 'python3'], show);
  const args = readFileSync(join(checkout, 'args'), 'utf8').split('\n');
  const hasHeaders = existsSync(join(prefix, 'include', 'node', 'common.gypi'));
  if (!hasHeaders) t.diagnostic(`no headers in ${prefix}: they would be downloaded`);
  assert.equal(args.includes(`--nodedir=${prefix}`), hasHeaders);
});
