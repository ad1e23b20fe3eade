/** Router against the documentation word by word: random tables, random requests, the same first match. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Prng } from '../../engine/base/prng.js';
import type { PathMatchRecord, RouteRecord, VirtualHostRecord } from '../../engine/plan/records.js';
import { Router } from '../../engine/route/router.js';
import { isPathMatch } from '../support/route-reference.js';
import { host, requestHead, requestView, route, table } from '../support/routes.js';

interface Request {
  readonly hostName: string;
  readonly target: string;
  readonly header: string | null;
}

// ---- the documentation, as slow and plain as it can be ------------------------------------------------------

function isMatch(each: RouteRecord, request: Request): boolean {
  if (!isPathMatch(each, request.target)) return false;
  const query = new Map<string, string>();
  for (const pair of (request.target.split('?')[1] ?? '').split('&')) {
    const [name = '', value = ''] = pair.split('=');
    if (!query.has(name)) query.set(name, value);
  }
  for (const wanted of each.match.queryParameters)
    if (wanted.string === null ? !query.has(wanted.name) : query.get(wanted.name) !== wanted.string.value) return false;
  for (const wanted of each.match.headers) {
    const isEqual = wanted.match.kind === 'string' && request.header === wanted.match.string.value;
    if (request.header === null || isEqual === wanted.invert) return false;
  }
  return true;
}

function hostOf(hosts: readonly VirtualHostRecord[], name: string): VirtualHostRecord | null {
  const lower = name.toLowerCase();
  const ranked: { readonly rank: number; readonly each: VirtualHostRecord }[] = [];
  for (const each of hosts)
    for (const domain of each.domains) {
      const part = domain.replace('*', '');
      const isLonger = lower.length > part.length;
      if (domain === '*') ranked.push({ rank: 0, each });
      else if (domain === lower) ranked.push({ rank: 3000, each });
      else if (domain.startsWith('*') && isLonger && lower.endsWith(part))
        ranked.push({ rank: 2000 + part.length, each });
      else if (domain.endsWith('*') && isLonger && lower.startsWith(part))
        ranked.push({ rank: 1000 + part.length, each });
    }
  ranked.sort((a, b) => b.rank - a.rank);
  return ranked[0]?.each ?? null;
}

function expected(hosts: readonly VirtualHostRecord[], request: Request): RouteRecord | null {
  return hostOf(hosts, request.hostName)?.routes.find((each) => isMatch(each, request)) ?? null;
}

// ---- tables and requests that have a chance of meeting ------------------------------------------------------

const segment = fc.constantFrom('a', 'b', 'ab', 'A', 'api', 'apiary', '');
const somePath = fc.array(segment, { maxLength: 4 }).map((parts) => `/${parts.join('/')}`);
const someRegex = fc.constantFrom(
  '/a.*',
  '/(a|b)/.*',
  '/api(ary)?',
  '.*',
  '/[ab]+',
  '/ab?',
  '/a/b+',
  '/a|/b',
  '/api/.+',
);
const someMatch: fc.Arbitrary<PathMatchRecord> = fc.oneof(
  somePath.map((value): PathMatchRecord => ({ kind: 'prefix', value })),
  somePath.map((value): PathMatchRecord => ({ kind: 'path', value })),
  fc.constantFrom('/?', '/a?x=1', '/api?').map((value): PathMatchRecord => ({ kind: 'prefix', value })),
  somePath.map((value): PathMatchRecord => ({ kind: 'path_separated_prefix', value: value.replace(/\/+$/, '') })),
  someRegex.map((value): PathMatchRecord => ({ kind: 'safe_regex', value })),
);
const someHeader = fc.tuple(fc.constantFrom('1', '2'), fc.boolean()).map(([value, invert]) => ({
  name: 'x-a',
  match: { kind: 'string', string: { kind: 'exact', value, ignoreCase: false } } as const,
  invert,
  treatMissingAsEmpty: false,
}));
const someQuery = fc.constantFrom(null, '1').map((value) => ({
  name: 'x',
  string: value === null ? null : ({ kind: 'exact', value, ignoreCase: false } as const),
}));
const someRoute = fc
  .record({
    path: someMatch,
    caseSensitive: fc.boolean(),
    headers: fc.oneof({ weight: 4, arbitrary: fc.constant([]) }, fc.array(someHeader, { maxLength: 1 })),
    queryParameters: fc.oneof({ weight: 4, arbitrary: fc.constant([]) }, fc.array(someQuery, { maxLength: 1 })),
  })
  .map(({ path, ...match }) => route(path, match));

const someName = fc.constantFrom('a', 'b.a', 'c.b.a', 'x-a', 'b', 'b.c', 'a:80', 'B.A', 'xx');
const someDomains = fc.uniqueArray(
  fc.constantFrom('*', 'a', 'b.a', '*.a', '*.b.a', '*-a', '*a', 'b.*', 'b*', 'c.*', 'a:80', 'x*', 'xx'),
  { minLength: 1, maxLength: 8 },
);
const someHosts = fc
  .tuple(someDomains, fc.array(fc.array(someRoute, { maxLength: 14 }), { minLength: 8, maxLength: 8 }))
  .map(([domains, lists]) => domains.map((domain, at) => host({ domains: [domain], routes: lists[at] ?? [] })));

const someRequest: fc.Arbitrary<Request> = fc.record({
  hostName: someName,
  target: fc
    .tuple(somePath, fc.constantFrom('', '?', '?x=1', '?x=2&x=1', '?y=/a'))
    .map(([path, query]) => path + query),
  header: fc.constantFrom(null, '1', '2', '3'),
});

test('the compiled table equals the documentation', () => {
  fc.assert(
    fc.property(someHosts, fc.array(someRequest, { minLength: 4, maxLength: 12 }), (hosts, requests) => {
      const router = new Router(table(hosts), Prng.fromSeed(1));
      for (const request of requests) {
        const fields = request.header === null ? '' : `X-A: ${request.header}\r\n`;
        const x = requestView(requestHead(request.target, request.hostName, fields));
        assert.equal(router.route(x)?.record ?? null, expected(hosts, request), JSON.stringify(request));
      }
    }),
    { numRuns: 600 },
  );
});

test('ten thousand routes: each is found, in either order', () => {
  const routes = Array.from({ length: 10000 }, (_, at) =>
    route({ kind: at % 3 === 0 ? 'path' : 'prefix', value: `/service-${String(at).padStart(5, '0')}/v1` }),
  );
  for (const list of [routes, [...routes].reverse()]) {
    const router = new Router(table([host({ routes: list })]), Prng.fromSeed(1));
    for (let at = 0; at < 10000; at += 37) {
      const record = routes[at] as RouteRecord;
      const target = 'value' in record.match.path ? record.match.path.value : '';
      assert.equal(router.route(requestView(requestHead(target)))?.record, record);
      assert.equal(router.route(requestView(requestHead(`${target}x`)))?.record ?? null, at % 3 === 0 ? null : record);
    }
  }
});
