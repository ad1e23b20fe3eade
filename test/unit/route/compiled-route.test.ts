/** CompiledRoute: clusters, rewrites, header changes in Envoy's order. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Prng } from '../../../engine/base/prng.js';
import type { Head } from '../../../engine/http/head.js';
import type {
  ForwardRecord,
  HeaderAddRecord,
  HeaderMutationsRecord,
  PathMatchRecord,
  RouteConfigRecord,
} from '../../../engine/plan/records.js';
import type { CompiledRoute } from '../../../engine/route/compiled-route.js';
import { Router } from '../../../engine/route/router.js';
import { forward, host, NO_MUTATIONS, requestHead, requestView, route, table } from '../../support/routes.js';

const ROOT: PathMatchRecord = { kind: 'prefix', value: '/' };

function compiled(path: PathMatchRecord, action: ForwardRecord, target: string): CompiledRoute {
  const router = new Router(table([host({ routes: [route(path, {}, action)] })]), Prng.fromSeed(1));
  const found = router.route(requestView(requestHead(target)));
  assert.ok(found !== null);
  return found;
}

function rewritten(path: PathMatchRecord, changes: Partial<ForwardRecord>, target: string, fields = ''): Head {
  const found = compiled(path, forward(changes), target);
  const head = requestHead(target, 'old.example', fields);
  const x = requestView(head);
  found.rewriteRequest(head, x, found.chooseCluster(x, Prng.fromSeed(1)));
  return head;
}

test('prefix_rewrite replaces what was matched and keeps the query', () => {
  const path = (match: PathMatchRecord, prefixRewrite: string, target: string): string =>
    rewritten(match, { prefixRewrite }, target).pathString();
  assert.equal(path({ kind: 'prefix', value: '/api' }, '/v1', '/api/x?a=/api'), '/v1/x?a=/api');
  assert.equal(path({ kind: 'prefix', value: '/api/' }, '/', '/api/x'), '/x');
  // Envoy's documented trap: it takes two routes to avoid this.
  assert.equal(path({ kind: 'prefix', value: '/api' }, '/', '/api/x'), '//x');
  assert.equal(path({ kind: 'path', value: '/a' }, '/b', '/a?q'), '/b?q');
  assert.equal(path({ kind: 'path_separated_prefix', value: '/a' }, '/b', '/a/c?q'), '/b/c?q');
  const head = rewritten(ROOT, { prefixRewrite: '/x/' }, '/y', 'X-Envoy-Original-Path: /forged\r\n');
  assert.equal(head.joinedString('x-envoy-original-path'), '/y');
});

test('a rewrite leaves a valid target', () => {
  assert.equal(rewritten(ROOT, { prefixRewrite: 'no slash/' }, '/x').pathString(), '/no%20slash/x');
  const regexRewrite = { pattern: '.*', substitution: '' };
  assert.equal(rewritten(ROOT, { regexRewrite }, '/x?q').pathString(), '/?q');
});

test('regex_rewrite acts on the path without the query', () => {
  const regexRewrite = { pattern: '^/service/([^/]+)(/.*)$', substitution: '\\2/instance/\\1' };
  const head = rewritten(ROOT, { regexRewrite }, '/service/foo/v1/api?x=/service/');
  assert.equal(head.pathString(), '/v1/api/instance/foo?x=/service/');
  assert.equal(head.joinedString('x-envoy-original-path'), '/service/foo/v1/api?x=/service/');
});

test('host rewrites', () => {
  const hostOf = (hostRewrite: ForwardRecord['hostRewrite'], fields = '', target = '/'): string =>
    rewritten(ROOT, { hostRewrite }, target, fields).authorityString();
  assert.equal(hostOf({ kind: 'literal', value: 'new.example' }), 'new.example');
  assert.equal(hostOf({ kind: 'header', name: 'x-host' }, 'X-Host: by.header\r\n'), 'by.header');
  assert.equal(hostOf({ kind: 'header', name: 'x-host' }), 'old.example');
  // What would make the request ambiguous is not taken.
  assert.equal(hostOf({ kind: 'header', name: 'x-host' }, 'X-Host: a, b\r\n'), 'old.example');
  const rewrite = { pattern: '^/(.+)/.+$', substitution: '\\1' };
  assert.equal(hostOf({ kind: 'path_regex', rewrite }, '', '/envoyproxy.io/some?x'), 'envoyproxy.io');
});

test('append_x_forwarded_host appends what was, unless it is the last one there', () => {
  const append = (fields: string): string | null =>
    rewritten(ROOT, { hostRewrite: { kind: 'literal', value: 'n' }, appendXForwardedHost: true }, '/', fields)
      .joinedString('x-forwarded-host')
      ?.replaceAll(', ', ',') ?? null;
  assert.equal(append(''), 'old.example');
  assert.equal(append('X-Forwarded-Host: first\r\n'), 'first,old.example');
  assert.equal(append('X-Forwarded-Host: first, old.example\r\n'), 'first, old.example'.replaceAll(', ', ','));
});

test('cluster_header: the first value, and none without it', () => {
  const action = forward({ cluster: { kind: 'cluster_header', header: 'x-cluster' } });
  const found = compiled(ROOT, action, '/');
  const name = (fields: string): string | undefined =>
    found.chooseCluster(requestView(requestHead('/', 'a', fields)), Prng.fromSeed(1))?.name;
  assert.equal(name('X-Cluster: one\r\n'), 'one');
  assert.equal(name('X-Cluster: two\r\nX-Cluster: three\r\n'), 'two');
  assert.equal(name('X-Cluster: one\r\n'), 'one');
  assert.equal(name(''), undefined);
  const choose = (): unknown =>
    found.chooseCluster(requestView(requestHead('/', 'a', 'X-Cluster: same\r\n')), Prng.fromSeed(1));
  assert.equal(choose(), choose());
});

test('weighted clusters are chosen by weight, each with its own changes', () => {
  const cluster = (name: string, weight: number, mutations = NO_MUTATIONS) => ({
    name,
    weight,
    criteria: 0,
    mutations,
    hostRewriteLiteral: name === 'b' ? 'b.example' : null,
    typedPerFilterConfig: {},
  });
  const clusters = [cluster('a', 90), cluster('b', 10, additions([add('x-from', 'b')])), cluster('never', 0)];
  const found = compiled(ROOT, forward({ cluster: { kind: 'weighted', clusters, totalWeight: 100 } }), '/');
  const random = Prng.fromSeed(7);
  const counts: Record<string, number> = {};
  const head = requestHead('/');
  const x = requestView(head);
  for (let i = 0; i < 20000; i++) {
    const name = found.chooseCluster(x, random)?.name as string;
    counts[name] = (counts[name] ?? 0) + 1;
  }
  assert.equal(counts['never'], undefined);
  assert.ok(Math.abs((counts['b'] as number) - 2000) < 200, String(counts['b']));
  let choice = found.chooseCluster(x, random);
  while (choice?.name !== 'b') choice = found.chooseCluster(x, random);
  found.mutateRequest(head, x, choice);
  found.rewriteRequest(head, x, choice);
  assert.equal(head.joinedString('x-from'), 'b');
  assert.equal(head.authorityString(), 'b.example');
});

// ---- header changes ----------------------------------------------------------------------------------

function add(
  name: string,
  value: string,
  action: HeaderAddRecord['action'] = 'APPEND_IF_EXISTS_OR_ADD',
  keepEmptyValue = false,
): HeaderAddRecord {
  return { name, value, action, keepEmptyValue };
}

function additions(requestAdd: HeaderAddRecord[], requestRemove: string[] = []): HeaderMutationsRecord {
  return { ...NO_MUTATIONS, requestAdd, requestRemove };
}

/** Values of x after the levels were applied to a request. */
function mutated(
  levels: { route?: HeaderMutationsRecord; host?: HeaderMutationsRecord; table?: HeaderMutationsRecord },
  fields = '',
  changes: Partial<RouteConfigRecord> = {},
): Head {
  const routes = [route(ROOT, {}, forward(), levels.route)];
  const config = table([host({ routes, mutations: levels.host ?? NO_MUTATIONS })], {
    mutations: levels.table ?? NO_MUTATIONS,
    ...changes,
  });
  const head = requestHead('/p?q', 'a', fields);
  const x = requestView(head);
  const found = new Router(config, Prng.fromSeed(1)).route(x) as CompiledRoute;
  found.mutateRequest(head, x, found.chooseCluster(x, Prng.fromSeed(1)));
  return head;
}

test('levels: route, virtual host, table, so that the widest wins; the other way round on demand', () => {
  const level = (value: string): HeaderMutationsRecord => additions([add('x', value, 'OVERWRITE_IF_EXISTS_OR_ADD')]);
  const levels = { route: level('route'), host: level('host'), table: level('table') };
  assert.equal(mutated(levels).joinedString('x'), 'table');
  assert.equal(mutated(levels, '', { mostSpecificHeaderMutationsWins: true }).joinedString('x'), 'route');
  const appended = { route: additions([add('x', '1')]), host: additions([add('x', '2')]) };
  assert.match(mutated(appended, 'X: 0\r\n').joinedString('x') as string, /^0, ?1, ?2$/);
});

test('append actions', () => {
  const one = (action: HeaderAddRecord['action'], fields: string): string | null | undefined =>
    mutated({ route: additions([add('x', 'new', action)]) }, fields)
      .joinedString('x')
      ?.replaceAll(', ', ',');
  assert.equal(one('APPEND_IF_EXISTS_OR_ADD', 'X: old\r\n'), 'old,new');
  assert.equal(one('APPEND_IF_EXISTS_OR_ADD', ''), 'new');
  assert.equal(one('ADD_IF_ABSENT', 'X: old\r\n'), 'old');
  assert.equal(one('ADD_IF_ABSENT', ''), 'new');
  assert.equal(one('OVERWRITE_IF_EXISTS', 'X: old\r\nX: older\r\n'), 'new');
  assert.equal(one('OVERWRITE_IF_EXISTS', ''), undefined);
  assert.equal(one('OVERWRITE_IF_EXISTS_OR_ADD', 'X: old\r\n'), 'new');
});

test('remove comes before add, and a level computes its values before it changes anything', () => {
  const removed = mutated({ route: additions([add('x', 'new')], ['x', 'accept']) }, 'X: old\r\nAccept: a\r\n');
  assert.equal(removed.joinedString('x'), 'new');
  assert.equal(removed.joinedString('accept'), null);
  const crossed = mutated(
    {
      route: additions([
        add('x', 'was %REQ(y)%', 'OVERWRITE_IF_EXISTS_OR_ADD'),
        add('y', 'was %REQ(x)%', 'OVERWRITE_IF_EXISTS_OR_ADD'),
      ]),
    },
    'X: x\r\nY: y\r\n',
  );
  assert.equal(crossed.joinedString('x'), 'was y');
  assert.equal(crossed.joinedString('y'), 'was x');
});

test('values: operators, nothing for what is missing, empty ones only on demand', () => {
  const head = mutated({
    route: additions([
      add('x-path', '%REQ(:PATH)%'),
      add('x-none', '%REQ(nope)%'),
      add('x-empty', '%REQ(nope)%', 'APPEND_IF_EXISTS_OR_ADD', true),
      add('x-percent', '100%%'),
    ]),
  });
  assert.equal(head.joinedString('x-path'), '/p?q');
  assert.equal(head.joinedString('x-none'), null);
  assert.equal(head.joinedString('x-empty'), '');
  assert.equal(head.joinedString('x-percent'), '100%');
});

test('internal_only_headers go before routes are held against them', () => {
  const routes = [
    route(ROOT, {
      headers: [
        { name: 'x-internal', match: { kind: 'present', present: true }, invert: false, treatMissingAsEmpty: false },
      ],
    }),
    route(ROOT),
  ];
  const router = new Router(table([host({ routes })], { internalOnlyHeaders: ['X-Internal'] }), Prng.fromSeed(1));
  const outside = requestHead('/', 'a', 'X-Internal: 1\r\n');
  assert.equal(router.route(requestView(outside))?.record, routes[1]);
  assert.equal(outside.joinedString('x-internal'), null);
  const inside = requestView(requestHead('/', 'a', 'X-Internal: 1\r\n'), { isInternal: true });
  assert.equal(router.route(inside)?.record, routes[0]);
});
