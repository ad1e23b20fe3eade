/** Normalization of paths and hosts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BAD_PATH } from '../../../engine/fault/faults.js';
import { Normalization, type NormalizationOptions, REDIRECT_TO_PATH } from '../../../engine/http/normalize.js';
import { parseRequestHead } from '../../../engine/http1/head-parser.js';
import { newHead } from '../../support/fake-conn.js';
import { SERVER_OPTIONS } from '../../support/server-harness.js';

const OFF: NormalizationOptions = {
  normalizePath: false,
  mergeSlashes: false,
  pathWithEscapedSlashesAction: 'KEEP_UNCHANGED',
  stripMatchingHostPort: false,
  stripAnyHostPort: false,
  stripTrailingHostDot: false,
};

function run(
  options: Partial<NormalizationOptions>,
  path: string,
  host = 'a',
): { code: number; path: string; host: string } {
  const bytes = Buffer.from(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  const head = newHead();
  assert.ok(parseRequestHead(bytes, 0, bytes.length, head, SERVER_OPTIONS) > 0);
  const code = new Normalization({ ...OFF, ...options }, 8080).apply(head);
  return { code, path: head.pathString(), host: head.authorityString() };
}

test('paths', () => {
  const on = { normalizePath: true };
  assert.equal(run(on, '/a/./b/../c?x=/../y').path, '/a/c?x=/../y');
  assert.equal(run(on, '/%41%2e%2E/x').path, '/A../x');
  assert.equal(run(on, '/a/%2e%2e/b').path, '/b');
  assert.equal(run(on, '/a%2fb').path, '/a%2Fb');
  assert.equal(run(on, '/..').path, '/');
  assert.equal(run(on, '/../../a/../b/.').path, '/b/');
  assert.equal(run(on, '/a/..').path, '/');
  assert.equal(run(on, '/a//../b').path, '/a/b');
  assert.equal(run(on, '/a\\b\\..\\c').path, '/a/c');
  assert.equal(run(on, '/%7Euser/%c3%a9').path, '/~user/%C3%A9');
  assert.equal(run(on, '/...').path, '/...');
  // Decoding beside a stray percent sign could make an escape that nobody sent.
  assert.equal(run(on, '/%%32e%%32e/x').code, BAD_PATH);
  assert.equal(run(on, '/100%').code, BAD_PATH);
  assert.equal(run(on, '/a%00').code, BAD_PATH);
  assert.equal(run(on, '/a%zz').code, BAD_PATH);
  assert.equal(run({ mergeSlashes: true }, '//a///b').path, '/a/b');
  assert.equal(run({ mergeSlashes: true }, '//').path, '/');
  assert.equal(run({ normalizePath: true, mergeSlashes: true }, '//a/%2e%2e//b//?x=//').path, '/b/?x=//');
  assert.equal(run({}, '//a/../b').path, '//a/../b');
});

/** The document's words: resolve as RFC 3986 §5.2.4 does, over strings. */
function resolved(path: string): string {
  const out: string[] = [];
  const segments = path.slice(1).split('/');
  segments.forEach((segment, at) => {
    const isLast = at === segments.length - 1;
    if (segment === '..') out.pop();
    if (segment !== '.' && segment !== '..') out.push(segment);
    else if (isLast) out.push('');
  });
  return `/${out.join('/')}`;
}

test('any path: as the RFC resolves it, and the same when done twice', () => {
  const piece = fc.constantFrom('/', '/', '.', '..', 'a', 'bc', '%2e', '%41', '%2F', '%5c', '\\', '~');
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), fc.boolean(), (pieces, mergeSlashes) => {
      const path = `/${pieces.join('')}`;
      const options = { normalizePath: true, mergeSlashes };
      const once = run(options, `${path}?q=/../%41`).path;
      assert.equal(run(options, once).path, once);
      const plain = path.replaceAll('%2e', '.').replaceAll('%41', 'A').replaceAll('%5c', '%5C').replaceAll('\\', '/');
      const expected = mergeSlashes ? resolved(plain).replace(/\/{2,}/g, '/') : resolved(plain);
      assert.equal(once, `${expected}?q=/../%41`);
    }),
    { numRuns: 2000 },
  );
});

test('a path longer than the work space', () => {
  const long = `/${'a/../'.repeat(3000)}${'b'.repeat(3000)}`;
  assert.equal(run({ normalizePath: true }, long).path, `/${'b'.repeat(3000)}`);
});

test('escaped slashes', () => {
  assert.equal(run({ pathWithEscapedSlashesAction: 'REJECT_REQUEST' }, '/a%2fb').code, BAD_PATH);
  assert.equal(run({ pathWithEscapedSlashesAction: 'UNESCAPE_AND_FORWARD' }, '/a%2fb').path, '/a/b');
  assert.equal(run({ pathWithEscapedSlashesAction: 'UNESCAPE_AND_REDIRECT' }, '/a%5Cb').code, REDIRECT_TO_PATH);
});

test('hosts', () => {
  assert.equal(run({ stripMatchingHostPort: true }, '/', 'a:8080').host, 'a');
  assert.equal(run({ stripMatchingHostPort: true }, '/', 'a:81').host, 'a:81');
  assert.equal(run({ stripAnyHostPort: true }, '/', '[::1]:81').host, '[::1]');
  assert.equal(run({ stripTrailingHostDot: true }, '/', 'a.example.:81').host, 'a.example:81');
  assert.equal(run({ stripTrailingHostDot: true, stripAnyHostPort: true }, '/', 'a.example.:81').host, 'a.example');
  assert.equal(run({ stripAnyHostPort: true }, '/', '[::1]').host, '[::1]');
});
