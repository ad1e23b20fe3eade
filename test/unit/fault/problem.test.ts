/** Problems: the place, the line and the caret under it, whatever the line looks like. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Problem, renderProblem, renderProblems, suggest } from '../../../engine/fault/problem.js';

const problem: Problem = {
  severity: 'error',
  path: 'a.b',
  message: 'is wrong',
  file: 'x.yaml',
  line: 12,
  column: 4,
  source: 'a: bcd e',
  width: 3,
};

test('place, path, message, line, caret', () => {
  assert.equal(renderProblem(problem), 'x.yaml:12:4: error: a.b: is wrong\n  12 | a: bcd e\n     |    ^~~');
});

test('without a place the file alone, without a path no colon', () => {
  assert.equal(renderProblem({ ...problem, line: 0, column: 0, source: '', path: '' }), 'x.yaml: error: is wrong');
});

test('tabs stay tabs, so that the caret is under its character', () => {
  assert.ok(renderProblem({ ...problem, source: '\ta: bcd', column: 5 }).endsWith('| \ta: bcd\n     | \t   ^~~'));
});

test('the underline ends with the line', () => {
  assert.ok(renderProblem({ ...problem, width: 100 }).endsWith('|    ^~~~~'));
});

test('of a long line a piece around the place is shown', () => {
  const text = renderProblem({ ...problem, source: `${'a'.repeat(1000)}bcd${'e'.repeat(1000)}`, column: 1001 });
  const [, line, caret] = text.split('\n') as [string, string, string];
  assert.ok(line.length < 160);
  assert.equal(line.slice(caret.indexOf('^'), caret.indexOf('^') + 3), 'bcd');
  assert.match(line, /\| \.\.\.a+bcde+\.\.\.$/);
});

test('control characters of a file do not reach the terminal', () => {
  const text = renderProblem({ ...problem, source: 'a: \x1b[31m', message: 'not "\x9b"', width: 1 });
  assert.doesNotMatch(text, /[\x1b\x9b]/);
});

test('as JSON, one object per line', () => {
  const lines = renderProblems([problem, { ...problem, severity: 'warning' }], 'json').split('\n');
  assert.equal(lines.length, 2);
  assert.deepEqual(JSON.parse(lines[0] as string), {
    severity: 'error',
    file: 'x.yaml',
    line: 12,
    column: 4,
    path: 'a.b',
    message: 'is wrong',
    source: 'a: bcd e',
  });
});

test('suggestions: beginnings, slips, neighbours swapped, nothing far', () => {
  assert.equal(suggest('port', ['address', 'port_value', 'ports']), 'port_value');
  assert.equal(suggest('timeout', ['connect_timeout', 'name']), 'connect_timeout');
  assert.equal(suggest('adress', ['address', 'port_value']), 'address');
  assert.equal(suggest('orign', ['other', 'origin']), 'origin');
  assert.equal(suggest('hsot', ['post', 'host']), 'host');
  assert.equal(suggest('frobnicate', ['address', 'name']), null);
  assert.equal(suggest('x'.repeat(100000), ['x'.repeat(99999)]), null);
});
