/** Sizes: files of 400 lines and functions of 60 at most; what is longer is listed, and the lists only shrink. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ENGINE, functionsOf } from './sources.js';

const FILE_LINES_MAX = 400;
const FUNCTION_LINES_MAX = 60;

/** [lines it may have, why]; lower the number with the file, never raise it. */
const LONG_FILES: Readonly<Record<string, readonly [number, string]>> = {
  'engine/http/head.ts': [580, 'one class: the accessors of one layout'],
  'engine/proxy/exchange.ts': [580, 'the spine is read in one piece'],
};

const LONG_FUNCTIONS: Readonly<Record<string, readonly [number, string]>> = {};

test('files are at most 400 lines', () => {
  const wrong = ENGINE.filter(({ path, lines }) => lines.length - 1 > (LONG_FILES[path]?.[0] ?? FILE_LINES_MAX)).map(
    ({ path, lines }) => `${path}: ${lines.length - 1} lines; split it by noun`,
  );
  assert.deepEqual(wrong, []);
});

test('functions are at most 60 lines', () => {
  const wrong = ENGINE.flatMap((source) =>
    functionsOf(source)
      .filter(
        ({ name, lineCount }) => lineCount > (LONG_FUNCTIONS[`${source.path} ${name}`]?.[0] ?? FUNCTION_LINES_MAX),
      )
      .map(({ name, lineCount }) => `${source.path} ${name}: ${lineCount} lines`),
  );
  assert.deepEqual(wrong, []);
});

test('the lists of exceptions hold only what still needs them', () => {
  const files = new Map(ENGINE.map(({ path, lines }) => [path, lines.length - 1]));
  const spare = Object.keys(LONG_FILES).filter((path) => (files.get(path) ?? 0) <= FILE_LINES_MAX);
  const longest = new Map<string, number>();
  for (const source of ENGINE)
    for (const { name, lineCount } of functionsOf(source)) {
      const key = `${source.path} ${name}`;
      longest.set(key, Math.max(longest.get(key) ?? 0, lineCount));
    }
  spare.push(...Object.keys(LONG_FUNCTIONS).filter((key) => (longest.get(key) ?? 0) <= FUNCTION_LINES_MAX));
  assert.deepEqual(spare, [], 'no exception is needed any more: remove the entry');
});

test('functions are found', () => {
  // The rule above is void when the finder finds nothing: the spine has methods that are known.
  const names = ENGINE.filter(({ path }) => path === 'engine/proxy/exchange.ts').flatMap(functionsOf);
  for (const name of ['onHead', '#route', 'finish', 'fail', 'constructor'])
    assert.ok(
      names.some((each) => each.name === name),
      name,
    );
});
