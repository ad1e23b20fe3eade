/** Router: the compiled table answers what a linear scan answers, and Envoy's precedence of domains holds. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Prng } from '../../../engine/base/prng.js';
import type { ExchangeView } from '../../../engine/format/exchange-view.js';
import { parseRequestHead } from '../../../engine/http1/head-parser.js';
import type { PathMatchRecord, RouteConfigRecord, RouteRecord } from '../../../engine/plan/records.js';
import { Router } from '../../../engine/route/router.js';
import { newHead } from '../../support/fake-conn.js';
import { SERVER_OPTIONS } from '../../support/server-harness.js';

const NONE = { requestAdd: [], requestRemove: [], responseAdd: [], responseRemove: [] };

function route(path: PathMatchRecord, caseSensitive = true): RouteRecord {
  return {
    name: `${path.kind} ${'value' in path ? path.value : ''}`,
    match: { path, caseSensitive, headers: [], queryParameters: [], grpc: false, runtimeFraction: null },
    action: { kind: 'direct_response', status: 200, body: new Uint8Array(0) },
    mutations: NONE,
    typedPerFilterConfig: {},
    statPrefix: '',
  };
}

function config(hosts: { domains: string[]; routes: RouteRecord[] }[]): RouteConfigRecord {
  return {
    name: '',
    virtualHosts: hosts.map(({ domains, routes }) => ({
      name: domains.join(),
      domains,
      routes,
      requireTls: 'NONE',
      mutations: NONE,
      includeRequestAttemptCount: false,
      includeAttemptCountInResponse: false,
    })),
    mutations: NONE,
    internalOnlyHeaders: [],
    mostSpecificHeaderMutationsWins: false,
    ignorePortInHostMatching: false,
  };
}

function view(path: string, host = 'a'): ExchangeView {
  const bytes = Buffer.from(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  const head = newHead();
  assert.ok(parseRequestHead(bytes, 0, bytes.length, head, SERVER_OPTIONS) > 0, path);
  return { request: head } as ExchangeView;
}

/** What the documentation says, word by word. */
function linear(routes: readonly RouteRecord[], target: string): RouteRecord | null {
  const path = target.split('?')[0] as string;
  for (const each of routes) {
    const match = each.match.path;
    if (!('value' in match)) continue;
    const fold = (text: string): string => (each.match.caseSensitive ? text : text.toLowerCase());
    const [whole, bare, value] = [fold(target), fold(path), fold(match.value)];
    if (match.kind === 'prefix' && whole.startsWith(value)) return each;
    if (match.kind === 'path' && bare === value) return each;
    if (match.kind === 'path_separated_prefix' && (bare === value || bare.startsWith(`${value}/`))) return each;
  }
  return null;
}

const segment = fc.constantFrom('a', 'b', 'ab', 'A', 'api', 'apiary');
const somePath = fc.array(segment, { maxLength: 4 }).map((parts) => `/${parts.join('/')}`);

test('the compiled table equals a linear scan', () => {
  const someRoute = fc
    .tuple(fc.constantFrom('prefix', 'path', 'path_separated_prefix'), somePath, fc.boolean())
    .map(([kind, value, caseSensitive]) => route({ kind, value } as PathMatchRecord, caseSensitive));
  fc.assert(
    fc.property(fc.array(someRoute, { maxLength: 12 }), somePath, fc.boolean(), (routes, path, hasQuery) => {
      const target = hasQuery ? `${path}?q=/a` : path;
      const router = new Router(config([{ domains: ['*'], routes }]), Prng.fromSeed(1));
      assert.equal(router.route(view(target))?.record ?? null, linear(routes, target));
    }),
    { numRuns: 500 },
  );
});

test('domains: exact, longest suffix, longest prefix, any; a wildcard is not empty', () => {
  const domains = ['a.example', '*.example', '*.b.example', 'www.*', 'www.x.*', '*'];
  const router = new Router(
    config(domains.map((domain) => ({ domains: [domain], routes: [route({ kind: 'prefix', value: '/' })] }))),
    Prng.fromSeed(1),
  );
  const found = (host: string): string | undefined => router.route(view('/', host))?.virtualHost.name;
  assert.equal(found('a.example'), 'a.example');
  assert.equal(found('A.EXAMPLE'), 'a.example');
  assert.equal(found('c.example'), '*.example');
  assert.equal(found('c.b.example'), '*.b.example');
  assert.equal(found('www.y'), 'www.*');
  assert.equal(found('www.x.y'), 'www.x.*');
  assert.equal(found('other'), '*');
});

test('regular expressions match the whole path without the query, in linear time', () => {
  const routes = [
    route({ kind: 'safe_regex', value: '/user/[0-9]+' }),
    route({ kind: 'safe_regex', value: '/(a+)+b' }),
    route({ kind: 'prefix', value: '/' }),
  ];
  const router = new Router(config([{ domains: ['*'], routes }]), Prng.fromSeed(1));
  assert.equal(router.route(view('/user/17?x=1'))?.record, routes[0]);
  assert.equal(router.route(view('/user/17/more'))?.record, routes[2]);
  assert.equal(router.route(view(`/${'a'.repeat(5000)}`))?.record, routes[2]);
});
