/** Config of gRPC and of browsers: deadlines of routes, grpc_stats, CORS policies in all their places, and mistakes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CorsRecord } from '../../../engine/plan/cors-record.js';
import type { GrpcStatsRecord } from '../../../engine/plan/grpc-stats-record.js';
import type { ForwardRecord, HttpRecord, RouteRecord } from '../../../engine/plan/records.js';
import { briefly, compiled, managerOf, yaml } from '../../support/config-problems.js';

const TYPE = 'type.googleapis.com/envoy.extensions.filters.http';
const ROUTER = `{ name: r, typed_config: { "@type": ${TYPE}.router.v3.Router } }`;
const CORS = `{ name: cors, typed_config: { "@type": ${TYPE}.cors.v3.Cors } }`;
const HCM = 'static_resources.listeners[0].filter_chains[0].filters[0].typed_config';
const ROUTE = `${HCM}.route_config.virtual_hosts[0].routes[0]`;
const typed = (fields: string): string =>
  `typed_per_filter_config: { cors: { "@type": ${TYPE}.cors.v3.CorsPolicy, ${fields} } }`;
const stats = (fields: string): string =>
  `{ name: stats, typed_config: { "@type": ${TYPE}.grpc_stats.v3.FilterConfig, ${fields} } }`;

function config(filters: string, action = 'cluster: c', more = '', host?: string): string {
  const routes = `[ { match: { prefix: "/" }, route: { ${action} }${more === '' ? '' : `, ${more}`} } ]`;
  return yaml(host === undefined ? { routes } : { routes, host }).replace(
    /http_filters: .*/,
    `http_filters: [ ${filters} ]`,
  );
}
const http = (...args: Parameters<typeof config>): HttpRecord => managerOf(compiled(config(...args)));
const route = (...args: Parameters<typeof config>): RouteRecord =>
  http(...args).routeConfig.virtualHosts[0]?.routes[0] as RouteRecord;
const forward = (action: string): ForwardRecord => route(ROUTER, action).action as ForwardRecord;

test('how far grpc-timeout counts, in both forms', () => {
  assert.equal(forward('cluster: c').grpcTimeout, null);
  assert.deepEqual(
    forward('cluster: c, max_stream_duration: { grpc_timeout_header_max: 5s, grpc_timeout_header_offset: 0.1s }')
      .grpcTimeout,
    { headerMaxMs: 5000, headerOffsetMs: 100, maxMs: null, offsetMs: 0 },
  );
  assert.deepEqual(forward('cluster: c, max_grpc_timeout: 0s, grpc_timeout_offset: 1s').grpcTimeout, {
    headerMaxMs: null,
    headerOffsetMs: 0,
    maxMs: 0,
    offsetMs: 1000,
  });
  assert.deepEqual(briefly(config(ROUTER, 'cluster: c, grpc_timeout_offset: 1s')), [
    `error ${ROUTE}.route.grpc_timeout_offset: has no effect without max_grpc_timeout`,
  ]);
  assert.deepEqual(briefly(config(ROUTER, 'cluster: c, max_stream_duration: { grpc_timeout_header_offset: 1s }')), [
    `error ${ROUTE}.route.max_stream_duration.grpc_timeout_header_offset: has no effect without grpc_timeout_header_max`,
  ]);
});

test('grpc_stats: a scope for the cluster and one for each method that is listed', () => {
  const record = (fields: string): GrpcStatsRecord =>
    http(`${stats(fields)}, ${ROUTER}`).filters[0]?.config as GrpcStatsRecord;
  const listed = record(
    'individual_method_stats_allowlist: { services: [ { name: a.B, method_names: [ C, D ] } ] }, enable_upstream_stats: true, replace_dots_in_grpc_service_name: true',
  );
  assert.deepEqual(listed.methods, [
    { service: 'a.B', method: 'C' },
    { service: 'a.B', method: 'D' },
  ]);
  assert.equal(listed.timesUpstream, true);
  assert.equal(new Set(listed.scopes['c']?.map(({ counters }) => counters)).size, 3);
  const bare = record('stats_for_all_methods: false');
  assert.deepEqual([bare.methods, bare.scopes['c']?.length, bare.timesUpstream], [[], 1, false]);
  const at = `error ${HCM}.http_filters[0].typed_config`;
  assert.equal(bare.all, null);
  assert.ok(record('stats_for_all_methods: true, replace_dots_in_grpc_service_name: true').all !== null);
  assert.deepEqual([bare.emitsState, record('emit_filter_state: true').emitsState], [false, true]);
  assert.deepEqual(
    briefly(
      config(
        `${stats('individual_method_stats_allowlist: { services: [ { name: /a.B, method_names: [ C ] } ] }')}, ${ROUTER}`,
      ),
    ),
    [`${at}.individual_method_stats_allowlist.services[0].name: is a name as in package.Service, without slashes`],
  );
});

const ORIGINS = 'allow_origin_string_match: [ { exact: "https://a.example" } ]';
const policyOf = (...args: Parameters<typeof config>): CorsRecord =>
  route(...args).typedPerFilterConfig['cors'] as CorsRecord;

test('a policy leaves open what the one around it says; enabled is its own', () => {
  const host = typed(
    `${ORIGINS}, allow_methods: GET, max_age: "5", allow_credentials: true, filter_enabled: { default_value: { numerator: 1 } }`,
  );
  const own = policyOf(`${CORS}, ${ROUTER}`, 'cluster: c', typed('allow_methods: PUT, allow_credentials: false'), host);
  assert.deepEqual(
    [own.allowMethods, own.maxAge, own.allowCredentials, own.allowOrigins.length, own.enabled],
    ['PUT', '5', false, 1, { numerator: 100, denominator: 100 }],
  );
  assert.deepEqual(policyOf(`${CORS}, ${ROUTER}`, 'cluster: c', '', host).enabled, { numerator: 1, denominator: 100 });
  assert.equal(policyOf(`${CORS}, ${ROUTER}`), undefined);
});

test('the older places hold where no typed policy does', () => {
  const host = `cors: { ${ORIGINS}, allow_methods: GET, expose_headers: x }`;
  const own = policyOf(`${CORS}, ${ROUTER}`, 'cluster: c, cors: { allow_methods: PUT }', '', host);
  assert.deepEqual([own.allowMethods, own.exposeHeaders, own.allowOrigins.length], ['PUT', 'x', 1]);
  assert.deepEqual(briefly(config(`${CORS}, ${ROUTER}`, `cluster: c, cors: { ${ORIGINS} }`, typed(ORIGINS))), [
    `warning ${ROUTE}.route.cors: has no effect beside the policy in typed_per_filter_config`,
  ]);
});

test('weighted clusters have policies of their own', () => {
  const found = route(
    `${CORS}, ${ROUTER}`,
    `weighted_clusters: { clusters: [ { name: c, weight: 1, ${typed('allow_methods: PUT')} }, { name: c, weight: 1 } ] }`,
    typed(`${ORIGINS}, allow_methods: GET`),
  ).action as ForwardRecord;
  assert.ok(found.cluster.kind === 'weighted');
  assert.deepEqual(
    found.cluster.clusters.map(({ typedPerFilterConfig }) => (typedPerFilterConfig['cors'] as CorsRecord).allowMethods),
    ['PUT', 'GET'],
  );
});

test('mistakes of policies are said at their place', () => {
  const said = (action: string, more = '', filters = `${CORS}, ${ROUTER}`): string[] =>
    briefly(config(filters, action, more));
  assert.deepEqual(said('cluster: c', typed('allow_methods: GET')), [
    `warning ${ROUTE}.typed_per_filter_config["cors"]: allows no origin: add allow_origin_string_match`,
  ]);
  assert.deepEqual(said('cluster: c', typed(`${ORIGINS}, max_age: soon`)), [
    `error ${ROUTE}.typed_per_filter_config["cors"].max_age: "soon" is no number of seconds`,
  ]);
  assert.deepEqual(said(`cluster: c, cors: { ${ORIGINS} }`, '', ROUTER), [
    `warning ${ROUTE}.route.cors: has no effect: there is no cors filter in http_filters`,
  ]);
});

test('buffer and the bridge: limits, and what routes say of them', () => {
  const buffer = `{ name: buffer, typed_config: { "@type": ${TYPE}.buffer.v3.Buffer, max_request_bytes: 7 } }`;
  const perRoute = (fields: string): string =>
    `typed_per_filter_config: { buffer: { "@type": ${TYPE}.buffer.v3.BufferPerRoute, ${fields} } }`;
  assert.deepEqual(http(`${buffer}, ${ROUTER}`).filters[0]?.config, { maxRequestBytes: 7 });
  const of = (fields: string): unknown =>
    route(`${buffer}, ${ROUTER}`, 'cluster: c', perRoute(fields)).typedPerFilterConfig['buffer'];
  assert.deepEqual([of('disabled: true'), of('buffer: { max_request_bytes: 9 }')], [null, { maxRequestBytes: 9 }]);
  const bridge = `{ name: b, typed_config: { "@type": ${TYPE}.grpc_http1_bridge.v3.Config, ignore_query_parameters: true } }`;
  assert.deepEqual(http(`${bridge}, ${ROUTER}`).filters[0]?.config, {
    upgradeProtobuf: false,
    ignoreQuery: true,
    maxBytes: 1 << 20,
  });
  const at = `error ${HCM}.http_filters[0].typed_config`;
  assert.deepEqual(briefly(config(`${buffer.replace(': 7', ': 0')}, ${ROUTER}`)).slice(0, 1), [
    `${at}.max_request_bytes: must be a whole number from 1 to 4294967295, not 0`,
  ]);
});
