/** Normalization of paths and hosts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
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
  assert.equal(run(on, '/..').code, BAD_PATH);
  assert.equal(run(on, '/a%00').code, BAD_PATH);
  assert.equal(run(on, '/a%zz').code, BAD_PATH);
  assert.equal(run({ mergeSlashes: true }, '//a///b').path, '/a/b');
  assert.equal(run({}, '//a/../b').path, '//a/../b');
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
});
