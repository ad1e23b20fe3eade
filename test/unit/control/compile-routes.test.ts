/** Route tables to records: every matcher and action in each of its forms, with the defaults. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ForwardRecord, RouteConfigRecord, RouteRecord } from '../../../engine/plan/records.js';
import { compiled, managerOf, yaml } from '../../support/config-problems.js';

function config(pieces: Parameters<typeof yaml>[0]): RouteConfigRecord {
  return managerOf(compiled(yaml(pieces))).routeConfig;
}
function route(text: string): RouteRecord {
  return config({ routes: `[ ${text} ]` }).virtualHosts[0]?.routes[0] as RouteRecord;
}
const match = (fields: string): RouteRecord['match'] => route(`{ match: { ${fields} }, route: { cluster: c } }`).match;
const action = (fields: string): ForwardRecord =>
  route(`{ match: { prefix: "/" }, route: { cluster: c, ${fields} } }`).action as ForwardRecord;
const PREFIX = 'prefix: "/"';

test('paths in each form', () => {
  assert.deepEqual(match('prefix: "/a"').path, { kind: 'prefix', value: '/a' });
  assert.deepEqual(match('path: "/a"').path, { kind: 'path', value: '/a' });
  assert.deepEqual(match('safe_regex: { regex: "/a+" }').path, { kind: 'safe_regex', value: '/a+' });
  assert.deepEqual(match('path_separated_prefix: "/a"').path, { kind: 'path_separated_prefix', value: '/a' });
  assert.deepEqual(match('connect_matcher: {}').path, { kind: 'connect' });
  assert.equal(match(PREFIX).caseSensitive, true);
  assert.equal(match(`${PREFIX}, case_sensitive: false`).caseSensitive, false);
});

test('header matchers in the old and the new spelling', () => {
  const header = (fields: string): unknown => match(`${PREFIX}, headers: [ { name: X-A, ${fields} } ]`).headers[0];
  const record = (found: unknown, more = {}): unknown => ({
    name: 'x-a',
    match: found,
    invert: false,
    treatMissingAsEmpty: false,
    ...more,
  });
  const string = (kind: string, value: string, ignoreCase = false): unknown => ({
    kind: 'string',
    string: { kind, value, ignoreCase },
  });
  for (const kind of ['exact', 'prefix', 'suffix', 'contains']) {
    assert.deepEqual(header(`${kind}_match: b`), record(string(kind, 'b')));
    assert.deepEqual(header(`string_match: { ${kind}: b, ignore_case: true }`), record(string(kind, 'b', true)));
  }
  const regex = { kind: 'string', string: { kind: 'safe_regex', value: 'b+' } };
  assert.deepEqual(header('safe_regex_match: { regex: b+ }'), record(regex));
  assert.deepEqual(header('string_match: { safe_regex: { regex: b+ } }'), record(regex));
  assert.deepEqual(header('range_match: { start: -5, end: 9 }'), record({ kind: 'range', start: -5, end: 9 }));
  assert.deepEqual(header('present_match: false'), record({ kind: 'present', present: false }));
  assert.deepEqual(
    header('exact_match: "", invert_match: true, treat_missing_header_as_empty: true'),
    record(string('exact', ''), { invert: true, treatMissingAsEmpty: true }),
  );
  assert.deepEqual(
    match(`${PREFIX}, headers: [ { name: X-A } ]`).headers[0],
    record({ kind: 'present', present: true }),
  );
});

test('query parameters, gRPC and fractions', () => {
  const found = match(
    `${PREFIX}, grpc: {}, query_parameters: [ { name: a, string_match: { exact: b } }, { name: c, present_match: true }, { name: d } ], runtime_fraction: { default_value: { numerator: 5, denominator: MILLION } }`,
  );
  assert.equal(found.grpc, true);
  assert.deepEqual(found.runtimeFraction, { numerator: 5, denominator: 1000000 });
  assert.deepEqual(found.queryParameters, [
    { name: 'a', string: { kind: 'exact', value: 'b', ignoreCase: false } },
    { name: 'c', string: null },
    { name: 'd', string: null },
  ]);
  assert.equal(match(PREFIX).runtimeFraction, null);
});

test('forwarding: times, host rewrites, upgrades', () => {
  const plain = action('priority: DEFAULT');
  assert.deepEqual(
    [plain.timeoutMs, plain.idleTimeoutMs, plain.maxStreamDurationMs, plain.upgrades, plain.clusterNotFoundStatus],
    [15000, null, null, null, 503],
  );
  const set = action(
    'timeout: 0s, idle_timeout: 0s, max_stream_duration: { max_stream_duration: 3s }, cluster_not_found_response_code: NOT_FOUND, priority: HIGH, append_x_forwarded_host: true, upgrade_configs: [ { upgrade_type: WebSocket, enabled: false }, { upgrade_type: CONNECT } ]',
  );
  assert.deepEqual(
    [
      set.timeoutMs,
      set.idleTimeoutMs,
      set.maxStreamDurationMs,
      set.clusterNotFoundStatus,
      set.priority,
      set.appendXForwardedHost,
    ],
    [0, 0, 3000, 404, 'HIGH', true],
  );
  assert.deepEqual(
    set.upgrades?.map(({ type, enabled }) => [type, enabled]),
    [
      ['websocket', false],
      ['connect', true],
    ],
  );
  assert.deepEqual(action('host_rewrite_literal: h').hostRewrite, { kind: 'literal', value: 'h' });
  assert.deepEqual(action('auto_host_rewrite: true').hostRewrite, { kind: 'auto' });
  assert.equal(action('auto_host_rewrite: false').hostRewrite, null);
  assert.deepEqual(action('host_rewrite_header: X-H').hostRewrite, { kind: 'header', name: 'x-h' });
  const rewrite = { pattern: '^/(.*)$', substitution: '\\1' };
  const text = '{ pattern: { regex: "^/(.*)$" }, substitution: "\\\\1" }';
  assert.deepEqual(action(`host_rewrite_path_regex: ${text}`).hostRewrite, { kind: 'path_regex', rewrite });
  assert.deepEqual(action(`regex_rewrite: ${text}`).regexRewrite, rewrite);
  assert.equal(action('prefix_rewrite: "/x"').prefixRewrite, '/x');
});

test('clusters by weight add up, and each has its own header changes', () => {
  const { action: found } = route(
    `{ match: { ${PREFIX} }, route: { weighted_clusters: { clusters: [ { name: c, weight: 3, host_rewrite_literal: h, request_headers_to_add: [ { header: { key: X-A, value: b } } ] }, { name: c, weight: 1, response_headers_to_remove: [ X-B ] } ] } } }`,
  );
  assert.ok(found.kind === 'forward' && found.cluster.kind === 'weighted');
  assert.equal(found.cluster.totalWeight, 4);
  const [first, second] = found.cluster.clusters;
  assert.equal(first?.hostRewriteLiteral, 'h');
  assert.deepEqual(first?.mutations.requestAdd, [
    { name: 'x-a', value: 'b', action: 'APPEND_IF_EXISTS_OR_ADD', keepEmptyValue: false },
  ]);
  assert.deepEqual(second?.mutations.responseRemove, ['x-b']);
  const { action: byHeader } = route(`{ match: { ${PREFIX} }, route: { cluster_header: X-C } }`);
  assert.deepEqual(byHeader.kind === 'forward' && byHeader.cluster, { kind: 'cluster_header', header: 'x-c' });
});

test('redirects and direct responses', () => {
  const { action: found } = route(
    `{ match: { ${PREFIX} }, redirect: { scheme_redirect: https, host_redirect: h, port_redirect: 1, prefix_rewrite: "/n", response_code: SEE_OTHER, strip_query: true } }`,
  );
  assert.deepEqual(found, {
    kind: 'redirect',
    httpsRedirect: false,
    schemeRedirect: 'https',
    hostRedirect: 'h',
    portRedirect: 1,
    pathRedirect: null,
    prefixRewrite: '/n',
    regexRewrite: null,
    status: 303,
    stripQuery: true,
  });
  const direct = (body: string): unknown =>
    route(`{ match: { ${PREFIX} }, direct_response: { status: 403${body} } }`).action;
  const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));
  assert.deepEqual(direct(''), { kind: 'direct_response', status: 403, body: bytes('') });
  assert.deepEqual(direct(', body: { inline_string: no }'), {
    kind: 'direct_response',
    status: 403,
    body: bytes('no'),
  });
  assert.deepEqual(direct(', body: { inline_bytes: bm8= }'), {
    kind: 'direct_response',
    status: 403,
    body: bytes('no'),
  });
  assert.deepEqual(direct(', body: { environment_variable: SET }'), {
    kind: 'direct_response',
    status: 403,
    body: bytes('set'),
  });
});

test('header changes: how they append, in both spellings, and with the environment in place', () => {
  const { mutations } = config({
    routes: '[]',
    host: 'response_headers_to_remove: [ Server ], request_headers_to_add: [ { header: { key: A, value: "%ENVIRONMENT(SET)%" }, append: false }, { header: { key: B, value: "" }, append_action: ADD_IF_ABSENT, keep_empty_value: true } ]',
  }).virtualHosts[0] as { mutations: RouteRecord['mutations'] };
  assert.deepEqual(mutations.requestAdd, [
    { name: 'a', value: 'set', action: 'OVERWRITE_IF_EXISTS_OR_ADD', keepEmptyValue: false },
    { name: 'b', value: '', action: 'ADD_IF_ABSENT', keepEmptyValue: true },
  ]);
  assert.deepEqual(mutations.responseRemove, ['server']);
});
