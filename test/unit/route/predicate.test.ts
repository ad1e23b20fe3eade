/** Predicates: what a route asks of a request beside its path. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Prng } from '../../../engine/base/prng.js';
import type { HeaderMatchRecord, RouteMatchRecord } from '../../../engine/plan/records.js';
import { Router } from '../../../engine/route/router.js';
import { host, prefix, requestHead, requestView, table } from '../../support/routes.js';

function matches(match: Partial<RouteMatchRecord>, fields = '', target = '/', method = 'GET', hostName = 'a'): boolean {
  const router = new Router(table([host({ routes: [prefix('/', match)] })]), Prng.fromSeed(1));
  return router.route(requestView(requestHead(target, hostName, fields, method))) !== null;
}

function header(
  name: string,
  match: HeaderMatchRecord['match'],
  changes: Partial<HeaderMatchRecord> = {},
): Partial<RouteMatchRecord> {
  return { headers: [{ name, match, invert: false, treatMissingAsEmpty: false, ...changes }] };
}

const exact = (value: string, ignoreCase = false): HeaderMatchRecord['match'] => ({
  kind: 'string',
  string: { kind: 'exact', value, ignoreCase },
});
const present: HeaderMatchRecord['match'] = { kind: 'present', present: true };

test('presence', () => {
  assert.equal(matches(header('x', present), 'X: 1\r\n'), true);
  assert.equal(matches(header('x', present)), false);
  assert.equal(matches(header('x', present, { invert: true })), true);
  assert.equal(matches(header('x', present, { invert: true }), 'X: 1\r\n'), false);
  assert.equal(matches(header('x', { kind: 'present', present: false })), true);
  assert.equal(matches(header('x', present, { treatMissingAsEmpty: true })), true);
});

test('values', () => {
  const string = (kind: 'prefix' | 'suffix' | 'contains', value: string, ignoreCase = false) =>
    header('x', { kind: 'string', string: { kind, value, ignoreCase } });
  assert.equal(matches(header('x', exact('abc')), 'X: abc\r\n'), true);
  assert.equal(matches(header('x', exact('abc')), 'X: ABC\r\n'), false);
  assert.equal(matches(header('x', exact('aBc', true)), 'X: AbC\r\n'), true);
  assert.equal(matches(string('prefix', 'ab'), 'X: abc\r\n'), true);
  assert.equal(matches(string('suffix', 'bc'), 'X: abc\r\n'), true);
  assert.equal(matches(string('contains', 'B', true), 'X: abc\r\n'), true);
  assert.equal(matches(string('contains', 'bd'), 'X: abc\r\n'), false);
  const regex = header('x', { kind: 'string', string: { kind: 'safe_regex', value: 'v[0-9]+' } });
  assert.equal(matches(regex, 'X: v12\r\n'), true);
  assert.equal(matches(regex, 'X: v12x\r\n'), false);
  const range = header('x', { kind: 'range', start: -1, end: 10 });
  assert.equal(matches(range, 'X: -1\r\n'), true);
  assert.equal(matches(range, 'X: 10\r\n'), false);
  assert.equal(matches(range, 'X: 9a\r\n'), false);
});

test('a missing header matches no value, nor the opposite of one, unless it counts as empty', () => {
  assert.equal(matches(header('x', exact('a'), { invert: true })), false);
  assert.equal(matches(header('x', exact('a'), { invert: true, treatMissingAsEmpty: true })), true);
  assert.equal(matches(header('x', exact('a'), { invert: true }), 'X: b\r\n'), true);
});

test('repeated fields match as one, as they came', () => {
  assert.equal(matches(header('x', exact('a,b, c')), 'X: a\r\nY: 1\r\nX: b, c\r\n'), true);
  assert.equal(matches(header('accept', exact('a,b')), 'Accept: a\r\nAccept: b\r\n'), true);
});

test('pseudo-headers', () => {
  assert.equal(matches(header(':method', exact('POST')), '', '/', 'POST'), true);
  assert.equal(matches(header(':method', exact('PURGE')), '', '/', 'PURGE'), true);
  assert.equal(matches(header(':method', exact('POST'))), false);
  assert.equal(matches(header(':path', exact('/a?b')), '', '/a?b'), true);
  assert.equal(matches(header(':authority', exact('h.example')), '', '/', 'GET', 'h.example'), true);
  assert.equal(matches(header('host', exact('h.example')), '', '/', 'GET', 'h.example'), true);
  assert.equal(matches(header(':scheme', exact('http'))), true);
  assert.equal(matches(header(':nonsense', exact('http'))), false);
});

test('query parameters: the first of a name decides', () => {
  const query = (value: string | null): Partial<RouteMatchRecord> => ({
    queryParameters: [{ name: 'q', string: value === null ? null : { kind: 'exact', value, ignoreCase: false } }],
  });
  assert.equal(matches(query('1'), '', '/?a=2&q=1&q=3'), true);
  assert.equal(matches(query('3'), '', '/?q=1&q=3'), false);
  assert.equal(matches(query(null), '', '/?q'), true);
  assert.equal(matches(query(null), '', '/?qq=1&aq'), false);
  assert.equal(matches(query(''), '', '/?q&x'), true);
  assert.equal(matches(query('a=b'), '', '/?q=a=b'), true);
  assert.equal(matches(query(null), '', '/q'), false);
});

test('grpc', () => {
  assert.equal(matches({ grpc: true }, 'Content-Type: application/grpc\r\n'), true);
  assert.equal(matches({ grpc: true }, 'Content-Type: application/grpc+proto\r\n'), true);
  assert.equal(matches({ grpc: true }, 'Content-Type: application/grpc-web\r\n'), false);
  assert.equal(matches({ grpc: true }), false);
});

test('fractions: by share, and one number for all routes of a request', () => {
  const half = { runtimeFraction: { numerator: 50, denominator: 100 } };
  const routes = [prefix('/', half), prefix('/', half), prefix('/')];
  const router = new Router(table([host({ routes })]), Prng.fromSeed(3));
  const counts = [0, 0, 0];
  for (let i = 0; i < 10000; i++) {
    const found = router.route(requestView(requestHead('/')));
    counts[found?.order as number] = (counts[found?.order as number] as number) + 1;
  }
  // The second asks for the same half as the first: as in Envoy it never gets any.
  assert.equal(counts[1], 0);
  assert.ok(Math.abs((counts[0] as number) - 5000) < 300, String(counts));
  assert.equal(matches({ runtimeFraction: { numerator: 0, denominator: 100 } }), false);
  assert.equal(matches({ runtimeFraction: { numerator: 100, denominator: 100 } }), true);
});
