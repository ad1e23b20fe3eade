/** Documents say what is: the scripts, files and options that they name exist. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ROOT } from './sources.js';

const DOCUMENTS = ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'STYLE.md', 'results/README.md'];
const texts = DOCUMENTS.map((path) => [path, readFileSync(join(ROOT, path), 'utf8')] as const);

test('npm scripts that documents name exist', () => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: object };
  const wrong: string[] = [];
  for (const [path, text] of texts)
    for (const [, name] of text.matchAll(/npm run ([\w-]+)/g))
      if (!((name as string) in scripts)) wrong.push(`${path}: npm run ${name}`);
  assert.deepEqual(wrong, []);
});

test('files that documents name exist', () => {
  const wrong: string[] = [];
  for (const [path, text] of texts)
    for (const [, name] of text.matchAll(
      /(?<![\w/.-])((?:engine|native|test|bench|scenarios|results)\/[\w./*-]*[\w/*])/g,
    ))
      if (
        !(name as string).includes('*') &&
        !existsSync(join(ROOT, name as string)) &&
        !/^results\/.*(json|html|svg)$/.test(name as string)
      )
        wrong.push(`${path}: ${name}`);
  assert.deepEqual(wrong, []);
});

test('no path of a machine in a document', () => {
  for (const [path, text] of texts) assert.doesNotMatch(text, /\/(work|home|root|Users)\//, path);
});

test('ARCHITECTURE.md is at most four pages', () => {
  const text = texts.find(([path]) => path === 'ARCHITECTURE.md')?.[1] ?? '';
  assert.ok(text.split('\n').length <= 240, 'a page is 60 lines');
});
