/** Listeners to records: every field of the connection manager with its default, access logs in each of their forms. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HttpRecord, ListenerRecord } from '../../../engine/plan/records.js';
import { compiled, managerOf, yaml } from '../../support/config-problems.js';

function listener(pieces: Parameters<typeof yaml>[0] = {}): ListenerRecord & { readonly http: HttpRecord } {
  const found = compiled(yaml(pieces));
  return { ...(found.plan.listeners[0] as ListenerRecord), http: managerOf(found) };
}
/** more: fields of the connection manager, one per line. */
function manager(...more: string[]): HttpRecord {
  return listener({ manager: more.join('\n          ') }).http;
}

test("a connection manager of defaults has Envoy's", () => {
  const { metrics, routeConfig, filters, router, http2: _, ...record } = listener().http;
  assert.ok(metrics.counters >= 0 && filters.length === 0 && routeConfig.virtualHosts.length === 1);
  assert.equal(router.suppressEnvoyHeaders, false);
  assert.deepEqual(record, {
    statPrefix: 's',
    codecType: 'AUTO',
    useRemoteAddress: false,
    xffNumTrustedHops: 0,
    skipXffAppend: false,
    schemeToOverwrite: '',
    via: '',
    serverName: 'envoy',
    serverHeaderTransformation: 'OVERWRITE',
    internalCidrRanges: [],
    idleTimeoutMs: 3600000,
    streamIdleTimeoutMs: 300000,
    requestTimeoutMs: 0,
    requestHeadersTimeoutMs: 0,
    drainTimeoutMs: 5000,
    delayedCloseTimeoutMs: 1000,
    maxConnectionDurationMs: 0,
    maxStreamDurationMs: 0,
    maxRequestsPerConnection: 0,
    maxRequestHeadersBytes: 60 * 1024,
    maxHeadersCount: 100,
    headersWithUnderscoresAction: 'ALLOW',
    acceptHttp10: false,
    defaultHostForHttp10: '',
    allowAbsoluteUrl: true,
    normalizePath: false,
    mergeSlashes: false,
    pathWithEscapedSlashesAction: 'KEEP_UNCHANGED',
    stripMatchingHostPort: false,
    stripAnyHostPort: false,
    stripTrailingHostDot: false,
    generateRequestId: true,
    preserveExternalRequestId: false,
    alwaysSetRequestIdInResponse: false,
    upgrades: [],
    accessLogs: [],
    asksUpstreamAddress: false,
    asksTls: false,
    clientCert: { forward: 'SANITIZE', cert: false, chain: false, subject: false, uri: false, dns: false },
  });
});

test('times, with 0 for none; the common options come before the old spelling', () => {
  const http = manager(
    'idle_timeout: 9s',
    'stream_idle_timeout: 0s',
    'request_timeout: 1.5s',
    'request_headers_timeout: 2s',
    'drain_timeout: 3s',
    'delayed_close_timeout: 0s',
    'common_http_protocol_options: { max_connection_duration: 4s, max_stream_duration: 5s, max_requests_per_connection: 6, max_headers_count: 7, headers_with_underscores_action: REJECT_REQUEST }',
  );
  assert.deepEqual(
    [http.idleTimeoutMs, http.streamIdleTimeoutMs, http.requestTimeoutMs, http.requestHeadersTimeoutMs],
    [9000, 0, 1500, 2000],
  );
  assert.deepEqual(
    [http.drainTimeoutMs, http.delayedCloseTimeoutMs, http.maxConnectionDurationMs, http.maxStreamDurationMs],
    [3000, 0, 4000, 5000],
  );
  assert.deepEqual(
    [http.maxRequestsPerConnection, http.maxHeadersCount, http.headersWithUnderscoresAction],
    [6, 7, 'REJECT_REQUEST'],
  );
  const both = manager('idle_timeout: 9s', 'common_http_protocol_options: { idle_timeout: 0s }');
  assert.equal(both.idleTimeoutMs, 0);
});

test('who the client is, names, paths and protocol', () => {
  const http = manager(
    'use_remote_address: true',
    'xff_num_trusted_hops: 2',
    'skip_xff_append: true',
    'via: v',
    'server_name: x',
    'server_header_transformation: PASS_THROUGH',
    'internal_address_config: { cidr_ranges: [ { address_prefix: 10.0.0.0, prefix_len: 8 }, { address_prefix: "::1" } ] }',
    'path_with_escaped_slashes_action: IMPLEMENTATION_SPECIFIC_DEFAULT',
    'normalize_path: true',
    'merge_slashes: true',
    'strip_any_host_port: true',
    'strip_trailing_host_dot: true',
    'generate_request_id: false',
    'scheme_header_transformation: { scheme_to_overwrite: https }',
    'max_request_headers_kb: 8',
    'http_protocol_options: { accept_http_10: true, default_host_for_http_10: d, allow_absolute_url: false }',
    'upgrade_configs: [ { upgrade_type: WebSocket }, { upgrade_type: CONNECT, enabled: false } ]',
  );
  assert.deepEqual([http.useRemoteAddress, http.xffNumTrustedHops, http.skipXffAppend], [true, 2, true]);
  assert.equal(http.schemeToOverwrite, 'https');
  assert.deepEqual([http.via, http.serverName, http.serverHeaderTransformation], ['v', 'x', 'PASS_THROUGH']);
  assert.deepEqual(http.internalCidrRanges, ['10.0.0.0/8', '::1/0']);
  assert.equal(http.pathWithEscapedSlashesAction, 'KEEP_UNCHANGED');
  assert.deepEqual(
    [http.normalizePath, http.mergeSlashes, http.stripAnyHostPort, http.stripTrailingHostDot, http.generateRequestId],
    [true, true, true, true, false],
  );
  assert.deepEqual(
    [http.maxRequestHeadersBytes, http.acceptHttp10, http.defaultHostForHttp10, http.allowAbsoluteUrl],
    [8192, true, 'd', false],
  );
  assert.deepEqual(http.upgrades, [
    { type: 'websocket', enabled: true },
    { type: 'connect', enabled: false },
  ]);
});

test('listeners: what their socket is known by, and how it is opened', () => {
  const { key, address, reusePort, backlog, bufferLimitBytes, trafficDirection } = listener();
  assert.deepEqual([key, reusePort, backlog, trafficDirection], ['127.0.0.1:8000', false, 4096, 'UNSPECIFIED']);
  assert.deepEqual([address, bufferLimitBytes], [{ family: 4, host: '127.0.0.1', port: 8000 }, 1 << 20]);
  const set = listener({
    listener:
      'enable_reuse_port: true\n    tcp_backlog_size: 9\n    per_connection_buffer_limit_bytes: 4096\n    traffic_direction: OUTBOUND',
  });
  assert.deepEqual(
    [set.reusePort, set.backlog, set.bufferLimitBytes, set.trafficDirection],
    [true, 9, 4096, 'OUTBOUND'],
  );
  // Port 0 is another port for each listener: the name tells them apart.
  const free = compiled(yaml().replace('port_value: 8000', 'port_value: 0')).plan.listeners[0];
  assert.equal(free?.key, '127.0.0.1:0#l');
});

const FILE = 'type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog';
const STREAM = 'type.googleapis.com/envoy.extensions.access_loggers.stream.v3';

function logs(...typed: string[]): HttpRecord {
  const list = typed.map((each) => `{ name: l, typed_config: { "@type": ${each} } }`);
  return manager(`access_log: [ ${list.join(', ')} ]`);
}

test('access logs: where they go', () => {
  const { accessLogs } = logs(
    `${FILE}, path: /x`,
    `${FILE}, path: /dev/stdout`,
    `${FILE}, path: /dev/stderr`,
    `${STREAM}.StdoutAccessLog`,
    `${STREAM}.StderrAccessLog`,
  );
  assert.deepEqual(
    accessLogs.map(({ path }) => path),
    ['/x', '-', '=', '-', '='],
  );
  assert.deepEqual(accessLogs[0]?.format, { kind: 'text', text: '', omitEmptyValues: false });
});

test('access logs: text and JSON in every spelling, with the environment in place', () => {
  const format = (fields: string): unknown => logs(`${FILE}, path: /x, ${fields}`).accessLogs[0]?.format;
  const text = (value: string, omitEmptyValues = false): unknown => ({ kind: 'text', text: value, omitEmptyValues });
  assert.deepEqual(format('format: "%PROTOCOL%"'), text('%PROTOCOL%'));
  assert.deepEqual(format('log_format: { text_format: "a", omit_empty_values: true }'), text('a', true));
  assert.deepEqual(format('log_format: { text_format_source: { inline_string: "%ENVIRONMENT(SET)%" } }'), text('set'));
  const json = { kind: 'json', json: { a: ['set', 1], b: { c: '%PROTOCOL%' } }, omitEmptyValues: false };
  const written = '{ a: [ "%ENVIRONMENT(SET)%", 1 ], b: { c: "%PROTOCOL%" } }';
  for (const field of ['json_format', 'typed_json_format']) assert.deepEqual(format(`${field}: ${written}`), json);
  assert.deepEqual(format(`log_format: { json_format: ${written} }`), json);
});

test('the address of the upstream connection is asked for by logs and headers at every level', () => {
  const header = (name: string): string => `${name}: [ { header: { key: a, value: "x%UPSTREAM_LOCAL_ADDRESS%" } } ]`;
  const route = (more: string): HttpRecord => listener({ routes: `[ { match: { prefix: "/" }, ${more} } ]` }).http;
  assert.equal(logs(`${FILE}, path: /x, format: "%UPSTREAM_HOST%"`).asksUpstreamAddress, false);
  assert.equal(logs(`${FILE}, path: /x, format: "%UPSTREAM_LOCAL_PORT%"`).asksUpstreamAddress, true);
  assert.equal(logs(`${FILE}, path: /x, json_format: { a: [ "%UPSTREAM_LOCAL_PORT%" ] }`).asksUpstreamAddress, true);
  assert.equal(route(`route: { cluster: c }, ${header('response_headers_to_add')}`).asksUpstreamAddress, true);
  assert.equal(listener({ host: header('request_headers_to_add') }).http.asksUpstreamAddress, true);
  const weighted = `route: { weighted_clusters: { clusters: [ { name: c, weight: 1, ${header('request_headers_to_add')} } ] } }`;
  assert.equal(route(weighted).asksUpstreamAddress, true);
  assert.equal(route('route: { cluster: c }').asksUpstreamAddress, false);
});
