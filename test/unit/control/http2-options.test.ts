/** Options of HTTP/2 to records: of listeners and of clusters, in each of the places where Envoy has them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UNMEASURED } from '../../../engine/control/registry.js';
import { HTTP2_DEFAULTS } from '../../../engine/http2/options.js';
import type { ClusterRecord, Http2Record, HttpRecord } from '../../../engine/plan/records.js';
import { briefly, clusterWith, compiled, managerOf, yaml } from '../../support/config-problems.js';

const OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const C = 'static_resources.clusters[0]';

function manager(...more: string[]): HttpRecord {
  return managerOf(compiled(yaml({ manager: more.join('\n          ') })));
}
function typed(fields: string): string {
  return clusterWith(
    `typed_extension_protocol_options: { ${OPTIONS}: { "@type": type.googleapis.com/${OPTIONS}, ${fields} } }`,
  );
}
function cluster(fields: string): ClusterRecord {
  return compiled(yaml({ cluster: fields })).plan.clusters[0] as ClusterRecord;
}
function problems(fields: string): string[] {
  return briefly(yaml({ cluster: fields }));
}

const DEFAULTS: Omit<Http2Record, 'counters' | 'streamFlushTimeoutMs'> = {
  hpackTableSizeBytes: 4096,
  customSettings: [],
  maxConcurrentStreams: 1024,
  initialStreamWindowBytes: 16 << 20,
  initialConnectionWindowBytes: 24 << 20,
  allowConnect: false,
  maxOutboundFrames: 10000,
  maxOutboundControlFrames: 1000,
  maxConsecutiveInboundFramesWithEmptyPayload: 1,
  maxInboundPriorityFramesPerStream: 100,
  maxInboundWindowUpdateFramesPerDataFrameSent: 10,
  overrideStreamErrorOnInvalidHttpMessage: HTTP2_DEFAULTS.overrideStreamErrorOnInvalidHttpMessage,
  connectionKeepalive: { intervalMs: 0, timeoutMs: 0, jitterPercent: 15, connectionIdleIntervalMs: 0 },
};
const EACH = `hpack_table_size: 8192
            max_concurrent_streams: 50
            custom_settings_parameters: [ { identifier: 65027, value: 7 }, { identifier: 2, value: 0 } ]
            initial_stream_window_size: 65535
            initial_connection_window_size: 131072
            allow_connect: true
            max_outbound_frames: 20
            max_outbound_control_frames: 30
            max_consecutive_inbound_frames_with_empty_payload: 40
            max_inbound_priority_frames_per_stream: 60
            max_inbound_window_update_frames_per_data_frame_sent: 70
            override_stream_error_on_invalid_http_message: true
            connection_keepalive: { interval: 30s, timeout: 5s, interval_jitter: { value: 25 } }`;
const CHOSEN: typeof DEFAULTS = {
  hpackTableSizeBytes: 8192,
  customSettings: [65027, 7, 2, 0],
  maxConcurrentStreams: 50,
  initialStreamWindowBytes: 65535,
  initialConnectionWindowBytes: 131072,
  allowConnect: true,
  maxOutboundFrames: 20,
  maxOutboundControlFrames: 30,
  maxConsecutiveInboundFramesWithEmptyPayload: 40,
  maxInboundPriorityFramesPerStream: 60,
  maxInboundWindowUpdateFramesPerDataFrameSent: 70,
  overrideStreamErrorOnInvalidHttpMessage: true,
  connectionKeepalive: { intervalMs: 30000, timeoutMs: 5000, jitterPercent: 25, connectionIdleIntervalMs: 0 },
};

test("a connection manager that says nothing of HTTP/2 has Envoy's defaults", () => {
  const { counters, streamFlushTimeoutMs, ...rest } = manager().http2;
  assert.deepEqual(rest, DEFAULTS);
  assert.ok(counters >= 0);
  assert.equal(streamFlushTimeoutMs, 300000);
});

test('every option of a connection manager', () => {
  const { counters, streamFlushTimeoutMs, ...rest } = manager(
    'stream_flush_timeout: 9s',
    'http2_protocol_options:',
    `  ${EACH}`,
  ).http2;
  assert.deepEqual(rest, CHOSEN);
  assert.ok(counters >= 0);
  assert.equal(streamFlushTimeoutMs, 9000);
});

test('what can not be flushed waits as long as a stream may be idle', () => {
  assert.equal(manager('stream_idle_timeout: 3s').http2.streamFlushTimeoutMs, 3000);
});

test('codec_type', () => {
  assert.equal(manager().codecType, 'AUTO');
  assert.equal(manager('codec_type: HTTP2').codecType, 'HTTP2');
  assert.equal(manager('codec_type: HTTP1').codecType, 'HTTP1');
});

test('options of a protocol that codec_type rules out', () => {
  const told = (...more: string[]): string[] => briefly(yaml({ manager: more.join('\n          ') }));
  const at = 'static_resources.listeners[0].filter_chains[0].filters[0].typed_config';
  assert.deepEqual(told('codec_type: HTTP1', 'http2_protocol_options: {}'), [
    `warning ${at}.http2_protocol_options: has no effect with codec_type: HTTP1`,
  ]);
  assert.deepEqual(told('codec_type: HTTP2', 'http_protocol_options: { accept_http_10: true }'), [
    `warning ${at}.http_protocol_options: has no effect with codec_type: HTTP2`,
  ]);
  assert.deepEqual(told('http_protocol_options: {}', 'http2_protocol_options: {}'), []);
});

test('a cluster speaks HTTP/1.1 unless it says otherwise, and counts nothing of HTTP/2 then', () => {
  assert.equal(cluster(clusterWith('connect_timeout: 1s')).protocol, 'HTTP1');
  assert.equal(cluster(typed('explicit_http_config: { http_protocol_options: {} }')).protocol, 'HTTP1');
  assert.equal(cluster(clusterWith('connect_timeout: 1s')).http2.counters, UNMEASURED);
});

test('the ways to say HTTP/2', () => {
  const text = '{ max_concurrent_streams: 7 }';
  for (const fields of [
    typed(`explicit_http_config: { http2_protocol_options: ${text} }`),
    clusterWith(`http2_protocol_options: ${text}`),
  ]) {
    const { protocol, http2 } = cluster(fields);
    assert.equal(protocol, 'HTTP2');
    assert.ok(http2.counters >= 0);
    assert.deepEqual(
      { ...http2, counters: 0 },
      { ...DEFAULTS, maxConcurrentStreams: 7, counters: 0, streamFlushTimeoutMs: 300000 },
    );
  }
});

test('the ways to speak as the client does', () => {
  for (const fields of [
    typed('use_downstream_protocol_config: { http2_protocol_options: { max_concurrent_streams: 7 } }'),
    clusterWith('protocol_selection: USE_DOWNSTREAM_PROTOCOL, http2_protocol_options: { max_concurrent_streams: 7 }'),
  ]) {
    const { protocol, http2 } = cluster(fields);
    assert.equal(protocol, 'DOWNSTREAM');
    assert.equal(http2.maxConcurrentStreams, 7);
  }
});

test('auto_config without TLS has nothing that could negotiate', () => {
  assert.deepEqual(problems(typed('auto_config: {}')), [
    `error ${C}.typed_extension_protocol_options["${OPTIONS}"].auto_config: TLS negotiates the protocol (ALPN), so it needs a transport_socket of TLS; without TLS write explicit_http_config: { http2_protocol_options: {} }`,
  ]);
});

test('options in two places', () => {
  assert.deepEqual(
    problems(`${typed('explicit_http_config: { http2_protocol_options: {} }')}, http2_protocol_options: {}`),
    [`error ${C}.http2_protocol_options: has no effect beside typed_extension_protocol_options: put it in there`],
  );
  assert.deepEqual(problems(clusterWith('http_protocol_options: {}, http2_protocol_options: {}')), [
    `error ${C}.http_protocol_options: has no effect beside http2_protocol_options, unless protocol_selection is USE_DOWNSTREAM_PROTOCOL`,
  ]);
});

test('what is out of range, unknown or not supported', () => {
  const http2 = (fields: string): string[] => problems(clusterWith(`http2_protocol_options: { ${fields} }`));
  const at = `${C}.http2_protocol_options`;
  assert.deepEqual(http2('initial_stream_window_size: 65534'), [
    `error ${at}.initial_stream_window_size: must be a whole number from 65535 to 2147483647, not 65534`,
  ]);
  assert.deepEqual(http2('max_concurrent_stream: 1'), [
    `error ${at}.max_concurrent_stream: unknown field max_concurrent_stream in Http2ProtocolOptions; did you mean max_concurrent_streams?`,
  ]);
  assert.deepEqual(http2('connection_keepalive: { interval: 1s }'), [
    `error ${at}.connection_keepalive: timeout is required in KeepaliveSettings`,
  ]);
  assert.deepEqual(
    http2('override_stream_error_on_invalid_http_message: true, stream_error_on_invalid_http_messaging: true'),
    [
      `error ${at}.stream_error_on_invalid_http_messaging: is the old name of override_stream_error_on_invalid_http_message`,
    ],
  );
});

test('what only the other role has a use for', () => {
  const idle = 'http2_protocol_options: { connection_keepalive: { timeout: 1s, connection_idle_interval: 7s } }';
  assert.deepEqual(briefly(yaml({ manager: idle })), [
    'error static_resources.listeners[0].filter_chains[0].filters[0].typed_config.http2_protocol_options.connection_keepalive.connection_idle_interval: is for clusters: its PING goes ahead of streams that we open; for clients write interval',
  ]);
  assert.equal(cluster(clusterWith(idle)).http2.connectionKeepalive.connectionIdleIntervalMs, 7000);
  assert.deepEqual(problems(clusterWith('http2_protocol_options: { allow_connect: true }')), [
    `warning ${C}.http2_protocol_options.allow_connect: has no effect here: whether an origin takes extended CONNECT is what its SETTINGS say (RFC 8441 §3)`,
  ]);
  assert.deepEqual(problems(clusterWith('http2_protocol_options: { allow_connect: false }')), []);
});

test('custom_settings_parameters can not announce what is not so', () => {
  const one = (...parameters: string[]): string =>
    problems(clusterWith(`http2_protocol_options: { custom_settings_parameters: [ ${parameters.join(', ')} ] }`)).join(
      '\n',
    );
  const set = (identifier: number, value: number): string => `{ identifier: ${identifier}, value: ${value} }`;
  assert.match(one(set(1, 4096)), /identifier: 1 is what is announced anyway; write hpack_table_size$/);
  assert.match(one(set(3, 1)), /write max_concurrent_streams$/);
  assert.match(one(set(4, 65535)), /write initial_stream_window_size$/);
  assert.match(one(set(5, 65536)), /frames of 16,384 bytes are taken at most$/);
  assert.match(one(set(6, 1)), /max_response_headers_kb of a cluster$/);
  assert.match(one(set(8, 1)), /write allow_connect$/);
  assert.match(one(set(2, 1)), /custom_settings_parameters\[0\]\.value: server push is not spoken/);
  assert.match(one(set(9, 1), set(9, 1)), /\[1\]\.identifier: 9 is here twice$/);
  assert.match(one('{ identifier: 9 }'), /value is required/);
  assert.match(one(set(65536, 1)), /from 0 to 65535/);
});

// Every field of these messages that Envoy has is honoured, or refused with a reason.
test('options of HTTP/1.1 for clusters: what is not for them says why', () => {
  const http1 = (field: string): string =>
    problems(typed(`explicit_http_config: { http_protocol_options: { ${field} } }`)).join('\n');
  for (const field of ['enable_trailers: true', 'allow_chunked_length: false', 'use_balsa_parser: false'])
    assert.equal(http1(field), '', field);
  for (const field of [
    'allow_absolute_url: true',
    'accept_http_10: true',
    'default_host_for_http_10: a',
    'allow_custom_methods: true',
  ])
    assert.match(http1(field), /it is for requests of clients: write it in the connection manager/);
  assert.match(http1('enable_trailers: false'), /only true is supported here: trailers are always passed on/);
  assert.match(http1('allow_chunked_length: true'), /always refused/);
  assert.match(http1('send_fully_qualified_url: true'), /absolute URLs are for proxies/);
  assert.match(http1('override_stream_error_on_invalid_http_message: true'), /such connections are always closed/);
  assert.match(http1('header_key_format: {}'), /header_key_format of Http1ProtocolOptions is known to Envoy/);
});
