/** tcp_proxy and the PROXY protocol: records, and the mistakes that a config can make with them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SnapshotPlan } from '../../../engine/plan/records.js';
import { briefly, clusterWith, compiled, yaml } from '../../support/config-problems.js';

const TYPE = 'type.googleapis.com/envoy.extensions';

/** One listener, with these fields of tcp_proxy and these listener filters. */
function text(proxy: string, filters = '', cluster = clusterWith('type: STATIC')): string {
  return `static_resources:
  listeners:
  - address: { socket_address: { address: 127.0.0.1, port_value: 1234 } }
    listener_filters: [${filters}]
    filter_chains:
    - filters:
      - name: envoy.filters.network.tcp_proxy
        typed_config: { "@type": ${TYPE}.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: t, ${proxy} }
  clusters:
  - { name: origin, ${cluster} }
`;
}

const PROXY_IN = `{ name: p, typed_config: { "@type": ${TYPE}.filters.listener.proxy_protocol.v3.ProxyProtocol } }`;
const PROXY_OUT = `transport_socket: { name: u, typed_config: { "@type": ${TYPE}.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport, config: { version: V2 }, transport_socket: { name: envoy.transport_sockets.raw_buffer } } }`;

const planOf = (document: string): SnapshotPlan => compiled(document).plan;

test('fields and their defaults', () => {
  const [listener] = planOf(text('cluster: origin')).listeners;
  const filter = listener?.chains[0]?.filter;
  assert.ok(filter?.kind === 'tcp_proxy');
  const { metrics: _, ...record } = filter.tcp;
  assert.deepEqual(record, {
    statPrefix: 't',
    clusters: [{ name: 'origin', weight: 1 }],
    idleTimeoutMs: 3600000,
    maxDownstreamConnectionDurationMs: 0,
    maxConnectAttempts: 1,
    hashesSourceAddress: false,
    accessLogs: [],
  });
  assert.equal(listener?.inspection.proxyProtocol, null);
});

test('the PROXY protocol, in and out', () => {
  const plan = planOf(text('cluster: origin', PROXY_IN, clusterWith(PROXY_OUT)));
  assert.deepEqual(plan.listeners[0]?.inspection.proxyProtocol, { allowsOthers: false, versions: [1, 2] });
  assert.deepEqual(plan.clusters[0]?.proxyProtocol, { version: 2 });
  const one = PROXY_IN.replace('.ProxyProtocol }', '.ProxyProtocol, disallowed_versions: [V1] }');
  assert.deepEqual(planOf(text('cluster: origin', one)).listeners[0]?.inspection.proxyProtocol?.versions, [2]);
});

test('mistakes', () => {
  const wrong = (proxy: string): string => briefly(text(proxy)).join('\n');
  assert.match(wrong('cluster: orign'), /there is no cluster "orign"; did you mean origin\?/);
  assert.match(
    wrong('weighted_clusters: { clusters: [ { name: nobody, weight: 1 } ] }'),
    /there is no cluster "nobody"/,
  );
  assert.match(wrong('weighted_clusters: { clusters: [ { name: origin } ] }'), /weight is required/);
  assert.match(wrong('max_connect_attempts: 1'), /cluster/);
  assert.match(wrong('cluster: origin, tunneling_config: { hostname: a }'), /tunneling_config/);
});

test('a connection has one preface', () => {
  assert.deepEqual(briefly(text('cluster: origin', `${PROXY_IN}, ${PROXY_IN}`)), [
    'error static_resources.listeners[0].listener_filters[1]: there is a filter of the PROXY protocol already',
  ]);
});

test('behind the preface there may be TLS, and requests', () => {
  const tls = PROXY_OUT.replace(
    'name: envoy.transport_sockets.raw_buffer',
    `name: t, typed_config: { "@type": ${TYPE}.transport_sockets.tls.v3.UpstreamTlsContext, sni: a.example }`,
  );
  const [cluster] = planOf(yaml({ cluster: clusterWith(tls) })).clusters;
  assert.deepEqual(cluster?.proxyProtocol, { version: 2 });
  assert.equal(cluster?.tls?.sni, 'a.example');
});
