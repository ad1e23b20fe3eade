/** Compiled modules have constants of their own (engine/own-constants.mjs), and mean the same. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ROOT } from './sources.js';

interface Tool {
  withOwnConstants(text: string): string | null;
}

const tool = (await import(join(ROOT, 'engine', 'own-constants.mjs'))) as Tool;

test('every module of the engine was built with its own constants', () => {
  const directory = join(ROOT, 'dist', 'engine');
  const others = readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.js'))
    .filter((path) => tool.withOwnConstants(readFileSync(join(directory, path), 'utf8')) !== null);
  assert.deepEqual(others, [], 'compiled by tsc alone: npm run build');
});

test('imported constants are bound anew, functions and classes are not', () => {
  assert.equal(
    tool.withOwnConstants("import { A_B, Head, C1 as D1, f } from './x.js';\nf(A_B);\n"),
    "import { A_B as A_B$own, Head, C1 as D1$own, f } from './x.js'; const A_B = A_B$own; const D1 = D1$own;\nf(A_B);\n\n",
  );
  assert.equal(tool.withOwnConstants("import { f } from './x.js';\n"), null);
  assert.equal(tool.withOwnConstants("import { EOL } from 'node:os';\n"), null);
});

test('exported constants are exported by a second name, behind everything and before the map', () => {
  const text = 'export const A = row(\n  1,\n);\nexport function f() {}\n//# sourceMappingURL=x.js.map';
  const own = tool.withOwnConstants(text) as string;
  assert.equal(
    own,
    'const A = row(\n  1,\n);\nexport function f() {}\nconst A$own = A;\nexport { A$own as A };\n//# sourceMappingURL=x.js.map',
  );
  assert.equal(tool.withOwnConstants(own), null);
});
