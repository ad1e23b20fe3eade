/** Transport sockets and listener filters by name alone: refused where that says nothing, or TLS would be plaintext. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { briefly, clusterWith, yaml } from '../../support/config-problems.js';

const chainWith = (socket: string): string =>
  yaml().replace('    - filters:', `    - transport_socket: { ${socket} }\n      filters:`);
const LISTENER = 'static_resources.listeners[0]';
const CLUSTER = 'static_resources.clusters[0]';
const TLS = 'name: envoy.transport_sockets.tls';
const PROXY = 'type.googleapis.com/envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport';

const REFUSED: readonly (readonly [string, string, string, string])[] = [
  [
    'TLS of a filter chain',
    chainWith(TLS),
    `${LISTENER}.filter_chains[0].transport_socket`,
    'envoy.transport_sockets.tls',
  ],
  [
    'TLS of a cluster',
    yaml({ cluster: clusterWith(`transport_socket: { ${TLS} }`) }),
    `${CLUSTER}.transport_socket`,
    'envoy.transport_sockets.tls',
  ],
  [
    'TLS of some endpoints',
    yaml({
      cluster: clusterWith(`transport_socket_matches: [ { name: m, match: { a: b }, transport_socket: { ${TLS} } } ]`),
    }),
    `${CLUSTER}.transport_socket_matches[0].transport_socket`,
    'envoy.transport_sockets.tls',
  ],
  [
    'TLS behind a PROXY preface',
    yaml({
      cluster: clusterWith(
        `transport_socket: { name: p, typed_config: { "@type": ${PROXY}, transport_socket: { ${TLS} } } }`,
      ),
    }),
    `${CLUSTER}.transport_socket.typed_config.transport_socket`,
    'envoy.transport_sockets.tls',
  ],
  [
    'the PROXY protocol of a listener',
    yaml({ listener: 'listener_filters: [ { name: envoy.filters.listener.proxy_protocol } ]' }),
    `${LISTENER}.listener_filters[0]`,
    'envoy.filters.listener.proxy_protocol',
  ],
];
for (const [what, text, path, name] of REFUSED)
  test(`refused without typed_config: ${what}`, () => {
    assert.deepEqual(briefly(text), [`error ${path}.typed_config: is required: ${name} says nothing without it`]);
  });

test('what is plain, and the inspector, need no typed_config', () => {
  const raw = 'transport_socket: { name: envoy.transport_sockets.raw_buffer }';
  assert.deepEqual(briefly(yaml({ cluster: clusterWith(raw) })), []);
  assert.deepEqual(briefly(chainWith('name: envoy.transport_sockets.raw_buffer')), []);
  const inspector = 'listener_filters: [ { name: envoy.filters.listener.tls_inspector } ]';
  assert.deepEqual(briefly(yaml({ listener: inspector })), []);
});

test('a transport socket without a name is told of that alone', () => {
  assert.deepEqual(briefly(chainWith('')), [
    `error ${LISTENER}.filter_chains[0].transport_socket: name is required in TransportSocket`,
  ]);
});
