/** Names say what a thing is: first sentences, no empty nouns, no barrels, files named after their noun. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ALL, ENGINE } from './sources.js';

/** Words that could stand for anything; name it by what it owns instead. */
const BANNED = [
  'manager',
  'helper',
  'helpers',
  'util',
  'utils',
  'common',
  'misc',
  'data',
  'info',
  'processor',
  'service',
  'impl',
];

test('every file begins with one sentence', () => {
  const wrong = ALL.filter(({ lines }) => {
    const first = lines[0]?.startsWith('#!') ? lines[1] : lines[0];
    return !/^\/\*\* .+[.?]( \*\/)?$/.test(first as string);
  });
  assert.deepEqual(
    wrong.map(({ path }) => path),
    [],
  );
});

test('no file is named by a word that says nothing', () => {
  const wrong = ALL.map(({ path }) => path).filter((path) =>
    path
      .replace(/(\.test)?\.ts$/, '')
      .split(/[/-]/)
      .some((word) => BANNED.includes(word) && path !== 'test/support/conformance-data.ts'),
  );
  assert.deepEqual(wrong, []);
});

test('no type is named by a word that says nothing', () => {
  const wrong: string[] = [];
  for (const { path, text } of ALL)
    for (const [, kind, name] of text.matchAll(/^(?:export )?(?:abstract )?(class|interface|type) (\w+)/gm)) {
      const last = (/[A-Z][a-z0-9]*$/.exec(name as string)?.[0] ?? '').toLowerCase();
      // A record's "base" is an offset; a class's is a tower of inheritance.
      if (BANNED.includes(last) || (last === 'base' && kind === 'class')) wrong.push(`${path}: ${name}`);
    }
  assert.deepEqual(wrong, []);
});

test('no barrels: import the file', () => {
  const wrong = ALL.filter(({ path, text }) => /(^|\/)index\.ts$/.test(path) || /^export \* /m.test(text));
  assert.deepEqual(
    wrong.map(({ path }) => path),
    [],
  );
});

test('unit tests lie where their source lies', () => {
  const sources = new Set(ENGINE.map(({ path }) => path.replace(/^engine\//, '').replace(/\/[^/]+$/, '')));
  const wrong = ALL.map(({ path }) => path).filter((path) => {
    const folder = /^test\/unit\/(.+)\/[^/]+$/.exec(path)?.[1];
    return folder !== undefined && !sources.has(folder);
  });
  assert.deepEqual(wrong, []);
});
